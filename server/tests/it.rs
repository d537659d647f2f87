//! The whole server through its routes: real engine, real BLAST+, a folder of its own each time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "it/actions.rs"]
mod actions;
#[path = "it/answer.rs"]
mod answer;
#[path = "it/assets.rs"]
mod assets;
#[path = "it/audit.rs"]
mod audit;
#[cfg(feature = "azure")]
#[path = "it/azure.rs"]
mod azure;
#[cfg(feature = "azure")]
#[path = "it/blobs.rs"]
mod blobs;
#[path = "it/bulk.rs"]
mod bulk;
#[path = "it/check.rs"]
mod check;
#[path = "it/client.rs"]
mod client;
#[path = "it/cluster_choice.rs"]
mod cluster_choice;
#[path = "it/clusters.rs"]
mod clusters;
#[path = "it/connections.rs"]
mod connections;
#[path = "it/databases.rs"]
mod databases;
#[path = "it/databases_blob.rs"]
mod databases_blob;
#[path = "it/deleted.rs"]
mod deleted;
#[path = "it/events.rs"]
mod events;
#[cfg(feature = "kubernetes")]
#[path = "it/external.rs"]
mod external;
#[path = "it/fixtures.rs"]
mod fixtures;
#[path = "it/found.rs"]
mod found;
#[path = "it/front.rs"]
mod front;
#[path = "it/full_disk.rs"]
mod full_disk;
#[path = "it/guard.rs"]
mod guard;
#[path = "it/history.rs"]
mod history;
#[cfg(feature = "azure")]
#[path = "it/identity.rs"]
mod identity;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/list.rs"]
mod list;
#[path = "it/logs.rs"]
mod logs;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/next_attempt.rs"]
mod next_attempt;
#[path = "it/openapi.rs"]
mod openapi;
#[path = "it/pages.rs"]
mod pages;
#[cfg(feature = "kubernetes")]
#[path = "it/pod_logs.rs"]
mod pod_logs;
#[path = "it/process.rs"]
mod process;
#[path = "it/results.rs"]
mod results;
#[path = "it/running.rs"]
mod running;
#[path = "it/search_form.rs"]
mod search_form;
#[path = "it/search_sent.rs"]
mod search_sent;
#[path = "it/sequences.rs"]
mod sequences;
#[path = "it/settings.rs"]
mod settings;
#[path = "it/submit.rs"]
mod submit;
#[path = "it/support.rs"]
mod support;
#[path = "it/two_servers.rs"]
mod two_servers;
#[path = "it/warmup.rs"]
mod warmup;
