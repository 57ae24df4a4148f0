//! What a block does with its slots: every change of the entries, in publication order.

#![forbid(unsafe_code)]

use core::{mem, slice};

use zerocopy::IntoBytes;

use crate::abi::sizes::to_wire;
use crate::chain::block::Block;
use crate::chain::copy::CopyBytes;
use crate::chain::entry::Entry;
use crate::chain::header::Header;

impl<T: Entry, const BLOCK_SIZE: usize> Block<T, BLOCK_SIZE> {
    /// Entries in use. Never above the capacity, whatever the header says.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        let count = usize::try_from(self.header().count());
        count.map_or(Self::CAPACITY, |count| count.min(Self::CAPACITY))
    }

    #[inline]
    pub(crate) fn entries(&self) -> &[T] {
        self.slots(0..self.count())
    }

    #[inline]
    pub(crate) fn entries_mut(&mut self) -> &mut [T] {
        self.slots_mut(0..self.count()).1
    }

    /// Writes the first free slot, number `count`, and counts it.
    ///
    /// # Errors
    ///
    /// The entry, if there is no such slot.
    #[inline]
    pub(crate) fn push_at(&mut self, count: usize, entry: T) -> Result<(), T> {
        let Some((header, slot)) = self.slot_mut(count) else { return Err(entry) };
        *slot = entry;
        header.set_count(to_wire(count.saturating_add(1)));
        Ok(())
    }

    /// Counts the first free slot, number `count`, which is zero in a block of this kernel.
    #[inline]
    pub(crate) fn push_zeroed_at(&mut self, count: usize) {
        self.header().set_count(to_wire(count.saturating_add(1)));
    }

    /// Appends what `copy` makes of `entries`, from slot `count` on, where there is room for them all;
    /// returns how many the block has then.
    #[inline]
    pub(crate) fn append(&mut self, count: usize, entries: &[T], copy: CopyBytes) -> usize {
        let end = count.saturating_add(entries.len());
        let (header, free) = self.slots_mut(count..end);
        if free.len() != entries.len() {
            return count;
        }
        // As bytes, since a `T` need not be `Copy`.
        copy(free.as_mut_bytes(), entries.as_bytes());
        header.set_count(to_wire(end));
        end
    }

    /// Appends what `entries` yields, from slot `count` on, until the block is full or there is no
    /// more, and keeps `count` up to date. Asks for no entry that it has no slot for.
    #[inline]
    pub(crate) fn extend(&mut self, count: &mut usize, entries: &mut impl Iterator<Item = T>) {
        let (header, free) = self.slots_mut(*count..Self::CAPACITY);
        let mut room = Room { header, count, capacity: Self::CAPACITY, free: free.iter_mut() };
        while !room.free.as_slice().is_empty() {
            let Some(entry) = entries.next() else { break };
            if let Some(slot) = room.free.next() {
                *slot = entry;
            }
        }
    }

    /// Removes the entry in slot `last`, which is the last one, and zeroes the slot.
    #[inline]
    pub(crate) fn pop_at(&mut self, last: usize) -> Option<T> {
        let (header, slot) = self.slot_mut(last)?;
        header.set_count(to_wire(last));
        Some(mem::replace(slot, T::new_zeroed()))
    }
}

/// Counts slots once they are written, also if a panic comes between two of them.
struct Room<'a, T> {
    header: &'a Header,
    /// Entries that the block has, those that are being written not included.
    count: &'a mut usize,
    capacity: usize,
    /// What is not written yet, up to the end of the block.
    free: slice::IterMut<'a, T>,
}

impl<T> Drop for Room<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let written = self.capacity.saturating_sub(self.free.len());
        if written > *self.count {
            *self.count = written;
            self.header.set_count(to_wire(written));
        }
    }
}
