//! The token of the external plane: where it comes from, and when it is read again.
//!
//! Never shows it: neither in a log, nor in an error, nor to a browser.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderValue;

use super::{PlaneError, Token};

/// The longest token that is read from a file, in bytes (ours).
const MAX_TOKEN: usize = 8_192;

/// The token as it was read last.
pub(super) struct Keyring {
    source: Token,
    known: Mutex<Option<Arc<HeaderValue>>>,
}

impl Keyring {
    pub fn new(source: Token) -> Self {
        Self {
            source,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> Option<Arc<HeaderValue>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// What to send; `None` if there is none.
    pub async fn current(&self) -> Result<Option<Arc<HeaderValue>>, PlaneError> {
        match self.known() {
            Some(known) => Ok(Some(known)),
            None => self.read().await,
        }
    }

    /// Another one than was refused, if there is one by now.
    pub async fn after(
        &self,
        refused: Option<&Arc<HeaderValue>>,
    ) -> Result<Option<Arc<HeaderValue>>, PlaneError> {
        // Somebody else has read it meanwhile.
        let known = self.known();
        if known.is_some() && known.as_ref() != refused {
            return Ok(known);
        }
        let read = self.read().await?;
        Ok(read.filter(|read| Some(read) != refused))
    }

    async fn read(&self) -> Result<Option<Arc<HeaderValue>>, PlaneError> {
        let text = match &self.source {
            Token::None => return Ok(None),
            Token::Given(text) => text.clone(),
            Token::File(path) => {
                let read = tokio::fs::read_to_string(path).await;
                read.map_err(|error| PlaneError::Token(format!("{}: {error}", path.display())))?
            }
        };
        let text = text.trim();
        let made = HeaderValue::from_str(text).ok();
        let made = made.filter(|_| !text.is_empty() && text.len() <= MAX_TOKEN);
        let mut value = made.ok_or_else(|| {
            let what = "it must be one line of letters, digits and signs, and not empty";
            PlaneError::Token(match &self.source {
                Token::File(path) => format!("{}: {what}", path.display()),
                _ => what.to_owned(),
            })
        })?;
        value.set_sensitive(true);
        let value = Arc::new(value);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&value));
        Ok(Some(value))
    }
}
