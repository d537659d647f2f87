//! Searches that others have started on a cluster: in the list, followed, and left alone.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use elb_core::{
    cluster::{Batches, Failure, Health, Moments, PlaceView, ResultsSeen, RunView, Verdict},
    error_code::ErrorCode,
    job::Found,
    phase::Phase,
    search::Program,
    step::{Step, StepState},
    time::Timestamp,
};
use elb_engine::{
    clock::{Clock, SystemClock},
    clusters::{Clusters, ResultsPlaces, Sight},
    service::{Caller, Format, ServiceError},
};
use object_store::{ObjectStoreExt, memory::InMemory};
use tokio::sync::watch;

use super::support::{Engine, PATIENCE, Settings, genes, search};

const RUN: &str = "job-0123456789abcdef0123456789abcdef";

/// A cluster on which what is seen is what a test says.
pub struct Told {
    runs: Mutex<HashMap<String, (RunView, Option<Verdict>)>>,
    /// Why a cancel cannot be carried out.
    hindrance: Mutex<Option<String>>,
    pub cancelled: Mutex<Vec<String>>,
    moments: Mutex<Moments>,
    /// How many results were read the last time that its state was asked for.
    read: watch::Sender<Option<u32>>,
    changes: watch::Sender<u64>,
}

impl Told {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            runs: Mutex::default(),
            hindrance: Mutex::default(),
            cancelled: Mutex::default(),
            moments: Mutex::default(),
            read: watch::Sender::default(),
            changes: watch::Sender::new(0),
        })
    }

    fn created_at(&self) -> Timestamp {
        let told = self.moments.lock().unwrap().handed_over;
        told.unwrap_or_else(|| SystemClock.now())
    }

    fn see_program(&self, program: &str, run: &str, verdict: Option<Verdict>) {
        let view = RunView {
            id: run.to_owned(),
            program: Some(program.to_owned()),
            database: Some("nt".to_owned()),
            results: Some("https://there.blob.core.windows.net/results/1".to_owned()),
            options: Some("-evalue 0.01 -outfmt 11".to_owned()),
            phase: Phase::Submitted,
            reason: None,
            batches: Batches::default(),
            created_at: self.created_at(),
            pods: Vec::new(),
        };
        let mut runs = self.runs.lock().unwrap();
        let created_at = runs
            .get(run)
            .map_or(view.created_at, |(old, _)| old.created_at);
        runs.insert(run.to_owned(), (RunView { created_at, ..view }, verdict));
        drop(runs);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub fn see(&self, run: &str, verdict: Verdict) {
        self.see_program("blastn", run, Some(verdict));
    }
}

