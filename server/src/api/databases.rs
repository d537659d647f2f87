//! The catalogue of databases.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use elb_core::database::{Build, Database};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{params::Params, schema::DatabaseBody},
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// What can be searched.
#[derive(Debug, Serialize, ToSchema)]
pub struct Databases {
    /// By name.
    #[schema(value_type = Vec<DatabaseBody>)]
    pub databases: Vec<Database>,
}

/// What is being made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Builds {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    pub builds: Vec<Build>,
}

/// Which database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    name: String,
}

/// Databases
#[utoipa::path(get, path = "/api/blast/databases", tag = "databases", responses((status = 200, body = Databases)))]
pub async fn list(State(state): State<AppState>) -> Json<Databases> {
    Json(Databases {
        databases: state.service.catalogue().list(),
    })
}

/// Databases that are being made
#[utoipa::path(get, path = "/api/blast/databases/builds", tag = "databases", responses((status = 200, body = Builds)))]
pub async fn builds(State(state): State<AppState>) -> Json<Builds> {
    Json(Builds {
        builds: state.service.catalogue().builds(),
    })
}

/// The first sequences of a database, as an example query
#[utoipa::path(
    get, path = "/api/blast/databases/example", tag = "databases",
    params(("name" = String, Query, description = "name of the database")),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub async fn example(
    State(state): State<AppState>,
    Params(named): Params<Named>,
) -> Result<Response, ApiError> {
    let text = state.service.catalogue().example_query(&named.name).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
