use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Mutex as StdMutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
};

use tokio::{sync::oneshot, task::JoinHandle, time::advance};

use super::*;
use crate::clock::ManualClock;

type Text = Cache<&'static str, u64, String>;
type Given = Result<Answer<u64, String>, CacheError<String>>;

/// The runtime's timer as a clock, so that a test stops and moves both at once.
struct TimerClock(Instant);

impl Clock for TimerClock {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.elapsed().as_millis()).unwrap())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

const TERMS: Terms = Terms {
    entries: 4,
    fetches: 8,
    life: seconds(30),
    failed_life: seconds(5),
    old: Old::Never,
};

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn cache(terms: Terms) -> Text {
    Cache::new(terms, Arc::new(TimerClock(Instant::now())))
}

fn keeping(old: Old) -> Text {
    cache(Terms { old, ..TERMS })
}

async fn gives(cache: &Text, value: u64) -> Given {
    cache.get(&"key", move || async move { Ok(value) }).await
}

async fn fails(cache: &Text, why: &'static str) -> Given {
    cache
        .get(&"key", move || async move { Err(why.to_owned()) })
        .await
}

async fn hangs(cache: &Text) -> Given {
    cache.get(&"key", pending).await
}

/// What a fetch returns, once the test says so.
type Release = oneshot::Sender<Result<u64, String>>;

/// A call whose fetch is under way when this returns.
async fn held(cache: &Text) -> (JoinHandle<Given>, Release) {
    let (release, released) = oneshot::channel();
    let (begun, is_begun) = oneshot::channel();
    let cache = cache.clone();
    let call = tokio::spawn(async move {
        let fetch = move || async move {
            begun.send(()).unwrap();
            released.await.unwrap()
        };
        cache.get(&"key", fetch).await
    });
    is_begun.await.unwrap();
    (call, release)
}

/// A call that finds a fetch under way, or is answered, when this returns.
async fn joins(cache: &Text, value: u64) -> JoinHandle<Given> {
    let before = cache.statistics();
    let own = cache.clone();
    let call = tokio::spawn(async move { gives(&own, value).await });
    until(|| cache.statistics() != before).await;
    call
}

/// Lets the others go on until it is so.
async fn until(so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to this");
}

/// Waits until no fetch is registered.
async fn settled(cache: &Text) {
    until(|| cache.sizes().1 == 0).await;
}

fn fresh(given: Given) -> u64 {
    let answer = given.unwrap();
    assert_eq!(answer.behind, None);
    answer.value
}

