//! Copies of databases on the nodes of clusters: which node has which, and what brings or removes them.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use elb_core::{
    cluster::{CopyState, CopyView, Health},
    job::Found,
    time::Timestamp,
};
use elb_engine::service::WarmupAction;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        params::{self, Params},
        schema::CopyBody,
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The largest body, in bytes (ours): three names.
const MAX_BODY: usize = 4_096;

/// The nodes' copies.
#[derive(Debug, Serialize, ToSchema)]
pub struct Warmed {
    /// When the answer was made (RFC 3339, UTC).
    #[schema(value_type = String)]
    pub as_of: Timestamp,
    /// Why no node keeps a database, if none does.
    pub hindrance: Option<String>,
    /// Each namespace that is watched, in the order of the settings.
    pub places: Vec<WarmedPlace>,
}

/// The copies on the nodes of one cluster.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarmedPlace {
    /// The cluster: its context, or in-cluster.
    pub cluster: String,
    /// The namespace of the pods that brought them.
    pub namespace: String,
    /// connecting, live, listed, unreachable, unauthorised, stopped or missing; only with live and listed is
    /// what is told as it is now.
    #[schema(value_type = String)]
    pub health: Health,
    /// When the cluster last said anything; null if it never did.
    #[schema(value_type = Option<String>)]
    pub as_of: Option<Timestamp>,
    /// By database and node. A node that is not named for a database is not known to have it.
    #[schema(value_type = Vec<CopyBody>)]
    pub copies: Vec<CopyView>,
}

/// Which database, and on which cluster's nodes.
#[derive(Debug, Clone, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// The cluster, as GET names it.
    pub cluster: String,
    /// The namespace, as GET names it.
    pub namespace: String,
    /// The database.
    pub database: String,
}

impl Which {
    /// The place and the database.
    #[must_use]
    pub fn split(self) -> (Found, String) {
        let Self {
            cluster,
            namespace,
            database,
        } = self;
        (Found { cluster, namespace }, database)
    }
}

/// What was begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct Begun {
    /// Each node that is concerned.
    pub nodes: Vec<BegunNode>,
}

/// A node that is concerned.
#[derive(Debug, Serialize, ToSchema)]
pub struct BegunNode {
    /// The node.
    pub node: String,
    /// How the copy stood where nothing had to be begun: waiting, bringing, ready or releasing; else null.
    #[schema(value_type = Option<String>)]
    pub already: Option<CopyState>,
}

/// Databases on the nodes of clusters
///
/// From memory: no cluster is asked for it.
#[utoipa::path(get, path = "/api/warmup", tag = "databases", responses((status = 200, body = Warmed)))]
pub async fn list(State(state): State<AppState>) -> Json<Warmed> {
    let places = state.service.places().into_iter();
    let places = places.map(|place| WarmedPlace {
        cluster: place.cluster,
        namespace: place.namespace,
        health: place.health,
        as_of: place.as_of,
        copies: place.copies,
    });
    Json(Warmed {
        as_of: state.service.now(),
        hindrance: match state.service.warmup() {
            None => Some("searches do not run on a cluster here (ELB_EXECUTOR)".to_owned()),
            Some(may) => may.err(),
        },
        places: places.collect(),
    })
}

/// Bring a database to every node
///
/// Answers once it is begun; GET tells how far it is. Nodes that have it, or get it already, are left alone, so that
/// asking again reaches nodes that came since. 409 if it makes no sense as things stand, 503 if the cluster cannot
/// be asked; the message says what to do.
#[utoipa::path(
    post, path = "/api/warmup", tag = "databases", request_body = Which,
    responses(
        (status = 202, body = Begun), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 503, body = ErrorBody)
    )
)]
pub async fn warm(
    State(state): State<AppState>,
    request: Request,
) -> Result<(StatusCode, Json<Begun>), ApiError> {
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY).await;
    let body = body.map_err(|error| {
        let message =
            format!("The body did not arrive whole or is larger than {MAX_BODY} bytes: {error}.");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })?;
    ask(&state, WarmupAction::Warm, params::body(&body)?).await
}

/// Remove a database from every node that has it
///
/// Answers once it is begun. A node keeps it while a search reads it there.
#[utoipa::path(
    delete, path = "/api/warmup", tag = "databases", params(Which),
    responses(
        (status = 202, body = Begun), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)
    )
)]
pub async fn release(
    State(state): State<AppState>,
    Params(which): Params<Which>,
) -> Result<(StatusCode, Json<Begun>), ApiError> {
    ask(&state, WarmupAction::Release, which).await
}

async fn ask(
    state: &AppState,
    action: WarmupAction,
    which: Which,
) -> Result<(StatusCode, Json<Begun>), ApiError> {
    let (place, database) = which.split();
    let caller = state.caller();
    let asked = state.service.ask_warmup(&caller, action, place, database);
    let nodes = asked.await?.into_iter().map(|asked| BegunNode {
        node: asked.node,
        already: asked.already,
    });
    let nodes = nodes.collect();
    Ok((StatusCode::ACCEPTED, Json(Begun { nodes })))
}
