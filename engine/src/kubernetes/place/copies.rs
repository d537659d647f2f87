//! Copies of databases on nodes, of all that pods have said of them.
//!
//! Owns the memory of pods that are gone: what they brought stays on its node. Nodes that are known to be gone
//! take it with them. How far transfers are is told here by whoever reads the pods' logs.

use std::collections::{BTreeSet, HashMap};

use elb_core::{
    cluster::{
        Act, ContainerState, CopySeen, CopyView, PodSeen, STAGE_CONTAINER, StageProgress, Work,
        copies,
    },
    database::{Shard, shard_of},
};

use super::{Inner, Place, PodObject};
use crate::kubernetes::objects::COPIES;

/// The most copies that are remembered (ours): one entry is 200 bytes.
const MAX_REMEMBERED: usize = 20_000;

/// What of a database a pod has brought or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    /// Everything that is on the node was removed.
    Removed,
    /// The whole of it was brought.
    Whole,
    /// This shard was brought.
    Shard(Shard),
}

impl Part {
    fn of(said: &CopySeen) -> Self {
        if said.work == Work::Release {
            return Self::Removed;
        }
        shard_of(&said.version).1.map_or(Self::Whole, Self::Shard)
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The last that came to its end, by database, node, and what of it: a shard, or all of it.
    ended: HashMap<(String, String, Part), CopySeen>,
    /// By pod.
    progress: HashMap<String, StageProgress>,
}

impl Copies {
    /// Writes down what a pod has come to.
    pub fn note(&mut self, pod: &PodObject) {
        if !is_staging(&pod.seen) {
            self.progress.remove(&pod.seen.name);
        }
        let said = pod.copy.as_ref();
        let Some(said) = said.and_then(|copy| CopySeen::of_pod(copy, &pod.seen)) else {
            return;
        };
        if !matches!(said.act, Act::Done(_)) {
            return;
        }
        let key = (said.database.clone(), said.node.clone(), Part::of(&said));
        let known = self.ended.get(&key);
        let full = known.is_none() && self.ended.len() >= MAX_REMEMBERED;
        if !full && known.is_none_or(|known| known.since <= said.since) {
            self.ended.insert(key, said);
        }
    }

    pub fn progress_of(&self, pod: &str) -> Option<StageProgress> {
        self.progress.get(pod).copied()
    }
}

/// Whether a pod brings a database at the moment.
fn is_staging(pod: &PodSeen) -> bool {
    let mut containers = pod.containers.iter();
    containers.any(|one| {
        one.name == STAGE_CONTAINER && matches!(one.state, ContainerState::Running { .. })
    })
}

impl Inner {
    /// The copies on the nodes.
    pub(super) fn copies_seen(&self) -> Vec<CopyView> {
        let mut seen: Vec<CopySeen> = self.copies.ended.values().cloned().collect();
        let mut with_pod = BTreeSet::new();
        for pod in self.pods.iter() {
            let Some(copy) = &pod.copy else {
                continue;
            };
            with_pod.insert(pod.seen.job.as_str());
            let told = self.told_of_pod(pod);
            if let Some(mut said) = CopySeen::of_pod(copy, &told) {
                said.progress = self.copies.progress_of(&told.name);
                seen.push(said);
            }
        }
        for job in self.jobs.of_run(COPIES) {
            let said = job
                .copy
                .as_ref()
                .filter(|_| !with_pod.contains(job.seen.name.as_str()));
            seen.extend(said.and_then(|copy| CopySeen::of_job(copy, &self.told_of_job(job))));
        }
        copies(&seen)
    }
}

impl Place {
    /// The copies on the nodes.
    pub fn copies(&self) -> Vec<CopyView> {
        self.lock().0.copies_seen()
    }

    /// The pods that bring a database at the moment.
    pub fn staging(&self) -> Vec<String> {
        let contents = self.lock();
        let pods = contents.0.pods.iter();
        let staging = pods.filter(|pod| pod.copy.is_some() && is_staging(&pod.seen));
        staging.map(|pod| pod.seen.name.clone()).collect()
    }

    /// How far a pod is that brings a database.
    pub fn progressed(&self, pod: &str, progress: StageProgress) {
        self.change(|contents| {
            let before = contents.0.copies.progress.insert(pod.to_owned(), progress);
            before != Some(progress)
        });
    }

    /// These are all the nodes that searches may use: what was on others is of no use any more.
    pub fn nodes_are(&self, nodes: &BTreeSet<String>) {
        self.change(|contents| {
            let ended = &mut contents.0.copies.ended;
            let before = ended.len();
            ended.retain(|(_, node, _), _| nodes.contains(node));
            ended.len() != before
        });
    }
}
