//! The catalogue of databases.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use elb_core::database::{Build, Database, RemoteList};
use elb_engine::cache::WAIT;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        params::Params,
        schema::{DatabaseBody, RemoteListBody},
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// Where a database is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// On this machine: it can be searched.
    Local,
}

/// A database on this machine.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Always local; those of `blob` are elsewhere.
    pub source: Source,
    /// The database.
    #[serde(flatten)]
    pub database: Database,
}

/// What can be searched, and what else there is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Databases {
    /// Those on this machine, which can be searched, by name.
    #[schema(value_type = Vec<DatabaseBody>)]
    pub databases: Vec<Listed>,
    /// Those in the object store, which cannot be searched on this machine; null if none is set.
    #[schema(value_type = Option<RemoteListBody>)]
    pub blob: Option<RemoteList>,
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
    let catalogue = state.service.catalogue();
    let blob = match catalogue.blob() {
        Some(blob) => Some(blob.list(WAIT).await),
        None => None,
    };
    let local = catalogue.list().into_iter().map(|database| Listed {
        source: Source::Local,
        database,
    });
    Json(Databases {
        databases: local.collect(),
        blob,
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
