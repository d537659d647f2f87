//! Schemas of the shared core's types, for the OpenAPI document only.
//!
//! The core does not know OpenAPI. These mirror its serialisation field by field; a test reads real
//! answers against them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A submitted search.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitBody {
    /// blastn, blastp, blastx, tblastn or tblastx.
    pub program: String,
    /// The program's task; its default if none is given.
    #[serde(default)]
    pub task: Option<String>,
    /// Name of the database in the catalogue.
    pub database: String,
    /// FASTA text.
    pub query: String,
    /// For people; made from the query if empty.
    #[serde(default)]
    pub title: Option<String>,
    /// The cluster that it shall run on, as the setting `clusters` spells it with its namespace (`lab#blast`);
    /// `any`, or none, for the first that is seen. Only where searches run on clusters.
    #[serde(default)]
    pub runs_on: Option<String>,
    /// Options by name, for example `{"evalue": 1e-5, "max_target_seqs": 50}`; what is not set is BLAST+'s default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub options: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The answer to a submission: the job, and whether the key was known.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SubmittedBody {
    /// Identifier of the job.
    pub job_id: String,
    /// Address of its page.
    pub location: String,
    /// Whether the idempotency key was known, so that nothing new was made.
    pub replayed: bool,
    /// The job as it is now.
    #[schema(value_type = JobBody)]
    pub job: elb_core::view::JobDetail,
}

/// How far a search is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProgressBody {
    /// Batches that are done.
    pub batches_done: u32,
    /// All batches; 0 before the plan is made.
    pub batches_total: u32,
    /// Query letters in the batches that are done.
    pub letters_done: u64,
    /// Query letters in all batches.
    pub letters_total: u64,
}

/// One step of the timeline.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepBody {
    /// preparing, warming_up, configuring, staging_db, submitting, running, exporting_results, completed.
    pub key: String,
    /// not_reached, active, waiting, done, skipped, failed, cancelled.
    pub state: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it waits, was skipped or failed.
    pub reason: Option<String>,
    /// Milliseconds of it that were waiting.
    pub waited_ms: Option<u64>,
    /// Since when it waits.
    pub waiting_since: Option<String>,
    /// What was done in it side by side; not there if that is not told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartBody>,
}

/// Something that was done in a step, beside others.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartBody {
    /// earlier_attempts, anchor, queries.
    pub key: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// Why there was nothing to do, if so.
    pub skipped: Option<String>,
}

/// That the cluster of a search cannot be seen.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnseenBody {
    /// Since when.
    pub since: String,
    /// Why.
    pub reason: String,
}

/// A row of the list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RowBody {
    /// Identifier.
    pub id: String,
    /// Title.
    pub title: String,
    /// Program.
    pub program: String,
    /// Name of the database.
    pub database: String,
    /// queued, running, completed, failed or cancelled.
    pub status: String,
    /// Where it is, more exactly.
    pub phase: String,
    /// The step it is in.
    pub step: String,
    /// Why it stands still, while it does.
    pub reason: Option<String>,
    /// Present while its cluster cannot be seen: everything else is what was seen last.
    pub unseen: Option<UnseenBody>,
    /// When an attempt that begins by itself may leave the queue.
    pub not_before: Option<String>,
    /// The cluster that it runs on, will run on or was found on (`lab#blast`); missing on this server, and
    /// while it is not chosen.
    pub runs_on: Option<String>,
    /// How far it is.
    pub progress: ProgressBody,
    /// Query sequences.
    pub query_records: u64,
    /// Query letters.
    pub query_letters: u64,
    /// From 1; a retry adds one.
    pub attempt: u32,
    /// When it was submitted.
    pub created_at: String,
    /// When it left the queue.
    pub started_at: Option<String>,
    /// When it ended.
    pub completed_at: Option<String>,
    /// Hits, once completed.
    pub hits: Option<u64>,
    /// Why it failed: `code` and `message`.
    #[schema(value_type = Option<Object>)]
    pub error: Option<serde_json::Value>,
    /// Grows with each change.
    pub version: u64,
}

/// A job: the row, what was searched, the timeline, the command.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobBody {
    /// The same fields as in the list.
    #[serde(flatten)]
    pub row: RowBody,
    /// Who submitted it.
    pub owner: String,
    /// Program, task, database and options.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// The query in figures.
    #[schema(value_type = Object)]
    pub query: serde_json::Value,
    /// The database in figures, as of the submission.
    #[schema(value_type = Object)]
    pub database_facts: serde_json::Value,
    /// The eight steps.
    pub steps: Vec<StepBody>,
    /// Ended attempts, oldest first.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub past_attempts: Vec<serde_json::Value>,
    /// Why it failed, with class and remedy.
    #[schema(value_type = Option<Object>)]
    pub failure: Option<serde_json::Value>,
    /// What was warned of.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What was found, in figures.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<serde_json::Value>,
    /// The exact argument vector of a batch, once it is written down.
    pub command: Vec<String>,
    /// The cluster that this attempt runs on: `cluster` and `namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub place: Option<serde_json::Value>,
    /// The same of the one that its submitter has chosen, for every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub wanted_place: Option<serde_json::Value>,
    /// Shards of the database, each by its `first` and `last` volume; not there if it is searched whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub shards: Vec<serde_json::Value>,
    /// Version of BLAST+.
    pub blast_version: Option<String>,
    /// Present if another system ran it (`import`): `id`, its id there, and `results`, where its results
    /// are kept there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub imported: Option<serde_json::Value>,
    /// Whether it can be cancelled.
    pub can_cancel: bool,
    /// Whether it can be tried again.
    pub can_retry: bool,
}

