//! Results of searches that others ran on a cluster: their files, passed on by this server. No signature and no
//! key of the store leaves it.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use elb_engine::service::{FoundHits, FoundResults};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{params::Params, stream::attachment},
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// A file with results.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultFileBody {
    /// Its name below the folder of the search.
    pub name: String,
    /// Its size in bytes, compressed.
    pub bytes: u64,
    /// The part of the database, if that was split.
    pub part: Option<String>,
    /// The batch of the query, from 0; null of a file that holds all.
    pub batch: Option<u32>,
}

/// What can be had of the results of a search that others ran on a cluster.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundBody {
    /// Each file, in the order of queries and parts of the database.
    pub files: Vec<ResultFileBody>,
    /// Whether these are all.
    pub all: bool,
    /// BLAST+'s number of their format; null if nothing tells it.
    pub format: Option<u8>,
    /// Why they cannot be had as one file; null if they can.
    pub not_joined: Option<String>,
    /// What to know of figures that come from the parts of a split database; null if it was not split.
    pub approximate: Option<String>,
    /// Whether the hits can be read: `here`, `reading`, `not` (these files cannot give them) or `failed` (it is
    /// tried again).
    pub hits: String,
    /// Why not, if so.
    pub reason: Option<String>,
}

impl From<FoundResults> for FoundBody {
    fn from(found: FoundResults) -> Self {
        let (hits, reason) = match found.hits {
            FoundHits::Here => ("here", None),
            FoundHits::Reading => ("reading", None),
            FoundHits::Not(why) => ("not", Some(why)),
            FoundHits::Failed(why) => ("failed", Some(why)),
        };
        let files = found.listing.files.iter().map(|file| ResultFileBody {
            name: file.name.clone(),
            bytes: file.bytes,
            part: file.part.clone(),
            batch: file.batch,
        });
        Self {
            files: files.collect(),
            all: found.listing.all,
            format: found.format,
            not_joined: found.not_joined,
            approximate: found.approximate,
            hits: hits.to_owned(),
            reason,
        }
    }
}

/// Which file, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WantedFile {
    /// Its name, as it is listed.
    pub name: String,
    /// `plain` to have it unpacked; as it is stored if missing.
    #[serde(rename = "as")]
    #[param(rename = "as")]
    pub form: Option<String>,
}

/// Files with the results of a search that others ran on a cluster
///
/// They are read where the search has put them. 409 as long as there are none, and while their place cannot be
/// read; the message says which.
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/results/files", tag = "searches", params(("id" = String, Path)),
    responses((status = 200, body = FoundBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody))
)]
pub async fn files(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<FoundBody>, ApiError> {
    let found = state.service.found_results(&state.caller(), &id).await?;
    Ok(Json(found.into()))
}

/// One of these files, streamed
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/results/file", tag = "searches",
    params(("id" = String, Path), WantedFile),
    responses(
        (status = 200, body = String, content_type = "application/gzip"),
        (status = 400, description = "There is no such file.", body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub async fn file(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(wanted): Params<WantedFile>,
) -> Result<Response, ApiError> {
    let plain = match wanted.form.as_deref() {
        None => false,
        Some("plain") => true,
        Some(_) => return Err(ApiError::bad_request("as must be plain, or missing")),
    };
    let (service, caller) = (&state.service, state.caller());
    let file = service
        .found_file(&caller, &id, &wanted.name, plain)
        .await?;
    Ok(attachment(file))
}

/// All of them as one file, streamed
///
/// Tables are joined, also those of the parts of a split database, and archives. 409 with the reason if the
/// format cannot be joined, or a file is missing.
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/results/joined", tag = "searches", params(("id" = String, Path)),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub async fn joined(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let joined = state.service.found_joined(&state.caller(), &id).await?;
    Ok(attachment(joined))
}
