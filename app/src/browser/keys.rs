//! Keyboard shortcuts for the whole page.
//!
//! Owns which key does what. Never takes a key from somebody who types, or one with Ctrl, Alt or Meta.

use std::{cell::Cell, rc::Rc};

use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlDialogElement, HtmlElement, KeyboardEvent};

use super::{by_id, complain, document, everywhere, now, on, theme};

/// How long the second key of a pair may take, in milliseconds.
const PAIR_MS: u64 = 1_200;

/// Listens for the keys.
pub fn start() {
    if let Some(button) = by_id::<Element>("show-keys") {
        on(&button, "click", |_: Event| open_list());
    }
    let waiting: Rc<Cell<Option<elb_core::time::Timestamp>>> = Rc::default();
    on(&document(), "keydown", move |event: Event| {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else {
            return;
        };
        if event.ctrl_key() || event.alt_key() || event.meta_key() || is_typing(event) {
            return;
        }
        let second = waiting.take().is_some_and(|at| now().since(at) <= PAIR_MS);
        let key = event.key();
        let taken = match (second, key.as_str()) {
            (true, "s") => go("/jobs"),
            (true, "d") => go("/databases"),
            (false, "g") => {
                waiting.set(Some(now()));
                true
            }
            (false, "n") => go("/search"),
            (false, "?") => {
                open_list();
                true
            }
            (false, "/") => focus("[data-filter]"),
            (false, "j") => step(1),
            (false, "k") => step(-1),
            (false, "x") => choose_row(),
            (false, "Delete") => delete_row(),
            (false, "t") => {
                theme::turn();
                true
            }
            _ => false,
        };
        if taken {
            event.prevent_default();
        }
    });
}

fn is_typing(event: &KeyboardEvent) -> bool {
    let element = event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok());
    element.is_some_and(|element| {
        // A box to tick takes no letters.
        let field = "input:not([type=checkbox]),textarea,select";
        element.matches(field).unwrap_or(true)
            || element.closest("dialog[open]").ok().flatten().is_some()
    })
}

fn open_list() {
    let opened = by_id::<HtmlDialogElement>("keys").map(|dialog| dialog.show_modal());
    if let Some(Err(error)) = opened {
        complain("the list of keys cannot be opened", &error);
    }
}

fn go(path: &str) -> bool {
    let moved = leptos::prelude::window().location().assign(path);
    moved.is_ok()
}

fn focus(selector: &str) -> bool {
    let first = everywhere(selector).into_iter().next();
    first
        .and_then(|element| element.dyn_into::<HtmlElement>().ok())
        .is_some_and(|element| element.focus().is_ok())
}

/// Moves the focus over the links of the rows.
fn step(by: isize) -> bool {
    let rows = everywhere("a.row-link");
    let active = document().active_element();
    let row = |element: &Element| element.closest("tr").ok().flatten();
    let here = active.as_ref().and_then(row);
    let at = rows
        .iter()
        .position(|link| here.is_some() && row(link) == here);
    let next = match at {
        Some(at) => at.checked_add_signed(by),
        None => Some(0),
    };
    next.and_then(|next| {
        rows.get(next)?
            .dyn_ref::<HtmlElement>()
            .map(|link| link.focus().is_ok())
    })
    .unwrap_or(false)
}

/// Chooses the focused row, or no longer.
fn choose_row() -> bool {
    let row = document()
        .active_element()
        .and_then(|active| active.closest("tr").ok().flatten());
    let choice = row.and_then(|row| row.query_selector("input[name=id]").ok().flatten());
    let choice = choice.and_then(|choice| choice.dyn_into::<HtmlElement>().ok());
    choice.inspect(HtmlElement::click).is_some()
}

/// Asks whether the focused row's search shall be deleted.
fn delete_row() -> bool {
    let row = document()
        .active_element()
        .and_then(|active| active.closest("tr").ok().flatten());
    let link = row.and_then(|row| row.query_selector("a[data-delete]").ok().flatten());
    match link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
        Some(link) => {
            link.click();
            true
        }
        None => false,
    }
}
