//! What became of an action on many searches, kept until the page that follows has shown it.
//!
//! Owns a bounded number of outcomes, each under a key that only the redirect names. They are in memory:
//! a restart loses them, and the list shows how the searches stand all the same.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use elb_engine::service::{Action, Caller};

/// The most outcomes that are kept; the oldest gives way (ours: nobody looks back that far).
const MAX_KEPT: usize = 100;

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was asked for.
    pub action: Action,
    /// Identifiers of the searches that took it.
    pub done: Vec<String>,
    /// Titles of those that did not, each with the reason.
    pub refused: Vec<(String, String)>,
    /// Why nothing was done at all, if so.
    pub nothing: Option<String>,
}

#[derive(Debug)]
struct Kept {
    key: String,
    caller: String,
    outcome: Arc<Outcome>,
}

/// Outcomes that have not been shown, or were a short while ago.
#[derive(Debug, Default)]
pub struct Notices {
    kept: Mutex<VecDeque<Kept>>,
}

impl Notices {
    /// Keeps an outcome; its key.
    #[must_use]
    pub fn keep(&self, caller: &Caller, outcome: Outcome) -> String {
        let key = uuid::Uuid::new_v4().simple().to_string();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MAX_KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept {
            key: key.clone(),
            caller: caller.id.clone(),
            outcome: Arc::new(outcome),
        });
        key
    }

    /// The outcome of that key, if it is the caller's. It stays, so that a reload shows it again.
    #[must_use]
    pub fn get(&self, caller: &Caller, key: &str) -> Option<Arc<Outcome>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept
            .iter()
            .find(|kept| kept.key == key && kept.caller == caller.id);
        found.map(|kept| Arc::clone(&kept.outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(done: usize) -> Outcome {
        Outcome {
            action: Action::Cancel,
            done: vec!["a job".to_owned(); done],
            refused: Vec::new(),
            nothing: None,
        }
    }

    #[test]
    fn an_outcome_is_shown_to_its_caller_alone_and_gives_way_to_newer_ones() {
        let notices = Notices::default();
        let another = Caller {
            id: "another".to_owned(),
            name: String::new(),
        };
        let first = notices.keep(&Caller::local(), outcome(0));
        assert_eq!(notices.get(&another, &first), None);
        for _ in 0..2 {
            let found = notices.get(&Caller::local(), &first);
            assert_eq!(found.as_deref(), Some(&outcome(0)));
        }
        let newer: Vec<String> = (1..=MAX_KEPT)
            .map(|done| notices.keep(&Caller::local(), outcome(done)))
            .collect();
        assert_eq!(notices.get(&Caller::local(), &first), None);
        for (done, key) in (1..).zip(&newer) {
            let found = notices.get(&Caller::local(), key);
            assert_eq!(found.as_deref(), Some(&outcome(done)));
        }
    }
}
