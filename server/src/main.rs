//! The program: settings, engine, server, and a clean end.

// Pages are nested types; see the app.
#![recursion_limit = "512"]

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use elb_server::{
    AppState, check, import, migrate, probe, router,
    settings::{Command, Flags, LogFormat, Settings},
    telemetry::{Log, Telemetry},
    wiring::{self, Started},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

/// How long running requests may take to end once the server has been asked to. With the two below, and what the
/// last traces may take, it makes the longest end: under ten seconds, which is what supervisors usually allow.
const DRAIN: Duration = Duration::from_secs(4);
/// How long the engine may take to end its drivers and processes and to give its leases back.
const ENGINE: Duration = Duration::from_secs(4);
/// How long threads may take that wait for the disk.
const BLOCKED: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no threads can be started: {error}")),
    };
    let code = runtime.block_on(program());
    // Whatever still blocks a thread, such as a disk that hangs, must not keep the program from ending.
    runtime.shutdown_timeout(BLOCKED);
    code
}

async fn program() -> ExitCode {
    let flags = Flags::parse();
    let command = flags.command();
    let settings = Settings::from_flags(flags, &|name| std::env::var(name).ok());
    match command {
        Some(Command::Check) => return check::run(settings).await,
        Some(Command::Probe { ready }) => return probe::run(settings, ready).await,
        Some(Command::Migrate { from, to }) => return migrate::run(settings, &from, &to).await,
        Some(Command::Import(wanted)) => return import::run(settings, &wanted).await,
        None => {}
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return complain(&error),
    };
    let telemetry = match start_telemetry(&settings) {
        Ok(telemetry) => telemetry,
        Err(error) => return complain(&error),
    };
    for (name, value, from) in &settings.told {
        tracing::info!(setting = name, value, from, "setting");
    }
    let code = match run(&settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&*error),
    };
    telemetry.end().await;
    code
}

fn complain(error: &(impl std::fmt::Display + ?Sized)) -> ExitCode {
    eprintln!("elb-dashboard cannot run: {error}");
    ExitCode::FAILURE
}

fn start_telemetry(settings: &Settings) -> Result<Telemetry, String> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|error| {
        format!(
            "the setting log ({}) is not understood: {error}",
            settings.log
        )
    })?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let log = tracing_subscriber::fmt::layer();
    let log: Log = match settings.log_format {
        LogFormat::Text => Box::new(log.with_ansi(colours)),
        LogFormat::Json => Box::new(log.json()),
    };
    Telemetry::start(log, filter, &|name| std::env::var(name).ok())
}

async fn run(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("{} cannot be listened on: {error}; end the other program, or choose another with ELB_LISTEN", settings.listen))?;
    let Started { state, locks } = wiring::start(settings).await?;
    let address = listener.local_addr()?;
    // Read by people, by `make run` and by the browser tests.
    println!("listening on http://{address} ");
    serve(listener, state).await?;
    drop(locks);
    Ok(())
}

async fn serve(listener: TcpListener, state: AppState) -> std::io::Result<()> {
    let stopping = state.stopping.clone();
    let service = state.service.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop; searches that run are taken up again at the next start");
        asked.cancel();
    });
    let server = elb_server::serve::serve(listener, router(state), stopping.clone());
    let late = async {
        stopping.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = server => {}
        () = late => tracing::warn!("some requests did not end in time and are broken off"),
    }
    let ended = tokio::time::timeout(ENGINE, service.shut_down()).await;
    if ended.is_err() {
        tracing::warn!(
            "the engine did not end in time; its searches are taken up again at the next start"
        );
    }
    Ok(())
}
