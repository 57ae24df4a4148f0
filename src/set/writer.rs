//! `Writer`: the write cursor at the end of a set.

#![forbid(unsafe_code)]

use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::block::Block;
use crate::chain::copy::way_to_copy;
use crate::chain::entry::Entry;
use crate::chain::tail::{Ends, Tail};
use crate::error::append::{CapacityError, FullError};

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
///     writer.pop();
/// }
/// assert!(set.is_empty());
/// # Ok::<(), kho_block::GrowError>(())
/// ```
///
/// # Invariants
///
/// 1. `ends` are those of an outgoing set with these `blocks`.
#[must_use = "a writer appends nothing by itself"]
pub struct Writer<'a, T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> {
    blocks: &'a mut [Block<T, BLOCK_SIZE>],
    ends: &'a mut Ends,
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> Writer<'a, T, BLOCK_SIZE> {
    const CAPACITY: usize = Block::<T, BLOCK_SIZE>::CAPACITY;

    #[inline]
    pub(crate) fn new(blocks: &'a mut [Block<T, BLOCK_SIZE>], ends: &'a mut Ends) -> Self {
        // INVARIANT: 1. the caller passes both from one outgoing set.
        Self { blocks, ends }
    }

    /// Whether the next entry goes to a spare block: then the tail is full, or there is no block.
    #[inline]
    fn is_full(&self) -> bool {
        self.ends.tail.count >= Self::CAPACITY
    }

    /// Where the next entry goes: the number of a block, which may not be there, and of a slot in
    /// it.
    #[inline]
    fn next_slot(&self) -> (usize, usize) {
        let Tail { block, count, .. } = self.ends.tail;
        if self.is_full() { (block.saturating_add(1), 0) } else { (block, count) }
    }

    /// Takes note that entries were appended: the block of [`next_slot`](Self::next_slot) has `count`
    /// now, counted in its header. A spare block is linked by that, behind the tail.
    #[inline]
    fn appended(&mut self, count: usize) {
        if self.is_full() {
            link(self.blocks, self.ends);
        }
        // INVARIANT: 4 of the index. As counted.
        self.ends.tail.count = count;
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// [`FullError`], with the entry, if every block is full.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _, _, 32>::new(&mem); // two entries to a block
    /// set.grow(2)?;
    /// let mut writer = set.writer();
    /// writer.push(2)?;
    /// writer.push(3)?;
    /// assert_eq!(writer.push(5).unwrap_err().entry, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push(&mut self, entry: T) -> Result<(), FullError<T>> {
        // Both ways are written out, so that the entry goes to its slot in one copy.
        self.push_to_tail(entry).or_else(|entry| self.push_to_spare(entry)).map_err(FullError::new)
    }

    /// Appends an entry to the tail.
    ///
    /// # Errors
    ///
    /// The entry, if the tail is full, or there is no block.
    #[inline]
    pub(crate) fn push_to_tail(&mut self, entry: T) -> Result<(), T> {
        let Tail { block, count, .. } = self.ends.tail;
        let Some(tail) = self.blocks.get_mut(block) else { return Err(entry) };
        tail.push_at(count, entry)?;
        // INVARIANT: 4 of the index. As counted.
        self.ends.tail.count = count.saturating_add(1);
        Ok(())
    }

    /// Appends an entry to the first spare block, behind a tail that is full.
    ///
    /// # Errors
    ///
    /// The entry, if there is no such block.
    #[inline]
    fn push_to_spare(&mut self, entry: T) -> Result<(), T> {
        let spare = self.ends.tail.block.saturating_add(1);
        let Some(spare) = self.blocks.get_mut(spare) else { return Err(entry) };
        spare.push_at(0, entry)?;
        self.appended(1);
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
        let (block, slot) = self.next_slot();
        self.blocks.get_mut(block)?.push_zeroed_at(slot);
        self.appended(slot.saturating_add(1));
        Some(self.blocks.get_mut(block)?.slot_mut(slot)?.1)
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
    /// there to be saved elsewhere. Entries are published a block at a time, the first one of a block
    /// on its own, also if the iterator panics.
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
        let before = self.ends.tail.end();
        loop {
            if !self.is_full() {
                let Some(tail) = self.blocks.get_mut(self.ends.tail.block) else { break };
                // INVARIANT: 4 of the index, also if an iterator panics.
                tail.extend(&mut self.ends.tail.count, &mut entries);
            }
            // One entry more brings a block into the chain, if there is one.
            if !self.is_full() || self.available() == 0 {
                break;
            }
            let Some(entry) = entries.next() else { break };
            let _ = self.push(entry);
        }
        self.ends.tail.end().saturating_sub(before)
    }

    /// Removes the last entry, zeroes its slot and returns it; `None` if the set is empty. A block
    /// that has lost its last entry is spare again.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let mut writer = set.writer();
    /// assert_eq!((writer.pop(), writer.pop()), (Some(2), None));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn pop(&mut self) -> Option<T> {
        let Tail { block, count, .. } = self.ends.tail;
        let last = count.checked_sub(1)?;
        let before = block.checked_sub(1).filter(|_| last == 0);
        let Some(before) = before else {
            let entry = self.blocks.get_mut(block)?.pop_at(last);
            // INVARIANT: 4 of the index. As counted.
            self.ends.tail.count = last;
            return entry;
        };
        let [before, tail] = self.blocks.get_mut(before..=block)? else { return None };
        self.ends.unlink(before.header(), tail.header());
        let entry = tail.pop_at(last);
        self.ends.retreat(self.ends.tail.start.saturating_sub(Self::CAPACITY));
        entry
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
        match self.blocks.get(self.ends.tail.block..) {
            Some([_, spare @ ..]) => {
                let free = Self::CAPACITY.saturating_sub(self.ends.tail.count);
                spare.len().saturating_mul(Self::CAPACITY).saturating_add(free)
            }
            _ => 0,
        }
    }

    /// Appends copies of `entries` until the blocks are full or there is no more.
    pub(crate) fn fill(&mut self, mut entries: &[T]) {
        let copy = way_to_copy(size_of_val(entries));
        while !entries.is_empty() {
            let (block, slot) = self.next_slot();
            let n = Self::CAPACITY.saturating_sub(slot).min(entries.len());
            let (Some(block), Some((now, later))) =
                (self.blocks.get_mut(block), entries.split_at_checked(n))
            else {
                break;
            };
            let count = block.append(slot, now, copy);
            self.appended(count);
            entries = later;
        }
    }
}

/// Links the first spare block, which has its first entries, behind the tail, which is full.
// Apart from the writer, whose fields then stay in registers.
#[cold]
#[inline(never)]
fn link<T: Entry, const BLOCK_SIZE: usize>(blocks: &[Block<T, BLOCK_SIZE>], ends: &mut Ends) {
    let tail = ends.tail.block;
    if let (Some(tail), Some(spare)) = (blocks.get(tail), blocks.get(tail.saturating_add(1))) {
        ends.link(tail.header(), spare.header());
    }
}

#[cfg(test)]
#[cfg(feature = "mock")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use crate::memory::mock::Mock;
    use crate::set::block_set::BlockSet;

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
