//! `Writer`: the write cursor at the end of a set.

#![forbid(unsafe_code)]

use crate::chain::block::Block;
use crate::chain::entry::Entry;
use crate::chain::tail::Tail;
use crate::error::CapacityError;

/// Appends behind the last entry, in the blocks there are; see
/// [`BlockSet::writer`](crate::BlockSet::writer).
///
/// Each entry is in the chain, counted, when its call returns: there is nothing to finalize, and a
/// writer that is dropped or forgotten loses nothing.
///
/// # Examples
///
/// A save that rolls back what it wrote when it cannot write all:
///
/// ```
/// use kho_block::BlockSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
/// set.grow(4)?;
/// let mut writer = set.writer();
/// let saved = writer.extend(1..=5);
/// assert_eq!(saved, 4);
/// for _ in 0..saved {
///     writer.prev();
/// }
/// assert!(set.is_empty());
/// # Ok::<(), kho_block::GrowError>(())
/// ```
///
/// # Invariants
///
/// 1. `tail` is the set's: every block after it is empty, and those before it take no more entries.
/// 2. `count` is the tail's, at hand, so that an append need not wait for what the one before it
///    has stored.
/// 3. Between two calls the tail is full only if it is the last block.
#[must_use = "a writer appends nothing by itself"]
pub struct Writer<'a, T, const BLOCK_SIZE: usize> {
    blocks: &'a mut [Block<T, BLOCK_SIZE>],
    tail: &'a mut Tail,
    count: usize,
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> Writer<'a, T, BLOCK_SIZE> {
    pub(crate) fn new(blocks: &'a mut [Block<T, BLOCK_SIZE>], tail: &'a mut Tail) -> Self {
        // INVARIANT: 1 and 2. by the set's own. 3. `advance`.
        let mut writer = Self { blocks, count: tail.count, tail };
        writer.advance();
        writer
    }

    /// Takes note of how many entries the tail has now.
    fn recount(&mut self, count: usize) {
        // INVARIANT: 2. both.
        self.count = count;
        self.tail.count = count;
        // Now rather than when the next entry is at hand, which would have to wait elsewhere.
        self.advance();
    }

    /// Whether the tail is full, which between two calls means that all blocks are.
    fn is_full(&self) -> bool {
        self.count >= Block::<T, BLOCK_SIZE>::CAPACITY
    }

    /// Moves on to the next block if the tail is full and not the last.
    #[inline]
    fn advance(&mut self) {
        let last = self.blocks.len().saturating_sub(1);
        if self.is_full() && self.tail.block < last {
            // INVARIANT: 1. the old tail is full, and the new one, which was after it, is empty.
            // 2. both.
            self.tail.advance();
            self.count = 0;
        }
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// The entry, if every block is full.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _, _, 32>::new(&mem); // two entries to a block
    /// set.grow(2)?;
    /// let mut writer = set.writer();
    /// assert_eq!((writer.push(2), writer.push(3), writer.push(5)), (Ok(()), Ok(()), Err(5)));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn push(&mut self, entry: T) -> Result<(), T> {
        let Some(block) = self.blocks.get_mut(self.tail.block) else { return Err(entry) };
        let count = self.count;
        block.push_at(count, entry)?;
        self.recount(count.saturating_add(1));
        Ok(())
    }

    /// Appends an entry of zeros, to be filled in place; `None` if every block is full.
    ///
    /// The entry is in the chain already: a kexec in the middle of filling it hands over half of
    /// it.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<[u64; 8], _>::new(&mem);
    /// set.grow(1)?;
    /// set.writer().push_zeroed().unwrap()[3] = 7;
    /// assert_eq!(set.get(0), Some(&[0, 0, 0, 7, 0, 0, 0, 0]));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use = "the entry of zeros is appended, and this is the place to fill it"]
    pub fn push_zeroed(&mut self) -> Option<&mut T> {
        if self.is_full() || self.blocks.is_empty() {
            return None;
        }
        let (block, count) = (self.tail.block, self.count);
        // INVARIANT: 2. the next line counts the slot.
        self.recount(count.saturating_add(1));
        self.blocks.get_mut(block)?.push_zeroed_at(count)
    }

    /// Appends copies of all `entries`, or of none: a copy for each block.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] if the blocks have no room for all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    /// set.grow(2)?;
    /// assert!(set.writer().extend_from_slice(&[2, 3, 5]).is_err());
    /// assert!(set.writer().extend_from_slice(&[2, 3]).is_ok());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn extend_from_slice(&mut self, entries: &[T]) -> Result<(), CapacityError> {
        let available = self.available();
        if entries.len() > available {
            return Err(CapacityError { wanted: entries.len(), available });
        }
        self.fill(entries);
        Ok(())
    }

    /// Appends what `entries` yields, until the blocks are full or there is no more; returns how
    /// many.
    ///
    /// Takes no entry that it has no room for: what an iterator passed by `&mut` has not yielded is
    /// there to be saved elsewhere. Counts are published once a block, also if the iterator panics.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    /// set.grow(2)?;
    /// let mut entries = 1..=5;
    /// assert_eq!(set.writer().extend(&mut entries), 2);
    /// assert_eq!(entries, 3..=5);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) -> usize {
        let mut entries = entries.into_iter();
        let mut total: usize = 0;
        while !self.is_full() {
            let Some(block) = self.blocks.get_mut(self.tail.block) else { break };
            let before = self.count;
            // INVARIANT: 2. both, also if an iterator panics.
            block.extend([&mut self.count, &mut self.tail.count], &mut entries);
            total = total.saturating_add(self.count.saturating_sub(before));
            if !self.is_full() {
                break;
            }
            self.advance();
        }
        total
    }

    /// Steps back over the last entry: removes it from the set, zeroes its slot and returns it.
    /// `None` if the set is empty.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let mut writer = set.writer();
    /// assert_eq!((writer.prev(), writer.prev()), (Some(2), None));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn prev(&mut self) -> Option<T> {
        loop {
            if let Some(last) = self.count.checked_sub(1) {
                let entry = self.blocks.get_mut(self.tail.block)?.pop_at(last)?;
                self.recount(last);
                return Some(entry);
            }
            let before = self.tail.block.checked_sub(1)?;
            self.count = self.blocks.get(before)?.count();
            // INVARIANT: 1. the old tail is empty, as the blocks after it are. 2. both.
            self.tail.retreat(before, self.count);
        }
    }

    /// How many entries can be appended, in the blocks there are.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1)?;
    /// let mut writer = set.writer();
    /// assert_eq!(writer.available(), 1022);
    /// writer.push(2).unwrap();
    /// assert_eq!(writer.available(), 1021);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> usize {
        let capacity = Block::<T, BLOCK_SIZE>::CAPACITY;
        match self.blocks.get(self.tail.block..) {
            Some([_, empty @ ..]) => {
                let free = capacity.saturating_sub(self.count);
                empty.len().saturating_mul(capacity).saturating_add(free)
            }
            _ => 0,
        }
    }

    /// Appends copies of `entries` until the blocks are full or there is no more.
    pub(crate) fn fill(&mut self, mut entries: &[T]) {
        while !entries.is_empty() && !self.is_full() {
            let Some(block) = self.blocks.get_mut(self.tail.block) else { break };
            let others = block.extend_from_slice(self.count, entries);
            let taken = entries.len().saturating_sub(others.len());
            self.recount(self.count.saturating_add(taken));
            entries = others;
        }
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use crate::BlockSet;
    use crate::memory::mock::Mock;

    #[test]
    fn a_count_forged_behind_the_back_of_a_set_loses_no_entry_that_is_appended() {
        for forged in [0, 2, u64::MAX] {
            let mem = Mock::new();
            let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
            set.grow(4).unwrap();
            set.push(1).unwrap();
            set.chain.blocks()[0].header().set_count(forged);
            set.extend_from_slice(&[7, 8, 9]).unwrap();
            assert!(set.iter().eq(&[1, 7, 8, 9]), "forged {forged}");

            set.chain.blocks()[1].header().set_count(forged);
            assert_eq!((set.pop(), set.pop(), set.pop()), (Some(9), Some(8), Some(7)));
        }
    }
}
