//! Answers of the jobs list that are asked for again and again, made once for all who ask.
//!
//! Owns the bytes of an answer, plain and compressed, for as long as nothing has changed, and its strong
//! ETag. Bounded by the number of questions; the one that was asked least recently goes first. An answer is
//! one caller's alone: another's is never looked at.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use elb_core::list::ListQuery;
use elb_engine::{JobService, service::Caller};
use sha2::{Digest, Sha256};

use crate::error::ApiError;

mod answer;

pub use answer::{Answer, Encoding};

/// Questions whose answers are kept (ours): as many pages as are open at once, and some more. An answer has
/// 200 rows of half a kilobyte at most.
const KEPT: usize = 64;
/// A question that is longer is answered and forgotten: nobody asks it twice. In bytes.
const LONGEST: usize = 1_024;
/// The answers that are at hand.
#[derive(Debug, Default)]
pub struct Lists {
    /// The one that was asked last comes first.
    questions: Mutex<VecDeque<Arc<Question>>>,
}

impl Lists {
    /// A caller's question, as an address spells it.
    ///
    /// # Errors
    /// What `read` has against it.
    pub fn question(
        &self,
        caller: &Caller,
        text: &str,
        read: impl FnOnce() -> Result<ListQuery, ApiError>,
    ) -> Result<Arc<Question>, ApiError> {
        if let Some(known) = self.known(caller, text) {
            return Ok(known);
        }
        let question = Arc::new(Question::new(caller, text, read()?));
        if text.len() <= LONGEST {
            let mut questions = self.lock();
            questions.truncate(KEPT - 1);
            questions.push_front(Arc::clone(&question));
        }
        Ok(question)
    }

    /// A caller's question, if it was asked before and is still at hand.
    pub(crate) fn known(&self, caller: &Caller, text: &str) -> Option<Arc<Question>> {
        let mut questions = self.lock();
        let asked = |known: &Arc<Question>| known.text == text && known.caller.id == caller.id;
        let place = questions.iter().position(asked)?;
        // To the front, and those that were asked later one place back.
        questions.make_contiguous()[..=place].rotate_right(1);
        questions.front().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Question>>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question of one caller, with its answer as long as there is one.
#[derive(Debug)]
pub struct Question {
    caller: Caller,
    text: String,
    query: ListQuery,
    /// What stands for caller and question in an ETag.
    mark: String,
    answer: Mutex<Option<Arc<Answer>>>,
}

impl Question {
    fn new(caller: &Caller, text: &str, query: ListQuery) -> Self {
        let mut digest = Sha256::new();
        digest.update(caller.id.as_bytes());
        digest.update([0]);
        digest.update(query.href("").as_bytes());
        let bytes = digest.finalize();
        let bytes = bytes.iter().take(8);
        Self {
            caller: caller.clone(),
            text: text.to_owned(),
            query,
            mark: bytes.map(|byte| format!("{byte:02x}")).collect(),
            answer: Mutex::default(),
        }
    }

    /// The ETag that an answer has at this moment, in an encoding.
    #[must_use]
    pub fn etag(&self, service: &JobService, encoding: Encoding) -> String {
        let stale = service.freshness().stale.is_some();
        answer::etag(service.revision(), &self.mark, stale, encoding)
    }

    /// The answer. One that is at hand is given if it is still true; otherwise it is made, by one of those
    /// who ask for it at the same time.
    ///
    /// # Errors
    /// If it cannot be written, which is a fault of this program.
    pub fn answer(&self, service: &JobService) -> Result<Arc<Answer>, ApiError> {
        let mut kept = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let at_hand = kept.as_ref().filter(|answer| answer.is_true_of(service));
        if let Some(answer) = at_hand {
            return Ok(Arc::clone(answer));
        }
        let page = service.list_shared(&self.caller, &self.query);
        let answer = Arc::new(Answer::of(&page, &self.mark)?);
        *kept = Some(Arc::clone(&answer));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
