//! What the runner in a pod says when it ends: one JSON object as the container's termination message.
//!
//! Owns its form for both sides, the runner that writes and the dashboard that reads. What is written always
//! fits into what Kubernetes keeps and is whole JSON: texts are cut, never the object. What is read may
//! come from a runner that is older or newer.

use serde::{Deserialize, Serialize};

use crate::text;

/// What Kubernetes keeps of a container's termination message, in bytes.
pub const MAX_MESSAGE: usize = 4_096;
/// The longest error, in bytes of JSON (ours).
const MAX_ERROR: usize = 2_000;
/// The longest warning, in bytes of JSON (ours).
const MAX_WARNING: usize = 400;

/// What the runner was started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// To bring a database to its node.
    Stage,
    /// To search one batch.
    Run,
    /// To remove a database from its node.
    Release,
}

/// What the runner reports of its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What it was started for.
    pub stage: Work,
    /// Its exit code: BLAST+'s, or one of the runner's own (`elb_core::exit`).
    pub exit: i32,
    /// Why it is not 0, for people.
    #[serde(default)]
    pub error: Option<String>,
    /// Time from start to end, in ms.
    #[serde(default)]
    pub wall_ms: u64,
    /// Processor time outside of the kernel, in ms, of the runner and what it started.
    #[serde(default)]
    pub user_ms: u64,
    /// Processor time in the kernel, in ms, of the runner and what it started.
    #[serde(default)]
    pub system_ms: u64,
    /// The most memory that one of its processes had, in kB of 1,024 bytes.
    #[serde(default)]
    pub max_rss_kb: u64,
    /// Bytes brought to the node, removed from it, or of the archive.
    #[serde(default)]
    pub bytes: u64,
    /// SHA-256 of the archive, in hexadecimal; none of a database.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whether it found everything done.
    #[serde(default)]
    pub already: bool,
    /// What BLAST+ and the runner warned of. The last one may say how many more there were.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub const fn new(stage: Work) -> Self {
        Self {
            stage,
            exit: 0,
            error: None,
            wall_ms: 0,
            user_ms: 0,
            system_ms: 0,
            max_rss_kb: 0,
            bytes: 0,
            sha256: None,
            already: false,
            warnings: Vec::new(),
        }
    }

    /// As termination message: JSON of at most [`MAX_MESSAGE`] bytes.
    #[must_use]
    pub fn to_message(&self) -> String {
        let mut cut = self.clone();
        cut.error = self.error.as_deref().map(|error| fitted(error, MAX_ERROR));
        let warnings = self.warnings.iter();
        let warnings: Vec<String> = warnings.map(|text| fitted(text, MAX_WARNING)).collect();
        for left_out in 0..=warnings.len() {
            let kept = warnings.len() - left_out;
            cut.warnings = warnings.iter().take(kept).cloned().collect();
            if left_out > 0 {
                cut.warnings.push(format!("and {left_out} more"));
            }
            let message = json(&cut);
            if message.len() <= MAX_MESSAGE {
                return message;
            }
        }
        // Not reached: without warnings it is a cut error and a few numbers. A text of that kind is no JSON.
        String::new()
    }

    /// Reads a termination message; `None` if it is something else, such as the end of a log.
    #[must_use]
    pub fn parse(message: &str) -> Option<Self> {
        serde_json::from_str(message.trim()).ok()
    }
}

/// Of plain data, whose writing cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A text cut so that it takes at most so many bytes of JSON, of which a character may need six.
fn fitted(text: &str, max: usize) -> String {
    let mut length = max;
    loop {
        let cut = text::cap(text, length);
        if json(&cut).len() <= max {
            return cut;
        }
        length = length * 9 / 10;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn full() -> Report {
        Report {
            exit: 1,
            error: Some("BLAST+ refused an option".to_owned()),
            wall_ms: 1_234,
            user_ms: 1_000,
            system_ms: 34,
            max_rss_kb: 40_960,
            bytes: 3_100_000,
            sha256: Some("ab".repeat(32)),
            warnings: vec!["few targets".to_owned()],
            ..Report::new(Work::Run)
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for report in [full(), Report::new(Work::Stage)] {
            assert_eq!(Report::parse(&report.to_message()), Some(report));
        }
    }

    #[test]
    fn a_message_of_another_version_is_read_and_a_log_is_not() {
        let message = r#"{"stage":"stage","exit":75,"newer":[1]}"#;
        let expected = Report {
            exit: 75,
            ..Report::new(Work::Stage)
        };
        assert_eq!(Report::parse(message), Some(expected));
        assert_eq!(Report::parse("blastn: started\nKilled\n"), None);
        assert_eq!(Report::parse(""), None);
    }

    #[test]
    fn whatever_is_reported_fits_and_keeps_its_numbers() {
        for nasty in ["x", "\"", "\u{1}", "é", "🧬"] {
            for warnings in [0, 1, 3, 500] {
                let mut report = full();
                report.error = Some(nasty.repeat(100_000));
                report.warnings = vec![nasty.repeat(5_000); warnings];
                let message = report.to_message();
                assert!(message.len() <= MAX_MESSAGE, "{}", message.len());
                let read = Report::parse(&message).unwrap();
                assert_eq!((read.exit, read.bytes), (1, 3_100_000));
                assert!(read.error.unwrap().starts_with(&nasty.repeat(250)));
                assert_eq!(read.warnings.is_empty(), warnings == 0);
                assert_eq!(read.sha256, report.sha256);
            }
        }
    }

    #[test]
    fn warnings_that_do_not_fit_are_counted() {
        let mut report = full();
        report.warnings = (0..100)
            .map(|number| format!("{number} {}", "w".repeat(100)))
            .collect();
        let read = Report::parse(&report.to_message()).unwrap();
        let kept = read.warnings.len() - 1;
        assert!(kept > 10, "{kept}");
        assert_eq!(read.warnings[kept], format!("and {} more", 100 - kept));
        assert_eq!(read.error, report.error);
    }
}
