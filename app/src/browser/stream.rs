//! One event stream, that comes back by itself.
//!
//! Owns the connection and the pause before the next try: longer after each failure and never the same
//! in two browsers, so that a server that has just started is not asked by all of them at once. A connection
//! over which nothing comes any more, though nobody ended it, counts as broken.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use elb_core::poll;
use gloo_timers::callback::Timeout;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Event, EventSource, MessageEvent};

use super::{chance, complain, millis, on, timer::after};

/// How the connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Connected.
    Open,
    /// Broken, or not to be had.
    Lost,
    /// The server said that it stops.
    Stopping,
}

/// What is done with an event of that name.
pub type Heard = (&'static str, Box<dyn Fn(&MessageEvent)>);
type Handler = (&'static str, Closure<dyn FnMut(Event)>);

/// A stream, and what is done with it.
pub struct Stream {
    address: Box<dyn Fn() -> String>,
    told: Box<dyn Fn(Link)>,
    /// Made once and given to each connection.
    handlers: Vec<Handler>,
    source: RefCell<Option<EventSource>>,
    /// The next try, if there is to be one.
    timer: RefCell<Option<Timeout>>,
    /// Tries since the last success.
    tries: Cell<u32>,
    /// How long it may be silent, in milliseconds; `None` if it gives no sign of life that is heard here.
    patience: Option<u32>,
    /// The end of this time.
    silence: RefCell<Option<Timeout>>,
}

/// A stream that is not connected yet: where it is, with what was seen last; what hears how the
/// connection stands; what hears its events; and how long it may be silent.
pub fn stream(
    address: impl Fn() -> String + 'static,
    told: impl Fn(Link) + 'static,
    heard: Vec<Heard>,
    patience: Option<u32>,
) -> Rc<Stream> {
    let stream = Rc::new_cyclic(|this| Stream {
        address: Box::new(address),
        told: Box::new(told),
        handlers: handlers(this, heard),
        source: RefCell::default(),
        timer: RefCell::default(),
        tries: Cell::new(0),
        patience,
        silence: RefCell::default(),
    });
    // A network that is back is another one: what was connected over the old one is not any more.
    let this = Rc::clone(&stream);
    on(&leptos::prelude::window(), "online", move |_: Event| {
        let used = this.source.borrow().is_some() || this.timer.borrow().is_some();
        if used {
            connect(&this);
        }
    });
    stream
}

fn handlers(stream: &Weak<Stream>, heard: Vec<Heard>) -> Vec<Handler> {
    let links = [
        ("open", Link::Open),
        ("error", Link::Lost),
        ("bye", Link::Stopping),
    ];
    let links = links.map(|(name, link)| {
        (
            name,
            handler(stream, move |stream, _| changed(stream, link)),
        )
    });
    let heard = heard.into_iter().map(|(name, heard)| {
        let taken = handler(stream, move |_, event| {
            if let Some(event) = event.dyn_ref::<MessageEvent>() {
                heard(event);
            }
        });
        (name, taken)
    });
    links.into_iter().chain(heard).collect()
}

/// Of a connection that was replaced meanwhile nothing is heard any more.
fn handler(
    stream: &Weak<Stream>,
    work: impl Fn(&Rc<Stream>, &Event) + 'static,
) -> Closure<dyn FnMut(Event)> {
    let stream = Weak::clone(stream);
    Closure::new(move |event: Event| {
        let Some(stream) = stream.upgrade() else {
            return;
        };
        let from = event.target();
        let own = from.is_some() && from.as_ref() == stream.source.borrow().as_deref();
        if own {
            be_patient(&stream);
            work(&stream, &event);
        }
    })
}

/// Ends the connection, and tries no more.
pub fn disconnect(stream: &Stream) {
    stream.timer.take();
    stream.silence.take();
    if let Some(source) = stream.source.take() {
        source.close();
    }
}

/// Connects, in the place of what was there.
pub fn connect(stream: &Rc<Stream>) {
    disconnect(stream);
    let source = match EventSource::new(&(stream.address)()) {
        Ok(source) => source,
        Err(error) => return complain("the event stream cannot be opened", &error),
    };
    for (name, handler) in &stream.handlers {
        // It can only fail on a target that is none; nothing could be done about it then.
        let _ = source.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
    }
    stream.source.replace(Some(source));
    be_patient(stream);
}

/// Something was heard: from now on it may be silent for as long as that.
fn be_patient(stream: &Rc<Stream>) {
    if let Some(patience) = stream.patience {
        let this = Rc::downgrade(stream);
        let end = after(patience, move || {
            if let Some(stream) = this.upgrade() {
                changed(&stream, Link::Lost);
            }
        });
        stream.silence.replace(Some(end));
    }
}

/// Connects now if the next try is still to come: there is reason to believe that it succeeds.
pub fn hurry(stream: &Rc<Stream>) {
    let waits = stream.timer.borrow().is_some();
    if waits {
        connect(stream);
    }
}

fn changed(stream: &Rc<Stream>, link: Link) {
    if link == Link::Open {
        stream.tries.set(0);
    } else {
        disconnect(stream);
        let tries = stream.tries.get();
        stream.tries.set(tries + 1);
        let this = Rc::clone(stream);
        let pause = millis(poll::reconnect_pause(tries, chance()));
        stream
            .timer
            .replace(Some(after(pause, move || connect(&this))));
    }
    (stream.told)(link);
}
