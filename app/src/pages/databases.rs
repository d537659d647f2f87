//! Databases: what can be searched, what is being made, and how to add one.

use elb_core::{
    database::{Build, Database, Origin},
    molecule::Molecule,
    text,
};
use leptos::prelude::*;
use leptos_meta::Title;

use self::blob::BlobDatabases;
use super::parts::Problems;
use crate::{
    components::time::When,
    data::{PageContext, Returned, build_line, page_context},
    islands::{
        forms::{DatabaseForm, PageTools},
        live::BuildsLive,
    },
};

mod blob;

/// The page.
#[component]
pub fn DatabasesPage() -> impl IntoView {
    let context = page_context();
    let databases = context.service.catalogue().list();
    let builds = context.service.catalogue().builds();
    let elsewhere = context.service.catalogue().is_elsewhere();
    let list = if elsewhere {
        // Those of the object store, below.
        ().into_any()
    } else if databases.is_empty() && builds.is_empty() {
        view! {
            <div class="sight" id="no-databases">
                <h2>"No databases yet"</h2>
                <p>"Upload a FASTA file below, or name a folder with BLAST databases in ELB_DATABASES."</p>
            </div>
        }
        .into_any()
    } else {
        view! { <Table databases=databases/> }.into_any()
    };
    let folders = context.settings.database_folders.join(", ");
    let folders = if folders.is_empty() {
        "none".to_owned()
    } else {
        folders
    };
    view! {
        <Title text="Databases"/>
        <div class="page-head">
            <h1>"Databases"</h1>
            <p class="fresh">
                <span id="live" role="status">"As of " <When at=context.service.now()/></span>
            </p>
        </div>
        <Builds builds=builds/>
        {list}
        <BlobDatabases/>
        {(!elsewhere).then(|| {
            view! {
                <p class="quiet">
                    "Also looked for in the folders of ELB_DATABASES and BLASTDB: " {folders}
                    ". A database that is put there shows up by itself."
                </p>
                <Upload context=context/>
            }
        })}
        <PageTools/>
    }
}

#[component]
fn Builds(builds: Vec<Build>) -> impl IntoView {
    if builds.is_empty() {
        return ().into_any();
    }
    let active = builds.iter().any(|build| build_line(build).active);
    let rows = builds.into_iter().map(|build| {
        let line = build_line(&build);
        let class = if line.active { "build" } else { "build failed" };
        view! {
            <li class=class>
                <strong>{build.title.clone()}</strong>
                " (" <span class="id">{build.name.clone()}</span> "), begun " <When at=build.started_at/> ": "
                <span id=format!("build-{}", line.id)>{line.state}</span>
                {line.active.then(|| view! { <progress aria-label="At work"></progress> })}
            </li>
        }
    });
    view! {
        <section aria-labelledby="making">
            <h2 id="making">"Being made"</h2>
            <ul class="builds" id=active.then_some("builds")>{rows.collect_view()}</ul>
            <BuildsLive/>
        </section>
    }
    .into_any()
}

