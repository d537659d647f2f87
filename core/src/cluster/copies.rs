//! Copies of databases on nodes: which node has which, which is being brought or removed.
//!
//! Owns the rule by which what several pods say of the same copy becomes one line, and the form in which the
//! runner tells how far a transfer is. The last pod that has ended tells what is there; pods at work tell what
//! becomes of it. Nothing here decides whether a search may begin: each pod looks for itself.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};

use super::{ContainerState, EndSeen, JobSeen, PodPhase, PodSeen, Report, Work};
use crate::{database::shard_of, text, time::Timestamp};

/// The container that brings a database, in the pods of searches and of a warm-up.
pub const STAGE_CONTAINER: &str = "stage-db";
/// The container that removes one.
pub const RELEASE_CONTAINER: &str = "release-db";

/// What a pod does to a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It has not begun; why, if something stands against it.
    Waiting(Option<String>),
    /// It is at work.
    AtWork,
    /// It has ended well, with so many bytes on the node.
    Done(u64),
    /// It has ended with an error, in words.
    Failed(String),
}

/// What one pod, or a Job without a pod yet, says of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySeen {
    /// The node.
    pub node: String,
    /// The database.
    pub database: String,
    /// Its version.
    pub version: String,
    /// Whether it is brought or removed; a batch that is searched says nothing of it.
    pub work: Work,
    /// Whether somebody asked for it apart from any search.
    pub asked: bool,
    /// How far it is.
    pub act: Act,
    /// Since when that is so.
    pub since: Timestamp,
    /// How much of it is there, while it is brought and that is known.
    pub progress: Option<StageProgress>,
}

/// Whose copy a pod, or a Job, brings or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOf {
    /// The database.
    pub database: String,
    /// Its version.
    pub version: String,
    /// What is done to it.
    pub work: Work,
    /// The node that it was asked for on, if somebody did, apart from any search.
    pub asked: Option<String>,
}

impl CopySeen {
    /// What a pod says; `None` while it says nothing.
    #[must_use]
    pub fn of_pod(of: &CopyOf, pod: &PodSeen) -> Option<Self> {
        let name = match of.work {
            Work::Stage => STAGE_CONTAINER,
            Work::Release => RELEASE_CONTAINER,
            Work::Run => return None,
        };
        let found = pod.containers.iter().find(|one| one.name == name);
        let end = match found.map(|one| &one.state) {
            Some(ContainerState::Ended(end)) => Some(end),
            _ => None,
        };
        let bytes = |end: &EndSeen| Report::parse(&end.message).map_or(0, |report| report.bytes);
        let (act, since) = match (end, found.map(|one| &one.state)) {
            (Some(end), _) if end.exit_code == 0 => {
                let at = end.finished_at.unwrap_or(pod.created_at);
                (Act::Done(bytes(end)), at)
            }
            // It is on its way out: what it was at counts for nothing.
            _ if pod.deleting => return None,
            (end, _) if end.is_some() || pod.phase == PodPhase::Failed => {
                let at = end
                    .and_then(|end| end.finished_at)
                    .unwrap_or(pod.created_at);
                let words = pod.failure().map(|(_, words)| words);
                let words = words.unwrap_or_else(|| format!("pod {} has failed", pod.name));
                (Act::Failed(words), at)
            }
            _ if !pod.is_active() => return None,
            (_, Some(ContainerState::Running { since })) => {
                (Act::AtWork, since.unwrap_or(pod.created_at))
            }
            _ => {
                let reason = pod.held_up().map(|held_up| held_up.reason);
                (Act::Waiting(reason), pod.created_at)
            }
        };
        let node = of.asked.clone().or_else(|| pod.node.clone())?;
        Some(of.seen(node, act, since))
    }

    /// What a Job says that has no pod yet, or none any more; `None` if it says nothing.
    #[must_use]
    pub fn of_job(of: &CopyOf, job: &JobSeen) -> Option<Self> {
        let node = of.asked.clone()?;
        if job.is_complete() {
            return None;
        }
        if let Some(failure) = job.failure() {
            let at = failure.since.unwrap_or(job.created_at);
            let words = format!("{}: {}", failure.reason, failure.message);
            return Some(of.seen(node, Act::Failed(words), at));
        }
        Some(of.seen(node, Act::Waiting(job.held_up.clone()), job.created_at))
    }
}

