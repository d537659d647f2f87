//! Results of searches that others ran on a cluster: read where they lie.
//!
//! Owns who may have which file, and what is known of them without waiting. A list of files is kept for a
//! moment and asked for once however many read it; the index of the hits is made once, in the background. A
//! store that refuses or is away, and a file that is lost, is said in words and never shown as no hits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use elb_core::{phase::Phase, view::JobDetail};
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Caller, Download, JobService, ServiceError};
use crate::{
    cache::{Cache, CacheError, CacheReport, Old, Terms},
    clock::Clock,
    clusters::{Arrangement, Listing, ResultsPlaces, unpacked},
    objects::{Kind, ObjectError, ObjectFile},
    results::others::{Asked, Join, kind_of},
};

mod indexing;
mod merging;

/// How lists of files are kept: results of a search that has completed do not change any more.
const TERMS: Terms = Terms {
    entries: 256,
    fetches: 8,
    life: Duration::from_secs(30),
    failed_life: Duration::from_secs(5),
    old: Old::Never,
};
/// How long a page waits for the list (ours).
const PAGE_WAIT: Duration = Duration::from_secs(2);
/// After so long an index that could not be made is tried again.
const REST: Duration = Duration::from_secs(60);
/// Indexes that are made at once, and split databases that are joined at once (ours): each takes a processor.
const AT_ONCE: usize = 2;
/// The most bytes of one search's results that are copied here to be read, compressed (ours).
pub(super) const MAX_COPIED: u64 = 4 << 30;
/// The most searches of which is remembered why they have no index.
const REMEMBERED: usize = 1_000;

/// What is known of the index of a search's hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundHits {
    /// It is here.
    Here,
    /// It is being made.
    Reading,
    /// It cannot be made of these files, for this reason.
    Not(String),
    /// It could not be made, and is tried again when somebody looks in a while.
    Failed(String),
}

/// What can be had of a search's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundResults {
    /// The files.
    pub listing: Arc<Listing>,
    /// BLAST+'s number of their format, where it can be told.
    pub format: Option<u8>,
    /// Why they cannot be had as one file, if so.
    pub not_joined: Option<String>,
    /// Why figures of a split database are not those of the whole, if so.
    pub approximate: Option<String>,
    /// The index of the hits.
    pub hits: FoundHits,
}

/// The same without waiting for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundNow {
    /// It is this.
    Known(FoundResults),
    /// It is being asked for.
    Asked,
    /// Not now, for this reason.
    Away(String),
}

/// Where a search of others has its results.
#[derive(Debug, Clone)]
pub(super) struct InPlace {
    address: String,
    run: String,
}

/// What was remembered of an index that is not there.
#[derive(Debug, Clone)]
enum Known {
    Reading,
    Not(String),
    Failed(String, Duration),
}

/// What is known of the results of others.
pub(super) struct Reading {
    listings: Cache<String, Arc<Listing>, String>,
    known: Mutex<HashMap<String, Known>>,
    permits: Semaphore,
    joining: Arc<Semaphore>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Reading {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            listings: Cache::new(TERMS, Arc::clone(&clock)),
            known: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
            joining: Arc::new(Semaphore::new(AT_ONCE)),
            stop: CancellationToken::new(),
            clock,
        }
    }

    /// What is kept of the places of results.
    pub(super) fn cache(&self) -> CacheReport {
        CacheReport::of("result_files", &self.listings)
    }

    /// Ends what is being read.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    fn known(&self, id: &str) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }

    /// Notes how it went; `None` once the index is here.
    fn note(&self, id: &str, outcome: Option<Known>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outcome) = outcome else {
            known.remove(id);
            return;
        };
        if known.len() >= REMEMBERED {
            // What is forgotten is found out again.
            known.retain(|_, known| matches!(known, Known::Reading));
        }
        known.insert(id.to_owned(), outcome);
    }

    /// Whether the caller is the one who has to make it.
    fn begin(&self, id: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        let begins = match known.get(id) {
            None => true,
            Some(Known::Failed(_, at)) => now >= *at + REST,
            Some(Known::Reading | Known::Not(_)) => false,
        };
        if begins {
            known.insert(id.to_owned(), Known::Reading);
        }
        begins
    }
}

