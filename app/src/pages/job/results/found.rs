//! The results of a search that others ran on a cluster: its files, and its hits once they were read from them.

use elb_core::{text, view::JobDetail};
use elb_engine::{
    clusters::ResultFile,
    results::others::format_name,
    service::{FoundHits, FoundNow, FoundResults, ServiceError},
};
use leptos::prelude::*;

use super::{address::Address, downloads::Downloads, external::capitalised, show};
use crate::data::{PageContext, address_query, page_context, set_status, status_of};

/// The most files that the page lists (ours); the API has all.
const LISTED: usize = 200;

/// The part of the page.
pub(super) fn view(detail: JobDetail, files: Option<AnyView>) -> AnyView {
    let imported = detail.imported.clone();
    let place = imported.as_ref().map(|imported| imported.results.clone());
    let cluster = imported
        .and_then(|imported| imported.found)
        .map(|found| found.cluster);
    let context = page_context();
    let address = Address::parse(&address_query());
    let shown = async move { body(context, detail, address).await };
    let body = Suspend::new(shown);
    view! {
        <section id="results" aria-labelledby="results-title">
            <h2 id="results-title">"Results"</h2>
            <p class="quiet">
                "This search was found on cluster " {cluster}
                ". Its results are read where it has put them: " <span class="id">{place}</span>
            </p>
            {files}
            <Suspense fallback=|| ()>{body}</Suspense>
        </section>
    }
    .into_any()
}

async fn body(
    context: PageContext,
    detail: JobDetail,
    address: Result<Address, String>,
) -> AnyView {
    let id = detail.row.id.clone();
    let found = match context.service.found_results_now(&detail).await {
        Some(FoundNow::Known(found)) => found,
        Some(FoundNow::Away(why)) => {
            return note(&id, "failure", format!("{}. ", capitalised(&why)));
        }
        Some(FoundNow::Asked) | None => {
            let words = "The place of its results is being asked for its files. ";
            return note(&id, "", words.to_owned());
        }
    };
    let approximate = found
        .approximate
        .clone()
        .filter(|_| found.hits != FoundHits::Here);
    let approximate =
        approximate.map(|words| view! { <p class="box warning" role="note">{words}</p> });
    let hits = match &found.hits {
        FoundHits::Here => hits(context, detail, address).await,
        FoundHits::Reading => {
            let words = "Its hits are being read from these files; they show here once they were. ";
            note(&id, "", words.to_owned())
        }
        FoundHits::Not(why) => {
            let words = format!("Its hits cannot be shown here: {why}.");
            view! { <p class="box" role="note" id="no-index">{words}</p> }.into_any()
        }
        FoundHits::Failed(why) => {
            let words = format!("Its hits cannot be read: {why}. It is tried again in a minute. ");
            note(&id, "failure", words)
        }
    };
    let files = list(&id, &found);
    view! { {approximate} {hits} {files} }.into_any()
}

/// Something that will be otherwise later.
fn note(id: &str, kind: &'static str, words: String) -> AnyView {
    let again = format!("/jobs/{id}#results");
    view! {
        <p class=format!("box {kind}") role=if kind.is_empty() { "note" } else { "alert" }>
            {words} <a href=again>"Look again"</a>
        </p>
    }
    .into_any()
}

/// The usual pages, and what must be said of them.
async fn hits(
    context: PageContext,
    detail: JobDetail,
    address: Result<Address, String>,
) -> AnyView {
    let (id, program) = (detail.row.id.clone(), detail.row.program);
    let path = format!("/jobs/{id}");
    let address = match address {
        Ok(address) => address,
        Err(why) => {
            set_status(400);
            return view! {
                <p class="box failure" role="alert">
                    {why} " " <a href=path>"Show the results as they are"</a>
                </p>
            }
            .into_any();
        }
    };
    let failed = |error: ServiceError| {
        set_status(status_of(&error));
        view! { <p class="box failure" role="alert">{error.to_string()}</p> }.into_any()
    };
    let notes = context
        .service
        .hits(&context.caller, &id, |index| index.notes())
        .await;
    let notes = match notes {
        Ok(notes) => notes,
        Err(error) => return failed(error),
    };
    let notes = notes
        .into_iter()
        .map(|note| view! { <p class="box warning" role="note">{note}</p> })
        .collect_view();
    let body = show(context, detail, address, path).await;
    let body = body.unwrap_or_else(failed);
    view! {
        {notes}
        {body}
        <Downloads id=id program=program has_database=false has_archive=false/>
    }
    .into_any()
}

/// The files as BLAST+ has written them.
fn list(id: &str, found: &FoundResults) -> AnyView {
    let files = &found.listing.files;
    let base = format!("/api/blast/jobs/{id}/results");
    let joined = match &found.not_joined {
        None => view! {
            <li>
                <a href=format!("{base}/joined") download="">"All results in one file"</a>
                <span class="quiet">" joined, not compressed"</span>
            </li>
        }
        .into_any(),
        Some(why) => {
            view! { <li class="quiet">{format!("Not in one file: {why}.")}</li> }.into_any()
        }
    };
    let format = found.format.map(format_name);
    let format = format.unwrap_or_else(|| "nothing tells their format".to_owned());
    let shown = files.len().min(LISTED);
    let more = (files.len() > shown || !found.listing.all).then(|| {
        let words = format!(
            "{} of {}{} files are listed here; ",
            text::count(shown as u64),
            if found.listing.all { "" } else { "more than " },
            text::count(files.len() as u64)
        );
        view! {
            <p class="quiet">{words} <a href=format!("{base}/files")>"all as JSON"</a></p>
        }
    });
    let rows = files.iter().take(LISTED).map(|file| row(&base, file));
    view! {
        <details class="fold" id="result-files" open=found.hits != FoundHits::Here>
            <summary>
                <h3>{format!("Files of its results ({})", text::count(files.len() as u64))}</h3>
            </summary>
            <p class="quiet">{format!("As BLAST+ has written them: {format}.")}</p>
            <ul class="downloads">{joined} {rows.collect_view()}</ul>
            {more}
        </details>
    }
    .into_any()
}

fn row(base: &str, file: &ResultFile) -> impl IntoView + use<> {
    let name: String = form_urlencoded::byte_serialize(file.name.as_bytes()).collect();
    let packed = format!("{base}/file?name={name}");
    let plain = format!("{packed}&as=plain");
    view! {
        <li>
            <a href=packed download="">{file.name.clone()}</a>
            <span class="quiet">{format!(" {}, ", text::bytes(file.bytes))}</span>
            <a href=plain download="">"as plain text"</a>
        </li>
    }
}
