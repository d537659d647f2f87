//! `elb-dashboard check`: the stored state held against the invariants, for an operator.
//!
//! Owns the command's words and exit codes. Reads only: it takes no lock, migrates nothing, and may run
//! beside a server. What only time shows (work that nobody takes up) is judged only while one runs.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use elb_core::{invariants::Circumstances, text, time::Timestamp};
use elb_engine::{
    audit::{self, AuditError, Looked},
    clock::{Clock, SystemClock},
};
use thiserror::Error;

use crate::{
    lock::DataLock,
    settings::{Settings, SettingsError},
    wiring::{
        objects,
        store::{self, StoreError},
    },
};

/// There are violations.
const VIOLATIONS: u8 = 1;
/// Nothing can be said.
const UNREADABLE: u8 = 2;

/// Why nothing can be said.
#[derive(Debug, Error)]
enum CheckError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is no store, or it cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The objects cannot be read.
    #[error(transparent)]
    Objects(#[from] objects::OpenError),
    /// Reading broke off.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The findings cannot be written.
    #[error("the findings cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Checks the store of these settings; the command's exit code.
pub async fn run(settings: Result<Settings, SettingsError>) -> ExitCode {
    match look(settings).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(VIOLATIONS),
        Err(error) => {
            eprintln!("elb-dashboard cannot check: {error}");
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Tells every violation and a summary; how many there are.
async fn look(settings: Result<Settings, SettingsError>) -> Result<u64, CheckError> {
    let settings = settings?;
    let data = &settings.data_dir;
    let clock = Arc::new(SystemClock);
    let repository = store::open_to_read(&settings.store, &settings.azure, data, clock).await?;
    let copies = data.join("scratch/check");
    let objects = objects::open(
        &settings,
        data,
        &copies,
        &objects::Connections::default(),
        false,
    )
    .await?;
    let circumstances = circumstances(&settings);
    let mut violations = 0_u64;
    let mut written = Ok(());
    let mut out = io::stdout().lock();
    let looked = audit::audit(repository.as_ref(), &objects, &circumstances, |violation| {
        violations += 1;
        if written.is_ok() {
            written = writeln!(out, "{violation}");
        }
    })
    .await?;
    written?;
    writeln!(out, "{}", summary(&looked, violations, &circumstances))?;
    Ok(violations)
}

fn circumstances(settings: &Settings) -> Circumstances {
    let since = DataLock::held_since(&settings.data_dir);
    Circumstances {
        now: SystemClock.now(),
        driven_since: since.map(timestamp),
        keep_jobs_ms: settings.retention.jobs.map(millis),
        keep_history_ms: settings.retention.history.map(millis),
        ..Circumstances::default()
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp(time.duration_since(UNIX_EPOCH).map_or(0, millis))
}

fn summary(looked: &Looked, violations: u64, circumstances: &Circumstances) -> String {
    let found = match violations {
        0 => "nothing is wrong".to_owned(),
        more => text::counted(more, "violation", "violations"),
    };
    let off = if circumstances.driven_since.is_none() {
        "; no server is seen to run here, so that nothing counts as overdue"
    } else {
        ""
    };
    format!(
        "{}, {} and {} checked: {found}{off}",
        text::counted(looked.jobs, "search", "searches"),
        text::counted(looked.entries, "history entry", "history entries"),
        text::counted(looked.objects, "object", "objects"),
    )
}
