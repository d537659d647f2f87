//! Settings: flags, then environment, then a TOML file, then defaults.
//!
//! Owns every setting, where it is documented, and which source wins. A value that is set to the empty
//! string is set: it wins over the file, and where empty makes no sense it is an error.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use elb_engine::{clusters::ClusterAddress, retention::Retention};
use sha2::{Digest, Sha256};
use thiserror::Error;

mod azure;
mod clusters;
mod executor;
mod external;
mod objects;
mod sources;
mod store;
mod value;

pub use azure::{AzureAuth, AzureSettings};
pub use executor::{ExecutorKind, PodSettings};
pub use external::ExternalPlane;
pub use objects::{BlobFolder, ObjectsAddress};
use sources::{Chosen, Sources};
pub use store::StoreAddress;

/// What to do instead of serving.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Look over everything that is stored and tell what is not as it must be.
    ///
    /// Reads only, also while a server runs on the same folder. Each finding is one line; the exit code
    /// is 0 if there is none, 1 if there are, 2 if the store cannot be read.
    Check,
    /// Ask the server that listens here how it is, as probes of a container do.
    ///
    /// The exit code is 0 if it answers (with --ready: if it can do its work), 1 if not.
    Probe {
        /// Whether it must be able to do its work, and not only be there.
        #[arg(long)]
        ready: bool,
    },
    /// Move every search with its history and keys from one store into another, and verify it.
    ///
    /// No server may run on either of them. Nothing of the source is changed and nothing in the
    /// destination is overwritten, so that a run that was broken off is completed by starting it again.
    /// The exit code is 0 if everything is there afterwards, 1 if not, 2 if a store cannot be used.
    Migrate {
        /// The store that is read; as for --store.
        #[arg(long, value_name = "STORE")]
        from: String,
        /// The store that is written; as for --store.
        #[arg(long, value_name = "STORE")]
        to: String,
    },
    /// Take over the searches of the original dashboard, with their histories, into a store.
    ///
    /// Reads the tables jobstate and jobhistory of its storage account and changes nothing there; queries and
    /// results stay where they are. Nothing in the destination is overwritten: what is there already is told,
    /// and a run that was broken off is completed by starting it again. No server may run on the destination.
    /// Searches that the original still has under way are left out and listed, and so is every row that
    /// cannot be read. The exit code is 0 if everything is there afterwards, 1 if not, 2 if a store cannot be
    /// used.
    Import(Import),
}

/// What is imported, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Import {
    /// The original's storage account: azure-tables:https://ACCOUNT.table.core.windows.net.
    #[arg(long, value_name = "ACCOUNT")]
    pub from_original: String,
    /// The store that is written; as for --store.
    #[arg(long, value_name = "STORE")]
    pub to: String,
    /// Leave each search with the object id of who submitted it. Otherwise all are given to the one user
    /// whom a server without sign-in has.
    #[arg(long)]
    pub keep_owners: bool,
    /// Take over searches that the original has not ended as lost. Only once the original is stopped for good.
    #[arg(long)]
    pub unfinished_as_lost: bool,
}

