//! The server that is measured: this program again, with jobs in memory and an answer that is always the same.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, header},
    routing::{get, post},
};
use clap::Parser;
use elb_core::{
    job::Job,
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
};
use elb_engine::{
    JobService,
    audit_log::AuditTrail,
    clock::SystemClock,
    executor::{LocalFolders, RunLimits, local::LocalExecutor},
    joblog::JobLogs,
    jobs::Jobs,
    lease::{LeaseTerms, Member},
    lifecycle::{Admission, Context},
    objects::Objects,
    repository::{Lease, Repository, SqliteRepository, Stored},
    retention::Retention,
    service::ServiceLimits,
};
use elb_server::{
    Front,
    limits::{Limits, Places, Settings as LimitSettings},
    router::layered,
    settings::{Flags, Settings},
    wiring,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{ROWS, list, readers::MARK};

/// Says how many jobs and how many active ones are to be served.
const WANTED: &str = "ELB_BENCH_SERVE";
/// Where the answer is that is always the same, with the bytes of a list of so many rows.
pub fn same(rows: usize) -> String {
    format!("/bench/static/{rows}")
}

/// The numbers, if this process is to be the server.
pub fn wanted() -> Option<(usize, usize)> {
    let wanted = std::env::var(WANTED).ok()?;
    let (jobs, active) = wanted.split_once(',')?;
    Some((jobs.parse().unwrap(), active.parse().unwrap()))
}

/// A server at work; it ends when this is dropped.
pub struct Served {
    child: Child,
    pub address: SocketAddr,
}

impl Served {
    pub async fn start(jobs: usize, active: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(WANTED, format!("{jobs},{active}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .next_line()
            .await
            .unwrap()
            .expect("it has not started");
        let address = address.parse().unwrap();
        Self { child, address }
    }

    /// Its memory, in bytes.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id().unwrap());
        let text = std::fs::read_to_string(path).unwrap();
        let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size() as u64
    }
}

/// Has a job changed.
pub async fn change(address: SocketAddr, number: usize) {
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /bench/change/{number} HTTP/1.0\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

fn job(number: usize, title: String, active: bool) -> Job {
    let second = i64::try_from(number).unwrap() * 1_000;
    let at = Timestamp(1_700_000_000_000 + second);
    let ended = (!active).then_some(at);
    let phase = match (active, number % 10) {
        (true, _) => Phase::Running,
        (false, 0) => Phase::Failed,
        (false, _) => Phase::Completed,
    };
    let spec = SearchSpec {
        program: Program::ALL[number % 5],
        task: None,
        database: format!("database_{}", number % 7),
        options: SearchOptions::default(),
    };
    let id = uuid::Uuid::from_u64_pair(0x0193_0000_0000_7000, number as u64).to_string();
    Job {
        phase,
        started_at: Some(at),
        completed_at: ended,
        ..Job::new(id, "local".to_owned(), title, spec, at)
    }
}

/// Serves until standard input ends.
pub fn serve((jobs, active): (usize, usize)) {
    super::readers::allow_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (router, address, listener) = made(folder.path(), jobs, active).await;
        println!("{address}");
        let ended = async {
            let rest = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            tokio::task::spawn_blocking(rest).await.unwrap().ok();
        };
        tokio::select! {
            () = elb_server::serve::serve(listener, router, CancellationToken::new()) => {}
            () = ended => {}
        }
    });
    runtime.shutdown_background();
}

async fn made(
    folder: &std::path::Path,
    count: usize,
    active: usize,
) -> (Front, SocketAddr, tokio::net::TcpListener) {
    let data = folder.join("data");
    let flags = ["bench", "--examples", "false", "--data-dir"].map(str::to_owned);
    let flags = flags.into_iter().chain([data.display().to_string()]);
    let settings = Settings::from_flags(Flags::parse_from(flags), &|_| None).unwrap();
    let mut state = wiring::start(&settings).await.unwrap().state;
    let (service, jobs) = engine(folder, &state).await;
    for number in 0..count {
        // The newest are the active ones, as they usually are.
        let job = job(
            number,
            format!("Search number {number}"),
            number + active >= count,
        );
        show(&jobs, job, 1);
    }
    state.service = service;
    let limits = LimitSettings {
        streams: Places {
            at_once: 2 * super::READERS,
            patience: Duration::ZERO,
        },
        ..LimitSettings::default()
    };
    state.limits = Arc::new(Limits::new(limits));
    let plain = elb_server::router::routes(state.clone());
    let mut own = Router::new();
    for rows in ROWS {
        let request = Request::get(list(rows)).header(header::HOST, "localhost");
        let answer = plain.clone().oneshot(request.body(Body::empty()).unwrap());
        let bytes = axum::body::to_bytes(answer.await.unwrap().into_body(), 10_000_000);
        let bytes = bytes.await.unwrap();
        own = own.route(
            &same(rows),
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], bytes) }),
        );
    }
    let version = Arc::new(AtomicU64::new(1));
    let own = own.route(
        "/bench/change/{number}",
        post(move |Path(number): Path<usize>| async move {
            let version = version.fetch_add(1, Ordering::Relaxed) + 1;
            show(&jobs, job(0, format!("{MARK}{number}."), true), version);
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (
        Front::new(plain.merge(layered(own).with_state(state.clone())), state),
        address,
        listener,
    )
}

fn show(jobs: &Jobs, job: Job, version: u64) {
    jobs.model().apply(&Stored {
        job,
        version,
        lease: Lease::default(),
    });
}

/// An engine whose list can be filled without anything being run.
async fn engine(folder: &std::path::Path, state: &elb_server::AppState) -> (JobService, Arc<Jobs>) {
    let clock = Arc::new(SystemClock);
    let toolkit = state.service.toolkit().clone();
    let catalogue = Arc::clone(state.service.catalogue());
    let store = SqliteRepository::open(&folder.join("state.sqlite")).unwrap();
    let store: Arc<dyn Repository> = Arc::new(store);
    let audit = AuditTrail::start(Arc::clone(&store).audit_log(), clock.clone(), || 0);
    let member = Member::new(LeaseTerms::Alone, clock.clone());
    let jobs = Jobs::load(store, clock.clone(), member.clone()).await;
    let jobs = Arc::new(jobs.unwrap());
    let objects = Objects::in_folder(&folder.join("objects")).unwrap();
    let logs = JobLogs::in_folder(&folder.join("logs"), clock).unwrap();
    let limits = RunLimits {
        processes: 1,
        wall_time: Duration::from_secs(60),
        output_bytes: 1_000_000,
    };
    let work = folder.join("work");
    let executor = LocalExecutor::new(
        LocalFolders { work },
        limits,
        toolkit.clone(),
        Arc::clone(&catalogue),
        objects.clone(),
        logs.clone(),
        member,
    );
    let context = Context {
        jobs: Arc::clone(&jobs),
        executor: Arc::new(executor),
        clusters: None,
        results_places: None,
        external: None,
        admission: Admission::new(1),
        objects,
        logs,
        audit,
        retention: Retention::default(),
        chance: || 0,
        cleaning: Notify::new(),
        sweep: elb_core::poll::RECONCILE_SWEEP,
    };
    let limits = ServiceLimits {
        query_bytes: 1_000_000,
        active_jobs: 10,
        key_life: Duration::from_secs(60),
    };
    let scratch = folder.join("scratch");
    let service = JobService::start(context, catalogue, toolkit, limits, scratch);
    (service, jobs)
}
