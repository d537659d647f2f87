//! Hearing of one kind of object: by a watch, or by asking again and again where that cannot be had.
//!
//! Owns the pauses and the way between the two. Everything is listed first, in pages; a server that no longer
//! knows where we were is asked for everything anew. Ends only when it is dropped, or when the credentials are
//! refused: those can be renewed, by a new client.

use std::{fmt::Debug, time::Duration};

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    api::ListParams,
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use elb_core::{cluster::Health, poll};

use super::{
    place::{Feed, Kind, Place},
    trouble::{Trouble, WatchEnd},
};

/// Objects of searches, by the label that all of ElasticBLAST's have.
const SELECTOR: &str = "app in (blast,setup,submit,finalizer)";
/// Objects in one answer, as `kubectl` asks for.
const PAGE: u32 = 500;
/// How long an answer to a list may take.
const ANSWER: Duration = Duration::from_secs(30);
/// The first pause after something went wrong, doubled with each further time.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause: the end of an outage is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Breaks of a watch in a row, each before anything was heard, after which it is given up for a while.
const BROKEN: u32 = 5;
/// For how long, before it is tried again.
const WITHOUT_WATCH: Duration = Duration::from_secs(300);

/// An object of the cluster, and what is kept of it.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static
{
    type Kept: Kind;
    fn reduce(&self) -> Option<Self::Kept>;
}

/// The credentials were refused.
pub(super) struct CredentialsRefused;

/// How many pauses there were since something was heard, and a spread between many servers.
struct Pauses {
    count: u32,
    chance: fn() -> u64,
}

impl Pauses {
    /// The next one: doubled each time, and anywhere between half and all of it.
    fn next(&mut self, asked: Option<Duration>) -> Duration {
        let factor = 1_u32 << self.count.min(10);
        let longest = PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
        self.count = self.count.saturating_add(1);
        let spread = u32::try_from((self.chance)() % 1_000).unwrap_or(0);
        let pause = longest / 2 + longest / 2 * spread / 1_000;
        pause.max(asked.unwrap_or_default())
    }
}

/// Hears of a kind of object until the credentials are refused.
pub(super) async fn hear<K: Watched>(
    place: &Place,
    api: Api<K>,
    chance: fn() -> u64,
) -> CredentialsRefused {
    let mut pauses = Pauses { count: 0, chance };
    loop {
        match watch(place, &api, &mut pauses).await {
            Ended::Refused => return CredentialsRefused,
            Ended::NoWatch(reason) => {
                let asking = ask_again_and_again(place, &api, &mut pauses, &reason);
                // The end of the time is no error: a watch is tried once more.
                if timeout(WITHOUT_WATCH, asking).await.is_ok() {
                    return CredentialsRefused;
                }
            }
        }
    }
}

/// Why a watch was given up.
enum Ended {
    Refused,
    NoWatch(String),
}

async fn watch<K: Watched>(place: &Place, api: &Api<K>, pauses: &mut Pauses) -> Ended {
    let mut broken = 0;
    loop {
        let config = watcher::Config::default().labels(SELECTOR).page_size(PAGE);
        let events = std::pin::pin!(watcher::watcher(api.clone(), config));
        if let Some(ended) = follow(place, events, pauses, &mut broken).await {
            return ended;
        }
    }
}

