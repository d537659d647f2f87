//! When to ask again: the intervals shared by the browser and the server, each with its source.
//!
//! Owns numbers and the two rules that pick one. Never waits itself. "S0", "S3" are the original
//! system's change notes; "users" are its users' requests; "ours" is a decision of this project.

use std::time::Duration;

use crate::phase::Phase;

/// How old a list may be where other processes write too (S0 of the seeds: 10 s); an older one says so.
pub const LIST_LIFE: Duration = Duration::from_secs(10);

/// Job page, phases that change within seconds, and no data yet (S3).
pub const JOB_FAST: Duration = Duration::from_secs(1);
/// Job page, phases that last (S3).
pub const JOB_STEADY: Duration = Duration::from_secs(3);
/// Jobs list without a live stream, nothing active (S0).
pub const LIST_IDLE: Duration = Duration::from_secs(14);
/// Jobs list without a live stream while a row is active (users).
pub const LIST_ACTIVE: Duration = Duration::from_secs(5);
/// Any page while its event stream is live: a slow conditional check (ours).
pub const WHILE_LIVE: Duration = Duration::from_secs(60);
/// How old a copy of a cluster's objects may be where they cannot be watched and something is under way (S0).
pub const CLUSTER_COPY_LIFE: Duration = Duration::from_secs(3);
/// How often a cluster that cannot be watched is asked while nothing is under way on it (S0, S1).
pub const CLUSTER_IDLE: Duration = Duration::from_secs(20);
/// How often a cluster that is watched is asked whether it is there: a connection that was lost without a word
/// is noticed within this time and that of one answer (ours).
pub const CLUSTER_BEAT: Duration = Duration::from_secs(15);
/// How often the server looks at every active job, besides each event (S2).
pub const RECONCILE_SWEEP: Duration = Duration::from_secs(60);
/// Silence before `worker_lost` is considered (S2).
pub const SILENCE_LIMIT: Duration = Duration::from_secs(600);
/// The longest gap between two signs of life on the event stream (ours; proxies cut idle streams).
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest wait in the queue: a job that nobody could start in a week is not wanted any more (ours).
pub const WAIT_QUEUED: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The longest wait for a database, and for one to be warm (lessons E12: two hours for such operations).
pub const WAIT_DATABASE: Duration = Duration::from_secs(2 * 3_600);
/// The longest wait for room on the machine or cluster (lessons E12: six hours).
pub const WAIT_CAPACITY: Duration = Duration::from_secs(6 * 3_600);
/// How long a submit slot is held without a sign of its holder (S3).
pub const SLOT_LIFE: Duration = Duration::from_secs(900);
/// The longest wait for the submit slot: two holders that fall silent one after the other (ours).
pub const WAIT_SUBMIT_SLOT: Duration = Duration::from_secs(1_800);
/// Parallel object reads in a merge (S4).
pub const MERGE_READERS: usize = 4;

/// What a page knows when it decides when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollContext {
    /// The event stream is connected.
    pub live: bool,
    /// The tab is hidden: no polling, one refresh when it is shown again (users).
    pub hidden: bool,
}

/// When the job page asks again; `None` means never (terminal or hidden).
#[must_use]
pub const fn job_interval(phase: Option<Phase>, context: PollContext) -> Option<Duration> {
    if context.hidden {
        return None;
    }
    let Some(phase) = phase else {
        return Some(JOB_FAST);
    };
    if !phase.is_active() {
        return None;
    }
    if context.live {
        return Some(WHILE_LIVE);
    }
    Some(match phase {
        Phase::Submitted | Phase::Running | Phase::ResultsPending | Phase::ExportingResults => {
            JOB_STEADY
        }
        _ => JOB_FAST,
    })
}

