//! The external plane over HTTP: its list kept fresh, and everything about one search asked for once.
//!
//! Owns how often it is asked. The list is looked at every [`Pace::life`], however many read it; what is
//! about one search counts as long. Failures count too, so that whoever looks again and again asks no more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use elb_core::external::{ExternalDetail, ExternalFile, PlaneView};
use futures::FutureExt;
use reqwest::Method;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use super::{
    ExternalPlane, Listed, Opened, Pace, PlaneError, Token, client::Client, listing, state::State,
    wire,
};
use crate::{
    breaker::BreakerReport,
    cache::{Answer, Behind, Cache, CacheError, CacheReport, Old, Terms},
    clock::Clock,
};

/// Each so many looks the whole list is read: five minutes of 15 s.
const WHOLE_EVERY: u64 = 20;
/// How long a look at the list may take: less than a fetch may, so that it always says what went wrong.
const LOOK: Duration = Duration::from_secs(45);
/// Calls about single searches at once (ours): the service has half a gigabyte.
const AT_ONCE: usize = 4;
/// Those and others that wait for them.
const WAITING: usize = 256;
/// Searches whose answers are kept.
const KEPT: usize = 4_096;
/// How long a list of files is shown while it is asked for anew: those of a search that has ended stay.
const FILES_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Added to a life before the next look: it must be over then.
const AFTER: Duration = Duration::from_millis(20);

type Files = Result<Arc<Vec<ExternalFile>>, PlaneError>;

struct Shared {
    name: String,
    client: Client,
    clock: Arc<dyn Clock>,
    state: State,
    lists: Cache<(), Arc<Listed>, PlaneError>,
    details: Cache<String, Arc<ExternalDetail>, PlaneError>,
    files: Cache<String, Arc<Vec<ExternalFile>>, PlaneError>,
    at_once: Semaphore,
    looks: AtomicU64,
}

/// The external plane. Asked no more once it is dropped.
pub struct OpenApiPlane {
    shared: Arc<Shared>,
    watching: JoinHandle<()>,
}

impl OpenApiPlane {
    /// Begins to look at the plane at `base`, an address without a slash at its end. Must be called within a
    /// runtime; waits for nothing.
    ///
    /// # Errors
    /// Why no client can be made.
    pub fn start(
        base: &str,
        token: Token,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, String> {
        let terms = Terms {
            entries: KEPT,
            fetches: WAITING,
            life: pace.life,
            failed_life: pace.life,
            old: Old::Never,
        };
        let lists = Terms {
            entries: 1,
            fetches: 2,
            ..terms
        };
        let files = Terms {
            old: Old::AtOnce(FILES_KEPT),
            ..terms
        };
        let shared = Arc::new(Shared {
            name: host_of(base),
            client: Client::new(base, token, pace, Arc::clone(&clock))?,
            state: State::new(clock.now()),
            lists: Cache::new(lists, Arc::clone(&clock)),
            details: Cache::new(terms, Arc::clone(&clock)),
            files: Cache::new(files, Arc::clone(&clock)),
            at_once: Semaphore::new(AT_ONCE),
            looks: AtomicU64::new(0),
            clock,
        });
        let watched = Arc::clone(&shared);
        let watching = tokio::spawn(async move {
            loop {
                // What became of it is in the state.
                let _ = watched.look().await;
                tokio::time::sleep(pace.life + AFTER).await;
            }
        });
        Ok(Arc::new(Self { shared, watching }))
    }

    /// The list as it is now, or at most [`Pace::life`] ago. Whoever else asks at the same time is given the
    /// same answer.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn refresh(&self) -> Result<Arc<Listed>, PlaneError> {
        self.shared.look().await
    }
}