/// The browser control plane for BLAST searches.
///
/// Without any setting it serves on http://127.0.0.1:3000, keeps its state in an embedded database
/// under the data folder, and runs NCBI BLAST+ on this machine. Each setting can also be given in the
/// environment (shown in brackets) or in the file of --config, under its name with underscores.
#[derive(Debug, Parser)]
#[command(name = "elb-dashboard", version, max_term_width = 100)]
pub struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    /// TOML file with settings.
    #[arg(long, global = true, env = "ELB_CONFIG", value_name = "FILE")]
    config: Option<String>,
    /// Address and port to listen on; port 0 takes any free one. Only loopback addresses, since there
    /// is no sign-in [default: 127.0.0.1:3000].
    #[arg(long, env = "ELB_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder for state, queries, results, logs and own databases [default: elb-dashboard under
    /// $XDG_DATA_HOME or ~/.local/share].
    #[arg(long, global = true, env = "ELB_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Where the state is kept: sqlite: (a file under the data folder), sqlite:FILE, or
    /// azure-tables:https://ACCOUNT.table.core.windows.net[/TABLE] [default: sqlite:].
    #[arg(long, global = true, env = "ELB_STORE", value_name = "STORE")]
    store: Option<String>,
    /// Where queries and results are kept: a folder, or az://ACCOUNT/CONTAINER for Azure Blob Storage
    /// [default: objects under the data folder].
    #[arg(long, global = true, env = "ELB_OBJECTS", value_name = "PLACE")]
    objects: Option<String>,
    /// Where Azure Blob Storage is asked, for an emulator or another cloud
    /// [default: https://ACCOUNT.blob.core.windows.net].
    #[arg(
        long,
        global = true,
        env = "ELB_AZURE_BLOB_ENDPOINT",
        value_name = "URL"
    )]
    azure_blob_endpoint: Option<String>,
    /// Folder of BLAST databases in Azure Blob Storage, az://ACCOUNT/CONTAINER/FOLDER, which are listed
    /// beside those of this machine [default: none].
    #[arg(long, env = "ELB_DATABASES_BLOB", value_name = "FOLDER")]
    databases_blob: Option<String>,
    /// How much of results in Azure is kept on this machine beside what is being read: kB, MB, GB
    /// [default: 2GB].
    #[arg(long, env = "ELB_OBJECTS_CACHE", value_name = "SIZE")]
    objects_cache: Option<String>,
    /// How this server proves to Azure who it is: auto, managed-identity, workload-identity, cli,
    /// client-secret, or key [default: auto].
    #[arg(long, global = true, env = "ELB_AZURE_AUTH", value_name = "KIND")]
    azure_auth: Option<String>,
    /// The storage account's key, for azure_auth = key [default: none; an emulator's is known].
    #[arg(
        long,
        global = true,
        env = "ELB_AZURE_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    azure_key: Option<String>,
    /// Whether a key is allowed for an account that is no emulator: true or false [default: false].
    #[arg(
        long,
        global = true,
        env = "ELB_AZURE_ALLOW_KEY",
        value_name = "YES/NO"
    )]
    azure_allow_key: Option<String>,
    /// Folders with BLAST databases, separated by colons; those of BLASTDB are added [default: none].
    #[arg(long, env = "ELB_DATABASES", value_name = "FOLDERS")]
    databases: Option<String>,
    /// Kubernetes clusters whose searches are shown: CONTEXT or CONTEXT#NAMESPACE, more than one separated
    /// by commas; in-cluster is the cluster that this program runs in [default: none].
    #[arg(long, env = "ELB_CLUSTERS", value_name = "CLUSTERS")]
    clusters: Option<String>,
    /// The file in which contexts of clusters are looked up [default: as kubectl, KUBECONFIG or
    /// ~/.kube/config].
    #[arg(long, env = "ELB_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Where searches run: local, or kubernetes, on the clusters of --clusters [default: local].
    #[arg(long, env = "ELB_EXECUTOR", value_name = "KIND")]
    executor: Option<String>,
    #[command(flatten)]
    pods: executor::PodFlags,
    /// Address of an ElasticBLAST service (elb-openapi) whose searches are listed too: https://HOST
    /// [default: none].
    #[arg(long, env = "ELB_EXTERNAL_PLANE", value_name = "URL")]
    external_plane: Option<String>,
    /// The token that it asks for [default: none].
    #[arg(
        long,
        env = "ELB_EXTERNAL_PLANE_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    external_plane_token: Option<String>,
    /// The file with this token, which is read again when the token is refused [default: none].
    #[arg(long, env = "ELB_EXTERNAL_PLANE_TOKEN_FILE", value_name = "FILE")]
    external_plane_token_file: Option<String>,
    /// Whether the example databases are made at the first start: true or false [default: true].
    #[arg(long, env = "ELB_EXAMPLES", value_name = "YES/NO")]
    examples: Option<String>,
    /// Folder of the BLAST+ programs [default: found on PATH].
    #[arg(long, env = "ELB_BLAST_BIN", value_name = "FOLDER")]
    blast_bin: Option<String>,
    /// BLAST+ processes at once, over all searches [default: number of processors].
    #[arg(long, env = "ELB_JOBS", value_name = "NUMBER")]
    jobs: Option<String>,
    /// Searches at once; the others wait in line [default: 2].
    #[arg(long, env = "ELB_SEARCHES", value_name = "NUMBER")]
    searches: Option<String>,
    /// The longest that the search itself may take: s, m, h, d [default: 24h].
    #[arg(long, env = "ELB_WALL_TIME", value_name = "TIME")]
    wall_time: Option<String>,
    /// The most that one search may write: kB, MB, GB [default: 20GB].
    #[arg(long, env = "ELB_MAX_OUTPUT", value_name = "SIZE")]
    max_output: Option<String>,
    /// The largest query, as sent and unpacked: kB, MB, GB [default: 100MB].
    #[arg(long, env = "ELB_MAX_QUERY", value_name = "SIZE")]
    max_query: Option<String>,
    /// The largest upload of a database, as sent and unpacked: kB, MB, GB [default: 2GB].
    #[arg(long, env = "ELB_MAX_DATABASE", value_name = "SIZE")]
    max_database: Option<String>,
    /// The most searches that may be waiting or running [default: 500].
    #[arg(long, env = "ELB_MAX_ACTIVE", value_name = "NUMBER")]
    max_active: Option<String>,
    /// How long an idempotency key counts: s, m, h, d [default: 24h].
    #[arg(long, env = "ELB_KEY_LIFE", value_name = "TIME")]
    key_life: Option<String>,
    /// How long a search is kept after its end, with query, results and log; then it is deleted: m, h,
    /// d, or never [default: never].
    #[arg(long, global = true, env = "ELB_KEEP_JOBS", value_name = "TIME")]
    keep_jobs: Option<String>,
    /// How long a deleted search can be restored: s, m, h, d [default: 7d].
    #[arg(long, env = "ELB_KEEP_DELETED", value_name = "TIME")]
    keep_deleted: Option<String>,
    /// How long the id of a search that is gone stays taken: m, h, d, or never to forget none
    /// [default: 90d].
    #[arg(long, env = "ELB_KEEP_TOMBSTONES", value_name = "TIME")]
    keep_tombstones: Option<String>,
    /// How long the history of searches that have ended is kept: m, h, d, or never to remove any
    /// [default: never].
    #[arg(long, global = true, env = "ELB_KEEP_HISTORY", value_name = "TIME")]
    keep_history: Option<String>,
    /// How long the audit log is kept, which says who did what: m, h, d, or never to remove any
    /// [default: 365d].
    #[arg(long, env = "ELB_KEEP_AUDIT", value_name = "TIME")]
    keep_audit: Option<String>,
    /// Whether several servers use the data folder at once, as while one replaces another: true or false.
    /// All of them must be started with it [default: false].
    #[arg(long, env = "ELB_SHARED", value_name = "YES/NO")]
    shared: Option<String>,
    /// Silence of a server after which another one takes its searches over; used only where the data
    /// folder or the store is shared: s, m [default: 20s, 120s with a store in Azure].
    #[arg(long, env = "ELB_LEASE_LIFE", value_name = "TIME")]
    lease_life: Option<String>,
    /// What is logged, for example info or elb_engine=debug [default: info].
    #[arg(long, env = "ELB_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How the log is written: text or json [default: text].
    #[arg(long, env = "ELB_LOG_FORMAT", value_name = "FORM")]
    log_format: Option<String>,
}

