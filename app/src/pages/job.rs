//! The page of one job: what was searched, how far it is, how it ran, and what was found.
//!
//! Owns the order of the parts. While a search runs its steps come first; once it has completed they
//! fold away and the results do.

use std::sync::Arc;

use elb_core::{
    job::Found,
    phase::Phase,
    search::{OPTIONS, SearchSpec, Strand, display_command},
    text,
    view::{JobDetail, JobRow},
};
use leptos::{either::Either, prelude::*};
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::parts::{Age, DeleteDialog, missing_job, span_in_words};
use crate::{
    components::{job_status::JobStatus, time::When},
    data::{page_context, planned_command},
    islands::{forms::PageTools, live::JobLive},
};

mod log;
mod results;

use log::LogPart;
use results::ResultsPart;

/// The page.
#[component]
pub fn JobPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    let context = page_context();
    // Before the job is read: a change in between is then heard of twice rather than never.
    let revision = context.service.revision();
    let detail = match context.service.detail(&context.caller, &id) {
        Ok(detail) => JobDetail::clone(&detail),
        Err(error) => return missing_job(&context, &id, &error),
    };
    let row = detail.row.clone();
    let now = context.service.now();
    let completed = row.phase == Phase::Completed;
    let results = completed.then(|| view! { <ResultsPart detail=detail.clone()/> });
    let active = row.phase.is_active();
    // What would be run here is not what was run elsewhere.
    let command = detail.imported.is_none();
    let command = command.then(|| view! { <Command detail=detail.clone()/> });
    view! {
        <Title text=row.title.clone()/>
        <div class="page-head">
            <h1>{row.title.clone()}</h1>
            <p class="fresh">
                <span id="live" role="status">"As of " <When at=now/></span>
                <Age/>
                <span id="job-said" class="hidden-text" role="status"></span>
            </p>
        </div>
        <Facts detail=detail.clone()/>
        <div class="actions job-actions">
            <a class="button" href=format!("/search?from={id}")>"Duplicate"</a>
            <a
                class="button danger"
                href=format!("/jobs/{id}/delete")
                data-delete=id.clone()
                data-title=row.title.clone()
                data-active=active.then_some("")
            >
                "Delete…"
            </a>
        </div>
        <p id="gone" class="box warning" role="alert" hidden>
            "This search has been deleted. Load the page anew to see until when it can be restored."
        </p>
        <section
            id="job-status"
            aria-label="State"
            data-job=id.clone()
            data-revision=revision.to_string()
            data-version=row.version.to_string()
            data-phase=row.phase.as_str()
        >
            <JobStatus state=detail.state() now=now/>
        </section>
        {results}
        {command}
        <LogPart id=id.clone() active=active open=!completed/>
        <HistoryPart id=id.clone()/>
        <DeleteDialog/>
        <PageTools/>
        {active.then(|| view! { <JobLive/> })}
    }
    .into_any()
}

/// Where every change of the search is told.
#[component]
fn HistoryPart(id: String) -> impl IntoView {
    view! {
        <section class="fold" aria-labelledby="history-title">
            <h2 id="history-title">"History"</h2>
            <p>
                <a href=format!("/jobs/{id}/history")>"Every change of this search"</a>
                ": when, in which attempt, what happened, and who asked for it ("
                <a href=format!("/api/blast/jobs/{id}/history")>"as JSON"</a> ")."
            </p>
        </section>
    }
}

/// Until when the search is kept, where it is not kept for ever.
#[component]
fn Kept(row: Arc<JobRow>) -> impl IntoView {
    let retention = page_context().service.retention();
    let kept = retention.jobs?;
    let until = match retention.deleted_at(&row) {
        Some(at) => Either::Left(view! { "until " <When at=at/> "; then it is deleted by itself" }),
        None => Either::Right(format!(
            "for {} after its end; then it is deleted by itself",
            span_in_words(kept)
        )),
    };
    Some(view! {
        <dt>"Kept"</dt>
        <dd id="kept">{until}</dd>
    })
}

