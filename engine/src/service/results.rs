//! Reading hits: pages of the index, away from the async threads.
//!
//! Owns who may read which index. The index is opened for each request: it is one file, and opening
//! it costs less than keeping thousands open.

use elb_core::view::JobDetail;

use super::{Caller, JobService, ServiceError, download::require_results};
use crate::{
    objects::{Kind, ObjectError, ObjectFile},
    results::{ResultsError, ResultsIndex},
};

impl JobService {
    /// Runs `read` on the job's index of hits.
    ///
    /// # Errors
    /// [`ServiceError::NoResults`] while there are none, else the index's.
    pub async fn hits<T: Send + 'static>(
        &self,
        caller: &Caller,
        id: &str,
        read: impl FnOnce(&ResultsIndex) -> Result<T, ResultsError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let detail = self.detail(caller, id)?;
        let file = self.hits_file(&detail).await?;
        let reading = tokio::task::spawn_blocking(move || read(&ResultsIndex::open(file.path())?));
        let outcome = reading
            .await
            .map_err(|error| ServiceError::Internal(error.to_string()))?;
        Ok(outcome?)
    }

    /// The index of the hits. That of a search which others ran on a cluster is made when it is first asked for.
    pub(super) async fn hits_file(&self, detail: &JobDetail) -> Result<ObjectFile, ServiceError> {
        if self.in_place(detail).is_some() {
            return self.found_hits_file(detail).await;
        }
        require_results(detail)?;
        self.result_file(detail, Kind::Hits).await
    }

    /// A result of the job's attempt as a file, which stays for as long as it is held.
    pub(super) async fn result_file(
        &self,
        detail: &JobDetail,
        kind: Kind,
    ) -> Result<ObjectFile, ServiceError> {
        let (id, attempt) = (&detail.row.id, detail.row.attempt);
        let file = self.inner.objects.file(id, kind, attempt).await;
        file.map_err(|error| match error {
            ObjectError::Missing { .. } => {
                ServiceError::NoResults("the results are no longer stored".to_owned())
            }
            other => other.into(),
        })
    }

    /// What has become of the database since the search, if it is not as it was.
    #[must_use]
    pub fn database_note(&self, detail: &JobDetail) -> Option<String> {
        if detail.imported.is_some() {
            return None;
        }
        let name = &detail.row.database;
        match self.fate_of_database(detail) {
            Fate::Same => None,
            Fate::Gone => Some(format!(
                "The database {name} is no longer there. These hits were found in its version of the time; formats that BLAST+ writes from the database cannot be downloaded any more."
            )),
            Fate::Elsewhere => Some(format!(
                "The search ran on a cluster, and its database {name} is not on this server: formats that BLAST+ writes from the database cannot be downloaded here."
            )),
            Fate::Changed => Some(format!(
                "The database {name} has changed since this search. These hits are of the older version; search again for the new one."
            )),
        }
    }

    /// Asked of the files and not of the catalogue, which may be some seconds old.
    pub(super) fn fate_of_database(&self, detail: &JobDetail) -> Fate {
        if detail.place.is_some() {
            return Fate::Elsewhere;
        }
        match self.inner.catalogue.version_now(&detail.row.database) {
            None => Fate::Gone,
            Some(version) if version != detail.database_facts.version => Fate::Changed,
            Some(_) => Fate::Same,
        }
    }
}

/// What has become of a job's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is as it was searched.
    Same,
    /// Its files are of another version.
    Changed,
    /// It is not there.
    Gone,
    /// It never was on this server.
    Elsewhere,
}
