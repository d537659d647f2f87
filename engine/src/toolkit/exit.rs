//! How a BLAST+ process ended, from its exit code and its own words together.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use elb_core::{
    error_code::ErrorCode,
    exit::{of_code, of_signal, own_words},
};
use thiserror::Error;

/// A process that ended with an error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ToolFailure {
    code: ErrorCode,
    message: String,
}

impl ToolFailure {
    /// The error of a job that ends with it.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        self.code
    }
}

/// Reads status and error output together.
#[must_use]
pub fn explain(status: ExitStatus, stderr: &str) -> ToolFailure {
    let words = own_words(stderr);
    let (code, what) = match (status.code(), status.signal()) {
        (_, Some(signal)) => of_signal(signal),
        (Some(code), None) if code < 128 => {
            let (meant, what) = of_code(code);
            (by_words(&words, meant), what)
        }
        (Some(code), None) => of_code(code),
        (None, None) => (
            ErrorCode::BlastFailed,
            "BLAST+ ended in an unknown way".to_owned(),
        ),
    };
    let message = if words.is_empty() {
        format!("{what}.")
    } else {
        format!("{what}: {words}")
    };
    ToolFailure { code, message }
}

/// Some messages say more than their exit code.
fn by_words(words: &str, code: ErrorCode) -> ErrorCode {
    let lower = words.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("no space left") || has("disk full") {
        ErrorCode::DiskFull
    } else if has("no alias or index file found") || has("database memory map file error") {
        ErrorCode::DatabaseMissing
    } else if has("cannot memory map") || has("out of memory") || has("bad_alloc") {
        ErrorCode::OutOfMemory
    } else {
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn a_missing_database_is_named_as_such() {
        let stderr = "BLAST Database error: No alias or index file found for nucleotide database [nope] in search path [/tmp::]\n";
        let failure = explain(exit(2), stderr);
        assert_eq!(failure.error_code(), ErrorCode::DatabaseMissing);
        assert!(failure.to_string().contains("[nope]"));
    }

    #[test]
    fn signals_are_explained_by_what_mostly_causes_them() {
        assert_eq!(
            explain(ExitStatus::from_raw(9), "").error_code(),
            ErrorCode::OutOfMemory
        );
        assert_eq!(
            explain(ExitStatus::from_raw(11), "").error_code(),
            ErrorCode::DatabaseUnreadable
        );
        assert_eq!(explain(exit(134), "").error_code(), ErrorCode::DiskFull);
        assert_eq!(explain(exit(137), "").error_code(), ErrorCode::OutOfMemory);
    }

    #[test]
    fn an_unknown_failure_keeps_its_code_and_words() {
        let failure = explain(exit(3), "BLAST engine error: Something new\n");
        assert_eq!(failure.error_code(), ErrorCode::BlastFailed);
        assert_eq!(
            failure.to_string(),
            "BLAST+ failed (exit code 3): BLAST engine error: Something new"
        );
    }
}