#[component]
fn Table(databases: Vec<Database>) -> impl IntoView {
    let rows = databases
        .into_iter()
        .map(|database| view! { <Row database=database/> });
    view! {
        <table class="databases cards">
            <thead>
                <tr>
                    <th scope="col">"Database"</th>
                    <th scope="col">"Molecule"</th>
                    <th scope="col" class="number">"Sequences"</th>
                    <th scope="col" class="number">"Letters"</th>
                    <th scope="col" class="number">"Size"</th>
                    <th scope="col">"Made"</th>
                    <th scope="col">"From"</th>
                    <th scope="col"><span class="hidden-text">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

#[component]
fn Row(database: Database) -> impl IntoView {
    let problem = database
        .problem
        .clone()
        .map(|problem| view! { <p class="problem">{format!("Cannot be searched: {problem}")}</p> });
    let program = match database.molecule {
        Molecule::Nucleotide => "blastn",
        Molecule::Protein => "blastp",
    };
    let mut link = format!("/search?program={program}&database=");
    elb_core::list::percent_encode(&database.name, &mut link);
    let search = database
        .problem
        .is_none()
        .then(|| view! { <a class="button small" href=link>"Search"</a> });
    let origin = match &database.origin {
        Origin::Example { package, source } => {
            view! { {source.clone()} ", Debian package " <code>{package.clone()}</code> }.into_any()
        }
        Origin::Folder { path } => view! { "folder " <code>{path.clone()}</code> }.into_any(),
        Origin::Uploaded { at } => view! { "uploaded " <When at=*at/> }.into_any(),
        Origin::Store { url } => view! { <code>{url.clone()}</code> }.into_any(),
    };
    let delete = matches!(database.origin, Origin::Uploaded { .. }).then(|| {
        view! {
            <details class="menu">
                <summary aria-label=format!("Delete {}", database.name)>"Delete…"</summary>
                <form class="menu-items" method="post" action="/databases/delete">
                    <p>"Searches that used it keep their hits, but not every download."</p>
                    <input type="hidden" name="name" value=database.name.clone()/>
                    <button type="submit" class="danger">{format!("Delete {}", database.name)}</button>
                </form>
            </details>
        }
    });
    let taxa = database.has_taxids.then_some(" · with taxa");
    view! {
        <tr>
            <td class="c-title">
                <strong>{database.title.clone()}</strong>
                <div class="sub">
                    <span class="id">{database.name.clone()}</span>
                    " · version " <span class="id">{database.version.clone()}</span> {taxa}
                </div>
                {problem}
            </td>
            <td data-label="Molecule">{database.molecule.as_str()}</td>
            <td class="number" data-label="Sequences">{text::count(database.sequences)}</td>
            <td class="number" data-label="Letters">{text::count(database.letters)}</td>
            <td class="number" data-label="Size">{text::bytes(database.bytes)}</td>
            <td data-label="Made">{database.updated.clone()}</td>
            <td data-label="From">{origin}</td>
            <td class="c-menu">{search} {delete}</td>
        </tr>
    }
}

/// The form that makes a database of a FASTA file.
#[component]
fn Upload(context: PageContext) -> impl IntoView {
    let returned = context.returned.clone().unwrap_or_default();
    let value = |name: &str| {
        let Returned { fields, .. } = &*returned;
        fields
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let molecule = value("molecule");
    let choice = |each: Molecule| {
        view! {
            <option value=each.as_str() selected=each.as_str() == molecule>{each.as_str()}</option>
        }
    };
    let summary = if returned.problems.is_empty() {
        String::new()
    } else {
        "The database cannot be made.".to_owned()
    };
    let limit = format!(
        "Plain or gzip-compressed, up to {}.",
        text::bytes(context.settings.max_database_bytes)
    );
    view! {
        <section class="part" aria-labelledby="add">
            <h2 id="add">"Add a database"</h2>
            <Problems summary=summary problems=returned.problems.clone()/>
            <form
                id="database-form"
                method="post"
                action="/databases"
                enctype="multipart/form-data"
                data-max=context.settings.max_database_bytes.to_string()
            >
                <div class="fields">
                    <div class="field">
                        <label for="name">"Name"</label>
                        <input id="name" name="name" value=value("name") required maxlength="64" autocomplete="off"/>
                        <p class="hint">"Letters, digits, points, hyphens and underscores; what a search names."</p>
                    </div>
                    <div class="field">
                        <label for="title">"Title"</label>
                        <input id="title" name="title" value=value("title") required maxlength="200"/>
                        <p class="hint">"For people."</p>
                    </div>
                    <div class="field">
                        <label for="molecule">"Molecule"</label>
                        <select id="molecule" name="molecule">
                            {choice(Molecule::Nucleotide)} {choice(Molecule::Protein)}
                        </select>
                        <p class="hint" id="detected" role="status"></p>
                    </div>
                    <div class="field wide">
                        <label for="file">"FASTA file"</label>
                        <input type="file" id="file" name="file" required accept=".fa,.fasta,.fna,.faa,.ffn,.fas,.txt,.gz"/>
                        <p class="hint">{limit}</p>
                    </div>
                </div>
                <div class="actions">
                    <button type="submit" class="primary">"Make the database"</button>
                    <span id="sending" role="status"></span>
                    <progress id="sent-progress" value="0" max="1" aria-label="Sent so far" hidden></progress>
                </div>
            </form>
            <DatabaseForm/>
        </section>
    }
}