impl JobService {
    /// Where the results of a search lie that others ran on a cluster; `None` if it is none, has not
    /// completed, or no place can be read.
    pub(super) fn in_place(&self, detail: &JobDetail) -> Option<InPlace> {
        self.inner.lifecycle.results_places()?;
        let imported = detail.imported.as_ref()?;
        let on_cluster = imported.found.as_ref()?;
        let readable = !on_cluster.is_external()
            && !imported.results.is_empty()
            && detail.row.phase == Phase::Completed;
        readable.then(|| InPlace {
            address: imported.results.clone(),
            run: imported.id.clone(),
        })
    }

    /// Whether the results of this search are read where others have put them.
    #[must_use]
    pub fn reads_in_place(&self, detail: &JobDetail) -> bool {
        self.in_place(detail).is_some()
    }

    fn results_places(&self) -> Result<&ResultsPlaces, String> {
        let places = self.inner.lifecycle.results_places();
        places.ok_or_else(|| "no place of results can be read by this server".to_owned())
    }

    /// The files, from memory where they were just asked for.
    async fn listed(&self, id: &str, place: &InPlace) -> Result<Arc<Listing>, String> {
        let (service, asked) = (self.clone(), place.clone());
        let key = id.to_owned();
        let fetch = move || async move {
            let places = service.results_places()?;
            let listing = places.files(&asked.address, &asked.run).await?;
            Ok(Arc::new(listing))
        };
        let answer = self.inner.found.listings.get(&key, fetch).await;
        answer
            .map(|answer| answer.value)
            .map_err(|error| match error {
                CacheError::Failed(why) => why,
                other => other.to_string(),
            })
    }

    /// What can be had of the results of a search that others ran on a cluster; `None` if it is none, or
    /// nothing of it can be read. Waits two seconds at most, and begins to make the index of the hits.
    pub async fn found_results_now(&self, detail: &JobDetail) -> Option<FoundNow> {
        let place = self.in_place(detail)?;
        let asking = self.listed(&detail.row.id, &place);
        let listing = match tokio::time::timeout(PAGE_WAIT, asking).await {
            Ok(Ok(listing)) => listing,
            Ok(Err(why)) => return Some(FoundNow::Away(why)),
            Err(_) => return Some(FoundNow::Asked),
        };
        Some(FoundNow::Known(self.found(detail, &place, listing).await))
    }

