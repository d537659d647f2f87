//! The log of a container, line by line.
//!
//! Owns what names a log, how its lines are told apart, and the place in it from which a reader goes on.
//! Lines bear the time that the node gave them: a place is found again by it also in a log of which the
//! beginning was dropped meanwhile. Nothing that was given is given again, and memory is bounded.

use crate::{text, time::Timestamp, view::LogLevel};

/// The longest line that is shown, in characters: as in a search's own log.
const MAX_LINE: usize = 2_000;
/// The most of a line that is held, in bytes: enough for so many characters, whatever their alphabet.
const HELD: usize = 4 * MAX_LINE + 64;

/// Which log: of one run of a container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogOf {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// How often the container had been started in this pod before.
    pub restart: u32,
}

impl LogOf {
    /// Reads `POD/CONTAINER/RESTART`, as [`Self`] is written; the last part may be missing for 0.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (pod, container) = (parts.next()?, parts.next()?);
        let restart = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        Self::new(pod, container, restart).filter(|_| parts.next().is_none())
    }

    /// One with names as Kubernetes has them; `None` if they are none.
    #[must_use]
    pub fn new(pod: &str, container: &str, restart: u32) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let label = |name: &str| (1..=63).contains(&name.len()) && name.bytes().all(plain);
        // A pod's name is one of a domain.
        let domain = pod.len() <= 253
            && pod
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(plain));
        (domain && label(container)).then(|| Self {
            pod: pod.to_owned(),
            container: container.to_owned(),
            restart,
        })
    }
}

impl std::fmt::Display for LogOf {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}/{}", self.pod, self.container, self.restart)
    }
}

/// A place in a log: after which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPlace {
    /// The number that the line had for its reader.
    pub number: u64,
    /// Its time, in nanoseconds since 1970.
    nanos: i64,
    /// How many lines of just that time have been read.
    same: u64,
}

impl LogPlace {
    /// Reads what [`Self`] is written as.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next()?.parse::<u64>().ok();
        let (number, nanos, same) = (next()?, next()?, next()?);
        Some(Self {
            number,
            nanos: i64::try_from(nanos).ok()?,
            same,
        })
    }

    /// The second in which it is: what comes after it is not older than this.
    #[must_use]
    pub const fn second(self) -> Timestamp {
        Timestamp(self.nanos.div_euclid(1_000_000_000) * 1_000)
    }
}

impl std::fmt::Display for LogPlace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.number, self.nanos, self.same)
    }
}

/// A line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLine {
    /// Where it is; its number counts from the reader's first line.
    pub place: LogPlace,
    /// When it was written.
    pub at: Timestamp,
    /// How serious it sounds.
    pub level: LogLevel,
    /// The text, without colours.
    pub text: String,
}

/// Makes lines of what comes.
#[derive(Debug, Default)]
pub struct LogLines {
    partial: Vec<u8>,
    place: LogPlace,
    /// The place up to which lines have been read before, and how many of its time were passed over.
    known: Option<(LogPlace, u64)>,
    /// The time of the last line, passed over or not.
    nanos: i64,
}

impl LogLines {
    /// A reader who has read up to a place; without one all lines are new to it.
    #[must_use]
    pub fn after(place: Option<LogPlace>) -> Self {
        Self {
            place: place.unwrap_or_default(),
            known: place.map(|place| (place, 0)),
            ..Self::default()
        }
    }

    /// Where the reader is.
    #[must_use]
    pub const fn place(&self) -> LogPlace {
        self.place
    }

    /// The lines that these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<ContainerLine> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = HELD.saturating_sub(self.partial.len());
            self.partial
                .extend_from_slice(text.get(..room).unwrap_or(text));
            if ends {
                lines.extend(self.line());
            }
        }
        lines
    }

    /// The last line, if it has no end.
    pub fn finish(&mut self) -> Option<ContainerLine> {
        if self.partial.is_empty() {
            return None;
        }
        self.line()
    }

    fn line(&mut self) -> Option<ContainerLine> {
        let bytes = std::mem::take(&mut self.partial);
        let whole = String::from_utf8_lossy(&bytes);
        let stamped = whole.split_once(' ').unwrap_or((&whole, ""));
        let (nanos, text) = match nanos(stamped.0) {
            Some(nanos) => (nanos, stamped.1),
            // The node's own words have no time.
            None => (self.nanos, &*whole),
        };
        self.nanos = nanos;
        if let Some((place, passed)) = &mut self.known {
            let again = nanos < place.nanos || nanos == place.nanos && *passed < place.same;
            if again {
                *passed += u64::from(nanos == place.nanos);
                return None;
            }
            self.known = None;
        }
        self.place = LogPlace {
            number: self.place.number + 1,
            same: if nanos == self.place.nanos {
                self.place.same + 1
            } else {
                1
            },
            nanos,
        };
        let text = text::cap(&plain(text), MAX_LINE);
        Some(ContainerLine {
            place: self.place,
            at: Timestamp(nanos.div_euclid(1_000_000)),
            level: level(&text),
            text,
        })
    }
}

/// The nanoseconds of a time as nodes write it: in their own zone.
fn nanos(text: &str) -> Option<i64> {
    let (local, east) = match text.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let at = text.len().checked_sub(6)?;
            let (local, zone) = (text.get(..at)?, text.get(at..)?);
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            match zone.as_bytes().first()? {
                b'+' => (local, minutes),
                b'-' => (local, -minutes),
                _ => return None,
            }
        }
    };
    let (second, fraction) = local.split_once('.').unwrap_or((local, ""));
    let whole = Timestamp::parse(&format!("{second}Z"))?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<9}").get(..9)?.parse::<i64>().ok()?;
    let seconds = whole.0.div_euclid(1_000) - east * 60;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// Without colours and other control characters. Of what was written over itself, the last.
