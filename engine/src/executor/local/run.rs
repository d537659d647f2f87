//! One run: its batches as child processes, watched until the last one has ended.
//!
//! Owns the processes of the run, its limits and what can be observed of it. Each try of a batch
//! writes to a folder of its own, and appears in `done/` by one rename when both its archive and its
//! table of hits are whole. A failed, stopped or dropped run leaves no process behind.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use elb_core::{
    batch::Batch,
    error_code::{ErrorClass, ErrorCode},
    hits::TABULAR_FIELDS,
    search::{Program, place},
    step::Step,
    text,
    view::LogLevel,
};
use elb_process::Started;
use tokio::{
    process::Command,
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    SearchedDatabase,
    workdir::{WorkDir, disk_error, may_pass},
};
use crate::{
    crash::{self, Point},
    executor::{ExecutorError, Observation, RunLimits},
    joblog::JobLogs,
    lease::Member,
    toolkit::{Tool, Toolkit, exit},
};

/// How often the size of the output is looked at.
const LOOK_AT_OUTPUT: Duration = Duration::from_millis(500);
/// How often the time that was searched is written down: so much of it a kill may forget.
const NOTE_TIME: Duration = Duration::from_secs(5);
/// How much of a process's error output is kept, in bytes.
const STDERR_CAP: usize = 64 * 1_024;
/// The archive within a batch's folder.
pub(super) const ARCHIVE: &str = "archive.asn";
/// The table of hits within a batch's folder.
pub(super) const TABLE: &str = "hits.tsv";

/// What a run needs.
pub(super) struct Setup {
    pub job: String,
    pub attempt: u32,
    pub database: SearchedDatabase,
    pub work: WorkDir,
    pub batches: Vec<Batch>,
    pub program: Program,
    pub max_target_seqs: Option<u32>,
    pub template: Vec<String>,
    pub toolkit: Toolkit,
    pub processes: Arc<Semaphore>,
    pub limits: RunLimits,
    pub logs: JobLogs,
    pub member: Member,
}

impl Setup {
    fn log(&self, level: LogLevel, line: String) {
        self.logs.append(&self.job, Step::Running, level, &[line]);
    }

    /// BLAST+ stumbles in many ways over a database that is taken away under it: say that instead.
    fn with_cause(&self, error: ExecutorError) -> ExecutorError {
        let suspect = matches!(
            error.code.class(),
            ErrorClass::Database | ErrorClass::Runtime
        );
        match self.database.unchanged() {
            Err(cause) if suspect => {
                ExecutorError::new(cause.code, format!("{}; {}", cause.message, error.message))
            }
            _ => error,
        }
    }
}

/// A run under way or ended. Its processes end with it.
pub(super) struct Run {
    shown: Arc<Shown>,
    stop: CancellationToken,
}

/// What can be seen of the run; outlives it, so that whoever watches learns of its end.
struct Shown {
    state: watch::Sender<(u64, Observation)>,
    ended: CancellationToken,
}

/// How one batch ended, when not well.
enum BatchEnd {
    Stopped,
    Failed(ExecutorError),
}

impl From<ExecutorError> for BatchEnd {
    fn from(error: ExecutorError) -> Self {
        Self::Failed(error)
    }
}

impl Shown {
    fn show(&self, observation: Observation) {
        self.state.send_modify(|(changes, current)| {
            *changes += 1;
            *current = observation;
        });
    }
}

impl Run {
    /// Starts the run.
    pub(super) fn start(setup: Setup) -> Arc<Self> {
        let shown = Arc::new(Shown {
            state: watch::channel((1, Observation::Accepted)).0,
            ended: CancellationToken::new(),
        });
        let stop = CancellationToken::new();
        let (task, halt) = (Arc::clone(&shown), stop.child_token());
        tokio::spawn(async move {
            // Dropped on every way out, a panic included: whoever waits is never left waiting.
            let _ended = task.ended.clone().drop_guard();
            let last = supervise(Arc::new(setup), &task, &halt).await;
            task.show(last);
        });
        Arc::new(Self { shown, stop })
    }

    /// Whether nothing of the run is running any more.
    pub(super) fn has_ended(&self) -> bool {
        self.shown.ended.is_cancelled()
    }

