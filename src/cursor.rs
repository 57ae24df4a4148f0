//! Cursors: `Writer` at the end of a set, `Cursor` anywhere in it.

#![forbid(unsafe_code)]

use core::iter::FusedIterator;

use crate::block::Block;
use crate::entry::Entry;
use crate::error::CapacityError;
use crate::starts::Starts;

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
pub struct Writer<'a, T, const BLOCK_SIZE: usize> {
    blocks: &'a mut [Block<T, BLOCK_SIZE>],
    /// The set's: every block after it is empty, and those before it take no more entries.
    tail: &'a mut usize,
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> Writer<'a, T, BLOCK_SIZE> {
    pub(crate) fn new(blocks: &'a mut [Block<T, BLOCK_SIZE>], tail: &'a mut usize) -> Self {
        Self { blocks, tail }
    }

    /// The block that takes the next entry; `None` if all are full.
    fn open(&mut self) -> Option<&mut Block<T, BLOCK_SIZE>> {
        if self.blocks.get(*self.tail)?.is_full() {
            let next = self.tail.saturating_add(1);
            if next >= self.blocks.len() {
                return None;
            }
            // INVARIANT: the block before the new tail is full.
            *self.tail = next;
        }
        self.blocks.get_mut(*self.tail)
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
        match self.open() {
            Some(block) => block.push(entry),
            None => Err(entry),
        }
    }

    /// Appends an entry of zeros, to be filled in place; `None` if every block is full.
    ///
    /// The entry is in the chain already: a kexec in the middle of filling it hands over half of it.
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
        self.open()?.push_zeroed()
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
        while let Some(block) = self.open() {
            total = total.saturating_add(block.extend(&mut entries));
            if !block.is_full() {
                break;
            }
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
            let block = self.blocks.get_mut(*self.tail)?;
            if let Some(entry) = block.pop() {
                return Some(entry);
            }
            // INVARIANT: the block at the old tail is empty, as those after it are.
            *self.tail = self.tail.checked_sub(1)?;
        }
    }

    /// Slots that are left.
    pub(crate) fn available(&self) -> usize {
        let capacity = Block::<T, BLOCK_SIZE>::CAPACITY;
        match self.blocks.get(*self.tail..) {
            Some([tail, empty @ ..]) => {
                let free = capacity.saturating_sub(tail.count());
                empty.len().saturating_mul(capacity).saturating_add(free)
            }
            _ => 0,
        }
    }

    /// Appends copies of `entries` until the blocks are full or there is no more.
    pub(crate) fn fill(&mut self, mut entries: &[T]) {
        while !entries.is_empty() {
            let Some(block) = self.open() else { break };
            entries = block.extend_from_slice(entries);
        }
    }
}

