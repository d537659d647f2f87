//! Parameters of an address: an unknown one, or a value that makes no sense, is an error that names it.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use elb_core::search::OptionProblem;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The parameters as `T`, which refuses unknown ones by `deny_unknown_fields`.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        let Query(params) = read.map_err(|error| ApiError::bad_request(error.body_text()))?;
        Ok(Self(params))
    }
}

/// A body as `T`.
///
/// # Errors
/// If it is not understood, where, and where it is described.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message =
            format!("The body is not understood: {error}. /api/openapi.json describes it.");
        ApiError::invalid(vec![OptionProblem::new("body", message)])
    })
}

/// The rows that one answer is to hold.
///
/// # Errors
/// If it is none or more than `most`.
pub fn limit(wanted: Option<usize>, usual: usize, most: usize) -> Result<usize, ApiError> {
    let limit = wanted.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::bad_request(format!(
        "limit is {limit}: it must be from 1 to {most}"
    )))
}
