//! The logs of containers, and who follows them.
//!
//! Owns what a node would have: lines, each with its time, of the last run of a container and of the one
//! before it. Nothing is written by itself. A log that nobody has begun is of a container that waits.

use std::{collections::BTreeMap, io, sync::Arc};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::watch,
};

use super::{Call, Kind, KubeApi, Shared, State, objects::NAMESPACE, status::Refusal};
use crate::proxy::frame::Requests;

/// The parameters that are known.
const KNOWN: [&str; 6] = [
    "container",
    "follow",
    "previous",
    "sinceTime",
    "tailLines",
    "timestamps",
];
/// How much of a time is its second: `2026-01-01T00:00:00`.
const SECOND: usize = 19;

/// Namespace, pod, container, and whether it is the run before the last one.
type Key = (String, String, String, bool);

/// All logs.
#[derive(Default)]
pub(super) struct Logs {
    logs: BTreeMap<Key, Log>,
    followers: usize,
}

/// One log: each line as `TIME TEXT`.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    ended: bool,
}

/// What containers say.
impl KubeApi {
    /// Has a container of a pod in [`NAMESPACE`] write lines, each `TIME TEXT` with a time in UTC; followers are
    /// told. Its log is begun with the first.
    pub fn say(&self, pod: &str, container: &str, lines: &[&str]) {
        self.with(|state| {
            let log = state.logs.at(pod, container, false);
            log.lines
                .extend(lines.iter().map(|line| (*line).to_owned()));
        });
    }

    /// Ends a container's log: who follows it comes to the end. What it wrote is there for as long as its pod.
    pub fn end_log(&self, pod: &str, container: &str) {
        self.with(|state| state.logs.at(pod, container, false).ended = true);
    }

    /// Makes a container's log that of the run before, and begins a new one.
    pub fn restart_log(&self, pod: &str, container: &str) {
        self.with(|state| {
            let mut ended = std::mem::take(state.logs.at(pod, container, false));
            ended.ended = true;
            *state.logs.at(pod, container, true) = ended;
        });
    }

    /// Closes the connections of all who follow a log, in the middle of a line.
    pub fn cut_logs(&self) {
        self.with(|_| self.shared.cuts.send_replace(()));
    }

    /// How many follow a log now.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.shared.state().logs.followers
    }
}

impl Logs {
    fn at(&mut self, pod: &str, container: &str, previous: bool) -> &mut Log {
        let names = (pod.to_owned(), container.to_owned());
        let key = (NAMESPACE.to_owned(), names.0, names.1, previous);
        self.logs.entry(key).or_default()
    }
}

/// A log that is being given.
pub(super) struct Reading {
    key: Key,
    /// How many lines are not given.
    from: usize,
    /// Only lines of this second or later.
    since: String,
    follow: bool,
    timestamps: bool,
    cuts: watch::Receiver<()>,
    silent: watch::Receiver<bool>,
    changed: watch::Receiver<()>,
    shared: Arc<Shared>,
}

/// Begins to give the log that a request names.
pub(super) fn open(
    shared: &Arc<Shared>,
    state: &mut State,
    call: &Call,
    (namespace, name): (&str, &str),
) -> Result<Reading, Refusal> {
    let unknown =
        |(name, _): &&(String, String)| !KNOWN.contains(&name.as_str()) && !name.is_empty();
    if let Some((name, _)) = call.query.iter().find(unknown) {
        return Err(Refusal::unknown(&format!("the parameter {name}")));
    }
    let pod = state.store.get(Kind::Pod, namespace, name);
    let pod = pod.ok_or_else(|| Refusal::not_found("pods", name))?;
    let container = call.field("container").unwrap_or_default().to_owned();
    let has = |field: &str| {
        let containers = pod["spec"][field].as_array();
        let mut containers = containers.into_iter().flatten();
        containers.any(|one: &Value| one["name"] == container.as_str())
    };
    if !has("containers") && !has("initContainers") {
        let message = format!("container {container} is not valid for pod {name}");
        return Err(Refusal::new(400, message));
    }
    let yes = |field| call.field(field) == Some("true");
    let previous = yes("previous");
    let key = (
        namespace.to_owned(),
        name.to_owned(),
        container.clone(),
        previous,
    );
    let Some(log) = state.logs.logs.get(&key) else {
        let message = if previous {
            format!("previous terminated container {container:?} in pod {name:?} not found")
        } else {
            format!(
                "container {container:?} in pod {name:?} is waiting to start: ContainerCreating"
            )
        };
        return Err(Refusal::new(400, message));
    };
    let tail = match call.field("tailLines").map(str::parse::<usize>) {
        None => usize::MAX,
        Some(Ok(tail)) => tail,
        Some(Err(error)) => return Err(Refusal::new(400, error.to_string())),
    };
    let since = call.field("sinceTime").unwrap_or_default();
    state.logs.followers += usize::from(yes("follow"));
    Ok(Reading {
        from: log.lines.len().saturating_sub(tail),
        since: since.get(..SECOND).unwrap_or_default().to_owned(),
        follow: yes("follow"),
        timestamps: yes("timestamps"),
        cuts: shared.cuts.subscribe(),
        silent: shared.silent.subscribe(),
        changed: shared.changed.subscribe(),
        shared: Arc::clone(shared),
        key,
    })
}

impl Reading {
    /// Gives it to its end. Whether the connection goes on after it.
    pub async fn give(
        mut self,
        requests: &mut Requests<OwnedReadHalf>,
        writer: &mut OwnedWriteHalf,
    ) -> io::Result<bool> {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
        loop {
            self.changed.mark_unchanged();
            let silent = *self.silent.borrow_and_update();
            let (lines, ended) = self.more();
            if !silent {
                for line in lines {
                    self.from += 1;
                    if line.get(..SECOND).unwrap_or_default() < self.since.as_str() {
                        continue;
                    }
                    let text = line.split_once(' ').map_or("", |(_, text)| text);
                    let line = if self.timestamps { line.as_str() } else { text };
                    let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
                    writer.write_all(chunk.as_bytes()).await?;
                }
                if ended || !self.follow {
                    writer.write_all(b"0\r\n\r\n").await?;
                    return Ok(true);
                }
            }
            tokio::select! {
                Ok(()) = self.changed.changed() => {}
                Ok(()) = self.silent.changed() => {}
                Ok(()) = self.cuts.changed() => {
                    // A chunk that says it is longer than it is.
                    writer.write_all(b"400\r\n2026-01-01T00:0").await?;
                    return Ok(false);
                }
                // A client that follows says nothing more on its connection.
                _ = requests.head() => return Ok(false),
            }
        }
    }

    /// What was not given yet, and whether no more comes: the container has ended, or its pod is gone.
    fn more(&self) -> (Vec<String>, bool) {
        let state = self.shared.state();
        let (namespace, pod, ..) = &self.key;
        let gone = state.store.get(Kind::Pod, namespace, pod).is_none();
        let log = state.logs.logs.get(&self.key);
        let lines = log.map_or_else(Vec::new, |log| {
            log.lines.iter().skip(self.from).cloned().collect()
        });
        (lines, gone || log.is_none_or(|log| log.ended))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.follow {
            self.shared.state().logs.followers -= 1;
        }
        self.shared.tick();
    }
}