/// Reads a set in both directions; rests between two entries. See
/// [`BlockSet::cursor`](crate::BlockSet::cursor).
///
/// Forward it is an [`Iterator`], back it goes with [`prev`](Self::prev). At either end it stays
/// where it is, and can turn round.
///
/// # Examples
///
/// ```
/// use kho_block::BlockSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let mut set = BlockSet::<u64, _>::new(&mem);
/// set.extend_from_slice(&[2, 3, 5])?;
///
/// let mut cursor = set.cursor();
/// assert_eq!(cursor.by_ref().find(|&&entry| entry > 2), Some(&3));
/// assert_eq!((cursor.position(), cursor.peek_prev(), cursor.peek_next()), (2, Some(&3), Some(&5)));
/// assert!(cursor.seek(1));
/// assert_eq!(cursor.prev(), Some(&2));
/// # Ok::<(), kho_block::GrowError>(())
/// ```
pub struct Cursor<'a, T, const BLOCK_SIZE: usize> {
    /// Up to the set's tail.
    blocks: &'a [Block<T, BLOCK_SIZE>],
    starts: &'a Starts,
    /// The block that the cursor stands in; 0 if there is none.
    block: usize,
    /// Its entries.
    entries: &'a [T],
    /// How many of them are behind the cursor.
    slot: usize,
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> Cursor<'a, T, BLOCK_SIZE> {
    pub(crate) fn new(blocks: &'a [Block<T, BLOCK_SIZE>], starts: &'a Starts, tail: usize) -> Self {
        let blocks = blocks.get(..=tail).unwrap_or_default();
        let entries = blocks.first().map(Block::entries).unwrap_or_default();
        Self { blocks, starts, block: 0, entries, slot: 0 }
    }

    /// How many entries are behind the cursor: 0 at the start, the set's length at the end.
    ///
    /// On a `&mut Cursor` write `Cursor::position(cursor)`: the dot finds [`Iterator::position`].
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!((set.cursor().position(), set.cursor_back().position()), (0, 3));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn position(&self) -> usize {
        self.starts.of(self.block, Block::<T, BLOCK_SIZE>::CAPACITY).saturating_add(self.slot)
    }

    /// Moves so that `position` entries are behind the cursor. `false`, and no move, if the set has
    /// fewer. Costs what [`get`](crate::BlockSet::get) does.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let mut cursor = set.cursor();
    /// assert!(cursor.seek(3) && !cursor.seek(4));
    /// assert_eq!(cursor.position(), 3);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use = "the cursor has not moved if this is `false`"]
    pub fn seek(&mut self, position: usize) -> bool {
        let mut end = self.clone();
        end.seek_end();
        match end.position().checked_sub(position) {
            None => return false,
            Some(0) => *self = end,
            Some(_) => {
                let (block, slot) = self.starts.locate(position, Block::<T, BLOCK_SIZE>::CAPACITY);
                self.enter(block);
                self.slot = slot;
            }
        }
        true
    }

    /// Moves behind the last entry.
    pub(crate) fn seek_end(&mut self) {
        self.enter(self.blocks.len().saturating_sub(1));
        self.slot = self.entries.len();
    }

    /// Moves to the start of a block, if there is such a block.
    fn enter(&mut self, block: usize) {
        if let Some(entered) = self.blocks.get(block) {
            *self = Self { block, entries: entered.entries(), slot: 0, ..*self };
        }
    }

    /// Steps back over an entry and returns it; `None` at the start.
    pub fn prev(&mut self) -> Option<&'a T> {
        loop {
            if let Some(slot) = self.slot.checked_sub(1) {
                self.slot = slot;
                return self.entries.get(slot);
            }
            self.enter(self.block.checked_sub(1)?);
            self.slot = self.entries.len();
        }
    }

    /// The entry that [`next`](Iterator::next) would return.
    #[must_use]
    pub fn peek_next(&self) -> Option<&'a T> {
        self.clone().next()
    }

    /// The entry that [`prev`](Self::prev) would return.
    #[must_use]
    pub fn peek_prev(&self) -> Option<&'a T> {
        self.clone().prev()
    }
}

impl<T, const BLOCK_SIZE: usize> Clone for Cursor<'_, T, BLOCK_SIZE> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> Iterator for Cursor<'a, T, BLOCK_SIZE> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(entry) = self.entries.get(self.slot) {
                self.slot = self.slot.saturating_add(1);
                return Some(entry);
            }
            let next = self.block.saturating_add(1);
            if next >= self.blocks.len() {
                return None;
            }
            self.enter(next);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let mut end = self.clone();
        end.seek_end();
        let left = end.position().saturating_sub(self.position());
        (left, Some(left))
    }

    fn nth(&mut self, n: usize) -> Option<&'a T> {
        if !self.seek(Self::position(self).saturating_add(n)) {
            self.seek_end();
        }
        self.next()
    }
}

impl<T: Entry, const BLOCK_SIZE: usize> ExactSizeIterator for Cursor<'_, T, BLOCK_SIZE> {}
impl<T: Entry, const BLOCK_SIZE: usize> FusedIterator for Cursor<'_, T, BLOCK_SIZE> {}
