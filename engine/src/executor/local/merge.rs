//! Archives of batches joined into one, as one run would have written it.
//!
//! Owns the numbers of the queries: every run of BLAST+ counts its own from `Query_1`, and a formatter
//! that meets two of the same number prints the first one's title, length and letters for both (JSON,
//! XML2, SAM). So each batch's queries get the numbers that they have in the whole query file.
//! Subjects keep theirs, whatever they are called. Holds one line at a time.

/// What the next identifier in the archive belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A subject, or nothing of interest.
    Elsewhere,
    /// The line after `id {` or `ids {`: the query comes first.
    NextLine,
    /// Within `loc {`, before the first of its two places, which is the query's.
    FirstOfPair,
    /// Masked parts of a query.
    Mask,
}

/// Adds to the numbers of the queries in one archive.
#[derive(Debug)]
pub struct Renumber {
    add: u64,
    /// Whether lines are read even if nothing is added, to count.
    counts: bool,
    /// The highest number of a query so far, as it is in the whole.
    highest: u64,
    place: Place,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

const QUERY: &str = "local str \"Query_";

impl Renumber {
    /// For a batch that `before` queries come before.
    pub(super) const fn after(before: u64) -> Self {
        Self {
            add: before,
            counts: false,
            highest: before,
            place: Place::Elsewhere,
            rest: Vec::new(),
        }
    }

    /// The same, where the number of a batch's queries is not known before: [`Self::highest`] tells it.
    pub(crate) const fn counting(before: u64) -> Self {
        let mut this = Self::after(before);
        this.counts = true;
        this
    }

    /// The highest number that a query has, as it is in the whole.
    pub(crate) const fn highest(&self) -> u64 {
        self.highest
    }

    /// The next piece of the archive, as far as its lines are whole.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        if self.add == 0 && !self.counts {
            return piece.to_vec();
        }
        let mut out = Vec::with_capacity(piece.len() + piece.len() / 16);
        let mut lines = piece.split_inclusive(|byte| *byte == b'\n');
        if let Some(first) = lines.next() {
            self.rest.extend_from_slice(first);
        }
        if self.rest.last() != Some(&b'\n') {
            return out;
        }
        let first = std::mem::take(&mut self.rest);
        self.line(&first, &mut out);
        for line in lines {
            if line.last() == Some(&b'\n') {
                self.line(line, &mut out);
            } else {
                self.rest.extend_from_slice(line);
            }
        }
        out
    }

    /// What is left when the archive has ended.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let rest = std::mem::take(&mut self.rest);
        self.line(&rest, &mut out);
        out
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let words = line.trim_ascii();
        let place = self.place;
        self.place = match words {
            b"id {" | b"ids {" => Place::NextLine,
            b"loc {" => Place::FirstOfPair,
            b"packed-int {" => Place::Mask,
            _ if place == Place::NextLine => Place::Elsewhere,
            _ if place == Place::FirstOfPair
                && (words.starts_with(b"id ") || words.starts_with(b"empty ")) =>
            {
                Place::Elsewhere
            }
            _ => place,
        };
        match query_number(line).filter(|_| place != Place::Elsewhere) {
            Some((before, number, after)) => {
                let number = number.saturating_add(self.add);
                self.highest = self.highest.max(number);
                out.extend_from_slice(before);
                out.extend_from_slice(number.to_string().as_bytes());
                out.extend_from_slice(after);
            }
            None => out.extend_from_slice(line),
        }
    }
}

/// A line that is nothing but a query's identifier, cut around its number. Within a text every quote
/// is doubled, so that no title can look like one.
fn query_number(line: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let text = std::str::from_utf8(line).ok()?;
    let words = text.trim();
    let bare = words
        .strip_prefix("id ")
        .or_else(|| words.strip_prefix("empty "))
        .unwrap_or(words);
    let digits = bare
        .strip_prefix(QUERY)?
        .trim_end_matches(',')
        .strip_suffix('"')?;
    let number = digits.parse().ok()?;
    let start = text.find(QUERY)? + QUERY.len();
    let (before, rest) = line.split_at_checked(start)?;
    let (_, after) = rest.split_at_checked(digits.len())?;
    Some((before, number, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: &str = "\
          seq {
            id {
              local str \"Query_2\"
            },
            title \"a title with
    ids {
              local str \"\"Query_2\"\"\"
        segs denseg {
          ids {
            local str \"Query_2\",
            local str \"Query_2\"
          },
            loc {
              int {
                from 0,
                id local str \"Query_2\"
              },
              int {
                from 0,
                id local str \"Query_2\"
            loc {
              empty local str \"Query_2\",
              int {
                id local str \"Query_2\"
          locations {
            packed-int {
              {
                id local str \"Query_2\"
              },
              {
                id local str \"Query_2\"
";

    fn renumbered(add: u64, chunk: usize) -> String {
        let mut renumber = Renumber::after(add);
        let mut out: Vec<u8> = ARCHIVE
            .as_bytes()
            .chunks(chunk)
            .flat_map(|piece| renumber.push(piece))
            .collect();
        out.extend(renumber.finish());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn queries_get_their_number_and_subjects_and_titles_keep_theirs() {
        let numbers: Vec<bool> = renumbered(10, 4_096)
            .lines()
            .filter(|line| line.contains("Query_"))
            .map(|line| line.contains("Query_12"))
            .collect();
        let expected = [
            true, false, true, false, true, false, true, false, true, true,
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn where_the_pieces_end_makes_no_difference_and_the_first_batch_stays_as_it_is() {
        for chunk in 1..40 {
            assert_eq!(renumbered(10, chunk), renumbered(10, 4_096));
        }
        assert_eq!(renumbered(0, 7), ARCHIVE);
    }
}
