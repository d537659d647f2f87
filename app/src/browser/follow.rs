//! Following the server: the event stream while it lives, the shared poll rules while it does not.
//!
//! Owns what a page hears and the timer of its questions. A hidden tab has neither; it asks once when it
//! is shown again. The line `#live` tells how fresh the page is, and that the server was away.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use elb_core::{poll::PollContext, text, time::Timestamp, view::JobRow};
use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, EventSource, MessageEvent};

use super::{
    by_id, clock, document, is_hidden,
    json::{self, Json},
    now, on, say,
    stream::{Link, Stream, connect, disconnect, stream},
};

/// How long a page tells that it has found the server again, in milliseconds.
const TOLD_MS: u32 = 60_000;

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
    link: Cell<Link>,
    /// Since when the server is away.
    away: Cell<Option<Timestamp>>,
    /// That it was, for as long as that is news.
    news: RefCell<Option<String>>,
    news_end: RefCell<Option<Timeout>>,
    timer: RefCell<Option<Timeout>>,
}

/// Follows from that revision on, for as long as the page lives.
pub fn follow(revision: u64, follower: Follower) {
    let state = Rc::new(State {
        follower,
        revision: Cell::new(revision),
        link: Cell::new(Link::Lost),
        away: Cell::new(None),
        news: RefCell::default(),
        news_end: RefCell::default(),
        timer: RefCell::default(),
    });
    let (from, heard, told) = (Rc::clone(&state), Rc::clone(&state), Rc::clone(&state));
    let stream = stream(
        move || address(&from),
        move |source| listen(&heard, source),
        move |link| told_of(&told, link),
    );
    let shown = (Rc::clone(&state), Rc::clone(&stream));
    on(&document(), "visibilitychange", move |_: Event| {
        let (state, stream) = &shown;
        if is_hidden() {
            rest(state, stream);
            state.timer.take();
        } else {
            (state.follower.refresh)();
            connect(stream);
            schedule(state);
        }
    });
    // A page that is kept for the way back must not hold a connection.
    let left = (Rc::clone(&state), Rc::clone(&stream));
    on(&leptos::prelude::window(), "pagehide", move |_: Event| {
        rest(&left.0, &left.1);
    });
    if !is_hidden() {
        connect(&stream);
        schedule(&state);
    }
}

fn rest(state: &State, stream: &Stream) {
    disconnect(stream);
    state.link.set(Link::Lost);
}

fn address(state: &State) -> String {
    let address = &state.follower.address;
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}after={}", state.revision.get())
}

fn told_of(state: &Rc<State>, link: Link) {
    if link == Link::Open {
        if let Some(since) = state.away.take() {
            tell_of_return(state, since);
        }
    } else {
        state.away.set(state.away.get().or_else(|| Some(now())));
    }
    // A server that said that it stops is stopping until it is back.
    if !(link == Link::Lost && state.link.get() == Link::Stopping) {
        state.link.set(link);
    }
    tell(state);
    schedule(state);
}

fn tell_of_return(state: &Rc<State>, since: Timestamp) {
    let back = now();
    let time = clock::local(back);
    let time = time.split(' ').nth(1).unwrap_or_default();
    let away = text::duration(back.since(since));
    let news = format!("Reconnected at {time}; the server had been away for {away}");
    state.news.replace(Some(news));
    let this = Rc::clone(state);
    let end = Timeout::new(TOLD_MS, move || {
        this.news.take();
        tell(&this);
    });
    state.news_end.replace(Some(end));
}

fn listen(state: &Rc<State>, source: &EventSource) {
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
    on(source, "snapshot", move |event: Event| {
        let text = event
            .dyn_ref::<MessageEvent>()
            .and_then(|event| event.data().as_string());
        let revision =
            Json::parse(&text.unwrap_or_default()).and_then(|json| json.whole("revision"));
        if let Some(revision) = revision {
            this.revision.set(revision);
        }
        (this.follower.refresh)();
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
    let live = state.link.get() == Link::Open;
    if let Some(line) = by_id::<Element>("live") {
        // An attribute of this name is always allowed.
        let _ = line.toggle_attribute_with_force("data-away", !live);
    }
    let since = clock::local(state.away.get().unwrap_or_else(now));
    let line = match state.link.get() {
        Link::Open => {
            let news = state.news.borrow().clone();
            news.unwrap_or_else(|| "Live: changes show by themselves".to_owned())
        }
        Link::Stopping => {
            "The server is restarting; this page goes on by itself when it is back".to_owned()
        }
        Link::Lost => format!("Not connected, asking again; last heard of {since}"),
    };
    say("live", &line);
}

/// Tells of an answer that did not come, unless the line tells already that the server is away.
pub fn doubt(line: &str) {
    if by_id::<Element>("live").is_some_and(|live| !live.has_attribute("data-away")) {
        say("live", line);
    }
}

fn schedule(state: &Rc<State>) {
    let context = PollContext {
        live: state.link.get() == Link::Open,
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
        schedule(&this);
    });
    state.timer.replace(Some(timer));
}
