//! Results as files: BLAST+'s formats, and tables and FASTA of our own index.

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use elb_engine::service::{Format, IndexFile};

use crate::{
    api::stream::attachment,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The most hits that one address can choose.
const MAX_CHOSEN: usize = 2_000;

/// Results in one format
///
/// `format` is BLAST+'s own number (0, 5, 6, 7, 10, 11, 15, 16, 17), or `csv` (one row a hit), `hsps`
/// (one row an alignment) or `fasta` (aligned parts of the chosen hits of one query).
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/results", tag = "searches",
    params(
        ("id" = String, Path),
        ("format" = String, Query, description = "see above"),
        ("query" = Option<u64>, Query, description = "position of the query, from 0; csv and hsps: all queries if missing; fasta: the first if missing"),
        ("subject" = Option<Vec<u64>>, Query, description = "fasta: positions of the chosen hits, repeated; all hits if missing")
    ),
    responses(
        (status = 200, description = "The file, streamed.", body = String, content_type = "text/plain"),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "There are no results (yet).", body = ErrorBody)
    )
)]
pub async fn results(
    State(state): State<AppState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let wanted = Wanted::read(&query.unwrap_or_default())?;
    let caller = state.caller();
    let download = match wanted.format.as_str() {
        "csv" => {
            state
                .service
                .index_file(
                    &caller,
                    &id,
                    IndexFile::Descriptions {
                        query: wanted.query,
                    },
                )
                .await?
        }
        "hsps" => {
            state
                .service
                .index_file(
                    &caller,
                    &id,
                    IndexFile::Hsps {
                        query: wanted.query,
                    },
                )
                .await?
        }
        "fasta" => {
            let file = IndexFile::Fasta {
                query: wanted.query.unwrap_or(0),
                subjects: wanted.subjects,
            };
            state.service.index_file(&caller, &id, file).await?
        }
        number => {
            let known = || {
                ApiError::bad_request(
                    "format must be csv, hsps, fasta or one of BLAST+'s numbers 0, 5, 6, 7, 10, 11, 15, 16, 17",
                )
            };
            let format = Format::parse(number).ok_or_else(known)?;
            state.service.download(&caller, &id, format).await?
        }
    };
    Ok(attachment(download))
}

#[derive(Debug, Default)]
struct Wanted {
    format: String,
    query: Option<u64>,
    subjects: Vec<u64>,
}

impl Wanted {
    fn read(query: &str) -> Result<Self, ApiError> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let whole = || {
                value.parse::<u64>().map_err(|_| {
                    ApiError::bad_request(format!(
                        "{name} must be a position, a whole number from 0"
                    ))
                })
            };
            match &*name {
                "format" => wanted.format = value.into_owned(),
                "query" => wanted.query = Some(whole()?),
                "subject" => wanted.subjects.push(whole()?),
                other => {
                    return Err(ApiError::bad_request(format!(
                        "there is no parameter \"{other}\"; there are format, query, subject"
                    )));
                }
            }
        }
        if wanted.subjects.len() > MAX_CHOSEN {
            return Err(ApiError::bad_request(format!(
                "at most {MAX_CHOSEN} hits can be chosen at once"
            )));
        }
        Ok(wanted)
    }
}
