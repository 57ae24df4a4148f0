//! What a block does with its slots: every change of the entries, in publication order.

#![forbid(unsafe_code)]

use core::mem;

use zerocopy::{FromZeros, IntoBytes};

use crate::abi::to_wire;
use crate::block::Block;
use crate::entry::Entry;
use crate::header::Header;

impl<T: Entry, const BLOCK_SIZE: usize> Block<T, BLOCK_SIZE> {
    /// Entries in use. Never above the capacity, whatever the header says.
    pub(crate) fn count(&self) -> usize {
        Self::believed(self.header())
    }

    fn believed(header: &Header) -> usize {
        usize::try_from(header.count()).map_or(Self::CAPACITY, |count| count.min(Self::CAPACITY))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count() == Self::CAPACITY
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub(crate) fn entries(&self) -> &[T] {
        self.slots().get(..self.count()).unwrap_or_default()
    }

    pub(crate) fn entries_mut(&mut self) -> &mut [T] {
        let (header, slots) = self.parts_mut();
        slots.get_mut(..Self::believed(header)).unwrap_or_default()
    }

    /// The free slots, and what counts those that get written.
    fn room(&mut self) -> (Room<'_>, &mut [T]) {
        let (header, slots) = self.parts_mut();
        let counted = Self::believed(header);
        (Room { header, counted, written: 0 }, slots.get_mut(counted..).unwrap_or_default())
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// The entry, if the block is full.
    pub(crate) fn push(&mut self, entry: T) -> Result<(), T> {
        let (mut room, free) = self.room();
        let Some(slot) = free.first_mut() else { return Err(entry) };
        *slot = entry;
        room.written = 1;
        Ok(())
    }

    /// Counts the first free slot, which is zero in a block of this kernel, and lends it.
    pub(crate) fn push_zeroed(&mut self) -> Option<&mut T> {
        let (mut room, free) = self.room();
        let slot = free.first_mut()?;
        room.written = 1;
        Some(slot)
    }

    /// Appends copies of as many `entries` as fit; returns the others.
    pub(crate) fn extend_from_slice<'e>(&mut self, entries: &'e [T]) -> &'e [T] {
        let (mut room, free) = self.room();
        let n = free.len().min(entries.len());
        let (Some(free), Some((now, later))) = (free.get_mut(..n), entries.split_at_checked(n))
        else {
            return entries;
        };
        // As bytes, since a `T` need not be `Copy`. Both are `n` entries long.
        free.as_mut_bytes().copy_from_slice(now.as_bytes());
        room.written = n;
        later
    }

    /// Appends what `entries` yields until the block is full or there is no more; returns how many.
    /// Asks for no entry that it has no slot for.
    pub(crate) fn extend(&mut self, entries: &mut impl Iterator<Item = T>) -> usize {
        let (mut room, free) = self.room();
        for slot in free {
            let Some(entry) = entries.next() else { break };
            *slot = entry;
            room.written = room.written.saturating_add(1);
        }
        room.written
    }

    /// Removes the last entry and zeroes its slot.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (header, slots) = self.parts_mut();
        let last = Self::believed(header).checked_sub(1)?;
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
struct Room<'a> {
    header: &'a Header,
    counted: usize,
    written: usize,
}

impl Drop for Room<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.written > 0 {
            self.header.set_count(to_wire(self.counted.saturating_add(self.written)));
        }
    }
}