#[async_trait]
impl Clusters for Told {
    fn places(&self) -> Vec<PlaceView> {
        let runs = self.runs.lock().unwrap();
        let now = SystemClock.now();
        vec![PlaceView {
            cluster: "aks".to_owned(),
            namespace: "default".to_owned(),
            health: Health::Live,
            reason: None,
            since: now,
            as_of: Some(now),
            version: None,
            requests: 0,
            runs: runs.values().map(|(run, _)| run.clone()).collect(),
            copies: Vec::new(),
        }]
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn see(
        &self,
        place: &Found,
        run: &str,
        _since: Timestamp,
        results: &ResultsSeen,
    ) -> Option<Sight> {
        assert_eq!(
            (place.cluster.as_str(), place.namespace.as_str()),
            ("aks", "default")
        );
        self.read.send_if_modified(|read| {
            let other = *read != results.batches;
            *read = results.batches;
            other
        });
        let verdict = self.runs.lock().unwrap().get(run)?.1.clone()?;
        let verdict = match verdict {
            // As the rules have it.
            Verdict::ResultsPending(batches) if results.batches >= Some(batches.total) => {
                Verdict::Completed(batches)
            }
            Verdict::Lost if results.success => Verdict::Completed(Batches::default()),
            verdict => verdict,
        };
        let moments = *self.moments.lock().unwrap();
        Some(Sight { verdict, moments })
    }

    fn unseen(&self, _: &Found) -> Option<String> {
        let runs = self.runs.lock().unwrap();
        let unseen = runs.values().any(|(_, verdict)| verdict.is_none());
        unseen.then(|| "cluster aks cannot be seen (unreachable): it does not answer".to_owned())
    }

    async fn cancel(&self, _place: &Found, run: &str) -> Result<(), String> {
        if let Some(reason) = self.hindrance.lock().unwrap().take() {
            return Err(reason);
        }
        self.cancelled.lock().unwrap().push(run.to_owned());
        Ok(())
    }
}

async fn engine(folder: &Path, told: &Arc<Told>) -> Engine {
    let settings = Settings {
        places: 1,
        active_jobs: 1,
        clusters: Some(Arc::clone(told) as Arc<dyn Clusters>),
        ..Settings::default()
    };
    Engine::start_with(folder, settings).await
}

/// Waits until the search is in the list, which everybody sees.
pub async fn appears(engine: &Engine, run: &str) {
    let mut changes = engine.service.subscribe();
    while engine.service.detail(&Caller::local(), run).is_err() {
        changes.recv().await.ok();
    }
}

fn batches(done: u32, total: u32) -> Batches {
    Batches {
        done,
        failed: 0,
        total,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_others_is_followed_beside_ours_and_takes_nobody_s_place() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let engine = engine(folder.path(), &told).await;
    told.see(RUN, Verdict::Accepted);
    appears(&engine, RUN).await;
    told.see(RUN, Verdict::Searching(batches(1, 3)));
    let job = engine
        .wait_until(RUN, |job| job.row.progress.batches_done == 1)
        .await;
    assert_eq!((job.row.phase, job.owner.as_str()), (Phase::Running, ""));
    assert_eq!(job.row.database, "nt");
    assert!(!job.can_retry && job.can_cancel);
    // One place, and one active search at most: this one has neither.
    let own = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&own).await;
    told.see(RUN, Verdict::ResultsPending(batches(3, 3)));
    engine
        .wait_until(RUN, |job| job.row.phase == Phase::ResultsPending)
        .await;
    told.see(RUN, Verdict::Completed(batches(3, 3)));
    let job = engine.complete(RUN).await;
    assert_eq!(job.outcome, None);
    let skipped = |step: Step| job.steps[step.index()].state == StepState::Skipped;
    assert!(skipped(Step::Preparing) && skipped(Step::Configuring));
    let history = engine.history(RUN).await;
    let first = history.last().unwrap();
    assert_eq!(first.note, "found on cluster aks, namespace default");
    let me = Caller::local();
    let refused = engine.service.download(&me, RUN, Format::Archive);
    let Err(ServiceError::NoResults(why)) = refused.await else {
        panic!("there are no results here");
    };
    assert!(
        why.contains("https://there.blob.core.windows.net/results/1"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_seen_as_it_is_changes_nothing_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let first = engine(folder.path(), &told).await;
    told.see(RUN, Verdict::Searching(batches(1, 2)));
    appears(&first, RUN).await;
    first
        .wait_until(RUN, |job| job.row.phase == Phase::Running)
        .await;
    told.see_program("blastn", RUN, None);
    first.wait_until(RUN, |job| job.row.unseen.is_some()).await;
    first.service.shut_down().await;
    let again = engine(folder.path(), &told).await;
    let row = again.job(RUN).row.clone();
    assert!(
        row.phase == Phase::Running && row.unseen.is_some(),
        "{row:?}"
    );
    told.see(
        RUN,
        Verdict::Failed(Failure {
            code: ErrorCode::OutOfMemory,
            message: "it used more memory than its container may".to_owned(),
            partial: true,
        }),
    );
    let job = again.finish(RUN).await;
    let failure = job.failure.as_ref().unwrap();
    assert_eq!(failure.error.code, ErrorCode::OutOfMemory);
    assert!(!job.can_retry);
    // Nobody has asked for its end.
    assert!(told.cancelled.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_says_what_stands_against_it_and_ends_the_search_on_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let engine = engine(folder.path(), &told).await;
    told.see(RUN, Verdict::Searching(batches(0, 2)));
    appears(&engine, RUN).await;
    *told.hindrance.lock().unwrap() = Some("2 of its pods are still there".to_owned());
    engine.service.cancel(&Caller::local(), RUN).await.unwrap();
    engine
        .wait_until(RUN, |job| {
            let reason = job.row.reason.as_deref().unwrap_or_default();
            reason.contains("2 of its pods are still there")
        })
        .await;
    let job = engine.finish(RUN).await;
    assert_eq!(job.row.phase, Phase::Cancelled);
    assert_eq!(*told.cancelled.lock().unwrap(), [RUN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_one_does_not_come_back_while_its_objects_are_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let first = engine(folder.path(), &told).await;
    told.see(RUN, Verdict::Completed(batches(1, 1)));
    appears(&first, RUN).await;
    first.complete(RUN).await;
    let me = Caller::local();
    first.service.delete(&me, RUN).await.unwrap();
    first.service.shut_down().await;
    let again = engine(folder.path(), &told).await;
    // Seen by the same look as the other one, which is new.
    told.see("job-other", Verdict::Accepted);
    appears(&again, "job-other").await;
    assert!(matches!(
        again.service.detail(&me, RUN),
        Err(ServiceError::NoSuchJob(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_program_that_has_no_form_here_is_left_to_the_page_of_clusters() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let engine = engine(folder.path(), &told).await;
    told.see_program("psiblast", RUN, Some(Verdict::Accepted));
    told.see("job-other", Verdict::Accepted);
    appears(&engine, "job-other").await;
    assert!(engine.service.detail(&Caller::local(), RUN).is_err());
}

/// A store of results that can be away.
fn places(store: &Arc<InMemory>, away: &Arc<Mutex<Option<String>>>) -> ResultsPlaces {
    let (store, away) = (Arc::clone(store), Arc::clone(away));
    ResultsPlaces::new(Box::new(move |place| {
        assert_eq!(
            (place.account.as_str(), place.container.as_str()),
            ("there", "results")
        );
        match away.lock().unwrap().clone() {
            Some(reason) => Err(reason),
            None => Ok(store.clone()),
        }
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_completed_when_its_results_can_be_read_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let store = Arc::new(InMemory::new());
    let away = Arc::new(Mutex::new(Some("no access to it".to_owned())));
    let settings = Settings {
        clusters: Some(Arc::clone(&told) as Arc<dyn Clusters>),
        results_places: Some(places(&store, &away)),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    told.see(RUN, Verdict::ResultsPending(batches(2, 2)));
    appears(&engine, RUN).await;
    let job = engine.wait_until(RUN, |job| !job.warnings.is_empty()).await;
    assert_eq!(job.warnings, ["no access to it"]);
    *away.lock().unwrap() = None;
    let put = async |name: &str| {
        let key = object_store::path::Path::from(format!("1/{RUN}/{name}"));
        store.put(&key, "x".into()).await.unwrap();
    };
    put("batch_000-blastn-nt.out.gz").await;
    told.see(RUN, Verdict::ResultsPending(batches(2, 2)));
    engine
        .wait_until(RUN, |job| job.row.phase == Phase::ResultsPending)
        .await;
    put("batch_001-blastn-nt.out.gz").await;
    told.see(RUN, Verdict::ResultsPending(batches(2, 2)));
    let job = engine.complete(RUN).await;
    assert_eq!(job.row.progress.batches_done, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_gone_from_the_cluster_is_lost_only_if_its_results_were_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let store = Arc::new(InMemory::new());
    let away = Arc::new(Mutex::new(Some("no access to it".to_owned())));
    let settings = Settings {
        clusters: Some(Arc::clone(&told) as Arc<dyn Clusters>),
        results_places: Some(places(&store, &away)),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    for run in [RUN, "job-without-an-end"] {
        told.see(run, Verdict::Lost);
        appears(&engine, run).await;
        let job = engine.wait_until(run, |job| !job.warnings.is_empty()).await;
        assert!(job.row.phase.is_active());
    }
    let mark = object_store::path::Path::from(format!("1/{RUN}/metadata/SUCCESS.txt"));
    store.put(&mark, "x".into()).await.unwrap();
    *away.lock().unwrap() = None;
    engine.complete(RUN).await;
    let lost = engine.finish("job-without-an-end").await;
    assert_eq!(lost.row.phase, Phase::WorkerLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_were_looked_at_before_it_was_gone_do_not_make_it_lost() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let store = Arc::new(InMemory::new());
    let settings = Settings {
        clusters: Some(Arc::clone(&told) as Arc<dyn Clusters>),
        results_places: Some(places(&store, &Arc::default())),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let put = async |name: &str| {
        let key = object_store::path::Path::from(format!("1/{RUN}/{name}"));
        store.put(&key, "x".into()).await.unwrap();
    };
    put("batch_000-blastn-nt.out.gz").await;
    told.see(RUN, Verdict::ResultsPending(batches(2, 2)));
    appears(&engine, RUN).await;
    // Half of them were there when it was looked.
    let mut read = told.read.subscribe();
    let half = read.wait_for(|read| *read == Some(1));
    tokio::time::timeout(PATIENCE, half).await.unwrap().unwrap();
    put("batch_001-blastn-nt.out.gz").await;
    put("metadata/SUCCESS.txt").await;
    told.see(RUN, Verdict::Lost);
    engine.complete(RUN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_found_late_has_the_times_of_its_objects() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new();
    let engine = engine(folder.path(), &told).await;
    let ago = |seconds: i64| Some(SystemClock.now().plus_ms(-seconds * 1_000));
    let moments = Moments {
        handed_over: ago(60),
        searching: ago(50),
        searched: ago(10),
        given_up: None,
    };
    *told.moments.lock().unwrap() = moments;
    told.see(RUN, Verdict::Completed(batches(1, 1)));
    appears(&engine, RUN).await;
    let job = engine.complete(RUN).await;
    let search = &job.steps[Step::Running.index()];
    assert_eq!(search.started_at, moments.searching);
    assert_eq!(search.finished_at, moments.searched);
    assert_eq!(job.command, ["-evalue", "0.01", "-outfmt", "11"]);
}
