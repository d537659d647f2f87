//! The eight steps of a job of the original, from what it recorded of them.
//!
//! Steps follow one another without a gap, as ours do. Of what was not recorded it is said that it was not.

use elb_core::{
    phase::Phase,
    step::{Step, StepRecord, StepState, fresh_timeline},
    time::Timestamp,
};
use serde_json::Value;

use super::columns::{at, parse_time};
use crate::azure::tables::foreign::Foreign;

/// Said of a step of which the original recorded nothing.
const NOT_RECORDED: &str = "not recorded by the original dashboard";

/// The steps of a job that ended in `last` as `ended_as`; `recorded` are the original's, by their keys.
pub(super) fn of(
    created: Timestamp,
    ended: Timestamp,
    ended_as: Phase,
    last: Step,
    recorded: Option<&Foreign>,
) -> Vec<StepRecord> {
    let mut steps = fresh_timeline();
    let mut cursor = created;
    for record in steps.iter_mut().take(last.number()) {
        record.started_at = Some(cursor);
        if record.key == last {
            record.state = match ended_as {
                Phase::Completed => StepState::Done,
                Phase::Cancelled | Phase::Deleted => StepState::Cancelled,
                _ => StepState::Failed,
            };
            cursor = ended;
        } else {
            let (state, until, reason) = passed(record.key, recorded);
            let ran = record.key == Step::Running && ended_as == Phase::Completed;
            if ran && state == StepState::Skipped && reason == NOT_RECORDED {
                // It has results: it was searched.
                record.state = StepState::Done;
                cursor = ended;
            } else {
                record.state = state;
                record.reason = (state == StepState::Skipped).then_some(reason);
                cursor = until.unwrap_or(cursor).clamp(cursor, ended.max(cursor));
            }
        }
        record.finished_at = Some(cursor);
    }
    steps
}

/// What became of a step that the job left behind: its state, until when, and the reason of a skip.
fn passed(step: Step, recorded: Option<&Foreign>) -> (StepState, Option<Timestamp>, String) {
    let word = |name: &str| {
        let value = recorded.and_then(|steps| at(steps, &[step.as_str(), name]));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let until = ["completed_at", "updated_at"]
        .into_iter()
        .find_map(|name| parse_time(word(name)));
    match word("status") {
        "completed" | "running" | "success" => (StepState::Done, until, String::new()),
        "skipped" => {
            let reason = match word("skip_reason") {
                "" => "skipped by the original dashboard",
                reason => reason,
            };
            (StepState::Skipped, until, reason.to_owned())
        }
        _ => (StepState::Skipped, None, NOT_RECORDED.to_owned()),
    }
}
