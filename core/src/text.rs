//! Text for people: capped, counted, sized. One formatter for each kind of number.
//!
//! Never used for what a program reads back. Thousands are grouped with a thin no-break space so that
//! a count never breaks across lines and never reads as a decimal.

/// Cuts a text to at most `max` characters, ending in `…` if something was cut.
#[must_use]
pub fn cap(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A whole number with grouped thousands: `5 181`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun: `1 sequence`, `5 181 sequences`.
#[must_use]
pub fn counted(number: u64, singular: &str, plural: &str) -> String {
    let noun = if number == 1 { singular } else { plural };
    format!("{} {noun}", count(number))
}

/// A size in bytes for people: `312 B`, `1.4 MB` (powers of 1,000).
#[must_use]
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1_000 {
        return format!("{size} B");
    }
    // Tenths of the unit, in whole numbers: float formatting costs several kB of WASM.
    let mut tenths = size / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("PB");
    if tenths >= 1_000 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// A duration for people: `<1 s`, `42 s`, `1 m 15 s`, `1 h 2 m`, `3 d 4 h`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => "<1\u{a0}s".to_owned(),
        1..=59 => format!("{seconds}\u{a0}s"),
        60..=3_599 => format!("{}\u{a0}m {}\u{a0}s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{}\u{a0}h {}\u{a0}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!(
            "{}\u{a0}d {}\u{a0}h",
            seconds / 86_400,
            seconds % 86_400 / 3_600
        ),
    }
}

/// A duration with milliseconds below ten seconds: `4 ms`, `1.2 s`, then as [`duration`].
#[must_use]
pub fn duration_fine(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms}\u{a0}ms"),
        1_000..=9_999 => format!("{}.{}\u{a0}s", ms / 1_000, ms % 1_000 / 100),
        _ => duration(ms),
    }
}

/// English ordinal: `1st`, `2nd`, `3rd`, `11th`.
#[must_use]
pub fn ordinal(number: u64) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(5_181), "5\u{202f}181");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(counted(1, "sequence", "sequences"), "1 sequence");
    }

    #[test]
    fn sizes_keep_three_figures() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_400), "1.4 kB");
        assert_eq!(bytes(1_400_000), "1.4 MB");
        assert_eq!(bytes(104_857_600), "104 MB");
        assert_eq!(bytes(u64::MAX), "18446 PB");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(duration(999), "<1\u{a0}s");
        assert_eq!(duration(75_000), "1\u{a0}m 15\u{a0}s");
        assert_eq!(duration(3_725_000), "1\u{a0}h 2\u{a0}m");
        assert_eq!(duration_fine(4), "4\u{a0}ms");
        assert_eq!(duration_fine(1_250), "1.2\u{a0}s");
    }

    #[test]
    fn ordinals_know_the_teens() {
        let spoken: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 102].map(ordinal).to_vec();
        let expected = [
            "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd",
        ];
        assert_eq!(spoken, expected);
    }

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!(cap("abc", 3), "abc");
        assert_eq!(cap("abcd", 3), "ab…");
    }
}
