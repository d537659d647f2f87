//! Local copies of objects that are elsewhere, for programs that need files.
//!
//! Owns a folder of this process and its bound in bytes. A copy appears whole or not at all, is fetched
//! once however many ask at the same time, and is not removed while somebody uses it; of the others, those
//! go first that were used longest ago. Objects are never replaced under their name, so that a copy is
//! never out of date.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::{ObjectError, remote::Pieces};

/// An object as a file, for as long as this is held.
#[derive(Debug, Clone)]
pub struct ObjectFile {
    copy: Arc<Copied>,
}

#[derive(Debug)]
struct Copied {
    path: PathBuf,
    bytes: u64,
}

impl ObjectFile {
    /// A file that nobody removes to make room.
    pub(super) fn lasting(path: PathBuf) -> Self {
        Self {
            copy: Arc::new(Copied { path, bytes: 0 }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.copy.path
    }
}

/// The copies of this process.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
    limit: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By name, with when each was last used.
    copies: HashMap<String, (Arc<Copied>, u64)>,
    /// Held by whoever fetches one.
    fetching: HashMap<String, Arc<tokio::sync::Mutex<()>>>,
    uses: u64,
}

impl Copies {
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        Self {
            folder,
            limit,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_hand(&self, name: &str) -> Option<ObjectFile> {
        let mut kept = self.kept();
        kept.uses += 1;
        let now = kept.uses;
        let (copy, used) = kept.copies.get_mut(name)?;
        *used = now;
        Some(ObjectFile {
            copy: Arc::clone(copy),
        })
    }

    /// The copy of this name, fetched if it is not there; `None` if there is no such object.
    pub async fn of<F>(
        &self,
        name: &str,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<ObjectFile>, ObjectError>
    where
        F: Future<Output = Result<Option<Pieces>, ObjectError>>,
    {
        if let Some(file) = self.at_hand(name) {
            return Ok(Some(file));
        }
        let turn = Arc::clone(self.kept().fetching.entry(name.to_owned()).or_default());
        let held = turn.lock().await;
        let outcome = match self.at_hand(name) {
            Some(file) => Ok(Some(file)),
            None => self.fetched(name, fetch).await,
        };
        drop(held);
        let mut kept = self.kept();
        // The map's and ours: nobody else waits for it.
        if Arc::strong_count(&turn) == 2 {
            kept.fetching.remove(name);
        }
        outcome
    }

    async fn fetched<F>(
        &self,
        name: &str,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<ObjectFile>, ObjectError>
    where
        F: Future<Output = Result<Option<Pieces>, ObjectError>>,
    {
        let Some((bytes, mut pieces)) = fetch().await? else {
            return Ok(None);
        };
        tokio::fs::create_dir_all(&self.folder).await?;
        self.make_room(bytes).await;
        let draft = tempfile::NamedTempFile::new_in(&self.folder)?;
        let mut writer = tokio::fs::File::from_std(draft.reopen()?);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| ObjectError::Away(error.to_string()))?;
            writer.write_all(&piece).await?;
        }
        writer.flush().await?;
        let path = self.folder.join(name);
        draft.persist(&path).map_err(|error| error.error)?;
        let copy = Arc::new(Copied { path, bytes });
        let mut kept = self.kept();
        kept.uses += 1;
        let used = kept.uses;
        kept.copies
            .insert(name.to_owned(), (Arc::clone(&copy), used));
        Ok(Some(ObjectFile { copy }))
    }

    /// Removes copies that nobody uses until so many bytes more are within the limit. If all are in use
    /// the limit is exceeded for a while: refusing would fail the reader.
    async fn make_room(&self, more: u64) {
        let mut going = Vec::new();
        {
            let mut kept = self.kept();
            let mut total: u64 = kept.copies.values().map(|(copy, _)| copy.bytes).sum();
            let mut idle: Vec<(u64, String)> = kept
                .copies
                .iter()
                .filter(|(_, (copy, _))| Arc::strong_count(copy) == 1)
                .map(|(name, (_, used))| (*used, name.clone()))
                .collect();
            idle.sort_unstable();
            for (_, name) in idle {
                if total.saturating_add(more) <= self.limit {
                    break;
                }
                if let Some((copy, _)) = kept.copies.remove(&name) {
                    total -= copy.bytes;
                    going.push(copy.path.clone());
                }
            }
        }
        for path in going {
            if let Err(error) = tokio::fs::remove_file(&path).await {
                tracing::warn!(path = %path.display(), %error, "a local copy cannot be removed");
            }
        }
    }

    /// Removes a copy whose object is removed. Whoever has it open reads on.
    pub fn forget(&self, name: &str) {
        let removed = self.kept().copies.remove(name);
        if let Some((copy, _)) = removed
            && let Err(error) = std::fs::remove_file(&copy.path)
        {
            tracing::warn!(path = %copy.path.display(), %error, "a local copy cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests;
