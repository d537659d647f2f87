//! This process as a holder of leases: its random id, and whether it may still think that it lives.
//!
//! Owns the rule that makes a paused process harmless: it counts as alive only for a while after its
//! last sign of life reached the store, measured on a clock that no one can set. Others take its jobs
//! over only after they have watched it in silence for longer than that, on theirs.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use crate::clock::Clock;

/// How leases are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseTerms {
    /// No other process can write to the store: leases are this process's until it ends.
    Alone,
    /// Others may. A process that shows no sign of life for `life` loses its jobs to them.
    Shared {
        /// Silence after which others take over.
        life: Duration,
    },
}

impl LeaseTerms {
    /// How often a sign of life is sent: four fit into a life.
    #[must_use]
    pub fn renewal(self) -> Option<Duration> {
        match self {
            Self::Alone => None,
            Self::Shared { life } => Some(life / 4),
        }
    }

    /// How long this process trusts its last sign of life. A quarter less than the others wait, so that
    /// it has stopped before they begin.
    fn trust(self) -> Option<Duration> {
        match self {
            Self::Alone => None,
            Self::Shared { life } => Some(life * 3 / 4),
        }
    }
}

/// One incarnation of this process; a new one begins when the leases of the old one are lost.
#[derive(Debug)]
struct Incarnation {
    id: String,
    /// When the last sign of life that reached the store was sent.
    last_sign: Mutex<Duration>,
}

/// This process as the others see it. Clones are the same process.
#[derive(Clone)]
pub struct Member {
    terms: LeaseTerms,
    clock: Arc<dyn Clock>,
    now: Arc<RwLock<Arc<Incarnation>>>,
    diary: Option<Arc<PathBuf>>,
}

impl Member {
    /// A process under these terms.
    #[must_use]
    pub fn new(terms: LeaseTerms, clock: Arc<dyn Clock>) -> Self {
        let first = Self::incarnate(clock.as_ref());
        Self {
            terms,
            clock,
            now: Arc::new(RwLock::new(first)),
            diary: None,
        }
    }

    /// Keeps its id in a file that only one process at a time may use. Whoever finds older ids in it knows
    /// that they are gone, and need not wait until they have been silent for long enough.
    #[must_use]
    pub fn with_diary(mut self, path: PathBuf) -> Self {
        self.diary = Some(Arc::new(path));
        self
    }

    /// Adds its id to the diary; the older ones in it.
    pub(crate) async fn enter(&self) -> std::io::Result<Vec<String>> {
        let Some(path) = &self.diary else {
            return Ok(Vec::new());
        };
        let text = match tokio::fs::read_to_string(path.as_ref()).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let own = self.id();
        let lines = text.lines().filter(|id| !id.is_empty() && *id != own);
        let older: Vec<String> = lines.map(str::to_owned).collect();
        self.write_diary(&older).await?;
        Ok(older)
    }

    /// Leaves only these, beside its own id, in the diary.
    pub(crate) async fn write_diary(&self, older: &[String]) -> std::io::Result<()> {
        let Some(path) = &self.diary else {
            return Ok(());
        };
        let mut lines = older.to_vec();
        lines.push(self.id());
        let fresh = path.with_extension("new");
        tokio::fs::write(&fresh, lines.join("\n")).await?;
        tokio::fs::rename(&fresh, path.as_ref()).await
    }

    fn incarnate(clock: &dyn Clock) -> Arc<Incarnation> {
        Arc::new(Incarnation {
            id: uuid::Uuid::new_v4().simple().to_string(),
            last_sign: Mutex::new(clock.elapsed()),
        })
    }

    fn incarnation(&self) -> Arc<Incarnation> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// Time on the clock that leases are measured on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The id under which this process holds leases.
    #[must_use]
    pub fn id(&self) -> String {
        self.incarnation().id.clone()
    }

    /// Whether its leases can be trusted: asked before every side effect.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let Some(trust) = self.terms.trust() else {
            return true;
        };
        let now = self.incarnation();
        let last = now.last_sign.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.elapsed().saturating_sub(*last) < trust
    }

    /// Notes that a sign of life that was sent at `sent` has reached the store.
    pub(crate) fn signed(&self, sent: Duration) {
        let now = self.incarnation();
        let mut last = now.last_sign.lock().unwrap_or_else(PoisonError::into_inner);
        *last = sent.max(*last);
    }

    /// Begins anew under another id; returns the old one, whose leases are to be given back.
    pub(crate) fn begin_anew(&self) -> String {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let old = now.id.clone();
        *now = Self::incarnate(self.clock.as_ref());
        old
    }
}

