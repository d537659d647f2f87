//! Server functions: what islands ask for when changes may have been missed.
//!
//! Owns their addresses and arguments. Each calls the engine's door and nothing below it, and is
//! answered from memory. The browser asks by address (`browser::ask`) and reads the JSON by name:
//! the generated client and its decoders would weigh more than all the rest of the browser half.
//! What only the server can draw it sends as HTML; rows come from the API, as JSON.

#![allow(
    missing_docs,
    reason = "the macro makes structs of documented parameters"
)]

use elb_core::phase::Phase;
use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};

/// A database that is being made, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildLine {
    /// Identifies the build.
    pub id: String,
    /// How far it is, or why it failed.
    pub state: String,
    /// Whether it goes on.
    pub active: bool,
}

/// The part of a job's page that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPart {
    /// Version of the job that it shows.
    pub version: u64,
    /// Where the job is.
    pub phase: Phase,
    /// The exact command, once it is written down.
    pub command: Option<String>,
    /// The part itself.
    pub html: String,
}

/// What the page of a job shows of its state; `None` if there is no such job (any more) for the caller.
///
/// # Errors
/// None of its own.
#[server(prefix = "/api/ui", endpoint = "job", input = GetUrl)]
pub async fn load_job(id: String) -> Result<Option<JobPart>, ServerFnError> {
    let context = crate::data::page_context();
    let found = context.service.detail(&context.caller, &id);
    Ok(found
        .ok()
        .map(|detail| crate::data::job_part(detail.state(), context.service.now())))
}

/// The databases that are being made.
///
/// # Errors
/// None of its own.
#[server(prefix = "/api/ui", endpoint = "builds", input = GetUrl)]
pub async fn load_builds() -> Result<Vec<BuildLine>, ServerFnError> {
    let builds = crate::data::page_context().service.catalogue().builds();
    Ok(builds.iter().map(crate::data::build_line).collect())
}

/// What changes when the page of clusters does; `None` if none is watched.
///
/// # Errors
/// None of its own.
#[server(prefix = "/api/ui", endpoint = "clusters", input = GetUrl)]
pub async fn load_clusters() -> Result<Option<String>, ServerFnError> {
    let service = crate::data::page_context().service;
    Ok(crate::data::clusters_mark(&service))
}
