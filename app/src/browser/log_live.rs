//! The log of a job: searched, followed to its end.
//!
//! New lines are appended as text. The view stays where the reader is, unless he is at the end.

use elb_core::view::LogLine;
use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, EventSource, HtmlInputElement, MessageEvent};

use super::{
    all, by_id, document, draw, is_hidden,
    json::{self, Json},
    on, say, show,
    stream::{connect, disconnect, stream},
};
use crate::components::log::LogRow;

/// How near to the end counts as at the end, in pixels.
const NEAR: i32 = 60;
/// How long typing may pause before the log is searched, in milliseconds.
const TYPING_MS: u32 = 120;

/// Brings the log to life.
pub fn start() {
    let Some(list) = by_id::<Element>("log") else {
        return;
    };
    if let Some(field) = by_id::<HtmlInputElement>("log-filter") {
        let pause: Rc<Cell<Option<Timeout>>> = Rc::default();
        on(&field.clone(), "input", move |_: Event| {
            let value = field.value();
            let list = by_id::<Element>("log");
            pause.set(Some(Timeout::new(TYPING_MS, move || {
                if let Some(list) = list {
                    filter(&list, &value);
                }
            })));
        });
    }
    if let Some(address) = list.get_attribute("data-follow") {
        follow(address, list);
    }
}

fn wanted() -> String {
    by_id::<HtmlInputElement>("log-filter").map_or_else(String::new, |field| field.value())
}

/// Hides the lines that do not contain the text, and counts the others.
fn filter(list: &Element, text: &str) {
    let text = text.trim().to_ascii_lowercase();
    let rows = all(list, "li");
    let mut shown = 0_u64;
    for row in &rows {
        let fits = matches(row, &text);
        show(row, fits);
        shown += u64::from(fits);
    }
    let found = if text.is_empty() {
        String::new()
    } else {
        format!("{shown} of {} lines", rows.len())
    };
    say("log-found", &found);
}

fn matches(row: &Element, text: &str) -> bool {
    text.is_empty()
        || row
            .text_content()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .contains(text)
}

/// Follows from the place that `data-last` names, which moves with each line.
fn follow(address: String, list: Element) {
    let seen = Rc::new(Cell::new(0));
    let ended = Rc::new(Cell::new(false));
    let (over, target) = (Rc::clone(&ended), list.clone());
    let stream = stream(
        move || address.clone() + &list.get_attribute("data-last").unwrap_or_default(),
        move |source| listen(source, &seen, &over, &target),
        |_| {},
    );
    connect(&stream);
    on(&document(), "visibilitychange", move |_: Event| {
        if is_hidden() {
            disconnect(&stream);
        } else if !ended.get() {
            connect(&stream);
        }
    });
}

fn listen(source: &EventSource, seen: &Rc<Cell<u64>>, ended: &Rc<Cell<bool>>, list: &Element) {
    let (seen, target) = (Rc::clone(seen), list.clone());
    on(source, "line", move |event: Event| {
        let Some(event) = event.dyn_ref::<MessageEvent>() else {
            return;
        };
        let text = event.data().as_string();
        let line = Json::parse(&text.unwrap_or_default())
            .as_ref()
            .and_then(json::log_line);
        let Some(line) = line else {
            return;
        };
        // A line that came twice, as after a broken connection, is shown once.
        if line.number > seen.get() {
            seen.set(line.number);
            // An attribute of this name is always allowed.
            let _ = target.set_attribute("data-last", &event.last_event_id());
            append(&target, line);
        }
    });
    let (own, ended) = (source.clone(), Rc::clone(ended));
    on(source, "end", move |_: Event| {
        ended.set(true);
        own.close();
    });
}

fn append(list: &Element, line: LogLine) {
    let at_end = list.scroll_height() - list.scroll_top() - list.client_height() < NEAR;
    let Some(holder) = draw("ol", move || view! { <LogRow line=line/> }) else {
        return;
    };
    if let Some(row) = holder.first_element_child() {
        show(&row, matches(&row, &wanted().trim().to_ascii_lowercase()));
        // The list is in the page for as long as the page lives.
        let _ = list.append_child(&row);
    }
    if at_end {
        list.set_scroll_top(list.scroll_height());
    }
}
