//! Which jobs may hold a word: a signature for each, of one bit for every class of three letters in a row.
//!
//! A job that holds a word has all trigrams of it. They are put into [`CLASSES`], and the bits of all jobs for one
//! class lie side by side, so that some instructions for each class of a word leave little more than the jobs that
//! hold it. A word of one or two letters has no trigram: any job may hold it.

use std::sync::Arc;

use super::Listed;

/// Classes of trigrams (ours): a job has some 60 of them, so that a word of three trigrams leaves one job in some
/// hundreds that does not hold it. 64 bytes a job.
const CLASSES: usize = 1 << CLASS_BITS;
const CLASS_BITS: u32 = 9;
/// The bits of one class in one block.
type Lane = [u64; LANE];
const LANE: usize = 16;
/// Jobs of a block: room is made for so many at once.
const BLOCK: usize = LANE * 64;

/// The signatures of all listed jobs.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    /// By number.
    jobs: Vec<Option<Arc<Listed>>>,
    /// Numbers that no job has any more. They are the first to be given again.
    free: Vec<usize>,
    /// A lane for each class.
    blocks: Vec<Box<[Lane]>>,
}

impl Signatures {
    /// The number of a job that comes into the list, or into the place of an older version of itself.
    pub(super) fn number(&mut self, words: &str, older: Option<&Listed>) -> usize {
        if let Some(older) = older {
            if *older.words == *words {
                return older.number;
            }
            self.remove(older);
        }
        let number = self.free.pop().unwrap_or(self.jobs.len());
        if self.jobs.len() <= number {
            self.jobs.resize(number + 1, None);
        }
        if self.blocks.len() <= number / BLOCK {
            self.blocks
                .push(vec![[0; LANE]; CLASSES].into_boxed_slice());
        }
        self.mark(number, words, |bits, bit| *bits |= bit);
        number
    }

    /// Puts a job at its number.
    pub(super) fn insert(&mut self, listed: &Arc<Listed>) {
        if let Some(job) = self.jobs.get_mut(listed.number) {
            *job = Some(Arc::clone(listed));
        }
    }

    pub(super) fn remove(&mut self, listed: &Listed) {
        self.mark(listed.number, &listed.words, |bits, bit| *bits &= !bit);
        if let Some(job) = self.jobs.get_mut(listed.number) {
            *job = None;
            self.free.push(listed.number);
        }
    }

    fn mark(&mut self, number: usize, words: &str, change: impl Fn(&mut u64, u64)) {
        let (place, bit) = (number % BLOCK / 64, 1 << (number % 64));
        let Some(block) = self.blocks.get_mut(number / BLOCK) else {
            return;
        };
        for class in classes(words) {
            if let Some(bits) = block.get_mut(class).and_then(|lane| lane.get_mut(place)) {
                change(bits, bit);
            }
        }
    }

    /// The job with a number.
    pub(super) fn job(&self, number: usize) -> Option<&Arc<Listed>> {
        self.jobs.get(number)?.as_ref()
    }

    /// Every job that may hold all words, and few others.
    pub(super) fn candidates(&self, words: &[String]) -> impl Iterator<Item = &Arc<Listed>> {
        let mut wanted: Vec<usize> = words.iter().flat_map(|word| classes(word)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let blocks = self.blocks.iter().enumerate();
        let numbers = blocks.flat_map(move |(block, lanes)| {
            let mut left = [u64::MAX; LANE];
            for lane in wanted.iter().filter_map(|class| lanes.get(*class)) {
                for (left, bits) in left.iter_mut().zip(lane) {
                    *left &= bits;
                }
            }
            let places = left.into_iter().enumerate();
            places.flat_map(move |(place, bits)| {
                ones(bits).map(move |bit| block * BLOCK + place * 64 + bit)
            })
        });
        numbers.filter_map(|number| self.job(number))
    }
}

/// The classes of a text's trigrams. No word of a search goes over a space or the end of a line.
fn classes(text: &str) -> impl Iterator<Item = usize> {
    let trigrams = text.as_bytes().windows(3);
    let of_a_word = trigrams.filter(|letters| !letters.iter().any(u8::is_ascii_whitespace));
    of_a_word.map(|letters| {
        let number = letters
            .iter()
            .fold(0, |number, letter| number << 8 | u32::from(*letter));
        // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the upper bits are spread best.
        (number.wrapping_mul(0x9E37_79B1) >> (u32::BITS - CLASS_BITS)) as usize
    })
}

/// The places of the bits that are set.
pub(super) fn ones(bits: u64) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
        .take_while(|bits| *bits != 0)
        .map(|bits| bits.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_are_the_places_of_the_bits() {
        assert_eq!(ones(0).count(), 0);
        assert_eq!(ones(0b1001).collect::<Vec<_>>(), [0, 3]);
        assert!(ones(u64::MAX).eq(0..64));
    }

    #[test]
    fn a_text_has_the_classes_of_every_part_of_its_words_and_none_across_them() {
        let all: Vec<usize> = classes("16s of\nmus").collect();
        assert_eq!(all.len(), 2, "16s and mus");
        let whole: Vec<usize> = classes("häemophilus").collect();
        for part in ["häe", "mophilu", "philus"] {
            assert!(classes(part).all(|class| whole.contains(&class)), "{part}");
        }
        assert_eq!(classes("xy").count(), 0);
    }
}
