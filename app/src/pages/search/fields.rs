//! Program, query, database and cluster of the search form.

use elb_core::{
    cluster::PlaceView,
    database::Database,
    job::Found,
    molecule::Molecule,
    search::{Program, SearchSpec},
    text,
};
use elb_engine::service::ANY_PLACE;
use leptos::prelude::*;

use super::{FieldProblem, source::Filled};
use crate::data::page_context;

/// The five programs.
#[component]
pub fn ProgramChoice(program: Program) -> impl IntoView {
    let choices = Program::ALL.map(|each| {
        view! {
            <label class="choice">
                <input type="radio" name="program" value=each.as_str() checked=each == program/>
                <strong>{each.as_str()}</strong>
                <span class="hint">{each.description()}</span>
            </label>
        }
    });
    view! {
        <fieldset class="field programs">
            <legend>"Program"</legend>
            {choices.collect_view()}
            <p class="no-js">
                <button type="submit" name="action" value="refresh" formnovalidate>
                    "Show the fields of the chosen program"
                </button>
            </p>
        </fieldset>
    }
}

/// The query: pasted, dropped, chosen, or that of an older search.
#[component]
pub fn QueryField(filled: Filled, program: Program, most: u64) -> impl IntoView {
    let of = filled.value("query_of").to_owned();
    let kept = (!of.is_empty()).then(|| {
        view! {
            <p class="box good">
                <label>
                    <input type="checkbox" name="query_of" value=of.clone() checked/>
                    "Search with the query of "
                    <a href=format!("/jobs/{of}")>"the older search"</a>
                    ", which is too long to be shown here. Text or a file takes its place."
                </label>
            </p>
        }
    });
    let molecule = program.query_molecule();
    let limit = format!("Plain or gzip-compressed, up to {}.", text::bytes(most));
    view! {
        <div class="field" id="query-zone">
            <label for="query">"Query sequences, in FASTA format"</label>
            {kept}
            <textarea
                id="query"
                name="query"
                rows="9"
                spellcheck="false"
                autocomplete="off"
                autocapitalize="off"
                placeholder=">name\nsequence"
                aria-describedby="query-summary"
            >
                {filled.value("query").to_owned()}
            </textarea>
            <div class="file-line">
                <label for="query_file">"or a file"</label>
                <input type="file" id="query_file" name="query_file" accept=".fa,.fasta,.fna,.faa,.ffn,.fas,.txt,.gz"/>
                <span class="hint">
                    {limit} <span class="needs-js">" It can be dropped here."</span> " This program takes " {molecule.as_str()} " sequences."
                </span>
            </div>
            <p id="query-summary" class="summary" role="status"></p>
            <ul id="query-problems" class="problems"></ul>
            <FieldProblem field="query" filled=filled/>
        </div>
    }
}

/// The databases of the catalogue; those of the other molecule cannot be chosen where scripts run.
#[component]
pub fn DatabaseChoice(databases: Vec<Database>, spec: SearchSpec, filled: Filled) -> impl IntoView {
    let catalogue = page_context().service.catalogue().clone();
    let making = catalogue
        .builds()
        .iter()
        .any(|build| crate::data::build_line(build).active);
    let group = |molecule: Molecule, label: &'static str| {
        let options: Vec<_> = databases
            .iter()
            .filter(|database| database.molecule == molecule)
            .map(|database| {
                let path = catalogue
                    .path_of(&database.name)
                    .map(|path| path.to_string_lossy().into_owned());
                let broken = database.problem.is_some();
                let words = match &database.problem {
                    Some(problem) => format!("{} ({problem})", database.title),
                    // A list of files in a store does not tell more.
                    None if database.sequences == 0 => {
                        format!("{} · {}", database.title, text::bytes(database.bytes))
                    }
                    None => format!(
                        "{} · {}, {} {}",
                        database.title,
                        text::counted(database.sequences, "sequence", "sequences"),
                        text::count(database.letters),
                        molecule.unit()
                    ),
                };
                view! {
                    <option
                        value=database.name.clone()
                        selected=database.name == spec.database
                        disabled=broken
                        data-path=path.filter(|_| !broken)
                        data-molecule=molecule.as_str()
                        data-taxids=database.has_taxids.then_some("")
                        data-broken=broken.then_some("")
                    >
                        {words}
                    </option>
                }
            })
            .collect();
        (!options.is_empty()).then(|| view! { <optgroup label=label>{options}</optgroup> })
    };
    let making = making.then(|| view! { <p class="box warning">"A database is being made; load this page again when it is done (see Databases)."</p> });
    let none = databases.is_empty().then(|| view! { <p class="box warning">"There is no database yet. " <a href="/databases">"Add one"</a></p> });
    view! {
        {making}
        {none}
        <div class="field">
            <label for="database">"Database"</label>
            <select id="database" name="database">
                <option value="" data-molecule="none">"choose one"</option>
                {group(Molecule::Nucleotide, "Nucleotide databases")}
                {group(Molecule::Protein, "Protein databases")}
            </select>
            <p class="hint">
                "blastn, tblastn and tblastx search nucleotide databases, blastp and blastx protein ones. "
                <a href="/databases">"All databases"</a>
            </p>
            <FieldProblem field="database" filled=filled/>
        </div>
    }
}

/// The cluster, where there are several to choose from.
#[component]
pub fn PlaceChoice(filled: Filled) -> impl IntoView {
    let service = page_context().service;
    let places = service.places_to_run();
    let chosen = filled.value("runs_on").to_owned();
    // One that is gone is shown as it was chosen: nothing goes elsewhere without a word.
    let gone = !matches!(chosen.as_str(), "" | ANY_PLACE)
        && !places.iter().any(|place| place.spelled() == chosen);
    if places.len() < 2 && !gone {
        return None;
    }
    let seen = service.places();
    let options: Vec<_> = places
        .iter()
        .map(|place| {
            let value = place.spelled();
            let selected = value == chosen;
            view! { <option value=value selected=selected>{place_in_words(place, &seen)}</option> }
        })
        .collect();
    let gone = gone.then(|| {
        let words = format!("{chosen} (no longer in the settings)");
        view! { <option value=chosen.clone() selected>{words}</option> }
    });
    Some(view! {
        <div class="field">
            <label for="runs_on">"Cluster"</label>
            <select id="runs_on" name="runs_on">
                <option value=ANY_PLACE>"any: the first that can be used when its turn comes"</option>
                {options}
                {gone}
            </select>
            <p class="hint">
                "A search waits for the cluster that is chosen, and goes to no other. " <a href="/clusters">"All clusters"</a>
            </p>
            <FieldProblem field="runs_on" filled=filled/>
        </div>
    })
}

/// A cluster to choose, and what stands against it now.
fn place_in_words(place: &Found, seen: &[PlaceView]) -> String {
    let here =
        |view: &&PlaceView| view.cluster == place.cluster && view.namespace == place.namespace;
    let words = format!("{}, namespace {}", place.cluster, place.namespace);
    match seen.iter().find(here) {
        Some(view) if !view.health.is_current() => {
            format!("{words} ({} now)", view.health.as_str())
        }
        _ => words,
    }
}
