//! What a block does with its slots: every change of the entries, in publication order.

#![forbid(unsafe_code)]

use core::{mem, slice};

use zerocopy::{FromZeros, IntoBytes};

use crate::abi::sizes::to_wire;
use crate::chain::block::Block;
use crate::chain::entry::Entry;
use crate::chain::header::Header;

impl<T: Entry, const BLOCK_SIZE: usize> Block<T, BLOCK_SIZE> {
    /// Entries in use. Never above the capacity, whatever the header says.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        Self::believed(self.header())
    }

    #[inline]
    fn believed(header: &Header) -> usize {
        usize::try_from(header.count()).map_or(Self::CAPACITY, |count| count.min(Self::CAPACITY))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    #[inline]
    pub(crate) fn entries(&self) -> &[T] {
        self.slots().get(..self.count()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn entries_mut(&mut self) -> &mut [T] {
        let (header, slots) = self.parts_mut();
        slots.get_mut(..Self::believed(header)).unwrap_or_default()
    }

    /// Writes the first free slot, number `count`, and counts it.
    ///
    /// # Errors
    ///
    /// The entry, if there is no such slot.
    #[inline]
    pub(crate) fn push_at(&mut self, count: usize, entry: T) -> Result<(), T> {
        let (header, slots) = self.parts_mut();
        let Some(slot) = slots.get_mut(count) else { return Err(entry) };
        *slot = entry;
        header.set_count(to_wire(count.saturating_add(1)));
        Ok(())
    }

    /// Counts the first free slot, number `count`, which is zero in a block of this kernel, and
    /// lends it.
    pub(crate) fn push_zeroed_at(&mut self, count: usize) -> Option<&mut T> {
        let (header, slots) = self.parts_mut();
        let slot = slots.get_mut(count)?;
        header.set_count(to_wire(count.saturating_add(1)));
        Some(slot)
    }

    /// Appends copies of as many `entries` as fit, from slot `count` on; returns the others.
    pub(crate) fn extend_from_slice<'e>(&mut self, count: usize, entries: &'e [T]) -> &'e [T] {
        let (header, slots) = self.parts_mut();
        let free = slots.get_mut(count..).unwrap_or_default();
        let n = free.len().min(entries.len());
        let (Some(free), Some((now, later))) = (free.get_mut(..n), entries.split_at_checked(n))
        else {
            return entries;
        };
        // As bytes, since a `T` need not be `Copy`. Both are `n` entries long.
        free.as_mut_bytes().copy_from_slice(now.as_bytes());
        header.set_count(to_wire(count.saturating_add(n)));
        later
    }

    /// Appends what `entries` yields, from slot `count` on, until the block is full or there is no
    /// more, and keeps both copies of `count` up to date. Asks for no entry that it has no slot
    /// for.
    #[inline]
    pub(crate) fn extend(
        &mut self,
        counts: [&mut usize; 2],
        entries: &mut impl Iterator<Item = T>,
    ) {
        let (header, slots) = self.parts_mut();
        let free = slots.get_mut(*counts[0]..).unwrap_or_default().iter_mut();
        let mut room = Room { header, counts, capacity: Self::CAPACITY, free };
        while !room.free.as_slice().is_empty() {
            let Some(entry) = entries.next() else { break };
            if let Some(slot) = room.free.next() {
                *slot = entry;
            }
        }
    }

    /// Removes the entry in slot `last`, which is the last one, and zeroes the slot.
    pub(crate) fn pop_at(&mut self, last: usize) -> Option<T> {
        let (header, slots) = self.parts_mut();
        let slot = slots.get_mut(last)?;
        header.set_count(to_wire(last));
        Some(mem::replace(slot, T::new_zeroed()))
    }

    /// Removes all entries but the first `len` and zeroes their slots.
    pub(crate) fn truncate(&mut self, len: usize) {
        let (header, slots) = self.parts_mut();
        let count = Self::believed(header);
        if len < count {
            header.set_count(to_wire(len));
            slots.get_mut(len..count).unwrap_or_default().zero();
        }
    }
}

/// Counts slots once they are written, also if a panic comes between two of them.
struct Room<'a, T> {
    header: &'a Header,
    /// Both say how many entries the block has, those that are being written not included.
    counts: [&'a mut usize; 2],
    capacity: usize,
    /// What is not written yet, up to the end of the block.
    free: slice::IterMut<'a, T>,
}

impl<T> Drop for Room<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let written = self.capacity.saturating_sub(self.free.len());
        if written > *self.counts[0] {
            *self.counts[0] = written;
            *self.counts[1] = written;
            self.header.set_count(to_wire(written));
        }
    }
}
