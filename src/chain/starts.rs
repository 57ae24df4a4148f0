//! Where each block's entries start in the set, counted in entries.

#![forbid(unsafe_code)]

use crate::abi::sizes::MAX_BLOCKS;
use crate::chain::list::{List, NoRoom};

/// Turns an entry's index into a block and a slot, in O(1) as long as the set is dense.
///
/// A set is dense here if every block before the last one in use is full: every set that this crate
/// wrote is. Then nothing is stored. Otherwise, which only restored sets can be, the sums of the
/// counts are, and are searched in O(log blocks).
///
/// The set passes in its constant `capacity`, the entries of a full block, always the same.
///
/// # Invariants
///
/// 1. `sums` is empty if the set is dense, and otherwise as long as there are blocks.
/// 2. Sum `b` is the number of entries in all blocks before `b`. Behind the last block in use,
///    where blocks may have been emptied since, it may be larger.
#[derive(Debug)]
pub(crate) struct Starts {
    sums: List<usize>,
}

impl Starts {
    /// For blocks that are all full but the last in use.
    pub(crate) const fn dense() -> Self {
        // INVARIANT: 1 and 2 hold of a set without blocks.
        Self { sums: List::new() }
    }

    /// The index of the first entry of `block`.
    #[inline]
    pub(crate) fn of(&self, block: usize, capacity: usize) -> usize {
        match self.sums.get(block) {
            Some(&sum) => sum,
            // Never too large: so many entries are in memory.
            None => block.wrapping_mul(capacity),
        }
    }

    /// The block and slot of entry `index`, which must be in use.
    #[inline]
    pub(crate) fn locate(&self, index: usize, capacity: usize) -> (usize, usize) {
        // No index in use exceeds the mask, which tells the compiler how large the dividend can be:
        // it then divides faster.
        let beyond = MAX_BLOCKS.saturating_mul(capacity).checked_next_power_of_two();
        let index = index & beyond.map_or(usize::MAX, |beyond| beyond.saturating_sub(1));
        match (index.checked_div(capacity), index.checked_rem(capacity)) {
            (Some(block), Some(slot)) if self.sums.is_empty() => (block, slot),
            _ => self.search(index),
        }
    }

    /// [`locate`](Self::locate) in a set that is not dense.
    #[cold]
    #[inline(never)]
    fn search(&self, index: usize) -> (usize, usize) {
        // Where several blocks have the same sum, all but the last are empty.
        let block = self.sums.partition_point(|&sum| sum <= index).saturating_sub(1);
        let start = self.sums.get(block).copied().unwrap_or_default();
        (block, index.saturating_sub(start))
    }

    /// Takes note of a restored block: the next one, before which there are `sum` entries in
    /// `block` blocks. It has entries of its own if `in_use`.
    ///
    /// # Errors
    ///
    /// If the heap has no room for the sums.
    pub(crate) fn note(
        &mut self,
        block: usize,
        sum: usize,
        in_use: bool,
        capacity: usize,
    ) -> Result<(), NoRoom> {
        if self.sums.is_empty() && (!in_use || sum >= self.of(block, capacity)) {
            return Ok(());
        }
        self.add(block, sum, capacity)
    }

    /// Adds the sums up to that of `block`.
    ///
    /// # Errors
    ///
    /// If the heap has no room for them.
    #[cold]
    #[inline(never)]
    fn add(&mut self, block: usize, sum: usize, capacity: usize) -> Result<(), NoRoom> {
        let blocks = block.wrapping_add(1);
        self.sums.reserve(blocks.wrapping_sub(self.sums.len()))?;
        while self.sums.len() < blocks {
            // INVARIANT: 1. one for each block so far. 2. up to the first block that was not full,
            // `b * capacity` entries precede block `b`, never too many for memory; after it there
            // were only empty ones so far.
            let full = self.sums.len().wrapping_mul(capacity);
            self.sums.push(full.min(sum)).map_err(|_| NoRoom)?;
        }
        Ok(())
    }

    /// Forgets all blocks but the first `blocks`.
    pub(crate) fn truncate(&mut self, blocks: usize) {
        // INVARIANT: 1. the set has lost as many; without a block left it is dense.
        self.sums.truncate(blocks);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    /// What a walk over blocks with these counts takes note of.
    fn noted(counts: &[usize]) -> Starts {
        let mut starts = Starts::dense();
        let mut sum = 0;
        for (block, &count) in counts.iter().enumerate() {
            starts.note(block, sum, count > 0, 3).unwrap();
            sum += count;
        }
        starts
    }

    #[test]
    fn full_blocks_before_the_last_in_use_cost_no_memory() {
        for counts in [&[][..], &[0], &[2], &[3, 3, 1], &[3, 0, 0], &[3, 2, 0, 0], &[0, 0]] {
            assert!(noted(counts).sums.is_empty());
        }
    }

    #[test]
    fn every_entry_of_a_sparse_set_is_found_where_it_lies() {
        for counts in [&[2, 1][..], &[0, 3], &[3, 1, 0, 0, 2, 3], &[0, 0, 1, 3, 0], &[1, 1, 1]] {
            let starts = noted(counts);
            assert_eq!(starts.sums.len(), counts.len());
            let places = counts.iter().enumerate().flat_map(|(b, &n)| (0..n).map(move |s| (b, s)));
            for (index, place) in places.enumerate() {
                assert_eq!(starts.locate(index, 3), place, "entry {index} of {counts:?}");
            }
        }
    }

    #[test]
    fn blocks_that_are_gone_are_forgotten() {
        let mut starts = noted(&[2, 1, 3]);
        starts.truncate(4);
        assert_eq!(*starts.sums, [0, 2, 3]);
        starts.truncate(2);
        assert_eq!(*starts.sums, [0, 2]);
        starts.truncate(0);
        assert_eq!(starts.locate(7, 3), (2, 1), "a set without blocks is dense");
    }
}