impl CopyOf {
    fn seen(&self, node: String, act: Act, since: Timestamp) -> CopySeen {
        CopySeen {
            node,
            database: self.database.clone(),
            version: self.version.clone(),
            work: self.work,
            asked: self.asked.is_some(),
            act,
            since,
            progress: None,
        }
    }
}

/// How a copy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// It was asked for, and nothing has begun.
    Waiting,
    /// It is on its way.
    Bringing,
    /// It is there.
    Ready,
    /// It is being removed.
    Releasing,
    /// It was to be brought, and is not there.
    Failed,
}

impl CopyState {
    /// The key of the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Bringing => "bringing",
            Self::Ready => "ready",
            Self::Releasing => "releasing",
            Self::Failed => "failed",
        }
    }
}

/// A copy of a database on a node, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// The node.
    pub node: String,
    /// The database.
    pub database: String,
    /// Its version: what is there, or what is on its way.
    pub version: String,
    /// How it stands.
    pub state: CopyState,
    /// Why it stands so, or what went wrong, if that is not plain.
    pub reason: Option<String>,
    /// Bytes that are there, if that is known.
    pub bytes: Option<u64>,
    /// Bytes that it will have, while it is on its way and that is known.
    pub bytes_total: Option<u64>,
    /// Since when it stands so.
    pub since: Timestamp,
}

/// One line for each copy, by database and node, and for each shard where it is divided. Copies that are gone
/// have none.
#[must_use]
pub fn copies(seen: &[CopySeen]) -> Vec<CopyView> {
    let mut on_nodes: BTreeMap<(&str, &str), Vec<&CopySeen>> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.work != Work::Run) {
        let key = (one.database.as_str(), one.node.as_str());
        on_nodes.entry(key).or_default().push(one);
    }
    let shard = |one: &CopySeen| {
        shard_of(&one.version)
            .1
            .map(|shard| (shard.first, shard.last))
    };
    let mut lines = Vec::new();
    for mut of in on_nodes.into_values() {
        // Whoever brings a version removes the older ones, whichever shards those were.
        let brought = |one: &&CopySeen| one.work == Work::Stage && matches!(one.act, Act::Done(_));
        let newest = of
            .iter()
            .copied()
            .filter(brought)
            .max_by_key(|one| one.since);
        of.retain(|one| {
            let same = |newest: &CopySeen| shard_of(&newest.version).0 == shard_of(&one.version).0;
            !brought(one) || newest.is_none_or(same)
        });
        let staged = of.iter().filter(|one| one.work == Work::Stage);
        let shards: BTreeSet<_> = staged.map(|one| shard(one)).collect();
        for wanted in shards {
            // A release removes all of them.
            let concerns = |one: &&&CopySeen| one.work == Work::Release || shard(one) == wanted;
            let these: Vec<&CopySeen> = of.iter().filter(concerns).copied().collect();
            lines.extend(copy(&these));
        }
        if of.iter().all(|one| one.work == Work::Release) {
            lines.extend(copy(&of));
        }
    }
    lines
}

