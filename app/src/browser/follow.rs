//! Following the server: the event stream while it lives, the shared poll rules while it does not.
//!
//! Owns what a page hears, its questions, one at a time, and their timer. A hidden tab has none of them;
//! it asks once when it is shown again. `#live` says how fresh the page is, `#age` since when.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    time::Duration,
};

use elb_core::{
    poll::{self, Freshness, PollContext},
    text,
    time::Timestamp,
    view::JobRow,
};
use gloo_timers::callback::Timeout;
use leptos::{prelude::window, task::spawn_local};
use web_sys::{Element, Event};

use super::{
    by_id, chance, clock, document,
    hub::{Hub, News, hub, join, leave, renew, try_now},
    is_hidden,
    json::{self, Json},
    millis, now, on, say_fresh, show,
    stream::Link,
    timer::after,
};

/// How long a page tells that it has found the server again, in milliseconds.
const TOLD_MS: u32 = 60_000;

/// A change, as the event stream sends it.
pub struct Delta {
    /// Of the list, after it.
    pub revision: u64,
    /// Which job.
    pub id: String,
    /// The row; `None` once it is no longer listed.
    pub row: Option<JobRow>,
}

/// What a page hears.
pub enum Heard {
    /// A row has changed. Apart, since it is by far the largest of them.
    Change(Box<Delta>),
    /// Changes up to this revision may have been missed.
    Missed(u64),
    /// The page of clusters has this mark now.
    Clusters(String),
}

/// Only an answer to a question that is still to be asked will do.
pub const NEXT: u64 = u64::MAX;

/// What came of a question: no answer; or one that has all up to a number, which grows as what is asked for
/// changes (a revision, a version).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// No answer.
    Missing,
    /// What is shown already.
    Same(u64),
    /// Something else, which is shown now.
    Newer(u64),
    /// Something else, which is not shown for as long as the reader has text selected.
    Held,
}

/// A question under way.
pub type Question = Pin<Box<dyn Future<Output = Answer>>>;

/// What a page does with what it hears.
pub struct Follower {
    /// Takes what is heard; the number that an answer must have reached because of it, `None` if nothing is to
    /// be asked.
    pub changed: Box<dyn Fn(Heard) -> Option<u64>>,
    /// Asks for everything.
    pub question: Box<dyn Fn() -> Question>,
    /// When to ask again.
    pub interval: Box<dyn Fn(PollContext) -> Option<Duration>>,
    /// The least time between two questions.
    pub apart: Duration,
}

/// A page that follows.
pub struct Following(Rc<State>);

impl Following {
    /// The reader has no text selected any more: what was held is asked for again.
    pub fn go_on(&self) {
        if self.0.held.get() {
            ask(&self.0, NEXT);
        }
    }
}

struct State {
    follower: Follower,
    hub: Rc<Hub>,
    /// `None` until the stream has been had or missed.
    link: Cell<Option<Link>>,
    /// Whether the last question was answered.
    answered: Cell<bool>,
    /// A question is under way, or was a moment ago.
    asking: Cell<bool>,
    /// There is reason for another one, unless an answer has reached this number.
    again: Cell<Option<u64>>,
    /// What the answers so far have reached.
    reached: Cell<u64>,
    /// The last answer is not shown yet.
    held: Cell<bool>,
    /// The next one is the slow check beside a stream that lives.
    check: Cell<bool>,
    /// Since when the stream is away.
    away: Cell<Option<Timestamp>>,
    /// That it was, for as long as that is news.
    news: RefCell<Option<String>>,
    news_end: RefCell<Option<Timeout>>,
    timer: RefCell<Option<Timeout>>,
}

/// Follows from that revision on, for as long as the page lives.
pub fn follow(revision: u64, follower: Follower) -> Following {
    let state = Rc::new_cyclic(|this: &Weak<State>| {
        let (heard, told) = (this.clone(), this.clone());
        let hub = hub(
            revision,
            move |news| {
                if let Some(state) = heard.upgrade() {
                    hear(&state, news);
                }
            },
            move |link| {
                if let Some(state) = told.upgrade() {
                    told_of(&state, link);
                }
            },
        );
        State {
            follower,
            hub,
            link: Cell::new(None),
            answered: Cell::new(true),
            asking: Cell::new(false),
            again: Cell::new(None),
            reached: Cell::new(0),
            held: Cell::new(false),
            check: Cell::new(false),
            away: Cell::new(None),
            news: RefCell::default(),
            news_end: RefCell::default(),
            timer: RefCell::default(),
        }
    });
    let shown = Rc::clone(&state);
    on(&document(), "visibilitychange", move |_: Event| {
        if is_hidden() {
            rest(&shown);
        } else {
            wake(&shown);
        }
    });
    // A page that is kept for the way back must not hold a connection.
    let left = Rc::clone(&state);
    on(&window(), "pagehide", move |_: Event| rest(&left));
    let back = Rc::clone(&state);
    on(&window(), "pageshow", move |_: Event| {
        if !is_hidden() && back.timer.borrow().is_none() {
            wake(&back);
        }
    });
    if !is_hidden() {
        join(&state.hub);
        schedule(&state);
    }
    Following(state)
}

fn rest(state: &Rc<State>) {
    leave(&state.hub);
    state.timer.take();
    // Nothing is known any more, and a rest is no failure.
    state.link.set(None);
    state.answered.set(true);
    state.away.set(None);
    tell(state);
}

/// What happened meanwhile is asked for once.
fn wake(state: &Rc<State>) {
    join(&state.hub);
    // What the stream tells of that time is in the answer.
    ask(state, NEXT);
    schedule(state);
}

