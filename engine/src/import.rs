//! Searches of the original dashboard taken over, with their histories (`docs/IMPORT.md`).
//!
//! Owns the order and the account: each row of the original is new here, known, left out for a reason or
//! broken, and all of them are told. Nothing of the original is changed, nothing that is here already is
//! overwritten, and nothing is taken over that could still run: a second import completes the first.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use elb_core::{phase::Phase, text, view::HistoryEntry};
use futures::{StreamExt, TryStreamExt, stream};
use thiserror::Error;

use crate::{
    azure::tables::foreign::Foreign,
    repository::{Kept, Moved, Repository, RepositoryError},
};

mod columns;
mod ending;
mod history;
mod original;
mod row;
mod spec;
mod timeline;

pub use original::Original;

/// Jobs under way at once: tables at a distance answer many in the time of one.
const AT_ONCE: usize = 16;

/// What the operator decides.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Who owns every search here; `None` leaves each with the object id of who submitted it.
    pub owner: Option<String>,
    /// Whether searches that the original still has under way are taken over as lost.
    pub unfinished_as_lost: bool,
}

/// Why an import did not come to its end.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The original cannot be read.
    #[error("the original cannot be read: {0}; what has arrived stays, start it again to go on")]
    Source(RepositoryError),
    /// The destination cannot be written or read.
    #[error("the destination cannot be used: {0}; what has arrived stays, start it again to go on")]
    Destination(RepositoryError),
}

/// Why a row was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The row is no job's; its row key.
    NotAJob(String),
    /// The job is no search; its kind.
    NotASearch(String),
    /// It only stood for a message in a queue; the search has a row of its own.
    Placeholder,
    /// The original still has it under way.
    Unfinished {
        /// Its status there.
        status: String,
        /// Its phase there.
        phase: String,
    },
    /// It was imported before and deleted here since.
    DeletedHere,
    /// It was imported before, and is not the same here and there any more.
    Changed,
    /// Its id is that of another search here.
    Taken,
    /// It cannot be read.
    Broken(String),
}

impl Why {
    /// Whether it was to be expected: nothing of it is left to be done.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(
            self,
            Self::NotAJob(_) | Self::NotASearch(_) | Self::Placeholder | Self::DeletedHere
        )
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAJob(key) => write!(out, "no job: its row key is \"{key}\""),
            Self::NotASearch(kind) => write!(out, "no search, but {kind}"),
            Self::Placeholder => out.write_str("the placeholder of a message in a queue"),
            Self::Unfinished { status, phase } => write!(
                out,
                "has not ended in the original ({status}, {phase}): import it once it has, or with --unfinished-as-lost"
            ),
            Self::DeletedHere => {
                out.write_str("was imported before and deleted here; it stays deleted")
            }
            Self::Changed => out.write_str(
                "was imported before and has changed since, there or here; it stays as it is here",
            ),
            Self::Taken => out.write_str("has the id of another search here; it was left out"),
            Self::Broken(why) => write!(out, "cannot be imported: {why}"),
        }
    }
}

/// A row that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its id in the original.
    pub id: String,
    /// Why.
    pub why: Why,
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Rows that were read.
    pub rows: u64,
    /// Searches that were put.
    pub new: u64,
    /// Searches that were here, the same.
    pub same: u64,
    /// Of both, those that are deleted in the original.
    pub deleted: u64,
    /// Entries of the histories that were put.
    pub entries: u64,
    /// Rows that are no searches: how many of each kind.
    pub others: BTreeMap<String, u64>,
    /// Rows that were not taken over for another reason, in the order in which they were read.
    pub left_out: Vec<LeftOut>,
    /// Ids that have a history in the original and no row.
    pub strays: u64,
}

impl Account {
    /// Whether everything is here that there is to be had.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.left_out.iter().all(|left| left.why.is_settled())
    }

    fn add(&mut self, one: One) {
        match one.outcome {
            Ok(Put {
                new,
                deleted,
                entries,
            }) => {
                self.new += u64::from(new);
                self.same += u64::from(!new);
                self.deleted += u64::from(deleted);
                self.entries += if new { entries } else { 0 };
            }
            Err(Why::NotASearch(kind)) => *self.others.entry(kind).or_default() += 1,
            Err(why) => self.left_out.push(LeftOut { id: one.id, why }),
        }
    }
}