/// Since when each of several things looks as it does.
#[derive(Debug)]
pub(crate) struct Stillness<T> {
    seen: HashMap<String, (T, Duration)>,
}

impl<T> Default for Stillness<T> {
    fn default() -> Self {
        Self {
            seen: HashMap::new(),
        }
    }
}

impl<T: PartialEq + Clone> Stillness<T> {
    /// Takes a new look at all of them; what is not there any more is forgotten.
    pub(crate) fn look(&mut self, all: impl IntoIterator<Item = (String, T)>, now: Duration) {
        let next = all.into_iter().map(|(name, state)| {
            let since = self.since(&name, &state).unwrap_or(now);
            (name, (state, since))
        });
        self.seen = next.collect();
    }

    /// Takes a new look at one of them.
    pub(crate) fn look_at(&mut self, name: &str, state: Option<T>, now: Duration) {
        match state {
            Some(state) => {
                let since = self.since(name, &state).unwrap_or(now);
                self.seen.insert(name.to_owned(), (state, since));
            }
            None => {
                self.seen.remove(name);
            }
        }
    }

    fn since(&self, name: &str, state: &T) -> Option<Duration> {
        let (known, since) = self.seen.get(name)?;
        (known == state).then_some(*since)
    }

    /// How it looks, if it has looked like that for `life`.
    pub(crate) fn still(&self, name: &str, life: Duration, now: Duration) -> Option<&T> {
        let (state, since) = self.seen.get(name)?;
        (now.saturating_sub(*since) >= life).then_some(state)
    }

    /// Whether it was there at the last look.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.seen.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const LIFE: Duration = Duration::from_secs(20);
    const TERMS: LeaseTerms = LeaseTerms::Shared { life: LIFE };

    fn seen(beats: u64) -> [(String, u64); 1] {
        [("other".to_owned(), beats)]
    }

    #[test]
    fn a_process_stops_trusting_itself_before_others_stop_waiting_for_it() {
        let clock = ManualClock::at(0);
        let member = Member::new(TERMS, Arc::new(clock.clone()));
        let mut others = Stillness::default();
        others.look(seen(1), clock.elapsed());
        clock.pass(LIFE * 3 / 4);
        assert!(!member.is_current());
        assert_eq!(others.still("other", LIFE, clock.elapsed()), None);
        clock.pass(LIFE / 4);
        assert_eq!(others.still("other", LIFE, clock.elapsed()), Some(&1));
        assert!(Member::new(LeaseTerms::Alone, Arc::new(clock)).is_current());
    }

    #[test]
    fn a_clock_that_is_set_by_hours_changes_nothing() {
        let clock = ManualClock::at(0);
        let member = Member::new(TERMS, Arc::new(clock.clone()));
        let mut others = Stillness::default();
        others.look(seen(1), clock.elapsed());
        for hour in [3_600_000, -7_200_000] {
            clock.set_by(hour);
            assert!(member.is_current());
            assert_eq!(others.still("other", LIFE, clock.elapsed()), None);
        }
    }

    #[test]
    fn a_sign_of_life_counts_from_when_it_was_sent() {
        let clock = ManualClock::at(0);
        let member = Member::new(TERMS, Arc::new(clock.clone()));
        let sent = clock.elapsed();
        clock.pass(LIFE / 2);
        member.signed(sent);
        clock.pass(LIFE / 4);
        assert!(!member.is_current());
        member.signed(clock.elapsed());
        assert!(member.is_current());
        let old = member.id();
        assert_eq!(member.begin_anew(), old);
        assert_ne!(member.id(), old);
    }

    #[test]
    fn any_new_sign_of_life_ends_a_silence() {
        let clock = ManualClock::at(0);
        let mut others = Stillness::default();
        others.look(seen(1), clock.elapsed());
        clock.pass(LIFE);
        others.look(seen(2), clock.elapsed());
        assert_eq!(others.still("other", LIFE, clock.elapsed()), None);
        assert!(others.knows("other"));
        others.look([], clock.elapsed());
        assert!(!others.knows("other"));
    }
}