fn context(state: &State) -> PollContext {
    PollContext {
        live: state.link.get() == Some(Link::Open),
        hidden: is_hidden(),
    }
}

fn freshness(state: &State) -> Freshness {
    poll::freshness(context(state), state.answered.get())
}

fn hear(state: &Rc<State>, news: News) {
    let heard = match news {
        News::Change(json) => match delta(&json) {
            Some(delta) => Heard::Change(Box::new(delta)),
            // What is not understood is of another version of the server.
            None => Heard::Missed(NEXT),
        },
        News::Missed(revision) => Heard::Missed(revision),
        News::Clusters(mark) => Heard::Clusters(mark),
        News::Beat => return checked(),
    };
    if let Some(wanted) = (state.follower.changed)(heard) {
        ask(state, wanted);
    }
    checked();
}

fn delta(json: &Json) -> Option<Delta> {
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

/// Asks for everything, unless the answers have reached that number: at once, or after the question that is
/// under way if its answer does not.
fn ask(state: &Rc<State>, wanted: u64) {
    if wanted <= state.reached.get() {
        return;
    }
    state.again.set(state.again.get().max(Some(wanted)));
    if state.asking.replace(true) {
        return;
    }
    let state = Rc::clone(state);
    spawn_local(async move {
        state.again.set(None);
        let check = state.check.take();
        let answer = (state.follower.question)().await;
        if let Answer::Same(reached) | Answer::Newer(reached) = answer {
            state.reached.set(reached);
            let further = state.again.get().filter(|wanted| *wanted > reached);
            state.again.set(further);
        }
        if check && matches!(answer, Answer::Newer(_)) {
            // The stream should have told it: it is open, but nothing comes through any more.
            renew(&state.hub);
        }
        state.held.set(answer == Answer::Held);
        answered(&state, answer != Answer::Missing);
        let apart = millis(state.follower.apart);
        after(apart, move || {
            state.asking.set(false);
            if let Some(wanted) = state.again.take()
                && !is_hidden()
            {
                ask(&state, wanted);
            }
        })
        .forget();
    });
}

fn answered(state: &Rc<State>, came: bool) {
    if came {
        checked();
    }
    if state.answered.replace(came) != came {
        if came && state.link.get() != Some(Link::Open) {
            try_now(&state.hub);
        }
        schedule(state);
    }
    tell(state);
}

fn told_of(state: &Rc<State>, link: Link) {
    if link == Link::Open {
        if let Some(since) = state.away.take() {
            tell_of_return(state, since);
        }
        checked();
    } else {
        state.away.set(state.away.get().or_else(|| Some(now())));
    }
    if link == Link::Open {
        state.answered.set(true);
    } else if state.link.get() == Some(Link::Open) {
        // Whether a server whose stream broke answers at all is not known yet.
        state.answered.set(false);
    }
    // A server that said that it stops is stopping until it is back.
    if !(link == Link::Lost && state.link.get() == Some(Link::Stopping)) {
        state.link.set(Some(link));
    }
    tell(state);
    schedule(state);
}

fn tell_of_return(state: &Rc<State>, since: Timestamp) {
    let back = now();
    let time = clock::local(back);
    let time = time.split(' ').nth(1).unwrap_or_default();
    let away = text::duration(back.since(since));
    let news = format!("Reconnected at {time}; the connection had been broken for {away}");
    state.news.replace(Some(news));
    let this = Rc::clone(state);
    let end = after(TOLD_MS, move || {
        this.news.take();
        tell(&this);
    });
    state.news_end.replace(Some(end));
}

fn tell(state: &State) {
    let unknown = state.link.get().is_none() && state.answered.get();
    if unknown && !is_hidden() {
        // What stands there is still true: the page is as of its time, or was at rest.
        return;
    }
    let freshness = freshness(state);
    let line = match freshness {
        Freshness::Live | Freshness::Polling if state.held.get() => {
            "Changes wait while text is selected".to_owned()
        }
        Freshness::Live => {
            let news = state.news.borrow().clone();
            news.unwrap_or_else(|| "Live: changes show by themselves".to_owned())
        }
        Freshness::Paused => "Paused while this page is hidden".to_owned(),
        _ if state.link.get() == Some(Link::Stopping) => {
            "The server is restarting; this page goes on by itself when it is back".to_owned()
        }
        Freshness::Polling => "Polling: changes show some seconds late".to_owned(),
        Freshness::Reconnecting => match state.away.get() {
            Some(since) => format!("Reconnecting; last heard of {}", clock::local(since)),
            None => "The server does not answer; asking again".to_owned(),
        },
    };
    say_fresh(freshness, &line);
}

/// What the page shows is as new as this moment.
fn checked() {
    let (Some(age), Some(since)) = (by_id::<Element>("age"), by_id::<Element>("age-since")) else {
        return;
    };
    // As above.
    let _ = since.set_attribute("data-since", &now().0.to_string());
    show(&age, true);
    clock::tick();
}

fn schedule(state: &Rc<State>) {
    let live = freshness(state) == Freshness::Live;
    let context = PollContext {
        live,
        ..context(state)
    };
    let Some(pause) = (state.follower.interval)(context) else {
        state.timer.take();
        return;
    };
    let pause = if live {
        pause
    } else {
        poll::spread(pause, chance())
    };
    let this = Rc::clone(state);
    let timer = after(millis(pause), move || {
        // A stream that is not there by now is not to be had.
        this.link.set(this.link.get().or(Some(Link::Lost)));
        this.check.set(live);
        ask(&this, NEXT);
        schedule(&this);
    });
    state.timer.replace(Some(timer));
}