    /// The state of the run, once it is newer than `seen`.
    pub(super) async fn observe(&self, seen: u64) -> (u64, Observation) {
        let mut state = self.shown.state.subscribe();
        tokio::select! {
            changed = state.wait_for(|(changes, _)| *changes > seen) => {
                if let Ok(state) = changed {
                    return state.clone();
                }
            }
            () = self.shown.ended.cancelled() => {}
        }
        let (changes, last) = self.shown.state.borrow().clone();
        let over = matches!(
            last,
            Observation::Succeeded { .. } | Observation::Failed(_) | Observation::Gone
        );
        if over {
            return (changes, last);
        }
        let message = "the run ended without saying how; please report this";
        (
            changes,
            Observation::Failed(ExecutorError::new(ErrorCode::Internal, message)),
        )
    }

    /// Stops every process of the run and returns when they are gone.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.shown.ended.cancelled().await;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn supervise(setup: Arc<Setup>, run: &Shown, halt: &CancellationToken) -> Observation {
    let mut clock = WallTime::begin(&setup);
    let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut tries = JoinSet::new();
    for batch in &setup.batches {
        if !setup.work.is_done(batch) {
            let (setup, batch) = (Arc::clone(&setup), *batch);
            let (halt, warnings) = (halt.clone(), Arc::clone(&warnings));
            tries.spawn(async move { search_batch(&setup, &batch, &halt, &warnings).await });
        }
    }
    let known = |warnings: &Mutex<Vec<String>>| {
        warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    run.show(Observation::Running {
        progress: setup.work.progress(&setup.batches),
        warnings: Vec::new(),
    });
    let wall_time = tokio::time::sleep(clock.left());
    tokio::pin!(wall_time);
    let mut look = tokio::time::interval(LOOK_AT_OUTPUT);
    let mut failure: Option<ExecutorError> = None;
    let mut timed_out = false;
    loop {
        tokio::select! {
            ended = tries.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => run.show(Observation::Running {
                    progress: setup.work.progress(&setup.batches),
                    warnings: known(&warnings),
                }),
                Some(Ok(Err(BatchEnd::Stopped))) => {}
                Some(Ok(Err(BatchEnd::Failed(error)))) => {
                    failure.get_or_insert_with(|| setup.with_cause(error));
                    halt.cancel();
                }
                Some(Err(error)) => {
                    let message = format!("a batch ended in a fault of this program: {error}");
                    failure.get_or_insert(ExecutorError::new(ErrorCode::Internal, message));
                    halt.cancel();
                }
            },
            () = &mut wall_time, if !timed_out => {
                timed_out = true;
                let limit = text::duration(u64::try_from(setup.limits.wall_time.as_millis()).unwrap_or(u64::MAX));
                let message = format!("the search took longer than the limit of {limit} (ELB_WALL_TIME)");
                failure.get_or_insert(ExecutorError::new(ErrorCode::TimeLimit, message));
                halt.cancel();
            }
            _ = look.tick(), if failure.is_none() => {
                clock.note(&setup);
                if folder_size(setup.work.root()) > setup.limits.output_bytes {
                    let limit = text::bytes(setup.limits.output_bytes);
                    let message = format!("the results grew larger than the limit of {limit} (ELB_MAX_OUTPUT)");
                    failure = Some(ExecutorError::new(ErrorCode::OutputLimit, message));
                    halt.cancel();
                }
            }
        }
    }
    let progress = setup.work.progress(&setup.batches);
    if failure.is_none() && progress.batches_done == progress.batches_total {
        failure = setup.database.unchanged().err();
    }
    if failure.is_some() {
        // On a full disk what the tries have written is what the store needs to say so.
        if let Err(error) = setup.work.clear_tries() {
            tracing::warn!(job = %setup.job, %error, "the tries of a failed run stay for now");
        }
    }
    match failure {
        Some(error) => {
            setup.log(LogLevel::Error, error.message.clone());
            Observation::Failed(error)
        }
        None if progress.batches_done < progress.batches_total => Observation::Gone,
        None => Observation::Succeeded {
            progress,
            warnings: known(&warnings),
        },
    }
}

/// The time that the attempt has searched, kept across restarts: else a search that the server is
/// started again and again over would have no limit.
struct WallTime {
    before: Duration,
    limit: Duration,
    begun: std::time::Instant,
    noted: std::time::Instant,
}

impl WallTime {
    fn begin(setup: &Setup) -> Self {
        let now = std::time::Instant::now();
        Self {
            before: setup.work.searched(setup.attempt),
            limit: setup.limits.wall_time,
            begun: now,
            noted: now,
        }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.before)
    }

    fn note(&mut self, setup: &Setup) {
        if self.noted.elapsed() < NOTE_TIME {
            return;
        }
        self.noted = std::time::Instant::now();
        let searched = self.before + self.begun.elapsed();
        if let Err(error) = setup.work.note_searched(setup.attempt, searched) {
            tracing::warn!(job = %setup.job, %error, "the time searched cannot be noted");
        }
    }
}

