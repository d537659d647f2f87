//! One job, kept as it is on the server.
//!
//! A change of the job asks for its status part once and puts it in the place of the one that is shown.
//! When results become readable the page is loaded anew, since they are a part of their own.

use std::{cell::Cell, rc::Rc};

use elb_core::{phase::Phase, poll};
use web_sys::Element;

use super::{
    Kept, ask, by_id, clock,
    follow::{Answer, Follower, Heard, NEXT, follow},
    json::Json,
    number, reload, say,
};

struct Shown {
    id: String,
    version: Cell<u64>,
    phase: Cell<Option<Phase>>,
}

/// Follows the job that the page shows, from the revision that it shows.
pub fn start() {
    let Some(part) = by_id::<Element>("job-status") else {
        return;
    };
    let phase = part.get_attribute("data-phase").unwrap_or_default();
    let shown = Rc::new(Shown {
        id: part.get_attribute("data-job").unwrap_or_default(),
        version: Cell::new(number(&part, "data-version")),
        phase: Cell::new(Phase::ALL.into_iter().find(|known| known.as_str() == phase)),
    });
    let (changed, asked, interval) = (Rc::clone(&shown), Rc::clone(&shown), shown);
    follow(
        number(&part, "data-revision"),
        Follower {
            changed: Box::new(move |heard| wanted(&changed, heard)),
            question: Box::new(move || Box::pin(bring_up_to_date(Rc::clone(&asked)))),
            interval: Box::new(move |context| poll::job_interval(interval.phase.get(), context)),
            apart: poll::JOB_QUESTIONS_APART,
        },
    );
}

/// The version of this job that is to be asked for, if it is not shown yet.
fn wanted(shown: &Shown, heard: Heard) -> Option<u64> {
    let delta = match heard {
        Heard::Change(delta) => delta,
        Heard::Missed(_) => return Some(NEXT),
        Heard::Clusters(_) => return None,
    };
    if delta.id != shown.id {
        return None;
    }
    let Some(row) = &delta.row else {
        gone();
        return None;
    };
    Some(row.version).filter(|version| *version > shown.version.get())
}

/// Says that the search has been deleted; the page stays as it is.
fn gone() {
    if let Some(box_) = by_id::<Element>("gone") {
        super::show(&box_, true);
    }
}

/// Asks for the status part and shows it.
async fn bring_up_to_date(shown: Rc<Shown>) -> Answer {
    let address = format!("/api/ui/job?id={}", shown.id);
    let Some(part) = ask::json(&address).await else {
        return Answer::Missing;
    };
    let before = shown.version.get();
    if part.0.is_null() {
        gone();
    } else {
        show(&shown, &part);
    }
    let now = shown.version.get();
    if now == before {
        Answer::Same(now)
    } else {
        Answer::Newer(now)
    }
}

fn show(shown: &Shown, fresh: &Json) {
    let (Some(version), Some(phase), Some(html)) =
        (fresh.whole("version"), fresh.phase(), fresh.text("html"))
    else {
        // Another version of the server: its page is asked for in its place.
        return reload();
    };
    if version <= shown.version.get() {
        return;
    }
    let before = shown.phase.replace(Some(phase));
    shown.version.set(version);
    if before != Some(phase) {
        say("job-said", phase.label());
    }
    if phase == Phase::Completed && before != Some(Phase::Completed) {
        // An answer in place of the page would lose nothing either, but has no results in it.
        return reload();
    }
    if let Some(command) = fresh.text("command") {
        say("command", &command);
    }
    if let Some(part) = by_id::<Element>("job-status") {
        let kept = Kept::of(&part);
        // Drawn by the server, as the rest of the page.
        part.set_inner_html(&html);
        kept.restore(&part);
        clock::tick();
    }
}
