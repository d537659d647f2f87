//! Errors as answers: one mapping from the engine's errors to status and code.
//!
//! Owns the body of every error under `/api`: `code`, `message`, `request_id`, and every problem of a
//! request that cannot be accepted. A message says what happened and what to do.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use elb_app::data::status_of;
use elb_core::search::OptionProblem;
use elb_engine::{databases::DatabaseError, service::ServiceError};
use serde::Serialize;
use utoipa::ToSchema;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// The field, as form and API name it.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// A word for programs.
    pub code: String,
    /// What happened and what to do, for people.
    pub message: String,
    /// The request, as the server's log names it.
    pub request_id: String,
    /// Everything that is wrong with the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemBody>,
}

/// An error on its way to the client. The identifier of the request is added on the way out.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// Status of the answer.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Everything that is wrong.
    pub problems: Vec<OptionProblem>,
}

impl ApiError {
    /// An error without a list of problems.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            problems: Vec::new(),
        }
    }

    /// A request that makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// A request that is understood and cannot be accepted.
    #[must_use]
    pub fn invalid(problems: Vec<OptionProblem>) -> Self {
        let first = problems
            .first()
            .map_or("", |problem| problem.message.as_str());
        let message = match problems.len() {
            0 | 1 => first.to_owned(),
            more => format!("{first} ({} more problems)", more - 1),
        };
        Self {
            problems,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let status =
            StatusCode::from_u16(status_of(&error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = error.code();
        if status.is_server_error() {
            tracing::error!(%error, "a request failed");
        }
        match error {
            ServiceError::Invalid(problems) => Self::invalid(problems),
            other => Self::new(status, code, other.to_string()),
        }
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        let (status, code) = match &error {
            DatabaseError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            DatabaseError::Missing(_) => (StatusCode::NOT_FOUND, "no_such_database"),
            DatabaseError::Toolkit(_) | DatabaseError::Io(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        if status.is_server_error() {
            tracing::error!(%error, "a request about a database failed");
        }
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problems = self.problems.iter().map(|problem| ProblemBody {
            field: problem.field.clone(),
            message: problem.message.clone(),
        });
        let body = ErrorBody {
            code: self.code.to_owned(),
            message: self.message.clone(),
            request_id: String::new(),
            problems: problems.collect(),
        };
        let mut answer = (self.status, Json(&body)).into_response();
        // The outermost layer writes the body once more, with the request's identifier.
        answer.extensions_mut().insert(body);
        answer
    }
}
