//! The page of databases while one is being made: looked at again until none is.

use elb_core::poll::Freshness;
use leptos::task::spawn_local;
use web_sys::{Element, Event};

use super::{
    ask, by_id, document, is_hidden, json::Json, on, reload, say, say_fresh, timer::while_shown,
};

/// Between two looks, in milliseconds: what changes is a count of bytes.
const LOOK_MS: u32 = 1_000;

/// Looks until the builds have ended, then shows the page anew.
pub fn start() {
    if by_id::<Element>("builds").is_some() {
        while_shown(LOOK_MS, || spawn_local(look()));
        on(&document(), "visibilitychange", |_: Event| {
            if is_hidden() {
                say_fresh(Freshness::Paused, "Paused while this page is hidden");
            }
        });
    }
}

async fn look() {
    let Some(builds) = ask::json("/api/ui/builds").await else {
        return say_fresh(
            Freshness::Reconnecting,
            "The server does not answer; asking again",
        );
    };
    say_fresh(
        Freshness::Polling,
        "Polling: what is being made shows a second late",
    );
    let builds = builds.elements();
    if !builds.iter().any(|build| build.yes("active")) {
        return reload();
    }
    for build in builds {
        let word = |name| Json::text(&build, name).unwrap_or_default();
        say(&format!("build-{}", word("id")), &word("state"));
    }
}
