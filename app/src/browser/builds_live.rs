//! The page of databases while one is being made: looked at again until none is.

use gloo_timers::callback::Interval;
use leptos::task::spawn_local;
use std::{cell::RefCell, rc::Rc};
use web_sys::Element;

use super::{ask::ask, by_id, is_hidden, reload, say};

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
            let builds = ask("builds", "now", "")
                .await
                .map(|answer| answer.elements());
            let active = |build: &super::json::Json| {
                build
                    .get("active")
                    .is_some_and(|active| active.0.is_truthy())
            };
            match builds {
                Some(builds) if builds.iter().any(active) => {
                    for build in builds {
                        let (id, state) = (build.text("id"), build.text("state"));
                        say(
                            &format!("build-{}", id.unwrap_or_default()),
                            &state.unwrap_or_default(),
                        );
                    }
                }
                Some(_) => {
                    timer.take();
                    reload();
                }
                None => say("live", "The server does not answer; this page may be old."),
            }
        });
    });
    slot.replace(Some(looking));
}
