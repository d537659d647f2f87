//! Listed jobs by what a list is narrowed by: owner, status, program and database.
//!
//! Every leaf is in the order of the question, so that a page is read off the leaves that a question leaves, and
//! totals are the sizes of leaves. What has become empty is taken away.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use elb_core::{
    list::{ListQuery, Totals},
    phase::Status,
    search::Program,
};

use super::{
    Listed,
    leaf::{Kept, Leaf, Order},
};

/// Jobs of one kind, by status.
#[derive(Debug, Default)]
pub(super) struct ByStatus([Leaf; Status::LISTED.len()]);

impl ByStatus {
    /// Each status with its jobs.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (Status, &Leaf)> {
        Status::LISTED.into_iter().zip(&self.0)
    }

    fn leaf(&mut self, status: Status) -> Option<&mut Leaf> {
        let place = Status::LISTED.iter().position(|each| *each == status)?;
        self.0.get_mut(place)
    }

    fn insert(&mut self, listed: &Arc<Listed>, kept: &Kept) {
        if let Some(leaf) = self.leaf(listed.row.status) {
            leaf.insert(listed, kept);
        }
    }

    fn remove(&mut self, listed: &Arc<Listed>, kept: &Kept) {
        if let Some(leaf) = self.leaf(listed.row.status) {
            leaf.remove(listed, kept);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Leaf::is_empty)
    }

    fn adopt(&mut self, order: Order, others: &mut Self) {
        for (leaf, other) in self.0.iter_mut().zip(&mut others.0) {
            leaf.adopt(order, other);
        }
    }
}

/// Jobs of one owner.
#[derive(Debug, Default)]
struct Owned {
    all: ByStatus,
    /// By database, and then by program.
    kinds: HashMap<String, HashMap<Program, ByStatus>>,
}

impl Owned {
    /// Every kind, and all of them together.
    fn kinds(&mut self) -> impl Iterator<Item = &mut ByStatus> {
        let kinds = self.kinds.values_mut().flat_map(HashMap::values_mut);
        kinds.chain([&mut self.all])
    }
}

#[derive(Debug, Default)]
pub(super) struct Index {
    owners: HashMap<String, Owned>,
    kept: Kept,
}

impl Index {
    /// Whether pages can be read off in this order.
    pub(super) fn keeps(&self, order: Order) -> bool {
        self.kept.has(order)
    }

    /// One of these jobs that keeps one order.
    pub(super) fn keeping<'a>(
        order: Order,
        jobs: impl IntoIterator<Item = &'a Arc<Listed>>,
    ) -> Self {
        let mut index = Self::default();
        jobs.into_iter().for_each(|listed| index.insert(listed));
        for owned in index.owners.values_mut() {
            owned
                .kinds()
                .for_each(|kind| kind.0.iter_mut().for_each(|leaf| leaf.sort(order)));
        }
        index.kept.add(order);
        index
    }

    /// Takes over an order from one of the same jobs that keeps it, and gives what it had in its place.
    pub(super) fn adopt(&mut self, order: Order, other: &mut Self) {
        for (owner, owned) in &mut self.owners {
            let Some(others) = other.owners.get_mut(owner) else {
                continue;
            };
            owned.all.adopt(order, &mut others.all);
            for (database, programs) in &mut owned.kinds {
                for (program, kind) in programs {
                    let others = others.kinds.get_mut(database);
                    if let Some(others) = others.and_then(|programs| programs.get_mut(program)) {
                        kind.adopt(order, others);
                    }
                }
            }
        }
        self.kept.add(order);
    }

    pub(super) fn insert(&mut self, listed: &Arc<Listed>) {
        let kept = &self.kept;
        let owned = self.owners.entry(listed.owner.clone()).or_default();
        owned.all.insert(listed, kept);
        let programs = owned.kinds.entry(listed.row.database.clone()).or_default();
        let kind = programs.entry(listed.row.program).or_default();
        kind.insert(listed, kept);
    }

    pub(super) fn remove(&mut self, listed: &Arc<Listed>) {
        let kept = &self.kept;
        let Some(owned) = self.owners.get_mut(&listed.owner) else {
            return;
        };
        owned.all.remove(listed, kept);
        if let Some(programs) = owned.kinds.get_mut(&listed.row.database) {
            if let Some(kind) = programs.get_mut(&listed.row.program) {
                kind.remove(listed, kept);
            }
            programs.retain(|_, kind| !kind.is_empty());
            if programs.is_empty() {
                owned.kinds.remove(&listed.row.database);
            }
        }
        if owned.all.is_empty() {
            self.owners.remove(&listed.owner);
        }
    }

    /// Of everyone.
    pub(super) fn everything(&self) -> impl Iterator<Item = &ByStatus> {
        self.owners.values().map(|owned| &owned.all)
    }

    /// The jobs of each owner, database and program.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, &str, Program, &ByStatus)> {
        self.owners.iter().flat_map(|(owner, owned)| {
            owned.kinds.iter().flat_map(move |(database, programs)| {
                let kinds = programs.iter();
                kinds.map(move |(program, jobs)| (&**owner, &**database, *program, jobs))
            })
        })
    }

    fn seen_by(&self, caller: &str) -> impl Iterator<Item = &Owned> {
        let own = (!caller.is_empty()).then(|| self.owners.get(caller));
        self.owners.get("").into_iter().chain(own.flatten())
    }

    /// What the caller may see and program and database leave; no job is in two of them.
    pub(super) fn groups<'a>(&'a self, caller: &str, query: &ListQuery) -> Vec<&'a ByStatus> {
        let mut groups = Vec::new();
        for owned in self.seen_by(caller) {
            if query.program.is_none() && query.database.is_none() {
                groups.push(&owned.all);
                continue;
            }
            let databases: Vec<_> = match &query.database {
                Some(database) => owned.kinds.get(database).into_iter().collect(),
                None => owned.kinds.values().collect(),
            };
            for programs in databases {
                match query.program {
                    Some(program) => groups.extend(programs.get(&program)),
                    None => groups.extend(programs.values()),
                }
            }
        }
        groups
    }

    /// The names of the databases of what the caller may see, in order.
    pub(super) fn databases(&self, caller: &str) -> Vec<String> {
        let names = self.seen_by(caller).flat_map(|owned| owned.kinds.keys());
        let names: HashSet<&String> = names.collect();
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort_unstable();
        names
    }
}

/// How many jobs of each status there are.
pub(super) fn totals<'a>(groups: impl IntoIterator<Item = &'a ByStatus>) -> Totals {
    let mut totals = Totals::default();
    for group in groups {
        for (status, leaf) in group.leaves() {
            totals.add(status, leaf.len() as u64);
        }
    }
    totals
}
