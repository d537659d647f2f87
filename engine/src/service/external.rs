//! The external plane, for those who look at it: whether it can be asked, and the results of its searches.

use std::sync::Arc;

use elb_core::{
    external::{ExternalFile, PlaneView},
    view::JobDetail,
};
use tokio::sync::watch;

use super::{Caller, Download, JobService, ServiceError};
use crate::{
    breaker::BreakerReport,
    external::{ExternalPlane, PlaneError},
};

/// The files of a search, as far as they are known without waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesNow {
    /// They are these.
    Known(Arc<Vec<ExternalFile>>),
    /// They are being asked for.
    Asked,
    /// Not now, for this reason.
    Away(String),
}

impl JobService {
    /// The external plane; `None` if there is none. From memory: it is not asked.
    #[must_use]
    pub fn external(&self) -> Option<PlaneView> {
        Some(self.inner.lifecycle.external()?.view())
    }

    /// Goes up whenever [`Self::external`] has something else to say; `None` if there is none.
    #[must_use]
    pub fn external_revision(&self) -> Option<watch::Receiver<u64>> {
        Some(self.inner.lifecycle.external()?.revision())
    }

    /// What became of its requests. Searches of this server need it for nothing, so that it says nothing of
    /// whether this one is ready.
    #[must_use]
    pub fn external_report(&self) -> Option<BreakerReport> {
        Some(self.inner.lifecycle.external()?.report())
    }

    /// The id that a search of the external plane is listed under, if that is another one than this.
    #[must_use]
    pub fn moved_to(&self, id: &str) -> Option<String> {
        let listed = self.inner.lifecycle.external()?.listed();
        let row = listed.find(id)?.row_id();
        (row != id).then(|| row.to_owned())
    }

    /// The plane that has the results of a search, and its id there.
    fn in_plane(&self, detail: &JobDetail) -> Option<(&Arc<dyn ExternalPlane>, String)> {
        let plane = self.inner.lifecycle.external()?;
        let imported = detail.imported.as_ref()?;
        let place = imported.found.as_ref()?;
        if place.is_external() {
            return (place.cluster == plane.name()).then(|| (plane, imported.id.clone()));
        }
        // Seen on a cluster, and known to the plane as well.
        let listed = plane.listed();
        let own = listed.runs.get(&detail.row.id)?;
        Some((plane, own.clone()))
    }

    /// The files with a search's results that the external plane has; `None` if it has none of this search.
    /// Waits for nothing.
    #[must_use]
    pub fn external_files_now(&self, detail: &JobDetail) -> Option<FilesNow> {
        let (plane, id) = self.in_plane(detail)?;
        Some(match plane.files_now(&id) {
            None => FilesNow::Asked,
            Some(Ok(files)) => FilesNow::Known(files),
            Some(Err(error)) => FilesNow::Away(in_words(&error)),
        })
    }

    /// The same, asked for.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`]; [`ServiceError::NoResults`] if there are none (yet), or the plane cannot
    /// be asked.
    pub async fn external_files(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Arc<Vec<ExternalFile>>, ServiceError> {
        let detail = self.detail(caller, id)?;
        let (plane, own) = self.in_plane(&detail).ok_or_else(elsewhere)?;
        let files = plane.files(&own).await;
        files.map_err(|error| ServiceError::NoResults(in_words(&error)))
    }

    /// One of these files, piece by piece as it comes.
    ///
    /// # Errors
    /// As [`Self::external_files`].
    pub async fn external_file(
        &self,
        caller: &Caller,
        id: &str,
        file: &str,
    ) -> Result<Download, ServiceError> {
        let detail = self.detail(caller, id)?;
        let (plane, own) = self.in_plane(&detail).ok_or_else(elsewhere)?;
        let no_results = |error: PlaneError| ServiceError::NoResults(in_words(&error));
        let files = plane.files(&own).await.map_err(no_results)?;
        let listed = files.iter().find(|listed| listed.id == file);
        let listed = listed.ok_or_else(|| {
            ServiceError::NoResults(format!("the search has no file of results {file}"))
        })?;
        let opened = plane.open(&own, file).await.map_err(no_results)?;
        Ok(Download {
            file_name: listed.name.clone(),
            // Whatever it is, it is saved and never shown.
            media_type: "application/octet-stream",
            size: opened.size,
            pieces: opened.pieces,
        })
    }
}

fn elsewhere() -> ServiceError {
    ServiceError::NoResults("the external plane has no files of this search".to_owned())
}

fn in_words(error: &PlaneError) -> String {
    match error {
        PlaneError::NotFound => {
            "the external plane has no files of this search yet; they show here once it has"
                .to_owned()
        }
        error => format!("the external plane cannot give the files of this search now: {error}"),
    }
}
