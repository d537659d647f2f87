//! What clients do while servers die under them, and what they may expect in the end.
//!
//! Each submission has a key and is sent until it is acknowledged. For each of them stands in which
//! phases it may end: an acknowledged wish leaves one, a wish whose answer was lost leaves both.

use std::{io, net::SocketAddr, sync::Mutex};

use elb_engine::crash::Point;
use serde_json::Value;

use super::{
    chance::Chance,
    client::{self, Answer},
    follower::Follower,
    kinds, life,
};

/// Clients at once.
const CLIENTS: usize = 3;
/// Searches that wait or run at once, about.
const ACTIVE: u64 = 6;
/// Of ten searches, how many are left alone.
const CALM_OF_TEN: u64 = 6;
/// The phases in which a search may end, as a set.
pub type Ends = u8;
/// It has results.
pub const COMPLETED: Ends = 1;
/// It was stopped.
pub const CANCELLED: Ends = 2;
/// It was deleted.
pub const DELETED: Ends = 4;

/// A search that a client wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub key: String,
    pub kind: usize,
    /// Once it was acknowledged.
    pub id: Option<String>,
    /// How it may end.
    pub ends: Ends,
    /// Nobody wishes anything of it but its results: most are, or few would ever have any.
    calm: bool,
    /// How a restore may bring it back.
    before_delete: Ends,
    /// A client is about it.
    busy: bool,
}

/// All clients over all lives.
pub struct World {
    chance: Chance,
    wanted: Mutex<Vec<Wanted>>,
    pub follower: Follower,
    counts: Mutex<Counts>,
}

/// Wishes that were acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub replays: usize,
    pub cancels: usize,
    pub deletes: usize,
    pub restores: usize,
    pub retries: usize,
}

/// What a client can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Submit,
    Cancel,
    DeleteActive,
    DeleteEnded,
    Restore,
    Retry,
    Read,
}

/// Which passing of a point a server is killed at, at most: those that are passed at every step are
/// met early and late.
pub const fn passings(point: Point) -> u64 {
    match point {
        Point::BeforeCommit | Point::AfterCommit | Point::BeforeTurn | Point::AfterTurn => 40,
        Point::AfterObserve | Point::AfterSpawn | Point::BeforeFinish => 8,
        Point::AfterRegister | Point::BeforeRetry | Point::BeforeEmptied => 1,
        _ => 2,
    }
}

/// What to do, so that the point is met.
fn acts(point: Option<Point>) -> &'static [Act] {
    use Act::{Cancel, DeleteActive, DeleteEnded, Read, Restore, Retry, Submit};
    match point {
        Some(Point::BeforeStop | Point::AfterStop) => &[Submit, Cancel, DeleteActive],
        Some(Point::BeforeEmptied | Point::BeforeRemoval | Point::AfterRemoval) => {
            &[Submit, DeleteEnded]
        }
        Some(Point::AfterWish) => &[Submit, Cancel, DeleteActive, DeleteEnded, Restore, Retry],
        Some(Point::BeforeRetry) => &[Submit],
        _ => &[
            Submit,
            Submit,
            Submit,
            Submit,
            Submit,
            Submit,
            Cancel,
            DeleteActive,
            DeleteEnded,
            Restore,
            Retry,
            Retry,
            Read,
        ],
    }
}

impl World {
    pub fn new(chance: Chance) -> Self {
        Self {
            chance,
            wanted: Mutex::default(),
            follower: Follower::default(),
            counts: Mutex::default(),
        }
    }