    /// The same, waited for.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`]; [`ServiceError::NoResults`] if there are none (yet), or their place
    /// cannot be read.
    pub async fn found_results(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<FoundResults, ServiceError> {
        let (detail, place, listing) = self.found_listing(caller, id).await?;
        Ok(self.found(&detail, &place, listing).await)
    }

    async fn found_listing(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(Arc<JobDetail>, InPlace, Arc<Listing>), ServiceError> {
        let detail = self.detail(caller, id)?;
        let place = self.in_place(&detail).ok_or_else(|| none_here(&detail))?;
        let listing = self.listed(id, &place).await;
        let listing = listing.map_err(ServiceError::NoResults)?;
        Ok((detail, place, listing))
    }

    async fn found(
        &self,
        detail: &JobDetail,
        place: &InPlace,
        listing: Arc<Listing>,
    ) -> FoundResults {
        let asked = Asked::of(&detail.command);
        let format = kind_of(&listing.head, &asked);
        let arrangement = listing.arrangement(detail.row.progress.batches_total);
        let not_joined = match (&arrangement, format) {
            (Err(why), _) => Some(why.clone()),
            (Ok(_), None) => Some("nothing tells which format they are in".to_owned()),
            (Ok(arranged), Some(format)) => merging::refused(arranged, format),
        };
        let hits = self.found_hits(detail, place).await;
        FoundResults {
            format,
            not_joined,
            approximate: approximate(&listing, &asked),
            hits,
            listing,
        }
    }

    /// What is known of the index; begins to make it if it is neither here nor refused.
    async fn found_hits(&self, detail: &JobDetail, place: &InPlace) -> FoundHits {
        let id = &detail.row.id;
        match self.stored_hits(detail).await {
            Ok(Some(_)) => return FoundHits::Here,
            Ok(None) => {}
            Err(error) => return FoundHits::Failed(error.to_string()),
        }
        if self.inner.found.begin(id) {
            self.begin_index(detail, place);
        }
        match self.inner.found.known(id) {
            Some(Known::Not(why)) => FoundHits::Not(why),
            Some(Known::Failed(why, _)) => FoundHits::Failed(why),
            Some(Known::Reading) | None => FoundHits::Reading,
        }
    }

    async fn stored_hits(&self, detail: &JobDetail) -> Result<Option<ObjectFile>, ServiceError> {
        let (id, attempt) = (&detail.row.id, detail.row.attempt);
        match self.inner.objects.file(id, Kind::Hits, attempt).await {
            Ok(file) => Ok(Some(file)),
            Err(ObjectError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The index, or why it is not here.
    pub(super) async fn found_hits_file(
        &self,
        detail: &JobDetail,
    ) -> Result<ObjectFile, ServiceError> {
        if let Some(file) = self.stored_hits(detail).await? {
            return Ok(file);
        }
        let place = self.in_place(detail).ok_or_else(|| none_here(detail))?;
        let why = match self.found_hits(detail, &place).await {
            FoundHits::Here | FoundHits::Reading => {
                "its hits are being read from the files of its results; try again in a moment"
                    .to_owned()
            }
            FoundHits::Not(why) | FoundHits::Failed(why) => {
                format!("its hits cannot be shown: {why}; its files of results can be downloaded")
            }
        };
        Err(ServiceError::NoResults(why))
    }

    /// One of its files: as it is stored, or unpacked. Only what is listed can be had.
    ///
    /// # Errors
    /// As [`Self::found_results`]; [`ServiceError::BadRequest`] if there is no such file.
    pub async fn found_file(
        &self,
        caller: &Caller,
        id: &str,
        name: &str,
        plain: bool,
    ) -> Result<Download, ServiceError> {
        let (_, place, listing) = self.found_listing(caller, id).await?;
        let file = listing.find(name).ok_or_else(|| {
            let name = elb_core::text::cap(name, 100);
            ServiceError::BadRequest(format!("the search has no file of results \"{name}\""))
        })?;
        let places = self.results_places().map_err(ServiceError::NoResults)?;
        let opened = places.open_file(&place.address, file).await;
        let (size, pieces) = opened.map_err(|why| {
            self.inner.found.listings.invalidate(&id.to_owned());
            ServiceError::NoResults(why)
        })?;
        let packed = file.plain_name();
        if !plain {
            return Ok(Download {
                file_name: packed,
                media_type: "application/gzip",
                size: Some(size),
                pieces,
            });
        }
        Ok(Download {
            file_name: packed.strip_suffix(".gz").unwrap_or(&packed).to_owned(),
            media_type: "text/plain; charset=utf-8",
            size: None,
            pieces: unpacked(pieces).boxed(),
        })
    }
}

/// Why there is nothing in place.
fn none_here(detail: &JobDetail) -> ServiceError {
    match super::download::require_results(detail) {
        Err(error) => error,
        Ok(()) => ServiceError::NoResults(
            "this search ran here: it has no files of results elsewhere".to_owned(),
        ),
    }
}

/// Why figures of a split database are not those of the whole; `None` if it was not split, or its options
/// have put the E-values of all parts on one scale.
fn approximate(listing: &Listing, asked: &Asked) -> Option<String> {
    let joined_there = listing.files.iter().all(|file| file.batch.is_none());
    let parts = match listing.parts.len() {
        0 if joined_there && !listing.files.is_empty() => {
            return Some("Approximate: ElasticBLAST has joined it from the parts of a split database, which are not there any more; nothing tells here whether their E-values are those of the whole.".to_owned());
        }
        0 => return None,
        1 => "1 part".to_owned(),
        more => format!("{more} parts"),
    };
    let most = asked.most();
    if let Some(option) = asked.scale {
        return Some(format!(
            "Joined from {parts} of a split database. Its options ({option}) put their E-values on one scale; of hits of equal score at the limit of {most} subjects a query, others may be shown than by one search of the whole."
        ));
    }
    Some(format!(
        "Approximate: joined from {parts} of a split database, by E-value, bit score and place in the database, at most {most} subjects a query. Each part was searched by itself without -searchsp or -dbsize, so its E-values are those of a database of its own size, smaller than those of the whole."
    ))
}

/// How the files of an arrangement are joined into one.
fn join_of(arrangement: &Arrangement<'_>, format: u8) -> Result<Join, String> {
    if let Arrangement::Parts(_) = arrangement
        && !matches!(format, 6 | 7 | 10)
    {
        return Err(format!(
            "only tables of the parts of a split database can be joined, and these are in another format ({})",
            crate::results::others::format_name(format)
        ));
    }
    Join::of(format)
}
