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
/// The pause before the first new try for a broken event stream (ours); each further one is twice as long.
pub const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// How often that pause is doubled: up to half a minute. A page that polls every five seconds beside it
/// stays below fifteen requests a minute (ours).
const RECONNECT_DOUBLINGS: u32 = 5;
/// The least time between two questions of a page (ours): a change that comes alone is asked for at once,
/// and those that come together are asked for together.
pub const QUESTIONS_APART: Duration = Duration::from_millis(300);
/// The same on the page of one job (ours): its progress changes every second, and is shown as often.
pub const JOB_QUESTIONS_APART: Duration = Duration::from_secs(1);
/// The least time between two news of the clusters on the event stream, and between two questions of their
/// page (ours): pods of a large search begin and end many times a second.
pub const CLUSTERS_APART: Duration = Duration::from_secs(1);
/// How often the server looks at every active job, besides each event (S2).
pub const RECONCILE_SWEEP: Duration = Duration::from_secs(60);
/// Silence before `worker_lost` is considered (S2).
pub const SILENCE_LIMIT: Duration = Duration::from_secs(600);
/// The longest gap between two signs of life on the event stream (ours; proxies cut idle streams).
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// After so long without a sign of life a page takes its event stream for lost (ours): one was missed, and the
/// next is late.
pub const SILENCE: Duration = Duration::from_secs(32);
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

/// How fresh a page is, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Changes arrive as they happen.
    Live,
    /// The server does not answer; it is asked again.
    Reconnecting,
    /// The server answers, but no event stream is to be had.
    Polling,
    /// The tab is hidden: nothing is asked.
    Paused,
}

impl Freshness {
    /// The key of it, as it stands in the page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reconnecting => "reconnecting",
            Self::Polling => "polling",
            Self::Paused => "paused",
        }
    }
}

/// How fresh a page is whose last question was answered, or not.
#[must_use]
pub const fn freshness(context: PollContext, answered: bool) -> Freshness {
    match (context.live, answered) {
        _ if context.hidden => Freshness::Paused,
        (true, true) => Freshness::Live,
        (false, true) => Freshness::Polling,
        (_, false) => Freshness::Reconnecting,
    }
}

/// An interval, longer by up to a fifth: pages that lost their streams at one moment ask at different ones.
#[must_use]
pub const fn spread(interval: Duration, chance: u64) -> Duration {
    #[expect(clippy::cast_possible_truncation, reason = "a minute at most")]
    let usual = interval.as_millis() as u64;
    Duration::from_millis(usual + chance % (usual / 5 + 1))
}

/// How long to wait before try number `tries` (from 0) for a broken event stream: 1 s, 2 s, … 32 s, each
/// longer by up to as much again. `chance` is any random number: browsers that a restart of the server has
/// cut off at one moment come back one after the other.
#[must_use]
pub const fn reconnect_pause(tries: u32, chance: u64) -> Duration {
    let doublings = if tries > RECONNECT_DOUBLINGS {
        RECONNECT_DOUBLINGS
    } else {
        tries
    };
    #[expect(clippy::cast_possible_truncation, reason = "a second")]
    let usual = (RECONNECT_FIRST.as_millis() as u64) << doublings;
    Duration::from_millis(usual + chance % (usual + 1))
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
    fn a_page_says_how_fresh_it_is() {
        let of =
            |live, hidden, answered| freshness(PollContext { live, hidden }, answered).as_str();
        assert_eq!(of(true, false, true), "live");
        assert_eq!(of(false, false, true), "polling");
        assert_eq!(of(false, false, false), "reconnecting");
        // The stream is open, but what it may have missed cannot be asked for.
        assert_eq!(of(true, false, false), "reconnecting");
        for (live, answered) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(of(live, true, answered), "paused");
        }
    }

    #[test]
    fn pages_that_were_cut_off_together_ask_at_different_moments() {
        let pauses: std::collections::BTreeSet<_> = (0..2_000)
            .map(|chance| spread(LIST_ACTIVE, chance))
            .collect();
        assert_eq!(pauses.len(), 1_001);
        assert_eq!(pauses.first(), Some(&LIST_ACTIVE));
        assert_eq!(pauses.last(), Some(&Duration::from_secs(6)));
    }

    #[test]
    fn pauses_before_a_new_stream_grow_to_half_a_minute_and_differ_between_browsers() {
        for (tries, usual) in [
            (0, 1_000),
            (1, 2_000),
            (4, 16_000),
            (5, 32_000),
            (6, 32_000),
        ] {
            let pause = |chance| reconnect_pause(tries, chance).as_millis();
            assert_eq!(pause(0), usual, "{tries}");
            let chances = (0..1_000_u64).map(|chance| chance.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let pauses: std::collections::BTreeSet<u128> = chances.map(pause).collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| (usual..=2 * usual).contains(pause))
            );
            // A thousand browsers are spread over the whole of the time, not gathered at a few points.
            assert!(pauses.len() > 500, "{tries}: {}", pauses.len());
        }
    }

    /// Requests in a minute of a page without a stream: the tries for one, and the questions, whose pause
    /// begins anew with each try that failed.
    fn requests_without_a_stream(first_try: u32, interval: Duration, chance: u64) -> usize {
        let minute = Duration::from_secs(60);
        let (mut at, mut tries) = (Duration::ZERO, first_try);
        let mut requests = 0;
        while at < minute {
            let pause = reconnect_pause(tries, chance);
            let rest = pause.min(minute - at);
            requests += 1 + (rest.as_millis() / interval.as_millis()) as usize;
            (at, tries) = (at + pause, tries + 1);
        }
        requests
    }

    #[test]
    fn a_page_whose_stream_is_blocked_asks_at_most_fifteen_times_a_minute() {
        for first_try in 0..8 {
            for chance in [0, 333, 999, 5_000, u64::MAX] {
                let requests = requests_without_a_stream(first_try, LIST_ACTIVE, chance);
                assert!(requests <= 15, "{first_try} {chance}: {requests}");
            }
        }
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