/// The line of one copy.
fn copy(seen: &[&CopySeen]) -> Option<CopyView> {
    let newest = |chosen: &dyn Fn(&CopySeen) -> bool| {
        let mut found: Vec<&CopySeen> = seen.iter().copied().filter(|one| chosen(one)).collect();
        found.sort_by_key(|one| Reverse(one.since));
        found.first().copied()
    };
    let last = newest(&|one| matches!(one.act, Act::Done(_)));
    let there = last.filter(|last| last.work == Work::Stage);
    // A cluster tells times in seconds: what was begun in that of the end came after it.
    let since = |one: &CopySeen| last.is_none_or(|last| one.since >= last.since);
    let after = |one: &CopySeen| last.is_none_or(|last| one.since > last.since);
    let under_way = |one: &CopySeen| matches!(one.act, Act::AtWork | Act::Waiting(_));
    let releasing = newest(&|one| one.work == Work::Release && under_way(one) && since(one));
    let bringing = newest(&|one| {
        // Each pod of a search looks for a copy that is there: that is no news of it.
        let looks = there.is_some_and(|there| there.version == one.version);
        let news = !looks || one.progress.is_some();
        // A pod of a search that has not begun will bring it wherever it comes to run.
        let begun = one.act == Act::AtWork || one.asked;
        one.work == Work::Stage && under_way(one) && begun && news && since(one)
    });
    let failed = newest(&|one| matches!(one.act, Act::Failed(_)) && after(one));
    if let Some(one) = releasing.filter(|one| bringing.is_none_or(|other| other.since < one.since))
    {
        return Some(line(one, CopyState::Releasing));
    }
    if let Some(one) = bringing {
        let state = match one.act {
            Act::AtWork => CopyState::Bringing,
            _ => CopyState::Waiting,
        };
        // A try after one that failed says so.
        let mut line = line(one, state);
        line.reason = line.reason.or_else(|| reason(failed?));
        return Some(line);
    }
    match (there, failed) {
        (Some(there), failed) => {
            let mut line = line(there, CopyState::Ready);
            line.reason = failed.and_then(reason).map(|why| match failed {
                Some(one) if one.work == Work::Release => format!("not removed: {why}"),
                _ => format!("a later look at it failed: {why}"),
            });
            Some(line)
        }
        (None, Some(failed)) if failed.work == Work::Stage => Some(line(failed, CopyState::Failed)),
        (None, _) => None,
    }
}

fn reason(one: &CopySeen) -> Option<String> {
    match &one.act {
        Act::Waiting(reason) => reason.clone(),
        Act::Failed(reason) => Some(reason.clone()),
        Act::AtWork | Act::Done(_) => None,
    }
}

fn line(one: &CopySeen, state: CopyState) -> CopyView {
    let progress = one.progress.filter(|_| state == CopyState::Bringing);
    let done = match one.act {
        Act::Done(bytes) => Some(bytes),
        _ => None,
    };
    CopyView {
        node: one.node.clone(),
        database: one.database.clone(),
        version: one.version.clone(),
        state,
        reason: reason(one),
        bytes: done.or(progress.map(|progress| progress.done)),
        bytes_total: progress.map(|progress| progress.total),
        since: one.since,
    }
}

/// How much of a database has come to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageProgress {
    /// Bytes that are there.
    pub done: u64,
    /// Bytes of all of it.
    pub total: u64,
}

impl StageProgress {
    /// What the runner prints of it: for people, and in brackets for [`Self::parse`].
    #[must_use]
    pub fn line(self, what: &str, bytes_per_second: u64) -> String {
        let Self { done, total } = self;
        let percent = done.saturating_mul(100) / total.max(1);
        format!(
            "{what}: {} of {} ({percent} %), {} per second [{done}/{total}]",
            text::bytes(done),
            text::bytes(total),
            text::bytes(bytes_per_second),
        )
    }

    /// Reads a line of [`Self::line`]; `None` if it is another one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, told) = line.trim_end().strip_suffix(']')?.rsplit_once('[')?;
        let (done, total) = told.split_once('/')?;
        let (done, total) = (done.parse().ok()?, total.parse().ok()?);
        (done <= total).then_some(Self { done, total })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn seen(work: Work, act: Act, at: i64) -> CopySeen {
        CopySeen {
            node: "n1".to_owned(),
            database: "nt".to_owned(),
            version: "v1".to_owned(),
            work,
            asked: false,
            act,
            since: Timestamp(at),
            progress: None,
        }
    }

    fn staged(at: i64) -> CopySeen {
        seen(Work::Stage, Act::Done(7), at)
    }

    fn one(all: &[CopySeen]) -> Option<(CopyState, Option<String>)> {
        let mut lines = copies(all);
        assert!(lines.len() < 2, "{lines:?}");
        lines.pop().map(|line| (line.state, line.reason))
    }

