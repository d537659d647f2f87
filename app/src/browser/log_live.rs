//! The log of a job: searched, followed to its end.
//!
//! A browser follows three logs at a time; a further one waits, and says so. New lines are appended as text. The view stays where the reader is, unless he is at the end.

use elb_core::view::LogLine;
use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, EventSource, HtmlInputElement, MessageEvent};

use super::{
    all, by_id, document, draw, is_hidden,
    json::{self, Json},
    on, say, show,
    stream::{Link, Stream, connect, disconnect, stream},
    timer::after,
    turn::{Turn, turn},
};
use crate::components::log::LogRow;

/// How near to the end counts as at the end, in pixels.
const NEAR: i32 = 60;
/// Places for logs that are followed, in all tabs of a browser: of its six connections to a server one is
/// the event stream's, and two are left for everything else.
const PLACES: [&str; 3] = ["elb-log-1", "elb-log-2", "elb-log-3"];
/// How long a log waits for a place before it says so, in milliseconds: a free one is had at once.
const WAIT_MS: u32 = 500;
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
            pause.set(Some(after(TYPING_MS, move || {
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
    let line = row.text_content().unwrap_or_default().to_ascii_lowercase();
    // The search of strings in the library weighs more than this whole file.
    let mut places = line.as_bytes().windows(text.len().max(1));
    text.is_empty() || places.any(|place| place == text.as_bytes())
}

/// A log that is followed while the page can be seen and has a place among those of the browser.
struct Following {
    stream: Rc<Stream>,
    place: Rc<RefCell<Option<Turn>>>,
    ended: Rc<Cell<bool>>,
}

/// Follows from the place that `data-last` names, which moves with each line.
fn follow(address: String, list: Element) {
    let seen = Rc::new(Cell::new(0));
    let place: Rc<RefCell<Option<Turn>>> = Rc::default();
    let ended: Rc<Cell<bool>> = Rc::default();
    let (target, own_place, over) = (list.clone(), Rc::clone(&place), Rc::clone(&ended));
    let stream = stream(
        move || address.clone() + &list.get_attribute("data-last").unwrap_or_default(),
        |link| tell_of_loss(link != Link::Open),
        vec![
            (
                "line",
                Box::new(move |event: &MessageEvent| take_line(event, &seen, &target)),
            ),
            (
                "end",
                Box::new(move |event: &MessageEvent| {
                    over.set(true);
                    if let Some(source) = event.target() {
                        source.unchecked_ref::<EventSource>().close();
                    }
                    own_place.take();
                }),
            ),
        ],
        // Its signs of life are comments, which nobody hears.
        None,
    );
    let following = Rc::new(Following {
        stream,
        place,
        ended,
    });
    let shown = Rc::clone(&following);
    on(&document(), "visibilitychange", move |_: Event| {
        if is_hidden() {
            rest(&shown);
        } else {
            begin(&shown);
        }
    });
    let left = Rc::clone(&following);
    on(&window(), "pagehide", move |_: Event| rest(&left));
    let back = Rc::clone(&following);
    on(&window(), "pageshow", move |_: Event| begin(&back));
    begin(&following);
}

fn rest(following: &Following) {
    disconnect(&following.stream);
    following.place.take();
    tell_of_wait(false);
    tell_of_loss(false);
}

fn begin(following: &Rc<Following>) {
    let there = following.place.borrow().is_some();
    if is_hidden() || there || following.ended.get() {
        return;
    }
    let this = Rc::clone(following);
    let place = turn(&PLACES, move || {
        tell_of_wait(false);
        connect(&this.stream);
    });
    following.place.replace(Some(place));
    let this = Rc::clone(following);
    after(WAIT_MS, move || {
        tell_of_wait(this.place.borrow().as_ref().is_some_and(Turn::waits));
    })
    .forget();
}

/// Says why the log does not go on here.
fn tell_of_wait(waits: bool) {
    if let Some(line) = by_id::<Element>("log-waits") {
        show(&line, waits);
    }
}

/// Says that the log may have gone on where it cannot be heard.
fn tell_of_loss(lost: bool) {
    if let Some(line) = by_id::<Element>("log-lost") {
        show(&line, lost);
    }
}

fn take_line(event: &MessageEvent, seen: &Cell<u64>, list: &Element) {
    let text = event.data().as_string();
    let line = Json::parse(&text.unwrap_or_default())
        .as_ref()
        .and_then(json::log_line);
    // A line that came twice, as after a broken connection, is shown once.
    let Some(line) = line.filter(|line| line.number > seen.get()) else {
        return;
    };
    seen.set(line.number);
    // An attribute of this name is always allowed.
    let _ = list.set_attribute("data-last", &event.last_event_id());
    append(list, line);
}

fn append(list: &Element, line: LogLine) {
    let at_end = list.scroll_height() - list.scroll_top() - list.client_height() < NEAR;
    if let Some(row) = draw("ol", view! { <LogRow line=line/> }) {
        show(&row, matches(&row, &wanted().trim().to_ascii_lowercase()));
        // The list is in the page for as long as the page lives.
        let _ = list.append_child(&row);
    }
    if at_end {
        list.set_scroll_top(list.scroll_height());
    }
}
