//! A proxy before an HTTP/1.1 service that passes, delays, refuses, cuts or answers by itself.
//!
//! Owns the ways in which a network and a service fail, switched while clients are connected, and the
//! list of requests that came. It knows HTTP only as far as it must: where a request begins and ends.
//! What it passes, it passes unchanged and without holding it.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

mod answer;
mod connection;
pub(crate) mod frame;
#[cfg(test)]
mod tests;

/// What the proxy does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Passes everything.
    Pass,
    /// Passes everything as over a line with this round trip; connecting takes one more.
    RoundTrip(Duration),
    /// Waits so long before it passes a request.
    Slow(Duration),
    /// Closes what is open, and each new connection as soon as it is made.
    Cut,
    /// Takes everything and gives nothing, on open connections too.
    HalfOpen,
    /// Passes so many bytes of the answers of a connection, then resets it.
    Reset {
        /// Bytes of answers, heads included. The reset may overtake the last of them.
        after: u64,
    },
    /// Answers by itself as Azure Storage does; nothing reaches the service.
    Answer {
        /// The status.
        status: u16,
        /// Seconds of a `Retry-After` head.
        retry_after: Option<u32>,
    },
    /// Answers with these bytes, which are a whole answer with its head; nothing reaches the service.
    Give(Bytes),
    /// Passes the request, and cuts the connection instead of passing the answer: the client cannot
    /// know what came of it, but it did reach the service.
    LoseAnswer,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// For example `POST`.
    pub method: String,
    /// Path and query as sent, for example `/devstoreaccount1/$batch`.
    pub target: String,
    /// What goes after `Bearer` in its `authorization`, if it has that.
    pub token: Option<String>,
    /// Whether the service was given it.
    pub passed: bool,
}

impl Seen {
    /// The path alone.
    #[must_use]
    pub fn path(&self) -> &str {
        let end = self.target.find('?').unwrap_or(self.target.len());
        self.target.get(..end).unwrap_or_default()
    }
}

/// Which requests an exception is for.
type Chosen = Box<dyn Fn(&Seen) -> bool + Send>;

/// What the proxy knows of its own to answer.
type Known = Box<dyn Fn(&Seen) -> Option<Bytes> + Send>;

/// What is done with the next requests of a kind instead of the usual.
struct Exception {
    left: usize,
    chosen: Chosen,
    behaviour: Behaviour,
}

/// What all connections share.
struct Shared {
    upstream: SocketAddr,
    usual: watch::Sender<Behaviour>,
    exceptions: Mutex<Vec<Exception>>,
    known: Mutex<Option<Known>>,
    seen: Mutex<Vec<Seen>>,
}

impl Shared {
    /// What is to be done with a request that has come, which is noted.
    fn judge(&self, head: &frame::Head) -> Behaviour {
        let mut seen = Seen {
            method: head.method.clone(),
            target: head.target.clone(),
            token: head.token.clone(),
            passed: false,
        };
        let known = || {
            let known = held(&self.known);
            known.as_ref().and_then(|known| known(&seen))
        };
        let behaviour = self
            .exception(&seen)
            .or_else(|| known().map(Behaviour::Give))
            .unwrap_or_else(|| self.usual.borrow().clone());
        seen.passed = !matches!(
            behaviour,
            Behaviour::Answer { .. } | Behaviour::Give(_) | Behaviour::Cut | Behaviour::HalfOpen
        );
        held(&self.seen).push(seen);
        behaviour
    }

    fn exception(&self, seen: &Seen) -> Option<Behaviour> {
        let mut exceptions = held(&self.exceptions);
        let at = exceptions.iter().position(|one| (one.chosen)(seen))?;
        let one = exceptions.get_mut(at)?;
        one.left -= 1;
        if one.left == 0 {
            return Some(exceptions.remove(at).behaviour);
        }
        Some(one.behaviour.clone())
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The proxy; it ends, with all its connections, when it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("upstream", &self.shared.upstream)
            .finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// A proxy on a free port before the service of an `http://ADDRESS:PORT/…`; it passes everything.
    ///
    /// # Panics
    /// If the address is not one, or there is no free port.
    pub async fn before(upstream: &str) -> Self {
        let upstream = authority(upstream)
            .parse()
            .expect("the proxy wants an address with a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            usual: watch::Sender::new(Behaviour::Pass),
            exceptions: Mutex::default(),
            known: Mutex::default(),
            seen: Mutex::default(),
        });
        let accepting = tokio::spawn(connection::accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of something of the service, by way of this proxy.
    ///
    /// # Panics
    /// If it is not an address of the form that [`Self::before`] takes.
    #[must_use]
    pub fn instead_of(&self, url: &str) -> String {
        url.replacen(authority(url), &self.address.to_string(), 1)
    }

    /// What is done from now on. [`Behaviour::Cut`] and [`Behaviour::HalfOpen`] count for open
    /// connections at once, the others from the next request of each.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.usual.send_replace(behaviour);
    }

    /// What is done with the next `count` requests instead.
    pub fn set_next(&self, count: usize, behaviour: Behaviour) {
        self.set_next_where(count, |_| true, behaviour);
    }

    /// What is done instead with the next `count` requests that are chosen.
    pub fn set_next_where(
        &self,
        count: usize,
        chosen: impl Fn(&Seen) -> bool + Send + 'static,
        behaviour: Behaviour,
    ) {
        if count > 0 {
            held(&self.shared.exceptions).push(Exception {
                left: count,
                chosen: Box::new(chosen),
                behaviour,
            });
        }
    }

    /// From now on answers by itself, with a whole answer, what `known` gives one for: a service with more
    /// in it than an emulator can hold.
    pub fn answer_with(&self, known: impl Fn(&Seen) -> Option<Bytes> + Send + 'static) {
        *held(&self.shared.known) = Some(Box::new(known));
    }

    /// The requests that have come, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        held(&self.shared.seen).clone()
    }

    /// The requests that have come, which are forgotten.
    pub fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut *held(&self.shared.seen))
    }

    /// How many requests have come with this method to a path with this ending.
    #[must_use]
    pub fn count(&self, method: &str, path_end: &str) -> usize {
        held(&self.shared.seen)
            .iter()
            .filter(|seen| seen.method == method && seen.path().ends_with(path_end))
            .count()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// `ADDRESS:PORT` of a URL.
fn authority(url: &str) -> &str {
    let rest = url
        .strip_prefix("http://")
        .expect("the proxy speaks plain http");
    rest.split('/').next().unwrap_or(rest)
}
