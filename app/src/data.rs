//! Server functions: where pages get their data from.
//!
//! Owns the way from a page to the engine. Each calls `JobService` and nothing below it. Reads of the
//! list and of a job are served from memory.

use elb_core::{list::ListPage, list::ListQuery, view::JobDetail};
use elb_engine::{
    JobService,
    service::{Caller, ServiceError},
};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;

/// What every page works with, put into the context by the host.
#[derive(Clone)]
pub struct PageContext {
    /// The door to the engine.
    pub service: JobService,
    /// Who reads.
    pub caller: Caller,
    /// Notice to show once, from the address.
    pub settings: PageSettings,
}

/// Settings that show on pages.
#[derive(Debug, Clone, Default)]
pub struct PageSettings {
    /// Version of this program.
    pub version: String,
    /// Where own databases are looked for.
    pub database_folders: Vec<String>,
    /// The largest upload of a database, in bytes.
    pub max_database_bytes: u64,
    /// The largest query, in bytes.
    pub max_query_bytes: u64,
}

/// The context of the request.
#[must_use]
pub fn page_context() -> PageContext {
    expect_context::<PageContext>()
}

/// Sets the status of the answer.
pub fn set_status(code: u16) {
    if let (Some(options), Ok(status)) = (
        use_context::<ResponseOptions>(),
        axum::http::StatusCode::from_u16(code),
    ) {
        options.set_status(status);
    }
}

/// The jobs list, for a query string as the address has it.
#[server(prefix = "/api/ui", endpoint = "jobs", input = leptos::server_fn::codec::GetUrl)]
pub async fn load_jobs(query: String) -> Result<ListPage, ServerFnError> {
    let context = page_context();
    let pairs = form_pairs(&query);
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = ListQuery::from_pairs(pairs).map_err(ServerFnError::new)?;
    Ok(context.service.list(&context.caller, &query))
}

/// One job.
#[server(prefix = "/api/ui", endpoint = "job", input = leptos::server_fn::codec::GetUrl)]
pub async fn load_job(id: String) -> Result<JobDetail, ServerFnError> {
    let context = page_context();
    let detail = context.service.detail(&context.caller, &id).map_err(ServerFnError::new)?;
    Ok(JobDetail::clone(&detail))
}

/// The pairs of a query string, decoded.
#[must_use]
pub fn form_pairs(query: &str) -> Vec<(String, String)> {
    let query = query.strip_prefix('?').unwrap_or(query);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The pairs of the current address.
#[must_use]
pub fn address_pairs() -> Vec<(String, String)> {
    let parts = use_context::<axum::http::request::Parts>();
    form_pairs(parts.as_ref().and_then(|parts| parts.uri.query()).unwrap_or_default())
}

/// The status that fits an error of the engine.
#[must_use]
pub const fn status_of(error: &ServiceError) -> u16 {
    match error {
        ServiceError::NoSuchJob(_) => 404,
        ServiceError::Invalid(_) | ServiceError::KeyReused => 422,
        ServiceError::NotNow(_) | ServiceError::NoResults(_) => 409,
        ServiceError::BadRequest(_) => 400,
        ServiceError::BrokerUnavailable(_) | ServiceError::Store(_) | ServiceError::Objects(_) => 503,
        ServiceError::Results(_) | ServiceError::Internal(_) => 500,
    }
}