/// True totals, under every filter but the status.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TotalsBody {
    /// All.
    pub all: u64,
    /// Waiting.
    pub queued: u64,
    /// Being worked on.
    pub running: u64,
    /// With results.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Stopped by a person.
    pub cancelled: u64,
}

/// A page of the list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListBody {
    /// The rows, in order.
    pub jobs: Vec<RowBody>,
    /// Totals per status.
    pub totals: TotalsBody,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// Whether the page begins after the first row.
    pub continued: bool,
    /// Grows with every change of any job.
    pub revision: u64,
    /// When the answer was true.
    pub as_of: String,
    /// Why it is older than it should be, if it is: the store does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

/// One transition.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HistoryBody {
    /// Version of the row that it made.
    pub version: u64,
    /// When.
    pub at: String,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Phase after it.
    pub phase: String,
    /// What happened.
    pub note: String,
    /// Who asked for it; missing when the engine did it.
    #[serde(default)]
    pub actor: String,
    /// Grows by one with each process that takes the search over.
    pub epoch: u64,
}

/// One thing that somebody did or tried.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditBody {
    /// Identifier; sorts by time.
    pub id: String,
    /// When it had been done or refused (RFC 3339, UTC).
    pub at: String,
    /// Who; `server` when the server did it by itself.
    pub actor: String,
    /// submit, cancel, delete, restore, retry or settings.
    pub action: String,
    /// The search; missing if it is about none.
    pub job_id: Option<String>,
    /// Its title; for settings what is in force.
    pub detail: String,
    /// done, refused (by a rule; nothing was changed) or failed (by a fault).
    pub outcome: String,
    /// The error code that was answered, if it was not done.
    pub code: Option<String>,
    /// The request, as its answer and the server's log name it; missing outside of any.
    pub request_id: Option<String>,
}

/// A deleted search, for as long as it can be restored.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeletedBody {
    /// Identifier.
    pub id: String,
    /// Title.
    pub title: String,
    /// Program.
    pub program: String,
    /// Name of the database.
    pub database: String,
    /// Its status before: completed, failed or cancelled.
    pub was: String,
    /// When it was submitted (RFC 3339, UTC).
    pub created_at: String,
    /// When it was deleted.
    pub deleted_at: String,
    /// Until when it can be restored; then it is gone for good.
    pub keep_until: String,
}

/// A line of a log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogBody {
    /// From 1.
    pub number: u64,
    /// When.
    pub at: String,
    /// The step in which it was written.
    pub step: String,
    /// info, command, warning or error.
    pub level: String,
    /// The text.
    pub text: String,
}

/// A database.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatabaseBody {
    /// Where it is: local, on this machine.
    pub source: String,
    /// Name in the catalogue.
    pub name: String,
    /// Title.
    pub title: String,
    /// nucleotide or protein.
    pub molecule: String,
    /// Sequences.
    pub sequences: u64,
    /// Letters.
    pub letters: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Date of its making.
    pub updated: String,
    /// Fingerprint of its files.
    pub version: String,
    /// Where it comes from.
    #[schema(value_type = Object)]
    pub origin: serde_json::Value,
    /// Whether it can be narrowed to taxa.
    pub has_taxids: bool,
    /// Whether single sequences can be read by identifier.
    pub has_ids: bool,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// The databases in an object store.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RemoteListBody {
    /// Where they are.
    pub url: String,
    /// When they were listed; null if they could not be, and `problem` says why.
    pub as_of: Option<String>,
    /// Why the list is missing or not newer.
    pub problem: Option<String>,
    /// By name. Empty without `as_of` does not mean that there are none.
    pub databases: Vec<RemoteDatabaseBody>,
    /// Folders in which there is no database.
    pub ignored: Vec<String>,
}

/// A database in an object store.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RemoteDatabaseBody {
    /// Name of its folder and of its files.
    pub name: String,
    /// Title.
    pub title: String,
    /// nucleotide or protein.
    pub molecule: String,
    /// Sequences, if told.
    pub sequences: Option<u64>,
    /// Letters, if told.
    pub letters: Option<u64>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes that a search keeps in memory, if told.
    pub bytes_to_cache: Option<u64>,
    /// Date of its making, if told.
    pub updated: Option<String>,
    /// Its files.
    pub files: u64,
    /// Its volumes.
    pub volumes: u64,
    /// Bytes of each of its volumes; not there if it is not divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_bytes: Vec<u64>,
    /// The ways in which it is split for nodes, each as its number of shards.
    pub shards: Vec<u64>,
    /// Whether everything is there.
    pub readiness: ReadinessBody,
    /// What else has to be known.
    pub notes: Vec<String>,
}

