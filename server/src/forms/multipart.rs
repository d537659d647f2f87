//! The parts of a form with files: small fields are read whole, files are streamed.

use axum::extract::multipart::{Field, Multipart, MultipartError};
use futures::TryStreamExt;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use crate::error::ApiError;

/// The largest small field, in bytes.
const MAX_FIELD: usize = 64 * 1_024;
/// The most fields of one form.
pub const MAX_FIELDS: usize = 200;

/// What went wrong while the form arrived.
pub fn broken(error: &MultipartError) -> ApiError {
    ApiError::bad_request(format!(
        "The form did not arrive whole: {error}. Send it again."
    ))
}

/// The next part, or `None` at the end.
///
/// # Errors
/// If the form is damaged or breaks off.
pub async fn next(form: &mut Multipart) -> Result<Option<Field<'_>>, ApiError> {
    form.next_field().await.map_err(|error| broken(&error))
}

/// Reads what is left of a refused form and throws it away: a browser shows an answer only once it has
/// sent everything. Whoever sends more than `most` bytes is broken off.
pub async fn drain(form: &mut Multipart, most: u64) {
    let mut left = most;
    // A form that breaks off has no reader left.
    while let Ok(Some(mut field)) = form.next_field().await {
        while let Ok(Some(chunk)) = field.chunk().await {
            left = left.saturating_sub(chunk.len() as u64);
            if left == 0 {
                return;
            }
        }
    }
}

/// The text of a small field.
///
/// # Errors
/// If it is too long or no text.
pub async fn small(name: &str, mut field: Field<'_>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FIELD {
            return Err(ApiError::bad_request(format!(
                "The field {name} is longer than {MAX_FIELD} bytes. Shorten it."
            )));
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| ApiError::bad_request(format!("The field {name} is not UTF-8 text.")))
}

/// A part as a stream of bytes.
pub fn stream(field: Field<'_>) -> impl AsyncRead + Unpin + Send + '_ {
    StreamReader::new(Box::pin(field.map_err(std::io::Error::other)))
}
