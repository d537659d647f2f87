//! What the exit codes of BLAST+ mean, in words that a reader can act on.
//!
//! The table was measured on BLAST+ 2.12: 1 query or options, 2 database, 3 engine, 6 output, 255 formats and
//! filters, 134/139 signals that mostly mean a full disk or damaged database files.

use crate::error_code::ErrorCode;

mod words;

pub use words::{own_words, warnings};

/// The runner's code for a transfer that may come to its end the next time (`EX_TEMPFAIL` of sysexits.h).
pub const RUNNER_TRY_AGAIN: i32 = 75;
/// The runner's code for a copy of the database that is not as it must be.
pub const RUNNER_BAD_COPY: i32 = 76;
/// The runner's code for arguments that make no sense (`EX_CONFIG` of sysexits.h).
pub const RUNNER_CONFIGURATION: i32 = 78;

/// What a shell and a container add to the number of a signal.
pub const SIGNALLED: i32 = 128;

/// What an exit code says, one that stands for a signal too.
#[must_use]
pub fn of_code(code: i32) -> (ErrorCode, String) {
    match code {
        134 | 135 | 137 | 139 | 141 | 143 | 153 => of_signal(code - SIGNALLED),
        1 => (
            ErrorCode::OptionRejected,
            "BLAST+ refused the query or an option (exit code 1)".to_owned(),
        ),
        2 => (
            ErrorCode::DatabaseUnreadable,
            "BLAST+ cannot read the database (exit code 2)".to_owned(),
        ),
        4 => (
            ErrorCode::OutOfMemory,
            "BLAST+ ran out of memory (exit code 4)".to_owned(),
        ),
        6 => (
            ErrorCode::DiskFull,
            "BLAST+ could not write its output (exit code 6), most likely because the disk is full"
                .to_owned(),
        ),
        code => (
            ErrorCode::BlastFailed,
            format!("BLAST+ failed (exit code {code})"),
        ),
    }
}

/// What it says that a signal ended the process.
#[must_use]
pub fn of_signal(signal: i32) -> (ErrorCode, String) {
    match signal {
        9 => (
            ErrorCode::OutOfMemory,
            "BLAST+ was killed (signal 9), most likely for lack of memory".to_owned(),
        ),
        6 => (
            ErrorCode::DiskFull,
            "BLAST+ gave up (signal 6), most likely because the disk is full".to_owned(),
        ),
        11 | 7 => (
            ErrorCode::DatabaseUnreadable,
            format!("BLAST+ crashed (signal {signal}), most likely on damaged database files"),
        ),
        25 => (
            ErrorCode::OutputLimit,
            "BLAST+ wrote more than is allowed (signal 25)".to_owned(),
        ),
        other => (
            ErrorCode::BlastFailed,
            format!("BLAST+ was ended from outside (signal {other})"),
        ),
    }
}