/// Whether everything is there that a search needs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReadinessBody {
    /// ready or not_ready.
    pub state: String,
    /// What is missing.
    pub reason: Option<String>,
}

/// A namespace of a cluster, and the searches in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceBody {
    /// The cluster: its context, or in-cluster.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// connecting, live, listed, unreachable, unauthorised, stopped or missing. With live and listed what is
    /// shown is as it is now; with any other it is what was seen last.
    pub health: String,
    /// What stands against that, and what to do.
    pub reason: Option<String>,
    /// Since when its health is what it is (RFC 3339, UTC).
    pub since: String,
    /// When it last said anything; null if it never did, and then `runs` says nothing.
    pub as_of: Option<String>,
    /// The version of Kubernetes that it runs.
    pub version: Option<String>,
    /// Requests that were sent to it since this server was started.
    pub requests: u64,
    /// Searches, newest first.
    pub runs: Vec<RunBody>,
    /// Copies of databases on its nodes, by database and node.
    pub copies: Vec<CopyBody>,
}

/// A copy of a database on a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyBody {
    /// The node.
    pub node: String,
    /// The database.
    pub database: String,
    /// Its version: what is there, or what is on its way.
    pub version: String,
    /// waiting, bringing, ready, releasing or failed.
    pub state: String,
    /// Why it stands so, or what went wrong.
    pub reason: Option<String>,
    /// Bytes that are there, if that is known.
    pub bytes: Option<u64>,
    /// Bytes that it will have, while it is on its way and that is known.
    pub bytes_total: Option<u64>,
    /// Since when it stands so, or when a pod last found it there (RFC 3339, UTC).
    pub since: String,
}

/// A search on a cluster.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// Its id on the cluster.
    pub id: String,
    /// Which program searches, if told.
    pub program: Option<String>,
    /// The database, if told.
    pub database: Option<String>,
    /// Where the results go, if told.
    pub results: Option<String>,
    /// BLAST+'s options as they were given, if told.
    pub options: Option<String>,
    /// Where it is, as that of a search of this server.
    pub phase: String,
    /// What it waits for, or how it failed.
    pub reason: Option<String>,
    /// How far it is.
    pub batches: BatchesBody,
    /// When its first object was created.
    pub created_at: String,
    /// Its pods, oldest first.
    pub pods: Vec<PodBody>,
}

/// How many batches of a search are where.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchesBody {
    /// Done.
    pub done: u32,
    /// Given up.
    pub failed: u32,
    /// All.
    pub total: u32,
}

/// A pod of a search.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodBody {
    /// Its name.
    pub name: String,
    /// Which batch it searches, from 0, if it is one of an Indexed Job.
    pub batch: Option<u32>,
    /// The node that it is on.
    pub node: Option<String>,
    /// waiting, staging, searching, done, failed or lost.
    pub state: String,
    /// Why, if that is not plain.
    pub note: Option<String>,
    /// When BLAST+ was started in it.
    pub started_at: Option<String>,
    /// When that ended.
    pub finished_at: Option<String>,
    /// How often a container of it was started again.
    pub restarts: u32,
}

/// The external plane.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaneStateBody {
    /// Its host.
    pub name: String,
    /// connecting, connected, degraded or unauthorised. With any but connected, its searches are shown as they
    /// were told last.
    pub health: String,
    /// What stands against that, and what to do.
    pub reason: Option<String>,
    /// Since when its health is what it is (RFC 3339, UTC).
    pub since: String,
    /// When its list was asked for that is known here; null if it never was.
    pub as_of: Option<String>,
    /// Searches in that list.
    pub jobs: u64,
    /// Whether it has more than are asked for.
    pub more: bool,
    /// Rows of its list that cannot be read.
    pub unreadable: u64,
    /// Requests that were sent to it since this server was started.
    pub requests: u64,
}

/// A file with results of a search that the external plane ran.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileBody {
    /// Its id, for its address.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its format, if told.
    pub format: Option<String>,
    /// Its size in bytes, if told.
    pub size: Option<u64>,
}

/// The log of one run of a container.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodLogBody {
    /// Names it: `POD/CONTAINER/RESTART`.
    pub log: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// How often the container had been started in its pod before.
    pub restart: u32,
    /// Whether the container runs before the others, as the one that brings the database.
    pub init: bool,
    /// The batch that the pod searches, from 0, if it is one of an Indexed Job.
    pub batch: Option<u32>,
    /// waiting, running, ended, or lost: its log could not be read in time, and what is kept says why.
    pub state: String,
    /// With what it ended, if that is known.
    pub exit_code: Option<i32>,
    /// One word for how it ended, such as OOMKilled, while its pod is there.
    pub reason: Option<String>,
    /// When it was started, while its pod is there.
    pub started_at: Option<String>,
    /// When it ended, while its pod is there.
    pub finished_at: Option<String>,
    /// Whether it is kept with the search, or only its cluster has it.
    pub kept: bool,
    /// How many bytes are kept.
    pub bytes: Option<u64>,
    /// How many bytes of its beginning were left out when it was kept.
    pub left_out: u64,
}
