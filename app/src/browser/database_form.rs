//! The upload of a database: what the sequences are is detected from the file's beginning, and the
//! form is sent once, with progress.

use std::{cell::Cell, rc::Rc};

use elb_core::{
    fasta::{Checker, Expect, Limits},
    molecule::Molecule,
};
use js_sys::Uint8Array;
use leptos::{prelude::window, task::spawn_local};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, Event, HtmlFormElement, HtmlInputElement};

use super::{
    by_id, complain, fields, number, on, say,
    search_form::{show_problems, too_large},
    send::{Answer, send},
};

/// How much of the file is looked at, in bytes.
const HEAD: i32 = 256 * 1_024;

/// Brings the form to life.
pub fn start() {
    let (Some(form), Some(file)) = (
        by_id::<HtmlFormElement>("database-form"),
        by_id::<HtmlInputElement>("file"),
    ) else {
        return;
    };
    let target = form.clone();
    on(&file.clone(), "change", move |_: Event| {
        if let Some(chosen) = file.files().and_then(|files| files.get(0)) {
            suggest_names(&target, &chosen.name());
            detect(target.clone(), chosen);
        }
    });
    let sending = Rc::new(Cell::new(false));
    let sent = form.clone();
    on(&form, "submit", move |event: Event| {
        event.prevent_default();
        let most = number(&sent, "data-max");
        let refused = chosen(&sent).and_then(|file| too_large(&file, most, "file"));
        if let Some(problem) = refused {
            return show_problems("The database cannot be made.", &[problem]);
        }
        if sending.replace(true) {
            return;
        }
        let free = Rc::clone(&sending);
        let outcome = send(&sent, move |answer| {
            free.set(false);
            match answer {
                Answer::Done(location) => {
                    let _ = window().location().assign(&location);
                }
                Answer::Refused(message, problems) => show_problems(&message, &problems),
                Answer::Failed(message) => show_problems(&message, &[]),
            }
        });
        if let Err(error) = outcome {
            sending.set(false);
            complain("the form cannot be sent", &error);
        }
    });
}

fn chosen(form: &HtmlFormElement) -> Option<web_sys::File> {
    let input = form.query_selector("input[type=file]").ok().flatten()?;
    input.dyn_into::<HtmlInputElement>().ok()?.files()?.get(0)
}

/// A name and a title from the file's name, where the person has given none.
fn suggest_names(form: &HtmlFormElement, file: &str) {
    let stem = file.split('.').next().unwrap_or_default();
    let name: String = stem
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '-' {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let pairs = fields::read(form);
    if fields::value(&pairs, "name").is_empty() && elb_core::database::check_name(&name).is_ok() {
        fields::set(form, "name", &name);
    }
    if fields::value(&pairs, "title").is_empty() && !stem.is_empty() {
        fields::set(form, "title", stem);
    }
}

fn detect(form: HtmlFormElement, file: web_sys::File) {
    say("detected", "");
    spawn_local(async move {
        let Ok(head) = file.slice_with_i32_and_i32(0, HEAD) else {
            return;
        };
        let Ok(buffer) = JsFuture::from(head.array_buffer()).await else {
            return say("detected", "The file cannot be read. Choose it again.");
        };
        let bytes = Uint8Array::new(&buffer).to_vec();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return say(
                "detected",
                "A compressed file is looked at when it arrives; say what it holds.",
            );
        }
        let mut checker = Checker::new(Expect::Any, Limits::default());
        checker.push(&bytes, &mut |_: &[u8]| {});
        match checker.finish(&mut |_: &[u8]| {}).molecule {
            Some(molecule) => {
                fields::set(&form, "molecule", molecule.as_str());
                let other = match molecule {
                    Molecule::Nucleotide => Molecule::Protein,
                    Molecule::Protein => Molecule::Nucleotide,
                };
                say(
                    "detected",
                    &format!(
                        "The file looks like {molecule} sequences; choose {other} if it is not."
                    ),
                );
            }
            None => say("detected", "It cannot be told what the file holds; say it."),
        }
    });
    if let Some(error) = by_id::<Element>("problems") {
        super::show(&error, false);
    }
}