/// What was searched, where and how.
#[component]
fn Facts(detail: JobDetail) -> impl IntoView {
    let (row, spec) = (&detail.row, &detail.spec);
    let unit = row.program.query_molecule().unit();
    let database = &detail.database_facts;
    let imported = detail.imported.is_some();
    let followed = detail.imported.as_ref();
    let followed = followed.is_some_and(|imported| imported.found.is_some());
    // What others have asked for is in their options.
    let task = spec.task().filter(|_| !followed);
    let task = task.map(|task| format!(", task {}", task.as_str()));
    let query = format!(
        "{}, {} {unit}",
        text::counted(detail.query.records, "sequence", "sequences"),
        text::count(detail.query.letters),
    );
    let query = if imported {
        Either::Left(
            view! { "not kept here " <span class="id">{detail.query.first_id.clone()}</span> },
        )
    } else {
        Either::Right(view! {
            {query} ", first " <span class="id">{detail.query.first_id.clone()}</span> " "
            <a href=format!("/api/blast/jobs/{}/query", row.id) download="">"FASTA"</a>
        })
    };
    // A list of files in a store does not tell.
    let size = if database.sequences == 0 {
        String::new()
    } else {
        format!(
            ", {}, {} {}",
            text::counted(database.sequences, "sequence", "sequences"),
            text::count(database.letters),
            row.program.database_molecule().unit()
        )
    };
    let known = !imported || database.sequences > 0;
    let size = known.then(|| {
        view! { {size} ", version " <span class="id">{database.version.clone()}</span> }
    });
    let options = chosen_options(spec);
    let external = detail.imported.as_ref();
    let external = external.and_then(|imported| imported.found.as_ref());
    let external = external.is_some_and(Found::is_external);
    let options = if external {
        "not told by the external plane".to_owned()
    } else if followed && detail.command.is_empty() {
        "not told by its objects on the cluster".to_owned()
    } else if followed {
        detail.command.join(" ")
    } else if options.is_empty() {
        "all at their defaults".to_owned()
    } else {
        options.join(", ")
    };
    let found = detail.imported.clone().and_then(|imported| imported.found);
    let found = found.map(|found| {
        view! {
            <dt>"Found on"</dt>
            <dd>{found.in_words()} ", started there by somebody else"</dd>
        }
    });
    let chosen = detail.wanted_place.is_some();
    let place = detail.place.clone().or(detail.wanted_place.clone());
    let place = place.map(|place| {
        view! {
            <dt>"Runs on"</dt>
            <dd>
                <a href="/clusters">"cluster " <span class="id">{place.cluster}</span></a>
                ", namespace " <span class="id">{place.namespace}</span>
                {chosen.then_some(", as was chosen")}
            </dd>
        }
    });
    let version = detail.blast_version.clone().map(|version| {
        view! {
            <dt>"BLAST+"</dt>
            <dd>{version}</dd>
        }
    });
    view! {
        <dl class="facts">
            <dt>"Program"</dt>
            <dd>{row.program.as_str()} {task}</dd>
            <dt>"Query"</dt>
            <dd>{query}</dd>
            <dt>"Database"</dt>
            <dd>
                {database.title.clone()} " (" <span class="id">{row.database.clone()}</span> ")" {size}
            </dd>
            <dt>"Options"</dt>
            <dd>{options}</dd>
            <dt>"Submitted"</dt>
            <dd>
                <When at=row.created_at/>
            </dd>
            <Kept row=row.clone()/>
            {found} {place} {version}
            <dt>"Identifier"</dt>
            <dd>
                <span class="id" id="job-id">{row.id.clone()}</span> " "
                <button type="button" class="needs-js small" data-copy="job-id">"Copy"</button>
            </dd>
        </dl>
    }
}

/// The options that were set, in the words of the form.
fn chosen_options(spec: &SearchSpec) -> Vec<String> {
    let set = OPTIONS.iter().filter_map(|option| {
        let value = spec.options.get(option.key)?;
        let usual = option.key == "strand" && spec.options.strand == Some(Strand::Both);
        (!usual).then(|| format!("{} {value}", option.label))
    });
    set.collect()
}

/// The exact command, as one batch runs it.
#[component]
fn Command(detail: JobDetail) -> impl IntoView {
    let written = (!detail.command.is_empty()).then(|| display_command(&detail.command));
    let planned = written
        .is_none()
        .then(|| planned_command(&page_context(), &detail.spec))
        .flatten();
    let note = match (&written, &planned) {
        (Some(_), _) => {
            "This is what is run for each batch of the query. It is shown as a shell would need it; no shell is used."
        }
        (None, Some(_)) => {
            "This is what will be run for each batch of the query; it is written down in the step “Plan the search”."
        }
        (None, None) => {
            "No command: the database is no longer there, or the search does not fit it."
        }
    };
    let line = written.or(planned).unwrap_or_default();
    view! {
        <section aria-labelledby="command-title">
            <h2 id="command-title">"Command"</h2>
            <pre id="command" class="command" tabindex="0">{line}</pre>
            <p class="quiet">
                {note} " "
                <button type="button" class="needs-js small" data-copy="command">"Copy"</button>
            </p>
        </section>
    }
}