/// When the jobs list asks again; `None` means not while hidden.
#[must_use]
pub const fn list_interval(any_active: bool, context: PollContext) -> Option<Duration> {
    if context.hidden {
        return None;
    }
    if context.live {
        return Some(WHILE_LIVE);
    }
    Some(if any_active { LIST_ACTIVE } else { LIST_IDLE })
}

/// How long a job may stand in a waiting phase; `None` for one that is no wait.
#[must_use]
pub const fn wait_limit(phase: Phase) -> Option<Duration> {
    match phase {
        Phase::Queued => Some(WAIT_QUEUED),
        Phase::WaitingForDatabase | Phase::WaitingForWarmup => Some(WAIT_DATABASE),
        Phase::WaitingForCapacity => Some(WAIT_CAPACITY),
        Phase::WaitingForSubmitSlot => Some(WAIT_SUBMIT_SLOT),
        _ => None,
    }
}

/// The first pause before an automatic retry; each further one is four times as long (ours).
const FIRST_RETRY_MS: u64 = 5_000;

/// How long to wait before automatic retry number `retry` (from 0): 5 s, 20 s, 80 s, each moved by up to
/// half of itself either way. `chance` is any random number; retries of many jobs then spread out.
#[must_use]
pub const fn retry_pause(retry: u32, chance: u64) -> Duration {
    let exponent = if retry > 6 { 6 } else { retry };
    let usual = FIRST_RETRY_MS << (2 * exponent);
    Duration::from_millis(usual / 2 + chance % (usual + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLLING: PollContext = PollContext {
        live: false,
        hidden: false,
    };

    #[test]
    fn every_wait_has_a_limit_and_nothing_else_has() {
        for phase in Phase::ALL {
            assert_eq!(wait_limit(phase).is_some(), phase.is_waiting(), "{phase:?}");
        }
    }

    #[test]
    fn pauses_between_retries_grow_and_stay_within_half_of_themselves() {
        for (retry, usual) in [(0, 5_000), (1, 20_000), (2, 80_000)] {
            for chance in [0, 1, 77_777, u64::MAX - 1] {
                let pause = retry_pause(retry, chance).as_millis();
                assert!((usual / 2..=usual * 3 / 2).contains(&pause), "{pause}");
            }
        }
        assert_eq!(retry_pause(0, 0).as_millis(), 2_500);
        assert_eq!(retry_pause(0, 5_000).as_millis(), 7_500);
    }

    #[test]
    fn a_job_that_has_ended_is_never_asked_for_again() {
        for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_active()) {
            assert_eq!(job_interval(Some(phase), POLLING), None);
        }
    }

    #[test]
    fn fast_phases_are_asked_every_second_and_steady_ones_every_three() {
        assert_eq!(job_interval(None, POLLING), Some(JOB_FAST));
        for phase in Phase::ALL.into_iter().filter(|phase| phase.is_active()) {
            let steady = matches!(
                phase,
                Phase::Submitted | Phase::Running | Phase::ResultsPending | Phase::ExportingResults
            );
            let expected = if steady { JOB_STEADY } else { JOB_FAST };
            assert_eq!(job_interval(Some(phase), POLLING), Some(expected));
        }
    }

    #[test]
    fn a_hidden_tab_does_not_poll() {
        let hidden = PollContext {
            live: true,
            hidden: true,
        };
        assert_eq!(job_interval(Some(Phase::Running), hidden), None);
        assert_eq!(list_interval(true, hidden), None);
    }

    #[test]
    fn a_live_stream_leaves_one_slow_check() {
        let live = PollContext {
            live: true,
            hidden: false,
        };
        assert_eq!(job_interval(Some(Phase::Queued), live), Some(WHILE_LIVE));
        assert_eq!(list_interval(false, live), Some(WHILE_LIVE));
    }

    #[test]
    fn the_list_is_asked_more_often_while_a_row_is_active() {
        assert_eq!(list_interval(true, POLLING), Some(LIST_ACTIVE));
        assert_eq!(list_interval(false, POLLING), Some(LIST_IDLE));
    }
}
