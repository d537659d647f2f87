//! New search: one column in three parts, what, where and how.
//!
//! Owns where the form's values come from: a form that came back, an older search, an example, or the
//! address. Works without scripts; with them it checks as one types.

use elb_core::{
    database::{Database, Origin},
    search::from_form,
    text,
};
use leptos::prelude::*;
use leptos_meta::Title;

use super::parts::Problems;
use crate::{
    data::{PageContext, page_context, planned_command},
    islands::forms::{PageTools, SearchForm},
};

mod fields;
mod options;
mod source;

use fields::{DatabaseChoice, PlaceChoice, ProgramChoice, QueryField};
use options::OptionFields;
use source::{Filled, fill};

/// The page.
#[component]
pub fn SearchPage() -> impl IntoView {
    let context = page_context();
    let form = Suspend::new(async move {
        let filled = fill(&context).await;
        view! { <Form filled=filled context=context/> }
    });
    view! {
        <Title text="New search"/>
        <div class="page-head">
            <h1>"New search"</h1>
        </div>
        <Suspense fallback=|| ()>{form}</Suspense>
        <PageTools/>
    }
}

#[component]
fn Form(filled: Filled, context: PageContext) -> impl IntoView {
    let (spec, _) = from_form(&filled.pairs);
    let databases = context.service.catalogue().list();
    let command = planned_command(&context, &spec).unwrap_or_else(|| {
        "The command is shown once database and options fit together.".to_owned()
    });
    let program = spec.program;
    let notes = filled
        .notes
        .iter()
        .cloned()
        .map(|note| view! { <p class="box warning" role="note">{note}</p> });
    let passed = (filled.checked && filled.problems.is_empty()).then(|| {
        view! { <p class="box good" role="status">"Nothing speaks against this search. Run it below."</p> }
    });
    let summary = if filled.problems.is_empty() {
        String::new()
    } else {
        "The search cannot be started yet.".to_owned()
    };
    let value = |name: &str| filled.value(name).to_owned();
    let most = context.settings.max_query_bytes;
    view! {
        <Problems summary=summary problems=filled.problems.clone()/>
        {notes.collect_view()}
        {passed}
        <Examples databases=databases.clone()/>
        <form
            id="search-form"
            class="search"
            method="post"
            action="/search"
            enctype="multipart/form-data"
            data-max-query=most.to_string()
            data-pristine=filled.pristine.then_some("")
            novalidate
        >
            <input type="hidden" name="key" value=fresh_key()/>
            <section class="part" aria-labelledby="what">
                <h2 id="what">"What"</h2>
                <ProgramChoice program=program/>
                <QueryField filled=filled.clone() program=program most=most/>
            </section>
            <section class="part" aria-labelledby="where">
                <h2 id="where">"Where"</h2>
                <DatabaseChoice databases=databases.clone() spec=spec.clone() filled=filled.clone()/>
                <PlaceChoice filled=filled.clone()/>
            </section>
            <section class="part" aria-labelledby="how">
                <h2 id="how">"How"</h2>
                <OptionFields spec=spec.clone() filled=filled.clone() databases=databases/>
                <div class="field">
                    <label for="extra">"More options, as text"</label>
                    <input id="extra" name="extra" value=value("extra") autocomplete="off" spellcheck="false"/>
                    <p class="hint">
                        "As on BLAST+'s command line, for example " <code>"-evalue 1e-5 -dust no"</code>
                        ". Only options of this form are taken; anything else is refused with the reason."
                    </p>
                    <FieldProblem field="extra" filled=filled.clone()/>
                </div>
                <div class="field">
                    <label for="title">"Title"</label>
                    <input id="title" name="title" value=value("title") maxlength="200"/>
                    <p class="hint">"For the list of searches. Made from the query if empty."</p>
                    <FieldProblem field="title" filled=filled.clone()/>
                </div>
            </section>
            <section class="part" aria-labelledby="command-title">
                <h2 id="command-title">"Command"</h2>
                <pre id="command" class="command" tabindex="0">{command}</pre>
                <p class="quiet">
                    "This is what BLAST+ will be run with for each batch of the query. It is shown as a shell would need it; no shell is used."
                </p>
            </section>
            <div class="actions run-bar">
                <button type="submit" id="run" class="primary" name="action" value="run">"Run BLAST"</button>
                <button type="submit" class="no-js" name="action" value="check">"Check without running"</button>
                <span id="sending" role="status"></span>
                <progress id="sent-progress" value="0" max="1" aria-label="Sent so far" hidden></progress>
                <span id="draft-note" class="quiet" role="status"></span>
                <button type="button" id="discard-draft" class="small" hidden>"Begin anew"</button>
            </div>
        </form>
        <SearchForm/>
    }
}

/// The problems of one field, under it.
#[component]
fn FieldProblem(field: &'static str, filled: Filled) -> impl IntoView {
    let own: Vec<String> = filled
        .problems
        .iter()
        .filter(|problem| problem.field == field)
        .map(|problem| problem.message.clone())
        .collect();
    let none = own.is_empty();
    view! { <p class="problem" data-field=field hidden=none>{own.join(" ")}</p> }
}

/// Searches to try, each with a real query of its database.
#[component]
fn Examples(databases: Vec<Database>) -> impl IntoView {
    /// More would be a list of databases, which is a page of its own.
    const SHOWN: usize = 4;
    let usable = databases
        .into_iter()
        .filter(|database| database.problem.is_none())
        // Nothing can be read of one that is not here.
        .filter(|database| !matches!(database.origin, Origin::Store { .. }));
    let links: Vec<_> = usable
        .take(SHOWN)
        .map(|database| {
            let program = match database.molecule {
                elb_core::molecule::Molecule::Nucleotide => "blastn",
                elb_core::molecule::Molecule::Protein => "blastp",
            };
            let mut link = format!("/search?program={program}&example=");
            elb_core::list::percent_encode(&database.name, &mut link);
            let words = format!(
                "{program} with sequences of {}",
                text::cap(&database.title, 60)
            );
            view! {
                <li>
                    <a href=link>{words}</a>
                </li>
            }
        })
        .collect();
    (!links.is_empty()).then(|| {
        view! {
            <details class="examples">
                <summary>"Fill in an example"</summary>
                <ul>{links}</ul>
            </details>
        }
    })
}

/// A key for this showing of the form: sent twice, it makes one search.
fn fresh_key() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
