//! The page of databases while one is being made: looked at again until none is.

use leptos::task::spawn_local;
use web_sys::Element;

use super::{ask, by_id, json::Json, reload, say, timer::while_shown};

/// Between two looks, in milliseconds: what changes is a count of bytes.
const LOOK_MS: u32 = 1_000;

/// Looks until the builds have ended, then shows the page anew.
pub fn start() {
    if by_id::<Element>("builds").is_some() {
        while_shown(LOOK_MS, || spawn_local(look()));
    }
}

async fn look() {
    let Some(builds) = ask::json("/api/ui/builds").await else {
        return say("live", "The server does not answer; this page may be old.");
    };
    let builds = builds.elements();
    if !builds.iter().any(|build| build.yes("active")) {
        return reload();
    }
    for build in builds {
        let word = |name| Json::text(&build, name).unwrap_or_default();
        say(&format!("build-{}", word("id")), &word("state"));
    }
}
