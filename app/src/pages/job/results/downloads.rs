//! Links to the results in every format.

use elb_core::search::Program;
use elb_engine::service::Format;
use leptos::prelude::*;

/// The list of downloads.
#[component]
pub fn Downloads(
    /// The job.
    id: String,
    /// Its program.
    program: Program,
    /// Whether its database is on this server, from which BLAST+ writes most formats.
    has_database: bool,
    /// Whether its archive is.
    has_archive: bool,
) -> impl IntoView {
    let base = format!("/api/blast/jobs/{id}/results?format=");
    let link = |format: String, label: String, note: &'static str| {
        view! {
            <li>
                <a href=format!("{base}{format}") download="">{label}</a>
                <span class="quiet">" " {note}</span>
            </li>
        }
    };
    let ours = [
        link(
            "csv".to_owned(),
            "Descriptions (CSV)".to_owned(),
            "one row a hit, for spreadsheets",
        ),
        link(
            "hsps".to_owned(),
            "HSPs (CSV)".to_owned(),
            "one row an alignment",
        ),
    ];
    let theirs = Format::OFFERED
        .into_iter()
        .filter(|format| format.offered_for(program))
        .filter(|format| has_database || (has_archive && *format == Format::Archive))
        .map(|format| {
            link(
                format.number().to_string(),
                format.label().to_owned(),
                outfmt(format),
            )
        });
    view! {
        <details class="fold" id="downloads" open>
            <summary>
                <h3>"Downloads"</h3>
            </summary>
            <ul class="downloads">{ours.collect_view()} {theirs.collect_view()}</ul>
        </details>
    }
}

const fn outfmt(format: Format) -> &'static str {
    match format {
        Format::Pairwise => "-outfmt 0",
        Format::Xml => "-outfmt 5",
        Format::Tabular => "-outfmt 6",
        Format::TabularComments => "-outfmt 7",
        Format::Csv => "-outfmt 10",
        Format::Archive => "-outfmt 11, for blast_formatter",
        Format::Xml2 => "-outfmt 14",
        Format::Json => "-outfmt 15",
        Format::Xml2Single => "-outfmt 16",
        Format::Sam => "-outfmt 17",
    }
}
