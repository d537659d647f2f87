//! Work that is done after a while, or again and again while the page can be seen.

use std::{cell::RefCell, rc::Rc};

use gloo_timers::callback::{Interval, Timeout};
use web_sys::Event;

use super::{document, is_hidden, on};

/// Calls `work` after that many milliseconds, unless what is returned is dropped before.
pub fn after(ms: u32, work: impl FnOnce() + 'static) -> Timeout {
    // In a box, all kinds of work share what a timer is made of.
    let work: Box<dyn FnOnce()> = Box::new(work);
    Timeout::new(ms, work)
}

/// Calls `work` every so many milliseconds, and when the page is shown again. A hidden page has no timer.
pub fn while_shown(every_ms: u32, work: impl Fn() + 'static) {
    let work: Rc<dyn Fn()> = Rc::new(work);
    let timer: RefCell<Option<Interval>> = RefCell::default();
    let begin = move |again: bool| {
        // At most one: the event may come twice.
        timer.take();
        if is_hidden() {
            return;
        }
        if again {
            work();
        }
        let work = Rc::clone(&work);
        let work: Box<dyn FnMut()> = Box::new(move || work());
        timer.replace(Some(Interval::new(every_ms, work)));
    };
    begin(false);
    on(&document(), "visibilitychange", move |_: Event| begin(true));
}
