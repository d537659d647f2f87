//! What the benchmarks share: medians of interleaved rounds, as lines of a table.

use std::time::{Duration, Instant};

/// The time that a piece of work takes, and what it came to.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let outcome = work();
    (begin.elapsed(), outcome)
}

/// The middle of the times; another program may be busy, so that neither the mean nor the best counts.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median of so many rounds of one piece of work.
pub fn rounds(count: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..count).map(|_| timed(&mut work).0).collect();
    median(&mut times)
}

/// A line of the table.
pub fn line(what: &str, figure: &str) {
    println!("{what:<64} {figure:>24}");
}

/// Milliseconds with three figures.
pub fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1_000.0)
}