/// What is wrong with the settings.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// A value makes no sense.
    #[error("{name} ({from}) is \"{value}\": it {why}")]
    Value {
        /// The setting.
        name: &'static str,
        /// Where it was set.
        from: String,
        /// What it was set to.
        value: String,
        /// What it must be.
        why: String,
    },
    /// The file cannot be used.
    #[error("the settings file {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A dangerous combination.
    #[error("{0}")]
    Dangerous(String),
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text an event.
    Text,
    /// A JSON object an event.
    Json,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Folder of everything that is kept.
    pub data_dir: PathBuf,
    /// Where the state is kept.
    pub store: StoreAddress,
    /// Where the objects are kept.
    pub objects: ObjectsAddress,
    /// Where databases for clusters are.
    pub databases_blob: Option<BlobFolder>,
    /// How many bytes of local copies of them are kept.
    pub objects_cache: u64,
    /// How this server proves to Azure who it is.
    pub azure: AzureSettings,
    /// Folders with databases of others.
    pub databases: Vec<PathBuf>,
    /// Clusters that are watched, in the order in which they are shown.
    pub clusters: Vec<ClusterAddress>,
    /// Where searches run.
    pub executor: ExecutorKind,
    /// The external plane, if there is one.
    pub external_plane: Option<ExternalPlane>,
    /// Whether the examples are made.
    pub examples: bool,
    /// Folder of the BLAST+ programs; `None` looks on `PATH`.
    pub blast_bin: Option<PathBuf>,
    /// BLAST+ processes at once.
    pub jobs: usize,
    /// Searches at once.
    pub searches: usize,
    /// The longest search.
    pub wall_time: Duration,
    /// The most output of a search, in bytes.
    pub max_output: u64,
    /// The largest query, in bytes.
    pub max_query: u64,
    /// The largest database upload, in bytes.
    pub max_database: u64,
    /// The most active searches.
    pub max_active: usize,
    /// How long an idempotency key counts.
    pub key_life: Duration,
    /// How long what is kept.
    pub retention: Retention,
    /// Whether other servers use the data folder too.
    pub shared: bool,
    /// Silence after which they take over.
    pub lease_life: Duration,
    /// Filter of the log.
    pub log: String,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Name, value and source of each, for the log.
    pub told: Vec<(&'static str, String, String)>,
}

