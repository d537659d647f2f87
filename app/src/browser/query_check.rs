//! The query, checked in the browser by the rules of the server: text as one types, files piece by
//! piece.
//!
//! A newer check ends an older one. Never holds more than one piece of a file.

use std::{cell::Cell, rc::Rc};

use elb_core::{
    fasta::{Checker, Expect, Limits, Problem, Report},
    molecule::Molecule,
    text,
};
use js_sys::Uint8Array;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, File};

use super::{add_item, by_id, say};

/// How much of a file is checked at once, in bytes.
const PIECE: u32 = 1 << 20;
/// Problems that are listed; the rest is counted.
const LISTED: usize = 20;

/// Checks one query at a time.
#[derive(Clone, Default)]
pub struct QueryCheck {
    newest: Rc<Cell<u32>>,
}

fn limits(most: u64) -> Limits {
    Limits {
        bytes: most,
        problems: LISTED,
        listed: 3,
        ..Limits::default()
    }
}

impl QueryCheck {
    fn next(&self) -> u32 {
        self.newest.set(self.newest.get().wrapping_add(1));
        self.newest.get()
    }

    /// Checks a text at once.
    pub fn text(&self, text: &str, molecule: Molecule, most: u64) -> Option<Report> {
        self.next();
        if text.trim().is_empty() {
            clear();
            return None;
        }
        let report = elb_core::fasta::check(text.as_bytes(), Expect::Query(molecule), limits(most));
        show(&report, molecule);
        Some(report)
    }

    /// Checks a file in pieces.
    pub fn file(&self, file: File, molecule: Molecule, most: u64) {
        let turn = self.next();
        let newest = Rc::clone(&self.newest);
        if file.name().ends_with(".gz") {
            clear();
            say(
                "query-summary",
                "A compressed file is checked when it arrives at the server.",
            );
            return;
        }
        spawn_local(async move {
            let mut checker = Checker::new(Expect::Query(molecule), limits(most));
            let size = super::search_form::size(&file);
            let mut at = 0_u64;
            while at < size {
                let end = (at + u64::from(PIECE)).min(size);
                let Some(piece) = piece(&file, at, end).await else {
                    say("query-summary", "The file cannot be read. Choose it again.");
                    return;
                };
                if newest.get() != turn {
                    return;
                }
                checker.push(&piece, &mut |_: &[u8]| {});
                at = end;
                say(
                    "query-summary",
                    &format!("Checked {} of {}", text::bytes(at), text::bytes(size)),
                );
            }
            show(&checker.finish(&mut |_: &[u8]| {}), molecule);
        });
    }
}

async fn piece(file: &File, from: u64, to: u64) -> Option<Vec<u8>> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "sizes of files are far below 2^53"
    )]
    let slice = file.slice_with_f64_and_f64(from as f64, to as f64).ok()?;
    let buffer = JsFuture::from(slice.array_buffer()).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

fn clear() {
    say("query-summary", "");
    if let Some(list) = by_id::<Element>("query-problems") {
        list.set_text_content(None);
    }
}

fn show(report: &Report, molecule: Molecule) {
    let mut summary = format!(
        "{}, {} {}",
        text::counted(report.records_total, "sequence", "sequences"),
        text::count(report.letters),
        molecule.unit()
    );
    if report.problems_total > 0 {
        summary.push_str(&format!(
            ", {}",
            text::counted(report.problems_total, "problem", "problems")
        ));
    }
    say("query-summary", &summary);
    let Some(list) = by_id::<Element>("query-problems") else {
        return;
    };
    list.set_text_content(None);
    let problems = report.problems.iter().map(|problem| (problem, "problem"));
    let warnings = report.warnings.iter().map(|problem| (problem, "warning"));
    for (problem, class) in problems.chain(warnings) {
        add_item(&list, class, &line(problem));
    }
}

fn line(problem: &Problem) -> String {
    let place = match problem.column {
        Some(column) => format!("Line {}, column {column}", problem.line),
        None => format!("Line {}", problem.line),
    };
    format!("{place}: {} {}", problem.message, problem.fix)
}
