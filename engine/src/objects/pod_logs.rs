//! Logs of containers that have ended, kept with the other objects of their search.
//!
//! Owns their names, which say all that a list of them shows: a list is one question, whatever their number.
//! One is written once. Whatever removes the objects of a search removes them too.

use bytes::Bytes;
use elb_core::cluster::LogOf;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path as Key};

use super::{Kind, ObjectError, Objects, Place, absent, put_file};

/// The folder of them in that of a search.
const PODS: &str = "pods";
/// The ending of their names.
const ENDING: &str = "log";
/// The most of one that is read, in bytes: more than is ever written.
const LONGEST: u64 = 64 << 20;

/// How the run of a container ended whose log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeptEnd {
    /// With this exit code.
    Exit(i32),
    /// Its pod was gone before that could be seen.
    Unknown,
    /// Its log could not be read: what is kept says why.
    Lost,
}

/// A log that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLog {
    /// Whose it is.
    pub log: LogOf,
    /// Whether the container ran before the others.
    pub init: bool,
    /// The batch that its pod searched, of an Indexed Job.
    pub batch: Option<u32>,
    /// How it ended.
    pub end: KeptEnd,
    /// How many bytes of its beginning were left out.
    pub left_out: u64,
    /// How many bytes are kept.
    pub bytes: u64,
}

impl KeptLog {
    /// `pods/POD/CONTAINER.RESTART.ROLE.BATCH.END.LEFT_OUT.log`; names of containers have no dot.
    fn key(&self, prefix: &Key) -> Key {
        let role = if self.init { "init" } else { "main" };
        let batch = self.batch.map_or("none".to_owned(), |at| at.to_string());
        let end = match self.end {
            KeptEnd::Exit(code) => code.to_string(),
            KeptEnd::Unknown => "unknown".to_owned(),
            KeptEnd::Lost => "lost".to_owned(),
        };
        let LogOf {
            pod,
            container,
            restart,
        } = &self.log;
        let left_out = self.left_out;
        let name = format!("{container}.{restart}.{role}.{batch}.{end}.{left_out}.{ENDING}");
        prefix.clone().join(PODS).join(pod.as_str()).join(name)
    }

    fn of_key(prefix: &Key, key: &Key, bytes: u64) -> Option<Self> {
        let mut parts = key.prefix_match(prefix)?;
        if parts.next()?.as_ref() != PODS {
            return None;
        }
        let (pod, name) = (parts.next()?, parts.next()?);
        let fields: Vec<&str> = name.as_ref().split('.').collect();
        let [container, restart, role, batch, end, left_out, ENDING] = fields.as_slice() else {
            return None;
        };
        Some(Self {
            log: LogOf::new(pod.as_ref(), container, restart.parse().ok()?)?,
            init: *role == "init",
            batch: batch.parse().ok(),
            end: match *end {
                "unknown" => KeptEnd::Unknown,
                "lost" => KeptEnd::Lost,
                code => KeptEnd::Exit(code.parse().ok()?),
            },
            left_out: left_out.parse().ok()?,
            bytes,
        })
    }
}

impl Objects {
    /// Keeps a log. In a store elsewhere the first one of a name stays.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn keep_pod_log(
        &self,
        job: &str,
        kept: &KeptLog,
        text: &[u8],
    ) -> Result<(), ObjectError> {
        let key = kept.key(&Self::prefix(job)?);
        match &self.place {
            Place::Folder { store, .. } => put_file(store, &key, text).await?,
            Place::Elsewhere { store, .. } => store.put(&key, text).await?,
        };
        Ok(())
    }

    /// The logs that are kept of a search, one for each run of a container. One that was read counts before
    /// one that another server could not read.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn pod_logs(&self, job: &str) -> Result<Vec<KeptLog>, ObjectError> {
        let prefix = Self::prefix(job)?;
        let below = prefix.clone().join(PODS);
        let metas = match &self.place {
            Place::Folder { store, .. } => store.list(Some(&below)).try_collect().await?,
            Place::Elsewhere { store, .. } => store.list(&below).await?,
        };
        let found = metas
            .iter()
            .filter_map(|meta| KeptLog::of_key(&prefix, &meta.location, meta.size));
        let mut found: Vec<KeptLog> = found.collect();
        found.sort_by(|one, other| (&one.log, one.end).cmp(&(&other.log, other.end)));
        found.dedup_by(|later, first| later.log == first.log);
        Ok(found)
    }

    /// The text of a log that is kept; each line bears its time.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it was removed.
    pub async fn pod_log(&self, job: &str, kept: &KeptLog) -> Result<Bytes, ObjectError> {
        let key = kept.key(&Self::prefix(job)?);
        match &self.place {
            Place::Folder { store, .. } => {
                let found = store.get(&key).await;
                let found = found.map_err(|error| Self::missing(error, job, Kind::Log))?;
                Ok(found.bytes().await?)
            }
            Place::Elsewhere { store, .. } => {
                let found = store.first(&key, LONGEST).await?;
                found.ok_or_else(|| absent(job, Kind::Log))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn kept(log: &str, end: KeptEnd) -> KeptLog {
        KeptLog {
            log: LogOf::parse(log).unwrap(),
            init: false,
            batch: Some(7),
            end,
            left_out: 12,
            bytes: 4,
        }
    }

    #[tokio::test]
    async fn the_name_tells_everything_and_the_search_takes_its_logs_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path()).unwrap();
        assert_eq!(objects.pod_logs("job-1").await.unwrap(), []);
        let lost = kept("a.b/blast/0", KeptEnd::Lost);
        let read = kept("a.b/blast/0", KeptEnd::Exit(-1));
        let other = KeptLog {
            init: true,
            batch: None,
            ..kept("a.b/stage-db/1", KeptEnd::Unknown)
        };
        for one in [&lost, &read, &other] {
            objects.keep_pod_log("job-1", one, b"text").await.unwrap();
        }
        assert_eq!(
            objects.pod_logs("job-1").await.unwrap(),
            [read.clone(), other]
        );
        assert_eq!(
            objects.pod_log("job-1", &read).await.unwrap().as_ref(),
            b"text"
        );
        // They are no object of another kind, and no other search has them.
        assert_eq!(objects.of_job("job-1").await.unwrap(), []);
        assert_eq!(objects.pod_logs("job-2").await.unwrap(), []);
        objects.remove_all("job-1").await.unwrap();
        assert_eq!(objects.pod_logs("job-1").await.unwrap(), []);
        let gone = objects.pod_log("job-1", &read).await;
        assert!(matches!(gone, Err(ObjectError::Missing { .. })), "{gone:?}");
    }
}