/// A row that was dealt with.
struct One {
    id: String,
    outcome: Result<Put, Why>,
}

/// A search that is here.
struct Put {
    new: bool,
    deleted: bool,
    entries: u64,
}

/// Imports everything. `tell` is given the count of rows so far, now and then.
///
/// # Errors
/// If the original or the destination cannot be used; start again to go on.
pub async fn import(
    from: &Original,
    to: &Arc<dyn Repository>,
    rules: &Rules,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Account, ImportError> {
    let mut account = Account::default();
    let mut known = HashSet::new();
    let mut token = None;
    loop {
        let page = from.jobs(token.as_ref()).await?;
        let rows: Vec<_> = page
            .entities
            .into_iter()
            .map(|row| one(from, to.as_ref(), rules, row))
            .collect();
        let mut done = stream::iter(rows).buffered(AT_ONCE);
        while let Some(one) = done.try_next().await? {
            known.insert(one.id.clone());
            account.rows += 1;
            account.add(one);
        }
        tell(account.rows);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    account.strays = from.strays(&known).await?;
    Ok(account)
}

async fn one(
    from: &Original,
    to: &dyn Repository,
    rules: &Rules,
    row: Foreign,
) -> Result<One, ImportError> {
    let id = columns::text(&row, "PartitionKey").unwrap_or_default();
    // Most rows that are none of ours are told by the row alone.
    let history = match row::job_of(&row, &[], rules) {
        Err(why) if !matches!(why, Why::Broken(_)) => {
            return Ok(One {
                id,
                outcome: Err(why),
            });
        }
        _ => from.history(&id).await?,
    };
    let outcome = match row::job_of(&row, &history, rules) {
        Ok(kept) => put(to, &kept).await?,
        Err(why) => Err(why),
    };
    Ok(One { id, outcome })
}

/// Puts a search unless something is here under its id.
async fn put(to: &dyn Repository, wanted: &Kept) -> Result<Result<Put, Why>, ImportError> {
    let job = &wanted.stored.job;
    let put = |new| Put {
        new,
        deleted: job.phase == Phase::Deleted,
        entries: wanted.history.len() as u64,
    };
    let here = match to.kept(&job.id).await {
        Ok(here) => here,
        Err(error) => return beside(error),
    };
    if let Some(here) = here {
        return Ok(judge(&here, wanted).map_or_else(|| Ok(put(false)), Err));
    }
    match to.move_in(wanted).await {
        Ok(Moved::New | Moved::Same) => Ok(Ok(put(true))),
        // Somebody was quicker.
        Ok(Moved::Differs) => Ok(Err(Why::Changed)),
        Err(error) => beside(error),
    }
}

/// What is wrong with one row stops no other; what is wrong with the store does.
fn beside<T>(error: RepositoryError) -> Result<Result<T, Why>, ImportError> {
    match error {
        RepositoryError::Corrupt { .. } | RepositoryError::TooLarge { .. } => {
            Ok(Err(Why::Broken(text::cap(&error.to_string(), 500))))
        }
        error => Err(ImportError::Destination(error)),
    }
}

/// Why what is here is not what would be put; nothing if it is.
fn judge(here: &Kept, wanted: &Kept) -> Option<Why> {
    let (job, theirs) = (&here.stored.job, &wanted.stored.job);
    let same_origin = job.imported.as_ref().map(|imported| &imported.id)
        == theirs.imported.as_ref().map(|imported| &imported.id);
    if !same_origin {
        return Some(Why::Taken);
    }
    if job.phase == Phase::Deleted && theirs.phase != Phase::Deleted {
        return Some(Why::DeletedHere);
    }
    let same = job == theirs && is_end_of(&here.history, &wanted.history);
    (!same).then_some(Why::Changed)
}

/// Whether a history is the other one, of which retention may have taken the oldest entries.
fn is_end_of(here: &[HistoryEntry], wanted: &[HistoryEntry]) -> bool {
    wanted.get(..here.len()) == Some(here)
}
