//! Azure Tables: what each operation costs, and what happens when answers do not come.

use std::{collections::HashSet, sync::Arc, time::Duration};

use elb_core::{job::Job, phase::Phase, time::Timestamp, transition::Event};
use elb_engine::{
    azure::tables::TablesConfig,
    breaker::BreakerState,
    clock::SystemClock,
    jobs::{Held, Jobs},
    lease::{LeaseTerms, Member},
    repository::{
        AzureRepository, Created, IdempotencyKey, Position, Repository, RepositoryError, Stored,
    },
};
use elb_testkit::{Behaviour, FaultProxy, Seen};

use super::{
    azurite::{behind, fresh_table, open, try_open},
    many_jobs,
    support::{first_entry, plain_job},
};

/// What a store must have done within this has otherwise failed.
const BOUND: Duration = Duration::from_secs(30);

/// A store whose requests are counted and can be made to fail.
struct Watched {
    config: TablesConfig,
    proxy: FaultProxy,
    store: AzureRepository,
}

async fn watched() -> Watched {
    let config = fresh_table();
    let proxy = FaultProxy::before(&config.endpoint).await;
    let store = open(&behind(&proxy, &config)).await;
    Watched {
        config,
        proxy,
        store,
    }
}

fn is_bell(seen: &Seen) -> bool {
    seen.target.contains("writers")
}

impl Watched {
    /// Requests since the last call, without the bells.
    fn spent(&self) -> usize {
        let seen = self.proxy.take_requests();
        seen.iter().filter(|seen| !is_bell(seen)).count()
    }

    async fn created(&self, id: &str) -> Stored {
        let job = plain_job(id, Timestamp(1_000));
        match self
            .store
            .create(&job, None, &first_entry(&job), "me")
            .await
            .unwrap()
        {
            Created::New(stored) => stored,
            Created::Existing(_) => panic!("{id} is there"),
        }
    }

    async fn moved(&self, stored: &Stored, event: &Event) -> Result<Stored, RepositoryError> {
        let (job, entry) = moved(stored, event);
        self.store
            .update(&job, stored.version, None, Some(&entry))
            .await
    }
}

pub fn moved(stored: &Stored, event: &Event) -> (Job, elb_core::view::HistoryEntry) {
    let job = stored.job.apply(event, Timestamp(2_000)).unwrap();
    let mut entry = first_entry(&job);
    entry.version = stored.version + 1;
    entry.phase = job.phase;
    entry.at = job.updated_at;
    (job, entry)
}

const PREPARE: Event = Event::Enter {
    phase: Phase::Preparing,
};

