//! One event stream of a page, that comes back by itself.
//!
//! Owns the connection and the pause before the next try: longer after each failure and never the same
//! on two pages, so that a server that has just started is not asked by all of them at once.

use std::{cell::Cell, cell::RefCell, rc::Rc};

use gloo_timers::callback::Timeout;
use web_sys::{Event, EventSource};

use super::{complain, on};

/// The first pause, in milliseconds; each further one is twice as long.
const FIRST_MS: u32 = 500;
/// How often the pause is doubled: up to eight seconds (ours).
const DOUBLINGS: u32 = 4;

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

/// A stream, and what is done with it.
pub struct Stream {
    address: Box<dyn Fn() -> String>,
    listen: Box<dyn Fn(&EventSource)>,
    told: Box<dyn Fn(Link)>,
    source: RefCell<Option<EventSource>>,
    timer: RefCell<Option<Timeout>>,
    /// Tries since the last success.
    tries: Cell<u32>,
}

/// A stream that is not connected yet: where it is, with what was seen last; what adds the listeners to
/// a new connection; and what hears how the connection stands.
pub fn stream(
    address: impl Fn() -> String + 'static,
    listen: impl Fn(&EventSource) + 'static,
    told: impl Fn(Link) + 'static,
) -> Rc<Stream> {
    Rc::new(Stream {
        address: Box::new(address),
        listen: Box::new(listen),
        told: Box::new(told),
        source: RefCell::default(),
        timer: RefCell::default(),
        tries: Cell::new(0),
    })
}

/// Ends the connection, and tries no more.
pub fn disconnect(stream: &Stream) {
    stream.timer.take();
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
    for (name, link) in [
        ("open", Link::Open),
        ("error", Link::Lost),
        ("bye", Link::Stopping),
    ] {
        let (this, own) = (Rc::clone(stream), source.clone());
        on(&source, name, move |_: Event| {
            // Of a connection that was replaced meanwhile nothing is heard any more.
            if this.source.borrow().as_ref() == Some(&own) {
                changed(&this, link);
            }
        });
    }
    (stream.listen)(&source);
    stream.source.replace(Some(source));
}

fn changed(stream: &Rc<Stream>, link: Link) {
    if link == Link::Open {
        stream.tries.set(0);
    } else {
        disconnect(stream);
        let tries = stream.tries.get();
        stream.tries.set(tries + 1);
        let this = Rc::clone(stream);
        let pause = f64::from(FIRST_MS << tries.min(DOUBLINGS)) * (1.0 + js_sys::Math::random());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousand milliseconds"
        )]
        let timer = Timeout::new(pause as u32, move || connect(&this));
        stream.timer.replace(Some(timer));
    }
    (stream.told)(link);
}
