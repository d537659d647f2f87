//! Hearing of one kind of object: by a watch, or by asking again and again where that cannot be had.
//!
//! Owns the pauses and the way between the two. Everything is listed first, in pages, and is said to be live
//! once the server has accepted a watch from there on; a server that no longer knows where we were is asked for
//! everything anew. No way to fail is tried again without a pause. Ends only when it is dropped, or when the
//! credentials are refused: those can be renewed, by a new client.

use std::{fmt::Debug, pin::pin, time::Duration};

use elb_core::cluster::Health;
use futures::StreamExt;
use kube::{
    Api, Resource,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::{
    pace::Pace,
    place::{Feed, Kind, Place},
    trouble::{Trouble, WatchEnd},
};

/// Objects of searches, by the label that all of ElasticBLAST's have, and those that bring databases to nodes
/// apart from any search ([`super::objects::COPIES_APP`]).
const SELECTOR: &str = "app in (blast,setup,submit,finalizer,elb-databases)";
/// Objects in one answer, as `kubectl` asks for.
const PAGE: u32 = 500;
/// How often a list is begun anew whose next page the server has forgotten, before that is told.
const LISTS: u32 = 3;
/// After how many seconds a server is to end a watch: below 300, after which proxies end what is idle.
const WATCH_SECONDS: u32 = 290;
/// Breaks of a watch in a row, each before anything was heard, after which it is given up for a while.
const BROKEN: u32 = 5;

/// An object of the cluster, and what is kept of it.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static
{
    type Kept: Kind;
    fn reduce(&self) -> Option<Self::Kept>;
}

/// The credentials were refused.
pub(super) struct CredentialsRefused;

/// What went wrong since something was heard, and a spread between many servers.
struct Pauses {
    pace: Pace,
    chance: fn() -> u64,
    /// How many pauses there were.
    count: u32,
    /// How many watches were broken off.
    broken: u32,
}

impl Pauses {
    /// The next one: doubled each time, and anywhere between half and all of it.
    fn next(&mut self, asked: Option<Duration>) -> Duration {
        let factor = 1_u32 << self.count.min(10);
        let longest = self.pace.pause.saturating_mul(factor);
        let longest = longest.min(self.pace.longest_pause);
        self.count = self.count.saturating_add(1);
        let spread = u32::try_from((self.chance)() % 1_000).unwrap_or(0);
        let pause = longest / 2 + longest / 2 * spread / 1_000;
        pause.max(asked.unwrap_or_default())
    }

    /// All is well.
    const fn heard(&mut self) {
        (self.count, self.broken) = (0, 0);
    }

    /// A list was had. That does not say that a watch can be.
    const fn listed(&mut self) {
        self.count = self.broken;
    }
}

/// Hears of a kind of object until the credentials are refused.
pub(super) async fn hear<K: Watched>(
    place: &Place,
    api: Api<K>,
    chance: fn() -> u64,
) -> CredentialsRefused {
    let mut pauses = Pauses {
        pace: place.pace,
        chance,
        count: 0,
        broken: 0,
    };
    loop {
        match watch(place, &api, &mut pauses).await {
            Ended::Refused => return CredentialsRefused,
            Ended::NoWatch(reason) => {
                pauses.heard();
                let asking = ask_again_and_again(place, &api, &mut pauses, &reason);
                // The end of the time is no error: a watch is tried once more.
                if timeout(place.pace.without_watch, asking).await.is_ok() {
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
    loop {
        match list(place, api).await {
            Ok(List { objects, version }) => {
                pauses.listed();
                place.listed(objects, None);
                if let Some(ended) = follow(place, api, version, pauses).await {
                    return ended;
                }
            }
            Err(trouble) => {
                if let Some(refused) = away::<K>(place, trouble, pauses).await {
                    return refused;
                }
            }
        }
    }
}

/// Tells that nothing can be had, and waits before it is tried again.
async fn away<K: Watched>(place: &Place, trouble: Trouble, pauses: &mut Pauses) -> Option<Ended> {
    let refused = trouble.health == Health::Unauthorised;
    let pause = if refused {
        // Files are read, and perhaps a program is run, for each try.
        place.pace.connect_again
    } else {
        pauses.next(trouble.retry_after)
    };
    place.feed::<K::Kept>(Feed::Away(trouble));
    sleep(pause).await;
    refused.then_some(Ended::Refused)
}

/// Hears of what changes after a version, by one watch after the other. `None` if everything has to be listed
/// anew before it is known what is there.
async fn follow<K: Watched>(
    place: &Place,
    api: &Api<K>,
    mut version: String,
    pauses: &mut Pauses,
) -> Option<Ended> {
    let mut live = false;
    loop {
        let (began, before) = (Instant::now(), version.clone());
        let end = hear_changes(place, api, &mut version, &mut live).await;
        let lasted = began.elapsed();
        let sound = version != before || lasted >= place.pace.steady;
        if sound {
            pauses.heard();
        }
        // An end is what every watch comes to.
        if !sound || end != WatchEnd::Closed {
            pauses.broken += 1;
        }
        tracing::debug!(
            cluster = place.address.name(),
            ?end,
            "hearing of {} was broken off",
            K::Kept::MANY
        );
        let given_up = pauses.broken >= BROKEN;
        match end {
            WatchEnd::NoWatch(reason) => return Some(Ended::NoWatch(reason)),
            WatchEnd::Closed | WatchEnd::TooOld if given_up => {
                let reason = "each watch ends at once".to_owned();
                return Some(Ended::NoWatch(reason));
            }
            WatchEnd::Closed if lasted >= place.pace.pause => {}
            WatchEnd::Closed => sleep(pauses.next(None)).await,
            WatchEnd::TooOld => {
                sleep(pauses.next(None)).await;
                return None;
            }
            WatchEnd::Trouble(trouble) if trouble.health == Health::Unauthorised => {
                return away::<K>(place, trouble, pauses).await;
            }
            // One that lists well and cannot keep up a watch is broken in its own way.
            WatchEnd::Trouble(trouble) if given_up => {
                sleep(pauses.next(trouble.retry_after)).await;
                return Some(Ended::NoWatch(trouble.reason));
            }
            // A watch that is cut now and then is nothing to tell anybody.
            WatchEnd::Trouble(trouble) if pauses.broken == 1 => {
                sleep(pauses.next(trouble.retry_after)).await;
            }
            WatchEnd::Trouble(trouble) => return away::<K>(place, trouble, pauses).await,
        }
        // Nothing says when a watch that goes on has made up for what was missed; a list does.
        if place.is_away::<K::Kept>() {
            return None;
        }
    }
}

/// Hears of changes by one watch, to its end. `version` is that of the last one that was heard, and `live` says
/// whether it was told since the last list that they arrive by themselves.
async fn hear_changes<K: Watched>(
    place: &Place,
    api: &Api<K>,
    version: &mut String,
    live: &mut bool,
) -> WatchEnd {
    if version.is_empty() {
        return WatchEnd::NoWatch("its answers carry no version to go on from".to_owned());
    }
    let params = WatchParams::default()
        .labels(SELECTOR)
        .timeout(WATCH_SECONDS);
    let patience = place.pace.long_answer;
    let events = match timeout(patience, api.watch(&params, version)).await {
        Ok(Ok(events)) => events,
        Ok(Err(error)) => return WatchEnd::of_start(&error),
        Err(_) => return WatchEnd::Trouble(Trouble::silent(patience)),
    };
    if !*live {
        *live = true;
        place.feed::<K::Kept>(Feed::Live);
    }
    let mut events = pin!(events);
    // A server that does not end it by then is no longer there.
    let longest = Duration::from_secs(WATCH_SECONDS.into()) + place.pace.answer;
    loop {
        let object = match timeout(longest, events.next()).await {
            Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                match object.reduce() {
                    Some(kept) => place.put(kept),
                    // What made it one of a search was taken away.
                    None => place.take::<K::Kept>(name(&object)),
                }
                object
            }
            Ok(Some(Ok(WatchEvent::Deleted(object)))) => {
                place.take::<K::Kept>(name(&object));
                object
            }
            Ok(Some(Ok(WatchEvent::Bookmark(bookmark)))) => {
                *version = bookmark.metadata.resource_version;
                continue;
            }
            Ok(Some(Ok(WatchEvent::Error(status)))) => return WatchEnd::of_status(status),
            Ok(Some(Err(error))) => return WatchEnd::Trouble(Trouble::of(&error)),
            Ok(None) | Err(_) => return WatchEnd::Closed,
        };
        let at = object.meta().resource_version.clone();
        *version = at.unwrap_or_default();
    }
}

fn name<K: Watched>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// Lists again and again, more often while something is under way. Ends if the credentials are refused.
async fn ask_again_and_again<K: Watched>(
    place: &Place,
    api: &Api<K>,
    pauses: &mut Pauses,
    reason: &str,
) {
    loop {
        match list(place, api).await {
            Ok(List { objects, .. }) => {
                pauses.heard();
                place.listed(objects, Some(Feed::Listed(reason.to_owned())));
                let pause = if place.is_busy() {
                    place.pace.busy
                } else {
                    place.pace.idle
                };
                sleep(pause).await;
            }
            Err(trouble) => {
                if away::<K>(place, trouble, pauses).await.is_some() {
                    return;
                }
            }
        }
    }
}

/// All of a kind, at one moment.
struct List<T> {
    objects: Vec<T>,
    /// From where it can be watched.
    version: String,
}

/// Lists all of a kind, in pages; of each object only what is kept.
async fn list<K: Watched>(place: &Place, api: &Api<K>) -> Result<List<K::Kept>, Trouble> {
    let first = ListParams::default().labels(SELECTOR).limit(PAGE);
    let (mut params, mut objects, mut lists) = (first.clone(), Vec::new(), 1);
    let patience = place.pace.long_answer;
    loop {
        let page = match timeout(patience, api.list(&params)).await {
            Ok(Ok(page)) => page,
            // Its rest is forgotten: of the list of another moment, what it had is of no use.
            Ok(Err(kube::Error::Api(status)))
                if status.code == 410 && params.continue_token.is_some() && lists < LISTS =>
            {
                lists += 1;
                objects.clear();
                params = first.clone();
                continue;
            }
            Ok(Err(error)) => return Err(Trouble::of(&error)),
            Err(_) => return Err(Trouble::silent(patience)),
        };
        objects.extend(page.items.iter().filter_map(Watched::reduce));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => {
                let version = page.metadata.resource_version.unwrap_or_default();
                return Ok(List { objects, version });
            }
        }
    }
}
