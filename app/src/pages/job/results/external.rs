//! The files with the results of a search that the external plane ran: passed on by this server.

use elb_core::{external::ExternalFile, text, view::JobDetail};
use elb_engine::service::FilesNow;
use leptos::prelude::*;

use crate::data::page_context;

/// The list; nothing if the plane has no part in this search.
pub(super) fn files(detail: &JobDetail) -> Option<AnyView> {
    let id = detail.row.id.as_str();
    let line = match page_context().service.external_files_now(detail)? {
        FilesNow::Known(files) => return Some(list(id, &files)),
        FilesNow::Asked => "The external plane is being asked for its files. ".to_owned(),
        FilesNow::Away(why) => format!("{}. ", capitalised(&why)),
    };
    let again = format!("/jobs/{id}#results");
    Some(
        view! {
            <p class="box" role="note">
                {line} <a href=again>"Look again"</a>
            </p>
        }
        .into_any(),
    )
}

fn list(id: &str, files: &[ExternalFile]) -> AnyView {
    let rows = files.iter().map(|file| {
        let href = format!("/api/blast/jobs/{id}/files/{}", file.id);
        let facts = [file.format.clone(), file.size.map(text::bytes)];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        view! {
            <li>
                <a href=href download="">{file.name.clone()}</a>
                <span class="quiet">" " {facts.join(", ")}</span>
            </li>
        }
    });
    view! {
        <ul class="downloads" id="external-files">
            {rows.collect_view()}
        </ul>
    }
    .into_any()
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}