#[tokio::test(start_paused = true)]
async fn a_value_is_fetched_once_in_its_life_and_again_after_it() {
    let cache = cache(TERMS);
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    advance(seconds(29)).await;
    let answer = gives(&cache, 2).await.unwrap();
    assert_eq!((answer.value, answer.age), (1, seconds(29)));
    assert_eq!(answer.as_of, Timestamp(0));
    advance(seconds(1)).await;
    assert_eq!(fresh(gives(&cache, 3).await), 3);
    let statistics = cache.statistics();
    assert_eq!((statistics.hits, statistics.misses), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_the_begin_of_the_fetch_and_the_life_from_its_end() {
    let cache = cache(TERMS);
    let (call, release) = held(&cache).await;
    advance(seconds(14)).await;
    release.send(Ok(1)).unwrap();
    assert_eq!(call.await.unwrap().unwrap().age, seconds(14));
    advance(seconds(29)).await;
    assert_eq!(gives(&cache, 2).await.unwrap().age, seconds(43));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_kept_for_a_shorter_time_than_a_value() {
    let cache = cache(TERMS);
    let failed = CacheError::Failed("away".to_owned());
    assert_eq!(fails(&cache, "away").await, Err(failed.clone()));
    advance(seconds(4)).await;
    assert_eq!(gives(&cache, 1).await, Err(failed));
    advance(seconds(1)).await;
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    let statistics = cache.statistics();
    assert_eq!((statistics.failures, statistics.failures_given), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_at_once_share_one_fetch() {
    let cache = cache(TERMS);
    let (first, release) = held(&cache).await;
    let others = [joins(&cache, 2).await, joins(&cache, 3).await];
    release.send(Ok(1)).unwrap();
    assert_eq!(fresh(first.await.unwrap()), 1);
    for other in others {
        assert_eq!(fresh(other.await.unwrap()), 1);
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.misses, statistics.waits), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_wait_for_one_another() {
    let cache = cache(TERMS);
    let (_call, _release) = held(&cache).await;
    let other = cache.get(&"other", || async { Ok(2) }).await;
    assert_eq!(fresh(other), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_does_not_end_the_fetch() {
    let cache = cache(TERMS);
    let (first, release) = held(&cache).await;
    let second = joins(&cache, 2).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    release.send(Ok(1)).unwrap();
    assert_eq!(fresh(second.await.unwrap()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_fetch_is_an_error_for_all_at_once_and_is_kept_as_one() {
    let cache = cache(TERMS);
    let (first, release) = held(&cache).await;
    let second = joins(&cache, 2).await;
    let before = Instant::now();
    // The fetch unwraps what it is told.
    drop(release);
    assert_eq!(first.await.unwrap(), Err(CacheError::Died));
    assert_eq!(second.await.unwrap(), Err(CacheError::Died));
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(gives(&cache, 3).await, Err(CacheError::Died));
    advance(seconds(5)).await;
    assert_eq!(fresh(gives(&cache, 3).await), 3);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_15_s_at_most_and_then_gets_an_error() {
    let cache = cache(TERMS);
    let begun = Instant::now();
    assert_eq!(hangs(&cache).await, Err(CacheError::Late));
    assert_eq!(begun.elapsed(), WAIT);
    assert_eq!(gives(&cache, 2).await, Err(CacheError::Late));
    assert_eq!(begun.elapsed(), WAIT * 2);
    assert_eq!(cache.statistics().gave_up, 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waited_in_vain_gets_the_last_good_value_and_its_age() {
    let cache = keeping(Old::Fallback(seconds(3600)));
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    advance(seconds(100)).await;
    let answer = hangs(&cache).await.unwrap();
    assert_eq!((answer.value, answer.age), (1, seconds(115)));
    assert_eq!(answer.behind, Some(Behind::Failed(CacheError::Late)));
    assert_eq!(cache.statistics().old_given, 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_last_good_value_is_given_with_the_reason_for_a_while() {
    let cache = keeping(Old::Fallback(seconds(60)));
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    advance(seconds(40)).await;
    let failed = CacheError::Failed("away".to_owned());
    // The call that fetched, and one that is told of it.
    for _ in 0..2 {
        let answer = fails(&cache, "away").await.unwrap();
        assert_eq!(answer.value, 1);
        assert_eq!(answer.behind, Some(Behind::Failed(failed.clone())));
    }
    advance(seconds(20)).await;
    assert_eq!(fails(&cache, "away").await, Err(failed));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_given_at_once_while_one_fetch_runs_behind_it() {
    let cache = keeping(Old::AtOnce(seconds(3600)));
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    advance(seconds(40)).await;
    let (first, release) = held(&cache).await;
    let second = joins(&cache, 3).await;
    for call in [first, second] {
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.value, 1);
        assert_eq!(answer.behind, Some(Behind::Refreshing));
    }
    release.send(Ok(2)).unwrap();
    settled(&cache).await;
    assert_eq!(fresh(gives(&cache, 4).await), 2);
    assert_eq!(cache.statistics().misses, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_failed_is_told_until_one_succeeds() {
    let cache = keeping(Old::AtOnce(seconds(3600)));
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    advance(seconds(40)).await;
    let (_, release) = held(&cache).await;
    release.send(Err("away".to_owned())).unwrap();
    settled(&cache).await;
    let failed = Behind::Failed(CacheError::Failed("away".to_owned()));
    assert_eq!(gives(&cache, 2).await.unwrap().behind, Some(failed.clone()));
    advance(seconds(5)).await;
    let (call, release) = held(&cache).await;
    assert_eq!(call.await.unwrap().unwrap().behind, Some(failed));
    release.send(Ok(2)).unwrap();
    settled(&cache).await;
    assert_eq!(fresh(gives(&cache, 3).await), 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_older_than_may_be_given_is_waited_for() {
    let cache = keeping(Old::AtOnce(seconds(60)));
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    advance(seconds(60)).await;
    assert_eq!(fresh(gives(&cache, 2).await), 2);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hangs_is_replaced_after_60_s_and_not_before() {
    let cache = cache(TERMS);
    let (first, mut release) = held(&cache).await;
    assert_eq!(first.await.unwrap(), Err(CacheError::Late));
    advance(LEADER_LIFE - WAIT - seconds(1)).await;
    let waiting = joins(&cache, 2).await;
    assert_eq!(cache.statistics().misses, 1);
    // Who waits at that moment becomes the new leader.
    assert_eq!(fresh(waiting.await.unwrap()), 2);
    // The old one was stopped: nothing it holds is left behind.
    assert!(release.is_closed());
    release.closed().await;
    let statistics = cache.statistics();
    assert_eq!((statistics.misses, statistics.dead_leaders), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hung_leader_that_nobody_asks_for_is_stopped_too() {
    let cache = cache(TERMS);
    let (_first, mut release) = held(&cache).await;
    let begun = Instant::now();
    release.closed().await;
    assert_eq!(begun.elapsed(), LEADER_LIFE);
    settled(&cache).await;
    assert_eq!(cache.statistics().dead_leaders, 1);
    assert_eq!(cache.permits.available_permits(), TERMS.fetches);
}

/// A fetch that blocks its thread cannot be stopped: it does come back, late.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_late_leader_does_not_overwrite_a_newer_one_and_its_waiters_get_the_newer_value() {
    let clock = ManualClock::at(0);
    let cache: Text = Cache::new(TERMS, Arc::new(clock.clone()));
    let (release, released) = mpsc::channel();
    let (begun, is_begun) = oneshot::channel();
    let own = cache.clone();
    let first = tokio::spawn(async move {
        let fetch = move || async move {
            begun.send(()).unwrap();
            Ok(released.recv().unwrap())
        };
        own.get(&"key", fetch).await
    });
    is_begun.await.unwrap();
    clock.pass(LEADER_LIFE);
    assert_eq!(fresh(gives(&cache, 2).await), 2);
    release.send(1).unwrap();
    assert_eq!(fresh(first.await.unwrap()), 2);
    assert_eq!(fresh(gives(&cache, 3).await), 2);
    let statistics = cache.statistics();
    assert_eq!((statistics.dead_leaders, statistics.failures), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_during_a_fetch_is_not_lost() {
    for all in [false, true] {
        let cache = cache(TERMS);
        let (before, release) = held(&cache).await;
        let joined = joins(&cache, 9).await;
        if all {
            cache.invalidate_all();
        } else {
            cache.invalidate(&"key");
        }
        // Who asks now does not get the fetch that is under way.
        assert_eq!(fresh(gives(&cache, 2).await), 2);
        release.send(Ok(1)).unwrap();
        // Who waited from before does, and it is not stored.
        assert_eq!(fresh(before.await.unwrap()), 1);
        assert_eq!(fresh(joined.await.unwrap()), 1);
        assert_eq!(fresh(gives(&cache, 3).await), 2);
        assert_eq!(cache.statistics().superseded, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_from_before_an_invalidation_is_not_stored_either() {
    let cache = cache(TERMS);
    let (before, release) = held(&cache).await;
    cache.invalidate(&"key");
    release.send(Err("away".to_owned())).unwrap();
    let failed = CacheError::Failed("away".to_owned());
    assert_eq!(before.await.unwrap(), Err(failed));
    assert_eq!(fresh(gives(&cache, 2).await), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_invalidated_is_never_given_as_an_old_value() {
    for old in [Old::Fallback(seconds(3600)), Old::AtOnce(seconds(3600))] {
        let cache = keeping(old);
        assert_eq!(fresh(gives(&cache, 1).await), 1);
        cache.invalidate(&"key");
        let failed = CacheError::Failed("away".to_owned());
        assert_eq!(fails(&cache, "away").await, Err(failed));
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_of_one_key_leaves_the_others() {
    let cache = cache(TERMS);
    assert_eq!(fresh(gives(&cache, 1).await), 1);
    cache.invalidate(&"other");
    assert_eq!(fresh(gives(&cache, 2).await), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_bounded_and_the_least_recently_used_goes() {
    let cache: Cache<u64, u64, String> = Cache::new(TERMS, Arc::new(TimerClock(Instant::now())));
    let get = async |key: u64| {
        let given = cache.get(&key, move || async move { Ok(key) }).await;
        assert_eq!(given.unwrap().value, key);
    };
    for key in 0..4 {
        get(key).await;
    }
    get(0).await;
    let failed = cache.get(&4, || async { Err("no".to_owned()) }).await;
    assert!(failed.is_err());
    assert_eq!(cache.sizes(), (4, 0));
    get(0).await;
    assert_eq!(
        (cache.statistics().misses, cache.statistics().evicted),
        (5, 1)
    );
    get(1).await;
    assert_eq!(
        (cache.statistics().misses, cache.statistics().evicted),
        (6, 2)
    );
    for key in 100..10_000 {
        get(key).await;
    }
    assert_eq!(cache.sizes(), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn fetches_are_bounded_with_those_that_were_invalidated() {
    let terms = Terms {
        fetches: 2,
        ..TERMS
    };
    let cache = cache(terms);
    let (_first, release) = held(&cache).await;
    cache.invalidate(&"key");
    let (_second, _kept) = held(&cache).await;
    assert_eq!(cache.sizes().1, 1);
    let other = cache.get(&"other", || async { Ok(2) }).await;
    assert_eq!(other, Err(CacheError::Busy(2)));
    release.send(Ok(1)).unwrap();
    until(|| cache.permits.available_permits() > 0).await;
    let other = cache.get(&"other", || async { Ok(2) }).await;
    assert_eq!(fresh(other), 2);
    assert_eq!(cache.statistics().busy, 1);
}

/// The runtime drops the task: nobody waits for ever, and no lock is taken twice.
#[test]
fn a_runtime_that_goes_down_ends_the_fetch() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let cache: Text = Cache::new(TERMS, Arc::new(ManualClock::at(0)));
    runtime.block_on(async {
        held(&cache).await;
    });
    assert_eq!(cache.sizes().1, 1);
    drop(runtime);
    assert_eq!(cache.sizes().1, 0);
}

/// A place that is looked up: how often each key is being read, and what it holds.
#[derive(Default)]
struct Place {
    reading: StdMutex<HashMap<u64, usize>>,
    most_at_once: AtomicUsize,
    versions: [AtomicU64; KEYS],
}

const KEYS: usize = 3;

impl Place {
    fn version(&self, key: u64) -> &AtomicU64 {
        &self.versions[usize::try_from(key).unwrap()]
    }

    async fn read(&self, key: u64) -> Result<u64, String> {
        let reading = {
            let mut reading = self.reading.lock().unwrap();
            let now = reading.entry(key).or_default();
            *now += 1;
            *now
        };
        self.most_at_once.fetch_max(reading, Ordering::SeqCst);
        let version = self.version(key).load(Ordering::SeqCst);
        for _ in 0..version % 4 {
            tokio::task::yield_now().await;
        }
        *self.reading.lock().unwrap().get_mut(&key).unwrap() -= 1;
        if version % 5 == 4 {
            return Err(version.to_string());
        }
        Ok(version)
    }
}

/// The version that a call was told of, by a value or by a failure.
fn told(given: Result<Answer<u64, String>, CacheError<String>>) -> u64 {
    match given {
        Ok(answer) => answer.value,
        Err(CacheError::Failed(version)) => version.parse().unwrap(),
        Err(other) => panic!("{other}"),
    }
}

/// Many tasks that ask for a few keys, of which `entries` are kept, and invalidate one in eleven times.
/// Nobody may be told of a version from before an invalidation that he knows of.
async fn many_tasks(entries: usize, invalidate: bool) -> (Arc<Place>, Statistics) {
    let place = Arc::new(Place::default());
    let terms = Terms {
        entries,
        fetches: 10_000,
        life: seconds(3600),
        failed_life: seconds(3600),
        old: Old::AtOnce(seconds(7200)),
    };
    let cache: Cache<u64, u64, String> = Cache::new(terms, Arc::new(ManualClock::at(0)));
    // Raised after the invalidation, so that it is of no more than has been invalidated.
    let invalidated: Arc<[AtomicU64; KEYS]> = Arc::default();
    let tasks = (0..64_u64).map(|task| {
        let (place, cache) = (Arc::clone(&place), cache.clone());
        let invalidated = Arc::clone(&invalidated);
        tokio::spawn(async move {
            for round in 0..200_u64 {
                let key = (task * 7 + round * 13) % KEYS as u64;
                let known = &invalidated[usize::try_from(key).unwrap()];
                if (task + round) % 11 == 0 {
                    let version = place.version(key).fetch_add(1, Ordering::SeqCst) + 1;
                    if invalidate {
                        cache.invalidate(&key);
                        known.fetch_max(version, Ordering::SeqCst);
                    }
                }
                let least = known.load(Ordering::SeqCst);
                let own = Arc::clone(&place);
                let given = cache.get(&key, move || async move { own.read(key).await });
                let version = told(given.await);
                assert!(version >= least, "{version} is older than {least}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    (place, cache.statistics())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn among_many_tasks_there_is_one_fetch_at_a_time_for_each_key() {
    // Fewer entries than keys, so that most calls fetch or wait.
    let (place, statistics) = many_tasks(1, false).await;
    assert_eq!(place.most_at_once.load(Ordering::SeqCst), 1);
    assert!(statistics.misses > 100, "{statistics:?}");
    assert!(statistics.waits > 0, "{statistics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn among_many_tasks_nobody_is_given_what_he_knows_to_be_outdated() {
    let (_, statistics) = many_tasks(KEYS, true).await;
    assert!(statistics.superseded > 0, "{statistics:?}");
    assert!(statistics.hits > 1_000, "{statistics:?}");
}
