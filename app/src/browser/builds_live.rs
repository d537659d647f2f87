//! The page of databases while one is being made: looked at again until none is.

use gloo_timers::callback::Interval;
use leptos::{prelude::window, task::spawn_local};
use std::{cell::RefCell, rc::Rc};
use web_sys::Element;

use super::{by_id, is_hidden, say};
use crate::server_fns::load_builds;

/// Between two looks, in milliseconds: what changes is a count of bytes.
const LOOK_MS: u32 = 1_000;

/// Looks until the builds have ended, then shows the page anew.
pub fn start() {
    if by_id::<Element>("builds").is_none() {
        return;
    }
    let timer: Rc<RefCell<Option<Interval>>> = Rc::default();
    let slot = Rc::clone(&timer);
    let looking = Interval::new(LOOK_MS, move || {
        if is_hidden() {
            return;
        }
        let timer = Rc::clone(&timer);
        spawn_local(async move {
            match load_builds().await {
                Ok(builds) if builds.iter().any(|build| build.active) => {
                    for build in builds {
                        say(&format!("build-{}", build.id), &build.state);
                    }
                }
                Ok(_) => {
                    timer.take();
                    let _ = window().location().reload();
                }
                Err(_) => say("live", "The server does not answer; this page may be old."),
            }
        });
    });
    slot.replace(Some(looking));
}
