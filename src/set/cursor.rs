//! `Cursor`: reads anywhere in a set, in both directions.

#![forbid(unsafe_code)]

use core::iter::FusedIterator;

use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::block::Block;
use crate::chain::entry::Entry;
use crate::chain::starts::Starts;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Origin;

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
/// assert_eq!(cursor.position(), 2);
/// assert_eq!((cursor.peek_prev(), cursor.peek_next()), (Some(&3), Some(&5)));
/// assert!(cursor.seek(1));
/// assert_eq!(cursor.prev(), Some(&2));
/// # Ok::<(), kho_block::GrowError>(())
/// ```
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Cursor<'a, T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> {
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
        let mut cursor = Self { blocks, starts, block: 0, entries: &[], slot: 0 };
        cursor.enter(0);
        cursor
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

    /// Moves to the start of a block; `false`, and no move, if there is no such block.
    #[inline]
    fn enter(&mut self, block: usize) -> bool {
        let Some(entered) = self.blocks.get(block) else { return false };
        *self = Self { block, entries: entered.entries(), slot: 0, ..*self };
        true
    }

    /// Steps back over an entry and returns it; `None` at the start.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3])?;
    /// let mut cursor = set.cursor_back();
    /// assert_eq!((cursor.prev(), cursor.prev(), cursor.prev()), (Some(&3), Some(&2), None));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
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
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3])?;
    /// assert_eq!((set.cursor().peek_next(), set.cursor_back().peek_next()), (Some(&2), None));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn peek_next(&self) -> Option<&'a T> {
        self.clone().next()
    }

    /// The entry that [`prev`](Self::prev) would return.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3])?;
    /// assert_eq!((set.cursor().peek_prev(), set.cursor_back().peek_prev()), (None, Some(&3)));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
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
            if !self.enter(self.block.checked_add(1)?) {
                return None;
            }
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

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// A read cursor before the first entry.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let mut cursor = set.cursor();
    /// assert_eq!((cursor.next(), cursor.next()), (Some(&2), Some(&3)));
    /// assert_eq!(cursor.prev(), Some(&3));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn cursor(&self) -> Cursor<'_, T, BLOCK_SIZE> {
        Cursor::new(self.chain.blocks(), self.chain.starts(), self.chain.tail().block)
    }

    /// A read cursor after the last entry, to walk backwards.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!(set.cursor_back().prev(), Some(&5));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn cursor_back(&self) -> Cursor<'_, T, BLOCK_SIZE> {
        let mut cursor = self.cursor();
        cursor.seek_end();
        cursor
    }
}
