//! Following the server: the event stream while it lives, the shared poll rules while it does not.
//!
//! Owns the connection and the timer of a page. A hidden tab holds neither; it asks once when it is
//! shown again. The line `#live` tells how fresh the page is.

use std::{cell::Cell, cell::RefCell, rc::Rc, time::Duration};

use elb_core::{poll::PollContext, view::JobRow};
use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use web_sys::{Event, EventSource, MessageEvent};

use super::{
    clock, complain, document, is_hidden,
    json::{self, Json},
    now, on, say,
};

/// A change, as the event stream sends it.
pub struct Delta {
    /// Revision of the list after the change.
    pub revision: u64,
    /// Which job.
    pub id: String,
    /// The row; `None` once it is no longer listed.
    pub row: Option<JobRow>,
}

/// What a page does with what it hears.
pub struct Follower {
    /// Address of the stream, with a query string or ready for one.
    pub address: String,
    /// Takes a change.
    pub changed: Box<dyn Fn(Delta)>,
    /// Asks for everything, since changes may have been missed.
    pub refresh: Box<dyn Fn()>,
    /// When to ask again.
    pub interval: Box<dyn Fn(PollContext) -> Option<Duration>>,
}

struct State {
    follower: Follower,
    revision: Cell<u64>,
    live: Cell<bool>,
    source: RefCell<Option<EventSource>>,
    timer: RefCell<Option<Timeout>>,
}

/// Follows from that revision on, for as long as the page lives.
pub fn follow(revision: u64, follower: Follower) {
    let state = Rc::new(State {
        follower,
        revision: Cell::new(revision),
        live: Cell::new(false),
        source: RefCell::default(),
        timer: RefCell::default(),
    });
    let shown = Rc::clone(&state);
    on(&document(), "visibilitychange", move |_: Event| {
        if is_hidden() {
            disconnect(&shown);
            shown.timer.take();
        } else {
            (shown.follower.refresh)();
            connect(&shown);
        }
    });
    // A page that is kept for the way back must not hold a connection.
    let left = Rc::clone(&state);
    on(&leptos::prelude::window(), "pagehide", move |_: Event| {
        disconnect(&left)
    });
    if !is_hidden() {
        connect(&state);
    }
}

fn disconnect(state: &Rc<State>) {
    if let Some(source) = state.source.take() {
        source.close();
    }
    state.live.set(false);
}

fn connect(state: &Rc<State>) {
    disconnect(state);
    let joint = if state.follower.address.contains('?') {
        '&'
    } else {
        '?'
    };
    let address = format!(
        "{}{joint}after={}",
        state.follower.address,
        state.revision.get()
    );
    match EventSource::new(&address) {
        Ok(source) => {
            listen(state, &source);
            state.source.replace(Some(source));
        }
        Err(error) => complain("the event stream cannot be opened", &error),
    }
    schedule(state);
}

fn listen(state: &Rc<State>, source: &EventSource) {
    let this = Rc::clone(state);
    on(source, "open", move |_: Event| {
        this.live.set(true);
        tell(&this);
        schedule(&this);
    });
    let this = Rc::clone(state);
    on(source, "error", move |_: Event| {
        this.live.set(false);
        tell(&this);
        schedule(&this);
    });
    let this = Rc::clone(state);
    on(source, "row", move |event: Event| {
        let text = event
            .dyn_ref::<MessageEvent>()
            .and_then(|event| event.data().as_string());
        match delta(&text.unwrap_or_default()) {
            Some(delta) => {
                this.revision.set(delta.revision);
                (this.follower.changed)(delta);
            }
            // Another version of the server: what it has is asked for in the usual way.
            None => (this.follower.refresh)(),
        }
        tell(&this);
    });
    let this = Rc::clone(state);
    on(source, "snapshot", move |_: Event| {
        (this.follower.refresh)()
    });
}

fn delta(text: &str) -> Option<Delta> {
    let json = Json::parse(text)?;
    let row = match json.get("row") {
        Some(row) => Some(json::row(&row)?),
        None => None,
    };
    Some(Delta {
        revision: json.whole("revision")?,
        id: json.text("id")?,
        row,
    })
}

fn tell(state: &State) {
    let time = clock::local(now());
    if state.live.get() {
        say("live", "Live: changes show by themselves");
    } else {
        say(
            "live",
            &format!("Not connected, asking again; last heard of {time}"),
        );
    }
}

fn schedule(state: &Rc<State>) {
    let context = PollContext {
        live: state.live.get(),
        hidden: is_hidden(),
    };
    let Some(after) = (state.follower.interval)(context) else {
        state.timer.take();
        return;
    };
    let this = Rc::clone(state);
    let ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    let timer = Timeout::new(ms, move || {
        (this.follower.refresh)();
        let closed = this
            .source
            .borrow()
            .as_ref()
            .is_none_or(|source| source.ready_state() == EventSource::CLOSED);
        // The browser gives up after some errors; then it is on us to try again.
        if closed {
            connect(&this)
        } else {
            schedule(&this)
        }
    });
    state.timer.replace(Some(timer));
}