    pub fn wanted(&self) -> Vec<Wanted> {
        self.wanted.lock().unwrap().clone()
    }

    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }

    /// Clients at work for as long as the server lives; never ends by itself.
    pub async fn work(&self, address: SocketAddr, point: Option<Point>) {
        for wanted in self.wanted.lock().unwrap().iter_mut() {
            wanted.busy = false;
        }
        let clients = (0..CLIENTS).map(|_| self.client(address, point));
        tokio::join!(
            futures::future::join_all(clients),
            self.follower.read(address)
        );
        // All of them have seen it die.
        std::future::pending().await
    }

    async fn client(&self, address: SocketAddr, point: Option<Point>) {
        while let Ok(rows) = client::get(address, "/api/blast/jobs?limit=40").await {
            if rows.status == 200 && self.step(address, point, &rows.json()).await.is_err() {
                return;
            }
        }
    }

    async fn step(
        &self,
        address: SocketAddr,
        point: Option<Point>,
        rows: &Value,
    ) -> io::Result<()> {
        let active = rows["totals"]["queued"].as_u64().unwrap()
            + rows["totals"]["running"].as_u64().unwrap();
        match *self.chance.pick(acts(point)).unwrap() {
            Act::Submit if active < ACTIVE => self.submit(address, point).await,
            Act::Submit | Act::Read => self.read(address, rows).await,
            Act::Cancel => self.cancel(address, rows).await,
            Act::DeleteActive => self.delete(address, rows, &["queued", "running"]).await,
            Act::DeleteEnded => {
                let ended = ["completed", "cancelled"];
                self.delete(address, rows, &ended).await
            }
            Act::Restore => self.restore(address).await,
            Act::Retry => self.retry(address, rows).await,
        }
    }

    /// Sends what is not acknowledged yet, the oldest first, or something new.
    async fn submit(&self, address: SocketAddr, point: Option<Point>) -> io::Result<()> {
        let (index, wanted) = {
            let mut all = self.wanted.lock().unwrap();
            let unsent = all.iter().position(|one| one.id.is_none() && !one.busy);
            let index = unsent.unwrap_or_else(|| {
                let faulty = point == Some(Point::BeforeRetry);
                let kind = usize::try_from(self.chance.below(kinds::KINDS as u64)).unwrap();
                let number = all.len();
                all.push(Wanted {
                    key: format!("key-{number}"),
                    kind: if faulty { kinds::FAULTY } else { kind },
                    id: None,
                    ends: COMPLETED,
                    calm: self.chance.below(10) < CALM_OF_TEN,
                    before_delete: 0,
                    busy: false,
                });
                number
            });
            all[index].busy = true;
            (index, all[index].clone())
        };
        self.send(address, index, &wanted).await
    }

    async fn send(&self, address: SocketAddr, index: usize, wanted: &Wanted) -> io::Result<()> {
        let answer = life::submit(address, &kinds::body(wanted.kind), &wanted.key).await?;
        let mut all = self.wanted.lock().unwrap();
        all[index].busy = false;
        match answer.status {
            202 => {
                let body = answer.json();
                all[index].id = Some(body["job_id"].as_str().unwrap().to_owned());
            }
            // It says that it took nothing.
            503 => {}
            other => panic!("a submission is answered with {other}: {}", answer.text()),
        }
        Ok(())
    }

    /// Sends everything that is not acknowledged yet.
    pub async fn send_the_rest(&self, address: SocketAddr) {
        let unsent = self.wanted().into_iter().enumerate();
        for (index, wanted) in unsent.filter(|(_, wanted)| wanted.id.is_none()) {
            while self.wanted.lock().unwrap()[index].id.is_none() {
                self.send(address, index, &wanted).await.unwrap();
            }
            self.counts.lock().unwrap().replays += 1;
        }
    }

    /// Takes a search that the client knows, is not busy with, and sees in one of these states.
    fn take(&self, rows: &Value, states: &[&str]) -> Option<(usize, Wanted)> {
        let shown: Vec<&str> = rows["jobs"]
            .as_array()?
            .iter()
            .filter(|row| states.iter().any(|state| row["status"] == *state))
            .filter_map(|row| row["id"].as_str())
            .collect();
        self.take_one(|wanted| {
            !wanted.calm && wanted.id.as_deref().is_some_and(|id| shown.contains(&id))
        })
    }

    fn take_one(&self, suits: impl Fn(&Wanted) -> bool) -> Option<(usize, Wanted)> {
        let mut all = self.wanted.lock().unwrap();
        let suitable: Vec<usize> = (0..all.len())
            .filter(|index| !all[*index].busy && suits(&all[*index]))
            .collect();
        let index = *self.chance.pick(&suitable)?;
        all[index].busy = true;
        Some((index, all[index].clone()))
    }

    /// Asks for something of a search. Until the answer is there, it may have been done or not.
    async fn wish(
        &self,
        address: SocketAddr,
        (index, wanted): (usize, Wanted),
        (method, action): (&str, &str),
        done: (Ends, Ends),
    ) -> io::Result<bool> {
        let (ends, before_delete) = done;
        {
            let mut all = self.wanted.lock().unwrap();
            all[index].ends = wanted.ends | ends;
            all[index].before_delete = wanted.before_delete | before_delete;
        }
        let id = wanted.id.as_deref().unwrap_or_default();
        let path = format!("/api/blast/jobs/{id}{action}");
        let answer: Answer = client::ask(address, method, &path, &[], "").await?;
        let mut all = self.wanted.lock().unwrap();
        all[index].busy = false;
        match answer.status {
            _ if answer.is_success() => {
                all[index].ends = ends;
                all[index].before_delete = before_delete;
                Ok(true)
            }
            404 | 409 | 410 => {
                all[index].ends = wanted.ends;
                all[index].before_delete = wanted.before_delete;
                Ok(false)
            }
            // Not done, or not known to be.
            503 => Ok(false),
            other => panic!(
                "{method} {path} is answered with {other}: {}",
                answer.text()
            ),
        }
    }

    async fn cancel(&self, address: SocketAddr, rows: &Value) -> io::Result<()> {
        let Some(taken) = self.take(rows, &["queued", "running"]) else {
            return Ok(());
        };
        // A delete whose answer was lost may be under way, and is not weakened.
        let (ends, before) = (CANCELLED | (taken.1.ends & DELETED), taken.1.before_delete);
        let done = self
            .wish(address, taken, ("POST", "/cancel"), (ends, before))
            .await?;
        self.counts.lock().unwrap().cancels += usize::from(done);
        Ok(())
    }

    async fn delete(&self, address: SocketAddr, rows: &Value, states: &[&str]) -> io::Result<()> {
        let Some(taken) = self.take(rows, states) else {
            return Ok(());
        };
        let before = (taken.1.ends & !DELETED) | CANCELLED;
        let done = self
            .wish(address, taken, ("DELETE", ""), (DELETED, before))
            .await?;
        self.counts.lock().unwrap().deletes += usize::from(done);
        Ok(())
    }

    async fn restore(&self, address: SocketAddr) -> io::Result<()> {
        // The last ones: the time of the others is over.
        let newest = self.wanted.lock().unwrap().len().saturating_sub(40);
        let newest = format!("key-{newest}");
        let Some(taken) = self.take_one(|wanted| {
            wanted.ends == DELETED
                && wanted.id.is_some()
                && (wanted.key.len(), &wanted.key) >= (newest.len(), &newest)
        }) else {
            return Ok(());
        };
        let before = taken.1.before_delete;
        let done = self
            .wish(address, taken, ("POST", "/restore"), (before, before))
            .await?;
        self.counts.lock().unwrap().restores += usize::from(done);
        Ok(())
    }

    async fn retry(&self, address: SocketAddr, rows: &Value) -> io::Result<()> {
        let Some(taken) = self.take(rows, &["cancelled"]) else {
            return Ok(());
        };
        let before = taken.1.before_delete;
        let done = self
            .wish(address, taken, ("POST", "/retry"), (COMPLETED, before))
            .await?;
        self.counts.lock().unwrap().retries += usize::from(done);
        Ok(())
    }

    /// Reads a page of a search, as people do meanwhile.
    async fn read(&self, address: SocketAddr, rows: &Value) -> io::Result<()> {
        let Some(id) = rows["jobs"]
            .as_array()
            .and_then(|rows| self.chance.pick(rows)?["id"].as_str())
        else {
            return Ok(());
        };
        let answer = client::get(address, &format!("/jobs/{id}")).await?;
        assert!(
            answer.status < 500 || answer.status == 503,
            "a page is answered with {}: {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }
}
