//! One event stream for all tabs of a browser.
//!
//! A browser has six connections to a server over HTTP/1.1, for all its tabs together. So of the tabs that
//! can be seen one holds the stream and hands on what it hears; when it is closed or hidden, the next takes
//! over from the change that it has seen last. A tab that finds that it has missed a change says so.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use elb_core::poll;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{BroadcastChannel, MessageEvent};

use super::{
    complain,
    json::Json,
    millis,
    stream::{Heard, Link, Stream, connect, disconnect, hurry, stream},
    turn::{Turn, are_taken, turn},
};

/// Where the stream is, ready for the revision to go on from.
const ADDRESS: &str = "/api/blast/events?after=";
/// Name of the lock and of the channel. A server that says things in another way must name another one:
/// tabs of the old one may still be open.
const NAME: &str = "elb-events-2";

/// What a tab hears.
pub enum News {
    /// A change, as the server sent it.
    Change(Json),
    /// Changes up to this revision may have been missed.
    Missed(u64),
    /// Nothing has changed: what is shown is what the server has.
    Beat,
    /// The page of clusters has this mark now.
    Clusters(String),
}

/// What tabs tell each other: `[kind, number, text]`.
mod kind {
    /// A tab is there; who holds the stream answers with its link.
    pub const HELLO: u32 = 0;
    /// How the link stands (the text), and the revision that was seen last (the number).
    pub const LINK: u32 = 1;
    /// A change (the text), and the revision before it (the number).
    pub const CHANGE: u32 = 2;
    /// Changes up to a revision (the number) were missed.
    pub const SNAPSHOT: u32 = 3;
    /// Nothing has changed since a revision (the number).
    pub const BEAT: u32 = 4;
    /// The mark of the clusters (the text).
    pub const CLUSTERS: u32 = 5;
}

/// A tab's part in the stream.
pub struct Hub {
    stream: Rc<Stream>,
    /// The revision that was seen last.
    revision: Cell<u64>,
    link: Cell<Link>,
    /// What the stream said of the clusters last, for tabs that come later.
    clusters: RefCell<Option<String>>,
    news: Box<dyn Fn(News)>,
    told: Box<dyn Fn(Link)>,
    /// Made once and given to each channel.
    listener: Closure<dyn FnMut(MessageEvent)>,
    channel: RefCell<Option<BroadcastChannel>>,
    turn: RefCell<Option<Turn>>,
}

/// A part in the stream from that revision on; `told` hears how the link stands.
pub fn hub(revision: u64, news: impl Fn(News) + 'static, told: impl Fn(Link) + 'static) -> Rc<Hub> {
    Rc::new_cyclic(|this: &std::rc::Weak<Hub>| {
        let (from, linked, other) = (this.clone(), this.clone(), this.clone());
        let hears = |name, hear: fn(&Hub, &JsValue)| -> Heard {
            let this = this.clone();
            let hear = move |event: &MessageEvent| {
                if let Some(hub) = this.upgrade() {
                    hear(&hub, &event.data());
                }
            };
            (name, Box::new(hear))
        };
        let stream = stream(
            move || {
                let revision = from.upgrade().map_or(0, |hub| hub.revision.get());
                format!("{ADDRESS}{revision}")
            },
            move |link| {
                if let Some(hub) = linked.upgrade() {
                    set_link(&hub, link);
                    tell_link(&hub);
                }
            },
            vec![
                hears("row", |hub, data| {
                    let before = hub.revision.get();
                    tell(hub, kind::CHANGE, before, data);
                    changed(hub, before, data);
                }),
                hears("snapshot", |hub, data| {
                    let revision = revision_in(data).unwrap_or_else(|| hub.revision.get());
                    tell(hub, kind::SNAPSHOT, revision, &JsValue::NULL);
                    missed(hub, revision);
                }),
                hears("beat", |hub, data| {
                    let revision = revision_in(data).unwrap_or(0);
                    tell(hub, kind::BEAT, revision, &JsValue::NULL);
                    beaten(hub, revision);
                }),
                hears("clusters", |hub, data| {
                    if let Some(mark) = parsed(data).and_then(|json| json.text("mark")) {
                        tell(hub, kind::CLUSTERS, 0, &JsValue::from_str(&mark));
                        hub.clusters.replace(Some(mark.clone()));
                        (hub.news)(News::Clusters(mark));
                    }
                }),
            ],
            Some(millis(poll::SILENCE)),
        );
        Hub {
            stream,
            revision: Cell::new(revision),
            link: Cell::new(Link::Lost),
            clusters: RefCell::default(),
            news: Box::new(news),
            told: Box::new(told),
            listener: Closure::new(move |event: MessageEvent| {
                if let Some(hub) = other.upgrade() {
                    heard(&hub, &event.data());
                }
            }),
            channel: RefCell::default(),
            turn: RefCell::default(),
        }
    })
}

