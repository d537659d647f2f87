//! Lines for a person who reads the pod's log.

use std::io::Write;

/// What goes on. A log that nobody takes any more is no reason to end.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// What went wrong.
pub fn problem(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
