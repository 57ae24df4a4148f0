//! What a set should be: a list, and how it is spread over blocks.

use core::fmt::Debug;

use kho_block::Entry;

/// An entry that a list can hold as well.
pub(crate) trait Sample: Entry + Clone + PartialEq + Debug {}

impl<T: Entry + Clone + PartialEq + Debug> Sample for T {}

/// An entry unlike its neighbours, without a zero byte.
pub(crate) fn sample<T: Sample>(seed: usize) -> T {
    let mut entry = T::new_zeroed();
    let seed = seed.to_le_bytes();
    for (j, (byte, seed)) in entry.as_mut_bytes().iter_mut().zip(seed.iter().cycle()).enumerate() {
        *byte = seed.wrapping_mul(31).wrapping_add(j.to_le_bytes()[0].wrapping_mul(7)).max(1);
    }
    entry
}

pub(super) fn samples<T: Sample>(seed: usize, n: usize) -> Vec<T> {
    (0..n).map(|i| sample(seed + i)).collect()
}

/// What a set should be.
pub(super) struct Model<T> {
    pub(super) entries: Vec<T>,
    /// Entries in each block.
    pub(super) counts: Vec<usize>,
    /// Slots of each block that were in use when this kernel found it. Those without an entry now
    /// are zero.
    pub(super) used: Vec<usize>,
    /// Entries that fit into a block.
    pub(super) capacity: usize,
    /// For the next entry, so that no two are alike.
    seed: usize,
}

impl<T: Sample> Model<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), counts: Vec::new(), used: Vec::new(), capacity, seed: 1 }
    }

    pub(super) fn room(&self) -> usize {
        self.counts.len() * self.capacity - self.entries.len()
    }

    pub(super) fn samples(&mut self, n: usize) -> Vec<T> {
        self.seed += n;
        samples(self.seed, n)
    }

    pub(super) fn grow(&mut self, count: usize) {
        self.counts.resize(self.counts.len().max(count.div_ceil(self.capacity)), 0);
    }

    /// Appends, in a set without gaps that has room.
    pub(super) fn append(&mut self, entries: &[T]) {
        for entry in entries {
            let block = self.entries.len() / self.capacity;
            self.counts[block] += 1;
            self.entries.push(entry.clone());
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        if let Some(count) = self.counts.iter_mut().rfind(|count| **count > 0) {
            *count -= 1;
        }
        self.entries.pop()
    }

    pub(super) fn swap_remove(&mut self, index: usize) -> Option<T> {
        let last = self.entries.len().checked_sub(1).filter(|&last| index <= last)?;
        self.entries.swap(index, last);
        self.pop()
    }

    /// Removes entries from a set without gaps.
    pub(super) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.entries.retain(keep);
        for (block, count) in self.counts.iter_mut().enumerate() {
            let behind = self.entries.len().saturating_sub(block * self.capacity);
            *count = behind.min(self.capacity);
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        while self.entries.len() > len {
            self.pop();
        }
    }

    pub(super) fn shrink(&mut self, count: usize) {
        let in_use = self.counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        self.keep_blocks(in_use.max(count.div_ceil(self.capacity)));
    }

    pub(super) fn keep_blocks(&mut self, blocks: usize) {
        self.counts.truncate(blocks);
        self.used.truncate(blocks);
        self.entries.truncate(self.counts.iter().sum());
    }

    /// The entries of each block.
    pub(super) fn blocks(&self) -> Vec<&[T]> {
        let mut rest = &self.entries[..];
        let split = |&count| {
            let (block, behind) = rest.split_at(count);
            rest = behind;
            block
        };
        self.counts.iter().map(split).collect()
    }

    /// Where entry `index` lies, if there is such an entry.
    pub(super) fn slot(&self, index: usize) -> Option<usize> {
        let slots = self.counts.iter().flat_map(|&count| 0..count);
        slots.into_iter().nth(index)
    }
}