async fn search_batch(
    setup: &Setup,
    batch: &Batch,
    halt: &CancellationToken,
    warnings: &Mutex<Vec<String>>,
) -> Result<(), BatchEnd> {
    let permit = tokio::select! {
        permit = setup.processes.acquire() => permit,
        () = halt.cancelled() => return Err(BatchEnd::Stopped),
    };
    if permit.is_err() || halt.is_cancelled() || !setup.member.is_current() {
        return Err(BatchEnd::Stopped);
    }
    let name = batch.name();
    let total = setup.batches.len();
    let label = format!("batch {} of {total}", batch.index + 1);
    // A fresh folder for each try: what an interrupted one left can never be taken for a result.
    let folder = setup
        .work
        .tries()
        .join(format!("{name}-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir_all(&folder)
        .map_err(|error| disk_error("a batch folder cannot be made", &error))?;
    setup.log(
        LogLevel::Info,
        format!(
            "{label}: {}, started",
            text::counted(batch.records, "sequence", "sequences")
        ),
    );
    let started = std::time::Instant::now();
    let (archive, table) = (folder.join(ARCHIVE), folder.join(TABLE));
    let mut blast = setup.toolkit.command(Tool::of_program(setup.program));
    for argument in setup.template.iter().skip(1) {
        match argument.as_str() {
            place::QUERY => blast.arg(setup.work.query(batch)),
            place::OUT => blast.arg(&archive),
            plain => blast.arg(plain),
        };
    }
    crash::point(Point::BeforeSpawn);
    let stderr = run_to_end(blast, halt).await?;
    crash::point(Point::AfterBlast);
    note_warnings(setup, &label, &stderr, warnings);
    let mut formatter = setup.toolkit.command(Tool::BlastFormatter);
    formatter
        .arg("-archive")
        .arg(&archive)
        .arg("-out")
        .arg(&table);
    formatter.args(["-outfmt", &format!("6 {TABULAR_FIELDS}")]);
    if let Some(most) = setup.max_target_seqs {
        formatter.args(["-max_target_seqs", &most.to_string()]);
    }
    run_to_end(formatter, halt).await?;
    crash::point(Point::BeforeDone);
    let renamed = fs::rename(&folder, setup.work.done_batch(batch));
    if let Err(error) = renamed
        && !setup.work.is_done(batch)
    {
        return Err(disk_error("a finished batch cannot be kept", &error).into());
    }
    crash::point(Point::AfterDone);
    let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    setup.log(
        LogLevel::Info,
        format!("{label}: done in {}", text::duration_fine(took)),
    );
    Ok(())
}

fn note_warnings(setup: &Setup, label: &str, stderr: &str, warnings: &Mutex<Vec<String>>) {
    for warning in elb_core::exit::warnings(stderr) {
        setup.log(LogLevel::Warning, format!("{label}: {warning}"));
        let mut known = warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&warning) && known.len() < elb_core::job::MAX_WARNINGS {
            known.push(warning);
        }
    }
}

/// Runs a process to its end and gives its error output.
async fn run_to_end(command: Command, halt: &CancellationToken) -> Result<String, BatchEnd> {
    let started = Started::start(command, STDERR_CAP).map_err(|error| {
        let message = format!("BLAST+ cannot be started: {error}");
        let code = match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                ErrorCode::BlastMissing
            }
            std::io::ErrorKind::OutOfMemory => ErrorCode::OutOfMemory,
            _ if may_pass(&error) => ErrorCode::TemporarilyUnavailable,
            _ => ErrorCode::BlastMissing,
        };
        ExecutorError::new(code, message)
    })?;
    crash::point(Point::AfterSpawn);
    let ended = started.end(halt.cancelled()).await;
    let ended = ended.map_err(|error| disk_error("BLAST+ cannot be waited for", &error))?;
    let Some(ended) = ended else {
        return Err(BatchEnd::Stopped);
    };
    if ended.status.success() {
        return Ok(ended.stderr);
    }
    let failure = exit::explain(ended.status, &ended.stderr);
    Err(BatchEnd::Failed(ExecutorError::new(
        failure.error_code(),
        failure.to_string(),
    )))
}

/// Bytes of all files under a folder; what vanishes meanwhile counts as nothing.
fn folder_size(folder: &Path) -> u64 {
    let mut size = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => size += meta.len(),
                Err(_) => {}
            }
        }
    }
    size
}
