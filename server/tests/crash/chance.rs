//! Choices that a seed repeats.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough to choose by.
#[derive(Debug, Clone)]
pub struct Chance(Arc<AtomicU64>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit` - 1; 0 if there is none.
    pub fn below(&self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// One of several.
    pub fn pick<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap();
        all.get(index)
    }
}
