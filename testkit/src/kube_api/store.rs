//! The objects, their history, and who watches them.
//!
//! Owns the one resource version, which rises with each change of any object. A change and its sending to
//! the open watches are one step, and so are the opening of a watch and the reading of its history: no
//! watch misses a change or sees one twice.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::{Kind, select::Selector, status::Refusal};

/// The resource version before any object: not zero, which means "any" in requests.
const FIRST: u64 = 100;
/// How many changes are remembered. A server remembers some minutes.
const HISTORY: usize = 10_000;

/// What a watch is told.
#[derive(Debug)]
pub(super) enum Said {
    /// An event.
    Event(Value),
    /// That it ends as when its time is over.
    End,
}

/// A change of an object.
struct Change {
    version: u64,
    kind: Kind,
    before: Option<Arc<Value>>,
    after: Option<Arc<Value>>,
}

impl Change {
    /// The event by which a watch learns of it: whoever selects sees an object come and go as it begins
    /// and ceases to match.
    fn event(&self, kind: Kind, selector: &Selector) -> Option<Value> {
        if kind != self.kind {
            return None;
        }
        let matching = |object: &Option<Arc<Value>>| {
            let object = object.as_ref()?;
            selector.matches(object).then(|| Value::clone(object))
        };
        match (matching(&self.before), matching(&self.after)) {
            (None, None) => None,
            (None, Some(after)) => Some(event("ADDED", after)),
            (Some(_), Some(after)) => Some(event("MODIFIED", after)),
            (Some(mut last), None) => {
                last["metadata"]["resourceVersion"] = json!(self.version.to_string());
                Some(event("DELETED", last))
            }
        }
    }
}

fn event(of: &str, object: Value) -> Value {
    json!({"type": of, "object": object})
}

struct Watcher {
    kind: Kind,
    selector: Selector,
    bookmarks: bool,
    /// What is not newer is not told.
    after: u64,
    sender: UnboundedSender<Said>,
}

/// The rest of a list that was given in part.
struct Pages {
    version: u64,
    selector: Selector,
    items: Vec<Arc<Value>>,
}

/// One page of a list.
pub(super) struct Page {
    pub version: u64,
    pub items: Vec<Arc<Value>>,
    pub next: Option<String>,
    /// How many items are on later pages, if that is told.
    pub remaining: Option<usize>,
}

/// Kind, namespace, name: lists are in this order.
type Key = (Kind, String, String);

pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    history: VecDeque<Change>,
    /// The version up to which changes are forgotten.
    forgotten: u64,
    watchers: Vec<Watcher>,
    pages: BTreeMap<u64, Pages>,
    /// How many lists were given in part.
    partial: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            version: FIRST,
            history: VecDeque::new(),
            forgotten: FIRST,
            watchers: Vec::new(),
            pages: BTreeMap::new(),
            partial: 0,
        }
    }
}

