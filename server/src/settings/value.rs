//! Values of settings as text: sizes, times, counts, folders.

use std::{path::PathBuf, time::Duration};

use tracing_subscriber::EnvFilter;

/// A size in bytes: `512`, `100MB`, `2 GB` (powers of 1,000).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "must be a size such as 500kB, 100MB or 2GB".to_owned();
    let digits =
        text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
    let unit = text
        .get(digits.len()..)
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number
        .checked_mul(factor)
        .filter(|size| *size > 0)
        .ok_or_else(wrong)
}

/// The longest time, in seconds: a hundred years. Whatever ends later cannot be written as a date.
const LONGEST: u64 = 36_500 * 86_400;

/// A time: `90s`, `15m`, `24h`, `7d`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a time such as 90s, 15m, 24h or 7d".to_owned();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..).unwrap_or_default() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    let seconds = number
        .checked_mul(factor)
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

/// A time, or none at all.
pub(super) fn span_or_never(text: &str) -> Result<Option<Duration>, String> {
    if text == "never" {
        return Ok(None);
    }
    let read = span(text).map(Some);
    read.map_err(|_| "must be a time such as 12h or 90d, or never".to_owned())
}

/// A time, which may be none.
pub(super) fn span_or_zero(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    span(text).map_err(|_| "must be a time such as 90s, 24h or 7d, or 0".to_owned())
}

/// The life of a lease: long enough for a few signs of life to be late.
pub(super) fn lease_life(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_secs(2)..=Duration::from_secs(3_600);
    let life = span(text).ok().filter(|life| allowed.contains(life));
    life.ok_or_else(|| "must be a time from 2s to 60m".to_owned())
}

/// A whole number from 1.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| "must be a whole number from 1 to 100000".to_owned())
}

/// Yes or no.
pub(super) fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A folder, which must be named.
pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("must name a folder".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// A filter of the log; the empty one lets errors through alone.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let read = EnvFilter::try_new(text);
    read.map_err(|error| format!("must be a filter such as info or elb_engine=debug ({error})"))?;
    Ok(text.to_owned())
}

/// Folders separated by colons, as on `PATH`.
pub(super) fn folders(text: &str) -> Vec<PathBuf> {
    std::env::split_paths(text)
        .filter(|folder| !folder.as_os_str().is_empty())
        .collect()
}

/// Where programs keep a user's data.
pub(super) fn default_data_dir(environment: &dyn Fn(&str) -> Option<String>) -> String {
    let set = |name: &str| environment(name).filter(|text| !text.is_empty());
    let base =
        set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| format!("{home}/.local/share")));
    base.map_or_else(
        || "elb-dashboard-data".to_owned(),
        |base| format!("{base}/elb-dashboard"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_their_units() {
        assert_eq!(size("100MB"), Ok(100_000_000));
        assert_eq!(size("2 gb"), Ok(2_000_000_000));
        assert_eq!(size("512"), Ok(512));
        assert_eq!(span("90m"), Ok(Duration::from_secs(5_400)));
        for bad in ["", "0", "MB", "-1MB", "1.5GB", "99999999999GB", "10XB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["", "10", "0s", "1w", "h", "36501d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert_eq!(span_or_never("never"), Ok(None));
        assert_eq!(span_or_never("2d"), Ok(Some(Duration::from_secs(172_800))));
        assert!(span_or_never("").is_err() && span_or_never("0").is_err());
        assert_eq!(span_or_zero("0"), Ok(Duration::ZERO));
        assert!(lease_life("1s").is_err() && lease_life("2h").is_err());
        assert_eq!(lease_life("20s"), Ok(Duration::from_secs(20)));
    }
}