fn failure() -> Event {
    Event::Failed {
        code: elb_core::error_code::ErrorCode::Internal,
        message: "it broke".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_costs_as_many_requests_as_the_layout_says() {
    let watched = watched().await;
    let first = watched.created("first").await;
    watched.proxy.take_requests();
    let stored = watched.created("a").await;
    assert_eq!(watched.spent(), 1, "submit");
    let stored = watched.moved(&stored, &PREPARE).await.unwrap();
    assert_eq!(watched.spent(), 1, "transition");
    let stored = watched.moved(&stored, &failure()).await.unwrap();
    assert_eq!(watched.spent(), 2, "the last transition looks for the mark");
    watched.store.get("a").await.unwrap();
    assert_eq!(watched.spent(), 1, "read");
    assert_eq!(watched.store.history("a", None, 50).await.unwrap().len(), 3);
    assert_eq!(watched.spent(), 1, "a page of history");
    watched.store.beat("me").await.unwrap();
    assert_eq!(watched.spent(), 2, "a sign of life");
    watched.store.recent("first").await.unwrap();
    assert_eq!(watched.spent(), 0, "an active row as it was seen last");
    let key = IdempotencyKey {
        owner: "local".to_owned(),
        key: "k".to_owned(),
        expires_at: Timestamp(i64::MAX),
    };
    let job = plain_job("keyed", Timestamp(1_000));
    watched
        .store
        .create(&job, Some(&key), &first_entry(&job), "me")
        .await
        .unwrap();
    assert_eq!(watched.spent(), 3, "submit with a key");
    assert_eq!((first.version, stored.job.phase), (1, Phase::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn following_costs_one_request_while_nothing_happens_and_one_read_for_each_changed_row() {
    let config = fresh_table();
    let proxy = FaultProxy::before(&config.endpoint).await;
    let (writer, reader) = (open(&config).await, open(&behind(&proxy, &config)).await);
    // The first call reads every stream to its end.
    let mut position = reader
        .changes(&Position::default(), 100)
        .await
        .unwrap()
        .position;
    let job = plain_job("a", Timestamp(1_000));
    writer
        .create(&job, None, &first_entry(&job), "me")
        .await
        .unwrap();
    let seen = tokio::time::timeout(BOUND, async {
        loop {
            proxy.take_requests();
            let changes = reader.changes(&position, 100).await.unwrap();
            position = changes.position;
            if !changes.jobs.is_empty() {
                return proxy.take_requests();
            }
        }
    });
    // The bells, one stream, the pointer and the row.
    assert_eq!(seen.await.unwrap().len(), 4);
    reader.changes(&position, 100).await.unwrap();
    assert_eq!(proxy.take_requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_reads_each_row_once_in_pages_of_a_thousand() {
    let config = fresh_table();
    let store = open(&config).await;
    let jobs: Vec<Job> = (0..300)
        .map(|number| plain_job(&format!("job-{number}"), Timestamp(number)))
        .collect();
    futures::future::join_all(jobs.iter().map(|job| async {
        store
            .create(job, None, &first_entry(job), "me")
            .await
            .unwrap();
    }))
    .await;
    let proxy = FaultProxy::before(&config.endpoint).await;
    let reader = Arc::new(open(&behind(&proxy, &config)).await);
    proxy.take_requests();
    let clock = Arc::new(SystemClock);
    let terms = LeaseTerms::Shared {
        life: Duration::from_secs(120),
    };
    let member = Member::new(terms, clock.clone());
    let jobs = Jobs::load(reader, clock, member).await.unwrap();
    assert_eq!(jobs.model().active_count(), 300);
    let spent: Vec<Seen> = proxy.take_requests();
    let reads = spent.iter().filter(|seen| seen.target.contains("job%7E"));
    assert_eq!(reads.count(), 8, "one page for each partition");
    // A sign of life (two) and the end of the change log.
    assert_eq!(spent.len(), 8 + 3, "{spent:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_fifty_thousand_jobs_reads_pages_of_a_thousand_and_nothing_else() {
    let config = fresh_table();
    let proxy = FaultProxy::before(&config.endpoint).await;
    many_jobs::hold(&proxy, 50_000 / many_jobs::PARTITIONS);
    let reader = Arc::new(open(&behind(&proxy, &config)).await);
    proxy.take_requests();
    let clock = Arc::new(SystemClock);
    let life = Duration::from_secs(120);
    let member = Member::new(LeaseTerms::Shared { life }, clock.clone());
    let jobs = Jobs::load(reader, clock, member).await.unwrap();
    assert_eq!(jobs.model().totals().completed, 50_000);
    let spent = proxy.take_requests();
    // Each counts once, also if its answer came too late on a busy machine and it was asked again.
    let targets: HashSet<&str> = spent.iter().map(|seen| seen.target.as_str()).collect();
    let pages = targets.iter().filter(|target| target.contains("job%7E"));
    // 6,250 rows in each partition.
    assert_eq!(pages.count(), 8 * 7);
    // A sign of life (two) and the end of the change log.
    assert_eq!(targets.len(), 8 * 7 + 3, "{spent:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_another_living_process_drives_is_not_asked_for() {
    let config = fresh_table();
    let other = open(&config).await;
    other.beat("other").await.unwrap();
    let job = plain_job("a", Timestamp(1_000));
    other
        .create(&job, None, &first_entry(&job), "other")
        .await
        .unwrap();
    let proxy = FaultProxy::before(&config.endpoint).await;
    let store = Arc::new(open(&behind(&proxy, &config)).await);
    let (clock, life) = (Arc::new(SystemClock), Duration::from_secs(120));
    let member = Member::new(LeaseTerms::Shared { life }, clock.clone());
    let jobs = Jobs::load(store, clock, member).await.unwrap();
    jobs.keep_alive(BOUND).await.unwrap();
    proxy.take_requests();
    assert_eq!(jobs.hold("a").await.unwrap(), Held::Others);
    let asked = proxy.take_requests();
    assert!(asked.iter().all(is_bell), "{asked:#?}");
    // Given back, which the change log tells: now it is asked for, and taken.
    other.leave("other").await.unwrap();
    let news = tokio::time::timeout(BOUND, async {
        while jobs.follow_others().await.unwrap().is_empty() {}
    });
    news.await.unwrap();
    assert!(matches!(jobs.hold("a").await.unwrap(), Held::Ours(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_counts_once() {
    let watched = watched().await;
    let stored = watched.created("a").await;
    let batches = |seen: &Seen| seen.target.ends_with("$batch");
    watched
        .proxy
        .set_next_where(1, batches, Behaviour::LoseAnswer);
    let stored = watched.moved(&stored, &PREPARE).await.unwrap();
    assert_eq!(stored.version, 2);
    watched
        .proxy
        .set_next_where(1, batches, Behaviour::LoseAnswer);
    let created = watched.created("b").await;
    assert_eq!(created.version, 1);
    let stored = watched.moved(&stored, &failure()).await.unwrap();
    assert_eq!(watched.store.get("a").await.unwrap().unwrap(), stored);
    assert_eq!(watched.store.history("a", None, 50).await.unwrap().len(), 3);
}

/// Tries until the store answers: a breaker rests for a moment after an outage.
async fn until_answered<T, F>(mut work: impl FnMut() -> F) -> Result<T, RepositoryError>
where
    F: Future<Output = Result<T, RepositoryError>>,
{
    let answered = async {
        loop {
            match work().await {
                Err(RepositoryError::Unavailable(_)) => tokio::task::yield_now().await,
                answered => return answered,
            }
        }
    };
    tokio::time::timeout(BOUND, answered).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_given_up_is_settled_before_the_next_one_and_shown_to_everybody() {
    let watched = watched().await;
    let stored = watched.created("a").await;
    let other = open(&watched.config).await;
    let mut position = other.last_change().await.unwrap();
    // Every try reaches the service, and no answer comes back.
    watched.proxy.set(Behaviour::LoseAnswer);
    let lost = watched.moved(&stored, &PREPARE).await;
    assert!(
        matches!(lost, Err(RepositoryError::Unavailable(_))),
        "{lost:?}"
    );
    watched.proxy.set(Behaviour::Pass);
    let late = until_answered(|| watched.moved(&stored, &PREPARE)).await;
    assert!(
        matches!(late, Err(RepositoryError::Conflict { .. })),
        "{late:?}"
    );
    // In the same partition, so that the doubt is settled by it.
    let twin = (0..).map(|number| format!("twin-{number}"));
    for id in twin.take(32) {
        until_answered(|| async {
            let job = plain_job(&id, Timestamp(1_000));
            watched
                .store
                .create(&job, None, &first_entry(&job), "me")
                .await
        })
        .await
        .unwrap();
    }
    let own = watched
        .store
        .changes(&watched.store.last_change().await.unwrap(), 100)
        .await
        .unwrap();
    assert!(
        own.jobs
            .iter()
            .any(|stored| stored.job.id == "a" && stored.version == 2)
    );
    let seen = async {
        loop {
            let changes = other.changes(&position, 100).await.unwrap();
            position = changes.position;
            if changes
                .jobs
                .iter()
                .any(|stored| stored.job.id == "a" && stored.version == 2)
            {
                return;
            }
        }
    };
    tokio::time::timeout(BOUND, seen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_never_arrived_can_be_sent_again() {
    let watched = watched().await;
    watched.proxy.set(Behaviour::Cut);
    let job = plain_job("a", Timestamp(1_000));
    let lost = watched
        .store
        .create(&job, None, &first_entry(&job), "me")
        .await;
    assert!(
        matches!(lost, Err(RepositoryError::Unavailable(_))),
        "{lost:?}"
    );
    watched.proxy.set(Behaviour::Pass);
    let entry = first_entry(&job);
    let created = until_answered(|| watched.store.create(&job, None, &entry, "me")).await;
    assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_sent_by_many_at_once_makes_one_job() {
    let config = fresh_table();
    let stores = [open(&config).await, open(&config).await];
    let key = IdempotencyKey {
        owner: "local".to_owned(),
        key: "once".to_owned(),
        expires_at: Timestamp(i64::MAX),
    };
    let sent = (0..40_usize).map(|number| {
        let (store, key) = (&stores[number % 2], &key);
        async move {
            let job = plain_job(&format!("job-{number}"), Timestamp(1_000));
            let entry = first_entry(&job);
            until_answered(|| store.create(&job, Some(key), &entry, "me")).await
        }
    });
    let outcomes = futures::future::join_all(sent).await;
    let mut made = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for outcome in outcomes {
        match outcome.unwrap() {
            Created::New(stored) => {
                ids.insert(stored.job.id.clone());
                made.push(stored.job.id);
            }
            Created::Existing(stored) => {
                ids.insert(stored.job.id);
            }
        }
    }
    // Whoever was given up on while it was under way hears of the one that won.
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(made.len() <= 1, "{made:?}");
    let mut rows = 0;
    for part in 0..stores[0].parts() {
        rows += stores[0].scan(part, None, 100).await.unwrap().jobs.len();
    }
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_of_one_job_lose_no_transition() {
    let config = fresh_table();
    let stores = [open(&config).await, open(&config).await];
    let job = plain_job("contended", Timestamp(1_000));
    stores[0]
        .create(&job, None, &first_entry(&job), "me")
        .await
        .unwrap();
    let writers = (0..8_usize).map(|number| {
        let store = &stores[number % 2];
        async move {
            for round in 0..5 {
                loop {
                    let stored = store.get("contended").await.unwrap().unwrap();
                    let (job, entry) = moved(
                        &stored,
                        &Event::Noted {
                            note: format!("{number}/{round}"),
                        },
                    );
                    match store.update(&job, stored.version, None, Some(&entry)).await {
                        Ok(_) => break,
                        Err(RepositoryError::Conflict { .. } | RepositoryError::Unavailable(_)) => {
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(
        stores[0].get("contended").await.unwrap().unwrap().version,
        41
    );
    assert_eq!(
        stores[1]
            .history("contended", None, 100)
            .await
            .unwrap()
            .len(),
        41
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_rights_names_the_role_and_is_never_an_empty_answer() {
    let config = fresh_table();
    let proxy = FaultProxy::before(&config.endpoint).await;
    let forbidden = Behaviour::Answer {
        status: 403,
        retry_after: None,
    };
    proxy.set(forbidden.clone());
    let refused = try_open(&behind(&proxy, &config)).await.err().unwrap();
    assert!(
        refused
            .to_string()
            .contains("Storage Table Data Contributor"),
        "{refused}"
    );
    proxy.set(Behaviour::Pass);
    let store = open(&behind(&proxy, &config)).await;
    proxy.set(forbidden);
    assert!(matches!(
        store.get("a").await,
        Err(RepositoryError::Denied(_))
    ));
    assert!(matches!(
        store.scan(0, None, 10).await,
        Err(RepositoryError::Denied(_))
    ));
    assert!(matches!(
        store.changes(&Position::default(), 10).await,
        Err(RepositoryError::Denied(_))
    ));
    assert!(matches!(
        store.check().await,
        Err(RepositoryError::Denied(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_service_is_asked_again_when_it_said_and_a_breaker_holds_the_rest_back() {
    let watched = watched().await;
    watched.created("a").await;
    let busy = |retry_after| Behaviour::Answer {
        status: 503,
        retry_after,
    };
    watched.proxy.set_next(1, busy(Some(1)));
    let begin = std::time::Instant::now();
    watched.store.get("a").await.unwrap();
    assert!(
        begin.elapsed() >= Duration::from_secs(1),
        "it was asked to wait"
    );
    // An hour is not waited for.
    watched.proxy.set(busy(Some(3_600)));
    let away = watched.store.get("a").await;
    assert!(
        matches!(&away, Err(RepositoryError::Unavailable(reason)) if reason.contains("503")),
        "{away:?}"
    );
    for _ in 0..4 {
        watched.store.get("a").await.unwrap_err();
    }
    let report = watched.store.breaker().unwrap().report();
    assert_eq!(report.state, BreakerState::Open);
    assert!(report.last_failure.unwrap().1.contains("503"));
    watched.proxy.take_requests();
    watched.store.get("a").await.unwrap_err();
    assert_eq!(watched.spent(), 0, "held back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_many_pieces_comes_back_whole_and_one_that_cannot_fit_is_refused_clearly() {
    let watched = watched().await;
    let id = "a'b/c#d?e%f 한글";
    let mut job = plain_job(id, Timestamp(1_000));
    // 200 KB of an error's text, in letters that take three bytes.
    job.title = "한".repeat(66_000);
    watched
        .store
        .create(&job, None, &first_entry(&job), "me")
        .await
        .unwrap();
    assert_eq!(watched.store.get(id).await.unwrap().unwrap().job, job);
    job.title = "x".repeat(600_000);
    let refused = watched.store.update(&job, 1, None, None).await;
    assert!(
        matches!(refused, Err(RepositoryError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(watched.store.get(id).await.unwrap().unwrap().version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_history_than_a_batch_holds_is_trimmed_and_forgotten_in_pieces() {
    let watched = watched().await;
    let mut stored = watched.created("a").await;
    for number in 0..230 {
        stored = watched
            .moved(
                &stored,
                &Event::Noted {
                    note: number.to_string(),
                },
            )
            .await
            .unwrap();
    }
    stored = watched.moved(&stored, &failure()).await.unwrap();
    let history = || async { watched.store.history("a", None, 1_000).await.unwrap().len() };
    assert_eq!(history().await, 232);
    let mut trimmed = 0;
    loop {
        match watched
            .store
            .trim_history(Timestamp(1_500), 50)
            .await
            .unwrap()
        {
            0 => break,
            some => trimmed += some,
        }
    }
    assert_eq!((trimmed, history().await), (1, 231));
    let stored = watched
        .store
        .get("a")
        .await
        .unwrap()
        .filter(|now| now.version == stored.version)
        .unwrap();
    let deleted = watched
        .moved(
            &stored,
            &Event::Deleted {
                keep_until: Timestamp(3_000),
            },
        )
        .await
        .unwrap();
    watched.store.forget("a", deleted.version).await.unwrap();
    assert_eq!(history().await, 0);
    assert_eq!(watched.store.get("a").await.unwrap(), None);
    watched.created("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_wrote_before_it_died_is_seen_even_if_it_told_nobody() {
    let watched = watched().await;
    let reader = open(&watched.config).await;
    // The bell of its only write is never heard.
    watched.proxy.set_next_where(1_000, is_bell, Behaviour::Cut);
    watched.created("a").await;
    let changes = reader.changes(&Position::default(), 100).await.unwrap();
    assert_eq!(changes.jobs.len(), 1);
}