impl Flags {
    /// What to do; `None` is to serve.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        self.command.clone()
    }
}

impl Settings {
    /// Reads flags (which hold their environment already), the environment, and the file that they name.
    ///
    /// # Errors
    /// The first setting that makes no sense, with where it was set and what it must be.
    pub fn from_flags(
        flags: Flags,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let mut sources = Sources::new(flags.config.as_deref(), environment)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let listen = sources.take("listen", flags.listen, "127.0.0.1:3000");
        let data_dir = sources.take(
            "data_dir",
            flags.data_dir,
            &value::default_data_dir(environment),
        );
        let store = sources
            .take("store", flags.store, "sqlite:")
            .read(StoreAddress::parse)?;
        let azure = AzureSettings {
            auth: sources.take("azure_auth", flags.azure_auth, "auto"),
            key: sources.take_secret("azure_key", flags.azure_key),
            allow_key: sources
                .take("azure_allow_key", flags.azure_allow_key, "false")
                .read(value::yes_no)?,
        };
        let named = sources.take("objects", flags.objects, "");
        let endpoint = sources.take("azure_blob_endpoint", flags.azure_blob_endpoint, "");
        let databases_blob = BlobFolder::of(
            &sources.take("databases_blob", flags.databases_blob, ""),
            &endpoint,
        )?;
        let objects = ObjectsAddress::of(&named, &endpoint, databases_blob.as_ref())?;
        let objects_cache = sources.take("objects_cache", flags.objects_cache, "2GB");
        if store.account().is_some() || objects.account().is_none() {
            azure.access_to(&store)?;
        }
        if objects.account().is_some() {
            azure.access_to_objects(&objects)?;
        }
        if let Some(folder) = &databases_blob {
            azure.access_to_databases(folder)?;
        }
        let databases = sources.take("databases", flags.databases, "");
        let clusters = clusters::addresses(
            &sources.take("clusters", flags.clusters, ""),
            &sources.take("kubeconfig", flags.kubeconfig, ""),
        )?;
        let executor = sources.take("executor", flags.executor, "local");
        let executor = executor::Surroundings {
            clusters: &clusters,
            objects: &objects,
            databases: databases_blob.as_ref(),
            azure: &azure,
        }
        .read(&executor, flags.pods, &mut sources)?;
        let external_plane = ExternalPlane::of(
            &sources.take("external_plane", flags.external_plane, ""),
            &sources.take_secret("external_plane_token", flags.external_plane_token),
            &sources.take(
                "external_plane_token_file",
                flags.external_plane_token_file,
                "",
            ),
        )?;
        let examples = sources.take("examples", flags.examples, "true");
        let blast_bin = sources.take("blast_bin", flags.blast_bin, "");
        let jobs = sources.take("jobs", flags.jobs, &processors.to_string());
        let searches = sources.take("searches", flags.searches, "2");
        let wall_time = sources.take("wall_time", flags.wall_time, "24h");
        let max_output = sources.take("max_output", flags.max_output, "20GB");
        let max_query = sources.take("max_query", flags.max_query, "100MB");
        let max_database = sources.take("max_database", flags.max_database, "2GB");
        let max_active = sources.take("max_active", flags.max_active, "500");
        let key_life = sources.take("key_life", flags.key_life, "24h");
        let keep_jobs = sources.take("keep_jobs", flags.keep_jobs, "never");
        let keep_deleted = sources.take("keep_deleted", flags.keep_deleted, "7d");
        let keep_tombstones = sources.take("keep_tombstones", flags.keep_tombstones, "90d");
        let keep_history = sources.take("keep_history", flags.keep_history, "never");
        let keep_audit = sources.take("keep_audit", flags.keep_audit, "365d");
        let shared = sources.take("shared", flags.shared, "false");
        let usual_life = format!("{}s", store.usual_lease_life().as_secs());
        let lease_life = sources.take("lease_life", flags.lease_life, &usual_life);
        let log = sources.take("log", flags.log, "info");
        let log_format = sources.take("log_format", flags.log_format, "text");
        let mut folders = value::folders(&databases.text);
        folders.extend(value::folders(&environment("BLASTDB").unwrap_or_default()));
        Ok(Self {
            listen: loopback(&listen)?,
            data_dir: data_dir.read(value::folder)?,
            store,
            objects,
            databases_blob,
            objects_cache: objects_cache.read(value::size)?,
            azure,
            databases: folders,
            clusters,
            executor,
            external_plane,
            examples: examples.read(value::yes_no)?,
            blast_bin: Some(blast_bin.text.clone())
                .filter(|text| !text.is_empty())
                .map(PathBuf::from),
            jobs: jobs.read(value::count)?,
            searches: searches.read(value::count)?,
            wall_time: wall_time.read(value::span)?,
            max_output: max_output.read(value::size)?,
            max_query: max_query.read(value::size)?,
            max_database: max_database.read(value::size)?,
            max_active: max_active.read(value::count)?,
            key_life: key_life.read(value::span)?,
            retention: Retention {
                jobs: keep_jobs.read(value::span_or_never)?,
                deleted: keep_deleted.read(value::span_or_zero)?,
                tombstones: keep_tombstones.read(value::span_or_never)?,
                history: keep_history.read(value::span_or_never)?,
                audit: keep_audit.read(value::span_or_never)?,
            },
            shared: shared.read(value::yes_no)?,
            lease_life: lease_life.read(value::lease_life)?,
            log: log.read(value::log_filter)?,
            log_format: log_format.read(|text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("must be text or json".to_owned()),
            })?,
            told: sources.told()?,
        })
    }
}