/// Follows one watch. `None` if everything has to be listed anew before it is known what is there.
async fn follow<K: Watched>(
    place: &Place,
    mut events: impl Stream<Item = watcher::Result<Event<K>>> + Unpin,
    pauses: &mut Pauses,
    broken: &mut u32,
) -> Option<Ended> {
    let mut list: Option<Vec<K::Kept>> = Some(Vec::new());
    loop {
        // A watch may be still for as long as nothing happens, a list may not.
        let next = if list.is_some() {
            let Ok(next) = timeout(ANSWER, events.next()).await else {
                place.feed::<K::Kept>(Feed::Away(Trouble::silent(ANSWER)));
                return None;
            };
            next
        } else {
            events.next().await
        };
        match next {
            Some(Ok(Event::Init)) => list = Some(Vec::new()),
            Some(Ok(Event::InitApply(object))) => {
                if let (Some(list), Some(kept)) = (&mut list, object.reduce()) {
                    list.push(kept);
                }
            }
            Some(Ok(Event::InitDone)) => {
                pauses.count = 0;
                place.listed(list.take().unwrap_or_default(), Feed::Live);
            }
            Some(Ok(Event::Apply(object))) => {
                (pauses.count, *broken) = (0, 0);
                match object.reduce() {
                    Some(kept) => place.put(kept),
                    // Its label was taken away.
                    None => place.take::<K::Kept>(name(&object)),
                }
            }
            Some(Ok(Event::Delete(object))) => {
                (pauses.count, *broken) = (0, 0);
                place.take::<K::Kept>(name(&object));
            }
            Some(Err(error)) => {
                *broken += 1;
                let (pause, next) = broken_off::<K>(place, &error, *broken, pauses);
                tokio::time::sleep(pause).await;
                match next {
                    Next::GoOn => {}
                    Next::Anew => return None,
                    Next::End(ended) => return Some(ended),
                }
            }
            // It never ends by itself; if it did, it would be begun anew.
            None => return None,
        }
    }
}

fn name<K: Watched>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// What comes after a watch was broken off.
enum Next {
    /// It goes on by itself from where it was.
    GoOn,
    /// Everything is listed: that it goes well again is seen by that.
    Anew,
    End(Ended),
}

/// Tells what is worth telling, and how long to wait before what comes next.
fn broken_off<K: Watched>(
    place: &Place,
    error: &watcher::Error,
    broken: u32,
    pauses: &mut Pauses,
) -> (Duration, Next) {
    tracing::debug!(
        cluster = place.address.name(),
        %error,
        "hearing of {} was broken off",
        K::Kept::MANY
    );
    let trouble = match WatchEnd::of(error) {
        WatchEnd::TooOld => return (pauses.next(None), Next::GoOn),
        WatchEnd::NoWatch(reason) => return (Duration::ZERO, Next::End(Ended::NoWatch(reason))),
        WatchEnd::Trouble(trouble) => trouble,
    };
    let pause = pauses.next(trouble.retry_after);
    let lists = !matches!(error, watcher::Error::InitialListFailed(_));
    if trouble.health == Health::Unauthorised {
        place.feed::<K::Kept>(Feed::Away(trouble));
        return (pause, Next::End(Ended::Refused));
    }
    // One that lists well and cannot keep up a watch is broken in its own way.
    if lists && broken >= BROKEN {
        return (pause, Next::End(Ended::NoWatch(trouble.reason)));
    }
    // A watch that is cut now and then is nothing to tell anybody.
    if lists && broken == 1 {
        return (pause, Next::GoOn);
    }
    place.feed::<K::Kept>(Feed::Away(trouble));
    (pause, Next::Anew)
}

/// Lists again and again, more often while something is under way. Ends if the credentials are refused.
async fn ask_again_and_again<K: Watched>(
    place: &Place,
    api: &Api<K>,
    pauses: &mut Pauses,
    reason: &str,
) {
    loop {
        let pause = match timeout(ANSWER, list(api)).await {
            Ok(Ok(objects)) => {
                pauses.count = 0;
                place.listed(objects, Feed::Listed(reason.to_owned()));
                if place.is_busy() {
                    poll::CLUSTER_COPY_LIFE
                } else {
                    poll::CLUSTER_IDLE
                }
            }
            Ok(Err(trouble)) => {
                let refused = trouble.health == Health::Unauthorised;
                let pause = pauses.next(trouble.retry_after);
                place.feed::<K::Kept>(Feed::Away(trouble));
                if refused {
                    tokio::time::sleep(pause).await;
                    return;
                }
                pause
            }
            Err(_) => {
                place.feed::<K::Kept>(Feed::Away(Trouble::silent(ANSWER)));
                pauses.next(None)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// All of a kind, in pages; of each object only what is kept.
async fn list<K: Watched>(api: &Api<K>) -> Result<Vec<K::Kept>, Trouble> {
    let mut kept = Vec::new();
    let mut params = ListParams::default().labels(SELECTOR).limit(PAGE);
    loop {
        let page = api.list(&params).await;
        let page = page.map_err(|error| Trouble::of(&error))?;
        kept.extend(page.items.iter().filter_map(Watched::reduce));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(kept),
        }
    }
}