impl Drop for OpenApiPlane {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Host and port of an address.
fn host_of(base: &str) -> String {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// What a cache has, or the error in it.
fn value<V>(
    answer: Result<Answer<V, PlaneError>, CacheError<PlaneError>>,
) -> Result<V, PlaneError> {
    match answer {
        Ok(Answer {
            behind: Some(Behind::Failed(CacheError::Failed(error @ PlaneError::NotFound))),
            ..
        })
        | Err(CacheError::Failed(error)) => Err(error),
        Ok(answer) => Ok(answer.value),
        Err(other) => Err(PlaneError::HeldBack(other.to_string())),
    }
}

impl Shared {
    async fn look(self: &Arc<Self>) -> Result<Arc<Listed>, PlaneError> {
        let this = Arc::clone(self);
        value(self.lists.get(&(), move || this.list()).await)
    }

    async fn list(self: Arc<Self>) -> Result<Arc<Listed>, PlaneError> {
        let known = self.state.listed();
        let whole = self
            .looks
            .load(Ordering::Relaxed)
            .is_multiple_of(WHOLE_EVERY);
        let look = listing::look(&self.client, &known, whole, self.clock.now());
        let looked = tokio::time::timeout(LOOK, look).await;
        let outcome = looked.unwrap_or(Err(PlaneError::Late(LOOK))).map(Arc::new);
        if outcome.is_ok() {
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
        self.state.settle(&self.name, &outcome, self.clock.now());
        outcome
    }

    /// Asks about one search, with few others at the same time.
    async fn ask(&self, method: Method, path: &str) -> Result<bytes::Bytes, PlaneError> {
        let place = self.at_once.acquire().await;
        // Never closed.
        let _place = place.map_err(|error| PlaneError::HeldBack(error.to_string()))?;
        self.client.call(method, path).await
    }

    async fn status(&self, id: &str) -> Result<ExternalDetail, PlaneError> {
        let path = format!("/v1/jobs/{id}/status");
        wire::detail(&self.ask(Method::GET, &path).await?)
    }

    async fn list_files(self: Arc<Self>, id: String) -> Files {
        let path = format!("/api/v1/elastic-blast/jobs/{id}");
        let files = wire::files(&self.ask(Method::GET, &path).await?)?;
        if files.is_empty() {
            // Not visible yet.
            return Err(PlaneError::NotFound);
        }
        Ok(Arc::new(files))
    }

    async fn files(self: &Arc<Self>, id: &str) -> Files {
        let (this, id) = (Arc::clone(self), id.to_owned());
        let key = id.clone();
        value(self.files.get(&key, move || this.list_files(id)).await)
    }

    /// What still runs of a search, in words; `None` if nothing does.
    async fn left(&self, id: &str) -> Result<Option<String>, PlaneError> {
        let detail = match self.status(id).await {
            Ok(detail) => detail,
            Err(PlaneError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let ended = detail.status.is_some_and(|status| status.has_ended());
        Ok(match (ended, detail.active) {
            (true, 0) => None,
            (true, active) => Some(format!("{active} of its Jobs are still at work")),
            (false, _) => Some("it has not ended there yet".to_owned()),
        })
    }
}

/// An id that was told by the plane, or made up by whoever asks.
fn checked(id: &str) -> Result<&str, PlaneError> {
    if wire::is_id(id) {
        return Ok(id);
    }
    Err(PlaneError::NotFound)
}

#[async_trait]
impl ExternalPlane for OpenApiPlane {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn view(&self) -> PlaneView {
        let shared = &self.shared;
        shared.state.view(&shared.name, shared.client.requests())
    }

    fn listed(&self) -> Arc<Listed> {
        self.shared.state.listed()
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.shared.state.changes()
    }

    fn report(&self) -> BreakerReport {
        self.shared.client.report()
    }

    fn caches(&self) -> Vec<CacheReport> {
        let shared = &self.shared;
        vec![
            CacheReport::of("external_list", &shared.lists),
            CacheReport::of("external_searches", &shared.details),
            CacheReport::of("external_files", &shared.files),
        ]
    }

    async fn detail(&self, id: &str) -> Result<Arc<ExternalDetail>, PlaneError> {
        let id = checked(id)?.to_owned();
        let (this, key) = (Arc::clone(&self.shared), id.clone());
        let fetch = move || async move { this.status(&id).await.map(Arc::new) };
        value(self.shared.details.get(&key, fetch).await)
    }

    async fn cancel(&self, id: &str) -> Result<(), String> {
        let told = |error: PlaneError| format!("the external plane cannot be told: {error}");
        let id = checked(id).map_err(told)?;
        let shared = &self.shared;
        if shared.left(id).await.map_err(told)?.is_none() {
            return Ok(());
        }
        match shared.ask(Method::DELETE, &format!("/v1/jobs/{id}")).await {
            Ok(_) | Err(PlaneError::NotFound) => {}
            Err(error) => return Err(told(error)),
        }
        // What was known of it is over.
        shared.details.invalidate(&id.to_owned());
        shared.lists.invalidate(&());
        match shared.left(id).await.map_err(told)? {
            None => Ok(()),
            Some(left) => Err(format!(
                "the external plane was told to stop it, and {left}"
            )),
        }
    }

    async fn files(&self, id: &str) -> Files {
        self.shared.files(checked(id)?).await
    }

    fn files_now(&self, id: &str) -> Option<Files> {
        match checked(id) {
            // The first step of it looks into the cache, and begins a fetch that goes on by itself.
            Ok(id) => self.shared.files(id).now_or_never(),
            Err(error) => Some(Err(error)),
        }
    }

    async fn open(&self, id: &str, file: &str) -> Result<Opened, PlaneError> {
        let (id, file) = (checked(id)?, checked(file)?);
        let path = format!("/api/v1/elastic-blast/jobs/{id}/files/{file}");
        self.shared.client.open(&path).await
    }
}