impl Settings {
    /// Version, a fingerprint of the settings as the log tells them (with secrets masked), and which are
    /// not left at their defaults: two starts that have all of it alike were set alike.
    #[must_use]
    pub fn in_short(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value, _) in &self.told {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let fingerprint: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let set: Vec<&str> = self
            .told
            .iter()
            .filter(|(_, _, from)| from != "default")
            .map(|(name, _, _)| *name)
            .collect();
        let set = if set.is_empty() {
            "all at their defaults".to_owned()
        } else {
            format!("set: {}", set.join(", "))
        };
        format!(
            "version {}, settings {fingerprint}, {set}",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// There is no sign-in, so whoever can reach the address could read, submit and delete everything.
fn loopback(listen: &Chosen) -> Result<SocketAddr, SettingsError> {
    let address: SocketAddr = listen.read(|text| {
        text.parse()
            .map_err(|_| "must be an address with a port, for example 127.0.0.1:3000".to_owned())
    })?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(SettingsError::Dangerous(format!(
        "listen is {address}, which other machines can reach, and there is no sign-in: everybody could read and delete everything. \
         Listen on 127.0.0.1 and reach it from elsewhere through a tunnel: ssh -L {port}:127.0.0.1:{port} HOST",
        port = address.port()
    )))
}