fn plain(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or(text);
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // ECMA-48: parameters, then one letter.
            if letters.next_if_eq(&'[').is_some() {
                letters.by_ref().find(|letter| letter.is_ascii_alphabetic());
            }
        } else if letter == '\t' || !letter.is_control() {
            plain.push(letter);
        }
    }
    plain
}

/// How serious a line sounds. Where it was printed to says nothing: progress goes to the error output too.
fn level(text: &str) -> LogLevel {
    // As the shell traces what it runs.
    if text.starts_with("+ ") {
        return LogLevel::Command;
    }
    let lower: String = text.chars().take(120).collect::<String>().to_lowercase();
    let says = |word: &str| {
        let begins = lower
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        begins || lower.contains(&format!("{word}:")) || lower.contains(&format!("[{word}]"))
    };
    if ["error", "fatal", "critical"].into_iter().any(says) {
        LogLevel::Error
    } else if ["warning", "warn"].into_iter().any(says) {
        LogLevel::Warning
    } else {
        LogLevel::Info
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "2026-01-01T00:00:01.000000001Z one\n\
        2026-01-01T00:00:01.000000002Z two\n\
        2026-01-01T00:00:01.000000002Z two again\n\
        2026-01-01T00:00:01.000000002Z and again\n\
        2026-01-01T02:00:02.5+02:00 three\n";

    fn read(log: &str, after: Option<LogPlace>) -> Vec<ContainerLine> {
        let mut lines = LogLines::after(after);
        let mut read = lines.push(log.as_bytes());
        read.extend(lines.finish());
        read
    }

    fn texts(lines: &[ContainerLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_have_numbers_and_the_time_of_the_node() {
        let lines = read(LOG, None);
        assert_eq!(
            texts(&lines),
            ["one", "two", "two again", "and again", "three"]
        );
        let numbers: Vec<u64> = lines.iter().map(|line| line.place.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        assert_eq!(lines[4].at.rfc3339(), "2026-01-01T00:00:02.500Z");
    }

    #[test]
    fn a_reader_goes_on_after_any_line_also_when_the_beginning_is_gone() {
        let all = read(LOG, None);
        for (at, line) in all.iter().enumerate() {
            let place = LogPlace::parse(&line.place.to_string()).unwrap();
            assert_eq!(place, line.place);
            assert_eq!(read(LOG, Some(place)), all[at + 1..]);
        }
        let second = all[1].place;
        let rest: String = LOG.split_inclusive('\n').skip(1).collect();
        assert_eq!(read(&rest, Some(second)), all[2..]);
        assert_eq!(second.second().rfc3339(), "2026-01-01T00:00:01.000Z");
        for bad in ["", "1", "1.2", "1.2.x", "1.2.3.4", "-1.2.3"] {
            assert_eq!(LogPlace::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_has_no_time_is_shown_as_it_is_and_colours_are_not() {
        let lines = read(
            "failed to open the log\n2026-01-01T00:00:00Z \u{1b}[31mred\u{1b}[0m 10%\r 20%\rdone\r\n",
            None,
        );
        assert_eq!(texts(&lines), ["failed to open the log", "done"]);
        let lines = read("2026-01-01T00:00:00Z \u{1b}[1;31mred\u{1b}[0m\n", None);
        assert_eq!(texts(&lines), ["red"]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_it_shows() {
        let mut lines = LogLines::after(None);
        for _ in 0..100 {
            assert!(lines.push(&[b'x'; 10_000]).is_empty());
            assert!(lines.partial.len() <= HELD);
        }
        let line = lines.push(b"\n").remove(0);
        assert_eq!(line.text.chars().count(), MAX_LINE);
    }

    #[test]
    fn only_what_says_so_is_an_error() {
        for (text, wanted) in [
            ("Error: no such file", LogLevel::Error),
            ("BLAST Database error: No alias", LogLevel::Error),
            ("[ERROR] gone", LogLevel::Error),
            ("errors in all: 0", LogLevel::Info),
            (
                "Warning: [blastn] Examining 5 or more matches",
                LogLevel::Warning,
            ),
            ("+ blastn -db nt", LogLevel::Command),
            ("copied 3 files", LogLevel::Info),
        ] {
            assert_eq!(level(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_log_has_a_name_that_is_read_again() {
        let log = LogOf::parse("blastn-0-x7k2p/blast/2").unwrap();
        assert_eq!(LogOf::parse(&log.to_string()), Some(log));
        assert_eq!(LogOf::parse("a/b").unwrap().restart, 0);
        for bad in [
            "", "a", "a/b/c", "a/b/1/2", "../b/0", "a/../0", "A/b", "a..b/c", "a/b.c/0",
        ] {
            assert_eq!(LogOf::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_log_reads_the_same_in_any_pieces(log in "(2026-01-01T00:00:0[1-3]Z [a-c é]{0,5}\n|x\n){0,9}", cut in 1_usize..9) {
            let mut lines = LogLines::after(None);
            let mut read_in_pieces = Vec::new();
            for piece in log.as_bytes().chunks(cut) {
                read_in_pieces.extend(lines.push(piece));
            }
            read_in_pieces.extend(lines.finish());
            prop_assert_eq!(read_in_pieces, read(&log, None));
        }
    }
}