/// Takes part from now on.
pub fn join(hub: &Rc<Hub>) {
    if hub.turn.borrow().is_some() {
        return;
    }
    // A tab that takes no turns has a stream of its own, and nothing to tell.
    if are_taken() {
        match BroadcastChannel::new(NAME) {
            Ok(channel) => {
                channel.set_onmessage(Some(hub.listener.as_ref().unchecked_ref()));
                hub.channel.replace(Some(channel));
            }
            Err(error) => complain("the tabs of this browser cannot share a stream", &error),
        }
    }
    let this = Rc::clone(hub);
    let turn = turn(&[NAME], move || connect(&this.stream));
    hub.turn.replace(Some(turn));
    tell(hub, kind::HELLO, 0, &JsValue::NULL);
}

/// Takes no part any more; if this tab held the stream, the next one takes over.
pub fn leave(hub: &Hub) {
    disconnect(&hub.stream);
    if let Some(channel) = hub.channel.take() {
        channel.close();
    }
    hub.turn.take();
    hub.link.set(Link::Lost);
}

/// The server has answered again: a new try for the stream need not wait any longer.
pub fn try_now(hub: &Hub) {
    hurry(&hub.stream);
}

/// The stream does not tell what it should: if this tab holds it, it is had anew.
pub fn renew(hub: &Hub) {
    if holds(hub) {
        connect(&hub.stream);
    }
}

fn holds(hub: &Hub) -> bool {
    hub.turn.borrow().as_ref().is_some_and(|turn| !turn.waits())
}

fn set_link(hub: &Hub, link: Link) {
    hub.link.set(link);
    (hub.told)(link);
}

fn tell(hub: &Hub, kind: u32, number: u64, text: &JsValue) {
    #[expect(clippy::cast_precision_loss, reason = "revisions are far below 2^53")]
    let message = Array::of3(&kind.into(), &JsValue::from_f64(number as f64), text);
    let sent = match hub.channel.borrow().as_ref() {
        Some(channel) => channel.post_message(&message),
        None => Ok(()),
    };
    if let Err(error) = sent {
        complain("another tab cannot be told", &error);
    }
}

fn tell_link(hub: &Hub) {
    let word = match hub.link.get() {
        Link::Open => "open",
        Link::Lost => "lost",
        Link::Stopping => "stopping",
    };
    tell(hub, kind::LINK, hub.revision.get(), &word.into());
}

/// What another tab tells.
fn heard(hub: &Hub, message: &JsValue) {
    let message: &Array = message.unchecked_ref();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a kind or a revision, as it was sent"
    )]
    let number = |place| message.get(place).as_f64().unwrap_or(0.0) as u64;
    let (said, text) = (number(1), message.get(2));
    match number(0) as u32 {
        kind::HELLO if holds(hub) => {
            tell_link(hub);
            if let Some(mark) = hub.clusters.borrow().as_deref() {
                tell(hub, kind::CLUSTERS, 0, &mark.into());
            }
        }
        kind::LINK => {
            let link = match text.as_string().as_deref() {
                Some("open") => Link::Open,
                Some("stopping") => Link::Stopping,
                _ => Link::Lost,
            };
            if said > hub.revision.get() {
                missed(hub, said);
            }
            // It is told to every tab whenever one asks.
            if link != hub.link.get() {
                set_link(hub, link);
            }
        }
        kind::CHANGE => changed(hub, said, &text),
        kind::SNAPSHOT => missed(hub, said),
        kind::BEAT => beaten(hub, said),
        kind::CLUSTERS => {
            if let Some(mark) = text.as_string() {
                (hub.news)(News::Clusters(mark));
            }
        }
        _ => {}
    }
}

fn missed(hub: &Hub, revision: u64) {
    hub.revision.set(revision);
    (hub.news)(News::Missed(revision));
}

/// Nothing has changed since that revision: whoever has not heard of it has missed something.
fn beaten(hub: &Hub, revision: u64) {
    if revision > hub.revision.get() {
        missed(hub, revision);
    } else {
        (hub.news)(News::Beat);
    }
}

/// A change, where `before` is the revision that it follows.
fn changed(hub: &Hub, before: u64, text: &JsValue) {
    let json = parsed(text);
    let revision = json.as_ref().and_then(|json| json.whole("revision"));
    let (Some(json), Some(revision)) = (json, revision) else {
        // Another version of the server: what it has is asked for in the usual way.
        return (hub.news)(News::Missed(u64::MAX));
    };
    let gap = before > hub.revision.replace(revision);
    (hub.news)(News::Change(json));
    if gap {
        (hub.news)(News::Missed(revision));
    }
}

fn revision_in(text: &JsValue) -> Option<u64> {
    parsed(text)?.whole("revision")
}

fn parsed(text: &JsValue) -> Option<Json> {
    Json::parse(&text.as_string()?)
}
