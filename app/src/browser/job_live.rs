//! One job, kept as it is on the server.
//!
//! A change of the job asks for it once and redraws its status part. When results become readable the
//! page is loaded anew, since they are a part of their own.

use std::{cell::Cell, rc::Rc};

use elb_core::{phase::Phase, poll, view::JobState};
use leptos::{prelude::*, task::spawn_local};
use web_sys::Element;

use super::{
    Kept, ask as server, by_id, draw,
    follow::{Follower, doubt, follow},
    json, now, number, reload, say,
};
use crate::components::job_status::JobStatus;

struct Shown {
    id: String,
    version: Cell<u64>,
    phase: Cell<Option<Phase>>,
    asking: Cell<bool>,
    again: Cell<bool>,
}

/// Follows the job that the page shows, from the revision that it shows.
pub fn start() {
    let Some(part) = by_id::<Element>("job-status") else {
        return;
    };
    let id = part.get_attribute("data-job").unwrap_or_default();
    let (version, revision) = (
        number(&part, "data-version"),
        number(&part, "data-revision"),
    );
    let phase = part.get_attribute("data-phase").unwrap_or_default();
    let phase = Phase::ALL.into_iter().find(|known| known.as_str() == phase);
    let address = format!("/api/blast/events?job={id}");
    let shown = Rc::new(Shown {
        id,
        version: Cell::new(version),
        phase: Cell::new(phase),
        asking: Cell::new(false),
        again: Cell::new(false),
    });
    let (changed, refresh, interval) = (Rc::clone(&shown), Rc::clone(&shown), shown);
    follow(
        revision,
        Follower {
            address,
            changed: Box::new(move |delta| match delta.row {
                Some(row) if row.version > changed.version.get() => ask(&changed),
                Some(_) => {}
                None => gone(),
            }),
            refresh: Box::new(move || ask(&refresh)),
            interval: Box::new(move |context| poll::job_interval(interval.phase.get(), context)),
        },
    );
}

fn gone() {
    say(
        "live",
        "This search has been deleted. Load the page anew to see until when it can be restored.",
    );
}

fn ask(shown: &Rc<Shown>) {
    if shown.asking.replace(true) {
        shown.again.set(true);
        return;
    }
    let shown = Rc::clone(shown);
    spawn_local(async move {
        shown.again.set(false);
        let answer = server::ask("job", "id", &shown.id).await;
        shown.asking.set(false);
        match answer.as_ref().and_then(json::state) {
            Some(state) => show(&shown, state),
            None if answer.is_some_and(|answer| answer.0.is_null()) => gone(),
            None => doubt("The server does not answer; this page may be old."),
        }
        if shown.again.get() {
            ask(&shown);
        }
    });
}

fn show(shown: &Shown, state: JobState) {
    if state.row.version <= shown.version.get() {
        return;
    }
    let before = shown.phase.replace(Some(state.row.phase));
    shown.version.set(state.row.version);
    if before != Some(state.row.phase) {
        say("job-said", state.row.phase.label());
    }
    if state.row.phase == Phase::Completed && before != Some(Phase::Completed) {
        // An answer in place of the page would lose nothing either, but has no results in it.
        reload();
        return;
    }
    if !state.command.is_empty() {
        say(
            "command",
            &elb_core::search::display_command(&state.command),
        );
    }
    let Some(part) = by_id::<Element>("job-status") else {
        return;
    };
    let kept = Kept::of(&part);
    if let Some(holder) = draw("div", move || view! { <JobStatus state=state now=now()/> }) {
        part.set_text_content(None);
        while let Some(child) = holder.first_child() {
            if part.append_child(&child).is_err() {
                return;
            }
        }
        kept.restore(&part);
    }
}