    #[test]
    fn the_last_that_ended_tells_what_is_there() {
        assert_eq!(one(&[]), None);
        assert_eq!(one(&[staged(1)]), Some((CopyState::Ready, None)));
        let released = seen(Work::Release, Act::Done(0), 2);
        assert_eq!(one(&[released.clone(), staged(1)]), None);
        let all = [staged(3), released, staged(1)];
        assert_eq!(one(&all), Some((CopyState::Ready, None)));
        assert_eq!(copies(&all)[0].bytes, Some(7));
        let searched = seen(Work::Run, Act::Done(1), 4);
        assert_eq!(one(&[searched]), None);
    }

    #[test]
    fn a_pod_that_looks_at_a_copy_which_is_there_is_no_news() {
        let looks = seen(Work::Stage, Act::AtWork, 5);
        assert_eq!(
            one(&[staged(1), looks.clone()]).unwrap().0,
            CopyState::Ready
        );
        assert_eq!(
            one(std::slice::from_ref(&looks)).unwrap().0,
            CopyState::Bringing
        );
        let mut other = looks.clone();
        other.version = "v2".to_owned();
        let lines = copies(&[staged(1), other]);
        assert_eq!(
            (lines[0].state, &*lines[0].version),
            (CopyState::Bringing, "v2")
        );
        let mut brings = looks;
        let (done, total) = (3, 9);
        brings.progress = Some(StageProgress { done, total });
        let lines = copies(&[staged(1), brings]);
        assert_eq!(lines[0].state, CopyState::Bringing);
        assert_eq!((lines[0].bytes, lines[0].bytes_total), (Some(3), Some(9)));
    }

    #[test]
    fn only_what_was_asked_for_is_told_before_it_begins() {
        let mut waiting = seen(Work::Stage, Act::Waiting(Some("no image".to_owned())), 1);
        assert_eq!(one(std::slice::from_ref(&waiting)), None);
        waiting.asked = true;
        let told = Some((CopyState::Waiting, Some("no image".to_owned())));
        assert_eq!(one(&[waiting]), told);
    }

    #[test]
    fn an_error_is_told_until_something_newer_ends_well() {
        let failed = seen(Work::Stage, Act::Failed("no room".to_owned()), 5);
        let told = Some("no room".to_owned());
        assert_eq!(
            one(std::slice::from_ref(&failed)),
            Some((CopyState::Failed, told.clone()))
        );
        let again = seen(Work::Stage, Act::AtWork, 6);
        assert_eq!(
            one(&[failed.clone(), again]),
            Some((CopyState::Bringing, told))
        );
        assert_eq!(one(&[failed, staged(6)]), Some((CopyState::Ready, None)));
        let held = seen(Work::Release, Act::Failed("in use".to_owned()), 5);
        let told = Some("not removed: in use".to_owned());
        assert_eq!(one(&[staged(1), held]), Some((CopyState::Ready, told)));
    }

    #[test]
    fn what_is_asked_for_last_is_told() {
        let mut brings = seen(Work::Stage, Act::Waiting(None), 5);
        brings.asked = true;
        let releases = seen(Work::Release, Act::AtWork, 6);
        let all = [staged(1), brings.clone(), releases];
        assert_eq!(one(&all).unwrap().0, CopyState::Releasing);
        brings.since = Timestamp(7);
        let all = [seen(Work::Release, Act::AtWork, 6), brings];
        assert_eq!(one(&all).unwrap().0, CopyState::Waiting);
    }

    fn pod(phase: PodPhase, state: ContainerState) -> PodSeen {
        let container = crate::cluster::ContainerSeen {
            name: STAGE_CONTAINER.to_owned(),
            init: true,
            state,
            restarts: 0,
            last_end: None,
        };
        PodSeen {
            name: "p".to_owned(),
            job: "j".to_owned(),
            index: None,
            created_at: Timestamp(1),
            node: Some("n1".to_owned()),
            phase,
            deleting: false,
            reason: String::new(),
            message: String::new(),
            unschedulable: None,
            disrupted: None,
            containers: vec![container],
        }
    }

    fn ended(exit_code: i32, report: &Report) -> ContainerState {
        ContainerState::Ended(EndSeen {
            exit_code,
            message: report.to_message(),
            finished_at: Some(Timestamp(9)),
            ..EndSeen::default()
        })
    }

