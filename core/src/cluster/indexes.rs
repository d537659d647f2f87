//! The numbers of batches as an Indexed Job lists them: `1,3-5,7`.

/// A set of batch numbers, as ranges in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexes(Vec<(u32, u32)>);

impl Indexes {
    /// Reads the list of a Job's status; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            let after = ranges.last().is_none_or(|(_, last)| *last < from);
            if from > to || !after {
                return None;
            }
            ranges.push((from, to));
        }
        Some(Self(ranges))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        let counts = self
            .0
            .iter()
            .map(|(from, to)| (to - from).saturating_add(1));
        counts.fold(0, u32::saturating_add)
    }

    /// Those below a number, as an old server's Jobs tell them one by one.
    #[must_use]
    pub fn below(end: u32) -> Self {
        Self(
            end.checked_sub(1)
                .map(|last| (0, last))
                .into_iter()
                .collect(),
        )
    }

    /// With these too.
    #[must_use]
    pub fn with(&self, more: impl Iterator<Item = u32>) -> Self {
        let mut ranges = self.0.clone();
        ranges.extend(more.map(|index| (index, index)));
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (from, to) in ranges {
            match joined.last_mut() {
                Some((_, last)) if from <= last.saturating_add(1) => *last = to.max(*last),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    /// With others too, each of which counts as so many more.
    #[must_use]
    pub fn and(&self, others: &Self, more: u32) -> Self {
        let others = others
            .0
            .iter()
            .map(|(from, to)| from.saturating_add(more)..=to.saturating_add(more));
        self.with(others.flatten())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a batch is among them.
    #[must_use]
    pub fn contains(&self, index: u32) -> bool {
        self.0
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&index))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_once() {
        let some = Indexes::parse("1,3-5,9").unwrap();
        let more = some.with([4, 2, 0, 9, 10].into_iter());
        assert_eq!(more, Indexes::parse("0-5,9-10").unwrap());
        assert_eq!(more.count(), 8);
        assert_eq!(some.with(std::iter::empty()), some);
        let second = Indexes::parse("0,2").unwrap();
        assert_eq!(
            Indexes::below(2).and(&second, 10),
            Indexes::parse("0-1,10,12").unwrap()
        );
        assert_eq!(Indexes::below(3).with([3].into_iter()), Indexes::below(4));
    }
}
