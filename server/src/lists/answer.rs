//! One answer of the jobs list: its bytes in every encoding that was asked for, and what they are known by.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
};
use elb_core::{list::ListPage, view::JobRow};
use elb_engine::{JobService, jobs::Freshness};
use flate2::{Compression, write::GzEncoder};

use crate::error::ApiError;

/// How much older the `as_of` of an answer may be than it could be, in milliseconds. The rows are no older.
const AS_OF_LIFE: u64 = 1_000;
/// How hard brotli tries, of 11. An answer is compressed once and sent many times, but somebody waits for
/// the first one: this takes a few milliseconds for the longest answer.
const BROTLI: i32 = 5;
/// The window of brotli as a power of two, in bytes: more than the longest answer.
const BROTLI_WINDOW: i32 = 18;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// gzip.
    Gzip,
    /// brotli.
    Brotli,
}

impl Encoding {
    /// The best one that a request accepts (RFC 9110, 12.5.3): brotli before gzip.
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Self {
        let given = headers.get_all(header::ACCEPT_ENCODING).iter();
        let given = given.filter_map(|value| value.to_str().ok());
        let mut best = Self::Plain;
        for part in given.flat_map(|value| value.split(',')) {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            if weight.parse().is_ok_and(|weight: f32| weight <= 0.0) {
                continue;
            }
            match name.trim() {
                name if name.eq_ignore_ascii_case("br") => return Self::Brotli,
                name if name.eq_ignore_ascii_case("gzip") => best = Self::Gzip,
                _ => {}
            }
        }
        best
    }

    /// The word in `Content-Encoding`; none for an answer as it is.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// What an answer is known by: equal for the same rows to the same question in the same encoding. The time of
/// the answer plays no part in it.
pub(super) fn etag(revision: u64, mark: &str, stale: bool, encoding: Encoding) -> String {
    let stale = if stale { "-stale" } else { "" };
    match encoding.as_str() {
        None => format!("\"{revision}-{mark}{stale}\""),
        Some(encoding) => format!("\"{revision}-{mark}{stale}-{encoding}\""),
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    revision: u64,
    fresh: Freshness,
    mark: String,
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Answer {
    pub(super) fn of(page: &ListPage<Arc<JobRow>>, mark: &str) -> Result<Self, ApiError> {
        let plain = serde_json::to_vec(page).map_err(|error| unwritten(&error))?;
        Ok(Self {
            revision: page.revision,
            fresh: Freshness {
                as_of: page.as_of,
                stale: page.stale.clone(),
            },
            mark: mark.to_owned(),
            plain: plain.into(),
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
        })
    }

    /// Whether another answer would say the same.
    pub(super) fn is_true_of(&self, service: &JobService) -> bool {
        let fresh = service.freshness();
        self.revision == service.revision()
            && self.fresh.stale == fresh.stale
            && fresh.as_of.since(self.fresh.as_of) < AS_OF_LIFE
    }

    /// Its ETag.
    #[must_use]
    pub fn etag(&self, encoding: Encoding) -> String {
        let stale = self.fresh.stale.is_some();
        etag(self.revision, &self.mark, stale, encoding)
    }

    /// Its bytes.
    ///
    /// # Errors
    /// If they cannot be compressed, which is a fault of this program.
    pub fn bytes(&self, encoding: Encoding) -> Result<Bytes, ApiError> {
        let kept = match encoding {
            Encoding::Plain => return Ok(self.plain.clone()),
            Encoding::Gzip => &self.gzip,
            Encoding::Brotli => &self.brotli,
        };
        if let Some(bytes) = kept.get() {
            return Ok(bytes.clone());
        }
        let made = compressed(&self.plain, encoding).map_err(|error| unwritten(&error))?;
        Ok(kept.get_or_init(|| made.into()).clone())
    }
}

fn compressed(plain: &[u8], encoding: Encoding) -> std::io::Result<Vec<u8>> {
    match encoding {
        Encoding::Plain => Ok(plain.to_vec()),
        Encoding::Gzip => {
            let mut writer = GzEncoder::new(Vec::new(), Compression::default());
            writer.write_all(plain)?;
            writer.finish()
        }
        Encoding::Brotli => {
            let parameters = brotli::enc::BrotliEncoderParams {
                quality: BROTLI,
                lgwin: BROTLI_WINDOW,
                size_hint: plain.len(),
                ..brotli::enc::BrotliEncoderParams::default()
            };
            let mut bytes = Vec::new();
            brotli::BrotliCompress(&mut &*plain, &mut bytes, &parameters)?;
            Ok(bytes)
        }
    }
}

fn unwritten(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a list cannot be written");
    let message = "The list cannot be written; the server's log says why.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}