    #[test]
    fn a_pod_says_what_its_container_does() {
        let of = CopyOf {
            database: "nt".to_owned(),
            version: "v1".to_owned(),
            work: Work::Stage,
            asked: None,
        };
        let mut report = Report::new(Work::Stage);
        report.bytes = 5;
        let says = |pod: &PodSeen| CopySeen::of_pod(&of, pod).map(|seen| (seen.act, seen.since.0));
        let waits = || ContainerState::Waiting {
            reason: "ImagePullBackOff".to_owned(),
            message: String::new(),
        };
        let done = pod(PodPhase::Running, ended(0, &report));
        assert_eq!(says(&done), Some((Act::Done(5), 9)));
        let since = Some(Timestamp(4));
        let mut works = pod(PodPhase::Pending, ContainerState::Running { since });
        assert_eq!(says(&works), Some((Act::AtWork, 4)));
        works.deleting = true;
        assert_eq!(says(&works), None);
        let held = says(&pod(PodPhase::Pending, waits()));
        assert!(
            matches!(held, Some((Act::Waiting(Some(why)), 1)) if why.contains("ImagePullBackOff"))
        );
        report.error = Some("the disk is full".to_owned());
        let failed = says(&pod(PodPhase::Failed, ended(75, &report)));
        assert!(matches!(failed, Some((Act::Failed(why), 9)) if why.contains("the disk is full")));
        let evicted = says(&pod(PodPhase::Failed, waits()));
        assert!(matches!(evicted, Some((Act::Failed(_), 1))));
        let mut nowhere = pod(PodPhase::Pending, waits());
        nowhere.node = None;
        assert_eq!(says(&nowhere), None);
        let other = CopyOf {
            work: Work::Release,
            ..of.clone()
        };
        let seen = CopySeen::of_pod(&other, &pod(PodPhase::Pending, waits()));
        assert_eq!(seen.map(|seen| seen.work), Some(Work::Release));
    }

    #[test]
    fn a_node_has_shards_beside_each_other_until_all_are_removed_or_a_newer_version_comes() {
        let of = |version: &str, at: i64| CopySeen {
            version: version.to_owned(),
            ..staged(at)
        };
        let told = |all: &[CopySeen]| -> Vec<String> {
            let lines = copies(all).into_iter();
            lines
                .map(|line| format!("{} {}", line.version, line.state.as_str()))
                .collect()
        };
        let both = [of("v1.v0-1", 1), of("v1.v2-2", 2)];
        assert_eq!(told(&both), ["v1.v0-1 ready", "v1.v2-2 ready"]);
        let released = seen(Work::Release, Act::Done(0), 3);
        assert!(told(&[both[0].clone(), both[1].clone(), released.clone()]).is_empty());
        let again = [both[0].clone(), both[1].clone(), released, of("v1.v2-2", 4)];
        assert_eq!(told(&again), ["v1.v2-2 ready"]);
        let newer = [both[0].clone(), both[1].clone(), of("v2.v0-2", 5)];
        assert_eq!(told(&newer), ["v2.v0-2 ready"]);
        let whole = [both[0].clone(), of("v1", 6)];
        assert_eq!(told(&whole), ["v1 ready", "v1.v0-1 ready"]);
    }

    #[test]
    fn lines_are_by_database_and_node() {
        let mut other = staged(1);
        other.node = "n0".to_owned();
        let mut first = staged(1);
        first.database = "aa".to_owned();
        let lines = copies(&[staged(1), other, first]);
        let names = lines.iter().map(|line| (&*line.database, &*line.node));
        let names: Vec<_> = names.collect();
        assert_eq!(names, [("aa", "n1"), ("nt", "n0"), ("nt", "n1")]);
    }

    #[test]
    fn progress_is_read_as_it_was_written() {
        let (done, total) = (1_000_000, 4_000_000);
        let progress = StageProgress { done, total };
        let line = progress.line("core_nt 1", 500_000);
        assert_eq!(
            line,
            "core_nt 1: 1.0 MB of 4.0 MB (25 %), 500 kB per second [1000000/4000000]"
        );
        assert_eq!(StageProgress::parse(&line), Some(progress));
        for other in ["", "waiting for pod a", "x [1]", "x [5/4]", "x [a/b]"] {
            assert_eq!(StageProgress::parse(other), None, "{other}");
        }
    }
}
