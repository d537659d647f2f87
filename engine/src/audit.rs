//! The audit: every row, history and object of a store held against the invariants.
//!
//! Owns how evidence is gathered through the port to the store, in pages and while others write. A job
//! that changes while it is looked at is looked at again, so that row, history and objects belong to
//! one moment. Writes nothing and decides nothing: the rules are [`elb_core::invariants`].

use std::collections::HashSet;

use elb_core::{
    invariants::{
        self, Circumstances, Invariant, JobEvidence, LeaseSeen, Leftover, ObjectKind, ObjectSeen,
        QueueSpan, Violation,
    },
    view::HistoryEntry,
};
use thiserror::Error;

use crate::{
    objects::{Kind, ObjectError, Objects},
    repository::{Repository, RepositoryError, Stored},
};

/// Rows read at once.
const ROWS: usize = 200;
/// History entries read at once.
const ENTRIES: usize = 500;
/// How often a job that changes under the audit is looked at again before its objects are left out.
const LOOKS: u32 = 5;

/// Why a store cannot be audited.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The rows cannot be read.
    #[error(transparent)]
    Store(#[from] RepositoryError),
    /// The objects cannot be read.
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Rows.
    pub jobs: u64,
    /// Entries of their histories.
    pub entries: u64,
    /// Their objects.
    pub objects: u64,
}

/// One row of the store, with all that belongs to it.
#[derive(Debug)]
pub enum Row {
    /// What is known of a job.
    Job(Box<JobEvidence>),
    /// A row that cannot be read.
    Unreadable(RepositoryError),
}

/// Goes through every row of the store, newest first in each part of it.
///
/// # Errors
/// If the store or the objects cannot be read.
pub async fn each_row(
    repository: &dyn Repository,
    objects: &Objects,
    mut take: impl FnMut(Row),
) -> Result<(), AuditError> {
    for part in 0..repository.parts() {
        each_row_of(repository, objects, part, &mut take).await?;
    }
    Ok(())
}

async fn each_row_of(
    repository: &dyn Repository,
    objects: &Objects,
    part: usize,
    take: &mut impl FnMut(Row),
) -> Result<(), AuditError> {
    let mut after: Option<String> = None;
    loop {
        let page = repository.scan(part, after.as_deref(), ROWS).await?;
        let living = living(repository).await?;
        for error in page.unreadable {
            take(Row::Unreadable(error));
        }
        for row in page.jobs {
            if let Some(job) = evidence_of(repository, objects, row, &living).await? {
                take(Row::Job(Box::new(job)));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Holds a whole store against the invariants; `tell` is given each violation as it is found.
///
/// # Errors
/// If the store or the objects cannot be read. A single row that cannot be read is a violation.
pub async fn audit(
    repository: &dyn Repository,
    objects: &Objects,
    circumstances: &Circumstances,
    mut tell: impl FnMut(Violation),
) -> Result<Looked, AuditError> {
    // Before the rows: a row is stored after its objects.
    let stored: Vec<String> = objects.jobs().await?;
    let mut looked = Looked::default();
    let mut spans = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    each_row(repository, objects, |row| match row {
        Row::Unreadable(error) => {
            let job = match &error {
                RepositoryError::Corrupt { id, .. } => Some(id.clone()),
                _ => None,
            };
            known.extend(job.clone());
            tell(Violation {
                invariant: Invariant::I1,
                job,
                what: error.to_string(),
            });
        }
        Row::Job(job) => {
            looked.jobs += 1;
            looked.entries += job.history.len() as u64;
            looked.objects += job
                .objects
                .as_ref()
                .map_or(0, |objects| objects.len() as u64);
            spans.extend(QueueSpan::of(&job));
            for violation in invariants::check_job(&job, circumstances) {
                tell(violation);
            }
            known.insert(job.job.id);
        }
    })
    .await?;
    let slack = circumstances.slack_ms;
    let passed = invariants::queue_is_first_come_first_served(&spans, slack);
    let left = leftovers(repository, objects, stored, &known).await?;
    let left = invariants::nothing_is_left_over(&left, circumstances);
    for violation in passed.into_iter().chain(left) {
        tell(violation);
    }
    Ok(looked)
}

/// Processes that the store knows as alive.
async fn living(repository: &dyn Repository) -> Result<HashSet<String>, RepositoryError> {
    let beats = repository.beats().await?;
    Ok(beats.into_iter().map(|beat| beat.holder).collect())
}

/// Everything that is known of one job, of one moment; `None` if it was forgotten meanwhile.
async fn evidence_of(
    repository: &dyn Repository,
    objects: &Objects,
    row: Stored,
    living: &HashSet<String>,
) -> Result<Option<JobEvidence>, AuditError> {
    let mut row = row;
    for _ in 0..LOOKS {
        let history = whole_history(repository, &row).await?;
        let present = objects.of_job(&row.job.id).await?;
        let Some(again) = repository.get(&row.job.id).await? else {
            return Ok(None);
        };
        if again.version == row.version {
            let present = present.into_iter().map(|object| ObjectSeen {
                kind: match object.kind {
                    Kind::Query => ObjectKind::Query,
                    Kind::Archive => ObjectKind::Archive,
                    Kind::Hits => ObjectKind::Hits,
                    Kind::Log => ObjectKind::Log,
                },
                modified_at: object.modified_at,
            });
            return Ok(Some(job_evidence(
                again,
                history,
                Some(present.collect()),
                living,
            )));
        }
        row = again;
    }
    let history = whole_history(repository, &row).await?;
    Ok(Some(job_evidence(row, history, None, living)))
}

fn job_evidence(
    row: Stored,
    history: Vec<HistoryEntry>,
    objects: Option<Vec<ObjectSeen>>,
    living: &HashSet<String>,
) -> JobEvidence {
    let Stored {
        job,
        version,
        lease,
    } = row;
    JobEvidence {
        job,
        version,
        epoch: lease.epoch,
        lease: (!lease.holder.is_empty()).then(|| LeaseSeen {
            registered: living.contains(&lease.holder),
            holder: lease.holder,
        }),
        history,
        objects,
    }
}

/// The history up to the row's version, oldest first. What was written after the row was read does not
/// belong to it.
async fn whole_history(
    repository: &dyn Repository,
    row: &Stored,
) -> Result<Vec<HistoryEntry>, RepositoryError> {
    let mut entries = Vec::new();
    let mut before = Some(row.version.saturating_add(1));
    loop {
        let page = repository.history(&row.job.id, before, ENTRIES).await?;
        let full = page.len() == ENTRIES;
        before = page.last().map(|entry| entry.version);
        entries.extend(page);
        if !full {
            break;
        }
    }
    entries.reverse();
    Ok(entries)
}

/// Objects under ids that have no row, not even one that cannot be read.
async fn leftovers(
    repository: &dyn Repository,
    objects: &Objects,
    stored: Vec<String>,
    known: &HashSet<String>,
) -> Result<Vec<Leftover>, AuditError> {
    let mut left = Vec::new();
    for id in stored.into_iter().filter(|id| !known.contains(id)) {
        if repository.get(&id).await?.is_some() {
            // It was submitted while the rows were read.
            continue;
        }
        let present = match objects.of_job(&id).await {
            // Something that somebody else put there.
            Err(ObjectError::BadId(_)) => continue,
            present => present?,
        };
        let newest = present.into_iter().map(|object| object.modified_at).max();
        left.extend(newest.map(|modified_at| Leftover { id, modified_at }));
    }
    Ok(left)
}