impl Store {
    pub const fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        self.objects.get(&key)
    }

    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        let of_kind = self
            .objects
            .iter()
            .filter(move |((known, _, _), _)| *known == kind);
        of_kind.map(|(_, object)| &**object)
    }

    /// Makes or replaces an object.
    pub fn put(&mut self, kind: Kind, mut object: Value) -> u64 {
        self.version += 1;
        let version = self.version;
        let text = |object: &Value, field: &str| {
            let found = object["metadata"][field].as_str();
            found
                .unwrap_or_else(|| panic!("a {} without metadata.{field}: {object}", kind.name()))
                .to_owned()
        };
        let key = (kind, text(&object, "namespace"), text(&object, "name"));
        let before = self.objects.get(&key).cloned();
        object["kind"] = json!(kind.name());
        object["apiVersion"] = json!(kind.api_version());
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = before.as_ref().map_or_else(
                || json!(format!("00000000-0000-4000-8000-{version:012x}")),
                |before| before["metadata"]["uid"].clone(),
            );
        }
        let after = Arc::new(object);
        self.objects.insert(key, Arc::clone(&after));
        self.changed(kind, before, Some(after));
        version
    }

    /// Removes an object; `None` if there is none.
    pub fn remove(&mut self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let before = self.objects.remove(&key)?;
        self.version += 1;
        self.changed(kind, Some(Arc::clone(&before)), None);
        Some(before)
    }

    fn changed(&mut self, kind: Kind, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        let change = Change {
            version: self.version,
            kind,
            before,
            after,
        };
        for watcher in &self.watchers {
            if change.version > watcher.after
                && let Some(event) = change.event(watcher.kind, &watcher.selector)
            {
                // One that has just gone is told nothing.
                watcher.sender.send(Said::Event(event)).ok();
            }
        }
        self.history.push_back(change);
        if self.history.len() > HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }

    /// Makes every version that was ever given too old to watch or to continue from.
    pub fn forget(&mut self) {
        self.version += 1;
        self.forgotten = self.version;
        self.history.clear();
        self.pages.clear();
    }

    /// The first page of a list, with at most so many items.
    pub fn list(&mut self, kind: Kind, selector: Selector, limit: Option<usize>) -> Page {
        let all = self.matching(kind, &selector);
        let pages = Pages {
            version: self.version,
            selector,
            items: all,
        };
        let Some(limit) = limit.filter(|limit| *limit < pages.items.len()) else {
            return Page {
                version: pages.version,
                items: pages.items,
                next: None,
                remaining: None,
            };
        };
        self.partial += 1;
        let page = pages.page(self.partial, 0, limit);
        self.pages.insert(self.partial, pages);
        page
    }

    /// A later page of a list, as it was when its first page was given.
    pub fn page(&self, token: &str, limit: Option<usize>) -> Result<Page, Refusal> {
        let parts = token.split_once('-').and_then(|(list, at)| {
            let (list, at) = (list.parse::<u64>().ok()?, at.parse::<usize>().ok()?);
            Some((list, at))
        });
        let Some((list, at)) = parts.filter(|(list, _)| *list <= self.partial) else {
            return Err(Refusal::new(400, "continue key is not valid"));
        };
        let Some(pages) = self.pages.get(&list) else {
            return Err(Refusal::new(
                410,
                "The provided continue parameter is too old to display a consistent list result.",
            ));
        };
        Ok(pages.page(list, at, limit.unwrap_or(usize::MAX)))
    }

    fn matching(&self, kind: Kind, selector: &Selector) -> Vec<Arc<Value>> {
        let all = self.objects.iter().filter(|((of, _, _), _)| *of == kind);
        let found = all.filter(|(_, object)| selector.matches(object));
        found.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// Opens a watch of what is newer than a version, or of everything that is there and will be.
    pub fn watch(
        &mut self,
        kind: Kind,
        selector: Selector,
        bookmarks: bool,
        after: Option<u64>,
    ) -> UnboundedReceiver<Said> {
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(after) = after.filter(|after| *after < self.forgotten) {
            let message = format!("too old resource version: {after} ({})", self.forgotten);
            end_with(&sender, &Refusal::new(410, message));
            return receiver;
        }
        let events: Vec<Value> = match after {
            Some(after) => {
                let newer = self.history.iter().filter(|one| one.version > after);
                newer.filter_map(|one| one.event(kind, &selector)).collect()
            }
            None => {
                let there = self.matching(kind, &selector);
                there
                    .iter()
                    .map(|object| event("ADDED", Value::clone(object)))
                    .collect()
            }
        };
        for event in events {
            sender.send(Said::Event(event)).ok();
        }
        self.watchers.retain(|watcher| !watcher.sender.is_closed());
        self.watchers.push(Watcher {
            kind,
            selector,
            bookmarks,
            after: after.unwrap_or(self.version),
            sender,
        });
        receiver
    }

    /// How many watches are open.
    pub fn watching(&self, kind: Kind) -> usize {
        let open = |one: &&Watcher| one.kind == kind && !one.sender.is_closed();
        self.watchers.iter().filter(open).count()
    }

    /// Tells every watch that wants it how far it has come.
    pub fn bookmark(&self) {
        let version = self.version;
        for one in &self.watchers {
            if one.bookmarks && version >= one.after {
                let object = json!({
                    "kind": one.kind.name(), "apiVersion": one.kind.api_version(),
                    "metadata": {"resourceVersion": version.to_string()},
                });
                one.sender.send(Said::Event(event("BOOKMARK", object))).ok();
            }
        }
    }

    /// Ends every watch, with an error if there is one.
    pub fn end_watches(&mut self, error: Option<&Refusal>) {
        for one in self.watchers.drain(..) {
            match error {
                Some(error) => end_with(&one.sender, error),
                None => {
                    one.sender.send(Said::End).ok();
                }
            }
        }
    }

    /// Leaves every watch without another word.
    pub fn drop_watches(&mut self) {
        self.watchers.clear();
    }
}

/// An error is the last thing that a watch is told.
fn end_with(sender: &UnboundedSender<Said>, error: &Refusal) {
    sender
        .send(Said::Event(event("ERROR", error.body())))
        .and_then(|()| sender.send(Said::End))
        .ok();
}

impl Pages {
    fn page(&self, list: u64, at: usize, limit: usize) -> Page {
        let end = at.saturating_add(limit).min(self.items.len());
        let left = self.items.len() - end;
        Page {
            version: self.version,
            items: self.items.get(at..end).unwrap_or_default().to_vec(),
            next: (left > 0).then(|| format!("{list}-{end}")),
            // A server does not know how many of the rest would be selected.
            remaining: (left > 0 && !self.selector.chooses()).then_some(left),
        }
    }
}
