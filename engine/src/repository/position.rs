//! How far a change log has been read.

use std::collections::BTreeMap;

/// A position in a change log, which may consist of several streams, each with its own numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position(BTreeMap<String, u64>);

impl Position {
    /// The number up to which a stream has been read; zero if never.
    #[must_use]
    pub fn of(&self, stream: &str) -> u64 {
        self.0.get(stream).copied().unwrap_or(0)
    }

    /// Notes that a stream has been read up to a number. It never goes back.
    pub fn advance(&mut self, stream: &str, number: u64) {
        if number == 0 {
            return;
        }
        let known = self.0.entry(stream.to_owned()).or_insert(0);
        *known = number.max(*known);
    }

    /// Forgets the streams that are not wanted any more.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|stream, _| wanted(stream));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_never_goes_back_and_unknown_ones_begin_at_zero() {
        let mut position = Position::default();
        position.advance("a", 7);
        position.advance("a", 3);
        position.advance("b", 0);
        assert_eq!((position.of("a"), position.of("b")), (7, 0));
        position.keep(|stream| stream != "a");
        assert_eq!(position, Position::default());
    }
}
