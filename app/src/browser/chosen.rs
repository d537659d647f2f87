//! Chosen rows of the list: all at once, counted, and kept while rows are drawn anew.
//!
//! The boxes are the whole state; the bar's form sends them whether this runs or not.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlInputElement};

use super::{document, everywhere, on, say};

const ROWS: &str = "#jobs input[name=id]";
const ALL: &str = "[data-choose-all]";

/// Listens to the boxes that are there now and to those that are drawn later.
pub fn start() {
    on(&document(), "change", |event: Event| {
        let Some(target) = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
        else {
            return;
        };
        if let Some(all) = target
            .dyn_ref::<HtmlInputElement>()
            .filter(|box_| box_.has_attribute("data-choose-all"))
        {
            let chosen = all.checked();
            boxes(ROWS).iter().for_each(|row| row.set_checked(chosen));
        }
        count();
    });
    // On the way back the boxes are as they were left.
    on(&window(), "pageshow", |_: Event| count());
    count();
}

fn boxes(selector: &str) -> Vec<HtmlInputElement> {
    let found = everywhere(selector).into_iter();
    found
        .filter_map(|element| element.dyn_into().ok())
        .collect()
}

/// Tells how many rows are chosen; without any there is nothing to press.
pub fn count() {
    let rows = boxes(ROWS);
    let chosen = rows.iter().filter(|row| row.checked()).count();
    let line = match chosen {
        0 => "None chosen".to_owned(),
        chosen => format!("{chosen} chosen:"),
    };
    say("chosen-count", &line);
    for all in boxes(ALL) {
        all.set_checked(chosen > 0 && chosen == rows.len());
        all.set_indeterminate(chosen > 0 && chosen < rows.len());
    }
    for button in everywhere("#chosen button") {
        // An attribute of this name is always allowed.
        let _ = button.toggle_attribute_with_force("disabled", chosen == 0);
    }
}
