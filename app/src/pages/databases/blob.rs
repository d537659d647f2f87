//! The databases in an object store: a group of their own, with its age and what went wrong.
//!
//! They lead to the search form only if searches run where they can be brought to: on clusters.

use std::time::Duration;

use elb_core::{
    database::{Readiness, RemoteDatabase, RemoteList},
    molecule::Molecule,
    text,
};
use leptos::prelude::*;

use crate::{components::time::When, data::page_context};

/// How long the page waits for the first look; later ones are answered from memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// The group; nothing if no object store is set.
#[component]
pub(super) fn BlobDatabases() -> impl IntoView {
    let blob = page_context().service.catalogue().blob().cloned();
    let elsewhere = page_context().service.catalogue().is_elsewhere();
    blob.map(|blob| {
        let group = Suspend::new(async move {
            let list = blob.list(PATIENCE).await;
            view! { <Group list=list elsewhere=elsewhere/> }
        });
        view! { <Suspense fallback=|| ()>{group}</Suspense> }
    })
}

#[component]
fn Group(list: RemoteList, elsewhere: bool) -> impl IntoView {
    let problem = list.problem.map(|problem| {
        let old = list.as_of.is_some();
        let class = if old { "box warning" } else { "box failure" };
        let what = if old {
            "This list is not new: "
        } else {
            "The databases cannot be listed: "
        };
        view! { <p class=class role="alert" id="blob-problem">{what} {problem} "."</p> }
    });
    let none = list.databases.is_empty() && list.as_of.is_some();
    let rows = list
        .databases
        .into_iter()
        .map(|database| view! { <Row database=database elsewhere=elsewhere/> })
        .collect_view();
    let table = (!none && list.as_of.is_some()).then(|| {
        view! {
            <table class="databases cards" id="blob-databases">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col">"Molecule"</th>
                        <th scope="col" class="number">"Sequences"</th>
                        <th scope="col" class="number">"Letters"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col">"Made"</th>
                        <th scope="col">"Parts"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        }
    });
    let ignored = (!list.ignored.is_empty()).then(|| {
        let folders = list.ignored.join(", ");
        view! { <p class="quiet">"Folders without a database: " {folders} "."</p> }
    });
    let as_of = list.as_of.map(|at| {
        view! { <p class="fresh">"As of " <When at=at/></p> }
    });
    view! {
        <section aria-labelledby="in-blob">
            <h2 id="in-blob">"In the object store"</h2>
            <p class="quiet">
                <code>{list.url}</code>
                {if elsewhere {
                    ". The pods of a search bring its database from there to their nodes. One that is put there shows up by itself."
                } else {
                    ". Searches run on this machine and cannot use these; to search one here, copy its files into a folder of ELB_DATABASES."
                }}
            </p>
            {as_of}
            {problem}
            {none.then(|| view! { <p id="no-blob-databases">"There are no databases."</p> })}
            {table}
            {ignored}
        </section>
    }
}

#[component]
fn Row(database: RemoteDatabase, elsewhere: bool) -> impl IntoView {
    let search = (elsewhere && database.readiness == Readiness::Ready).then(|| {
        let program = match database.molecule {
            Molecule::Nucleotide => "blastn",
            Molecule::Protein => "blastp",
        };
        let mut link = format!("/search?program={program}&database=");
        elb_core::list::percent_encode(&database.name, &mut link);
        view! { <div><a class="button small" href=link>"Search"</a></div> }
    });
    let known = |number: Option<u64>| number.map_or_else(|| "not known".to_owned(), text::count);
    let readiness = match database.readiness {
        Readiness::Ready => None,
        Readiness::NotReady { reason } => {
            let line = format!("Not ready: {reason}");
            Some(view! { <p class="problem">{line}</p> })
        }
    };
    let ready = readiness.is_none().then_some(" · complete");
    let notes = database
        .notes
        .into_iter()
        .map(|note| view! { <p class="sub">{note}</p> });
    let memory = database
        .bytes_to_cache
        .map(|bytes| format!("{} in memory", text::bytes(bytes)));
    let files = format!(
        "{} in {}",
        text::counted(database.files, "file", "files"),
        text::counted(database.volumes, "volume", "volumes"),
    );
    let shards = (!database.shards.is_empty()).then(|| {
        let sets: Vec<String> = database.shards.iter().map(u64::to_string).collect();
        format!("split into {} shards", sets.join(" or "))
    });
    view! {
        <tr>
            <td class="c-title">
                <strong>{database.title}</strong>
                <div class="sub"><span class="id">{database.name}</span> {ready}</div>
                {readiness}
                {notes.collect_view()}
            </td>
            <td data-label="Molecule">{database.molecule.as_str()}</td>
            <td class="number" data-label="Sequences">{known(database.sequences)}</td>
            <td class="number" data-label="Letters">{known(database.letters)}</td>
            <td class="number" data-label="Size">
                {text::bytes(database.bytes)}
                {memory.map(|memory| view! { <div class="sub">{memory}</div> })}
            </td>
            <td data-label="Made">{database.updated.unwrap_or_else(|| "not known".to_owned())}</td>
            <td data-label="Parts">
                {files}
                {shards.map(|shards| view! { <div class="sub">{shards}</div> })}
                {search}
            </td>
        </tr>
    }
}
