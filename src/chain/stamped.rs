//! A block of slots with a stamp each: the entries of a table, which come and go where they are.
//!
//! Like [`Block`](crate::chain::block::Block) it makes no reference to an entry that was not asked
//! for: a stamp is looked at without the entry behind it.

#![expect(unsafe_code, reason = "dereferences lent blocks")]

use core::marker::PhantomData;
use core::mem;
use core::ptr::NonNull;
use core::slice;

use crate::abi::layout::ChainLayout;
use crate::abi::sizes::to_wire;
use crate::chain::block::{RawBlock, View};
use crate::chain::entry::{Entry, stamped_layout};
use crate::chain::header::{Header, Word};

/// A stamp, and the entry that it speaks of.
///
/// Any bytes are one: a stamp is a number, and `T` an [`Entry`].
#[repr(C)]
pub(crate) struct Slot<T> {
    stamp: Word,
    entry: T,
}

impl<T: Entry> Slot<T> {
    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load()
    }

    #[inline]
    pub(crate) fn entry(&self) -> &T {
        &self.entry
    }

    #[inline]
    pub(crate) fn entry_mut(&mut self) -> &mut T {
        &mut self.entry
    }

    /// Writes an entry into a free slot, and then the stamp that says so.
    #[inline]
    pub(crate) fn fill(&mut self, entry: T, stamp: u64) {
        self.entry = entry;
        self.stamp.store(stamp);
    }

    /// Takes the entry out: the stamp says so first, then the bytes are zeroed.
    #[inline]
    pub(crate) fn empty(&mut self, stamp: u64) -> T {
        self.stamp.store(stamp);
        mem::replace(&mut self.entry, T::new_zeroed())
    }
}

/// A lent block of slots.
///
/// # Invariants
///
/// 1. `raw` has `BLOCK_SIZE` bytes.
/// 2. `T` and `BLOCK_SIZE` have passed [`stamped_layout`]: a `Slot<T>` is as large as an entry of
///    that layout, and aligned to 8 bytes at most.
#[repr(transparent)]
pub(crate) struct StampedBlock<T, const BLOCK_SIZE: usize> {
    raw: RawBlock,
    entries: PhantomData<T>,
}

// SAFETY: transparent over a `RawBlock`. Its invariants hold of any block of that layout: 1. by
// the layout. 2. `LAYOUT` is what `stamped_layout` returns, and the size is asserted.
unsafe impl<T: Entry, const BLOCK_SIZE: usize> View for StampedBlock<T, BLOCK_SIZE> {
    const LAYOUT: ChainLayout = {
        let layout = stamped_layout::<T, BLOCK_SIZE>();
        assert!(size_of::<Slot<T>>() == layout.entry_size(), "nothing is between stamp and entry");
        layout
    };
}

impl<T: Entry, const BLOCK_SIZE: usize> StampedBlock<T, BLOCK_SIZE> {
    /// Slots that fit into a block.
    pub(crate) const CAPACITY: usize = Self::LAYOUT.capacity();

    /// Where slot `slot` is; `None` if the block has no such slot.
    #[inline]
    fn slot_ptr(&self, slot: usize) -> Option<NonNull<Slot<T>>> {
        if slot >= Self::CAPACITY {
            return None;
        }
        // SAFETY: `CAPACITY` slots fit into the lent block behind its header (invariants 1 and 2).
        Some(unsafe { self.raw.first_slot().cast::<Slot<T>>().add(slot) })
    }

    /// The stamp of slot `slot`; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn stamp(&self, slot: usize) -> Option<u64> {
        let stamp = self.slot_ptr(slot)?.cast::<Word>();
        // SAFETY: a slot starts with its stamp, in the valid, initialised block, and is aligned for
        // it. No stamp is ever borrowed by a `&mut` while `&self` lives.
        Some(unsafe { stamp.as_ref() }.load())
    }

    /// Where the entry of slot `slot` is, in use or not; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn entry_ptr(&self, slot: usize) -> Option<NonNull<T>> {
        let slot = self.slot_ptr(slot)?.as_ptr();
        // SAFETY: the entry lies in the slot, and that in the lent block.
        let entry = unsafe { &raw mut (*slot).entry };
        NonNull::new(entry)
    }

    /// The entry of slot `slot`, in use or not; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn entry(&self, slot: usize) -> Option<&T> {
        let entry = self.entry_ptr(slot)?;
        // SAFETY: an entry of the valid, initialised block is aligned for `T`, and any bytes are a
        // `T`. `&self` excludes writers.
        Some(unsafe { entry.as_ref() })
    }

    /// The header, and slot `slot`, in use or not; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn slot_mut(&mut self, slot: usize) -> Option<(&Header, &mut Slot<T>)> {
        let mut slot = self.slot_ptr(slot)?;
        // SAFETY: a slot of the valid, initialised block is aligned, and any bytes are one. It does
        // not overlap the header, and `&mut self` borrows the block's only holder, which excludes
        // readers.
        let slot = unsafe { slot.as_mut() };
        Some((self.raw.header(), slot))
    }

    /// The first `count` slots, or as many as fit.
    #[inline]
    pub(crate) fn slots(&self, count: usize) -> &[Slot<T>] {
        let first = self.raw.first_slot().cast();
        // SAFETY: by the invariants so many slots lie in the valid, initialised block, are aligned,
        // and any bytes are one. `&self` excludes writers.
        unsafe { slice::from_raw_parts(first.as_ptr(), count.min(Self::CAPACITY)) }
    }

    /// The first `count` slots, or as many as fit, to change entries.
    #[inline]
    pub(crate) fn slots_mut(&mut self, count: usize) -> &mut [Slot<T>] {
        let first = self.raw.first_slot().cast();
        // SAFETY: as in `slots`; `&mut self` borrows the block's only holder.
        unsafe { slice::from_raw_parts_mut(first.as_ptr(), count.min(Self::CAPACITY)) }
    }

    /// Writes slot number `count`, the first that is not counted, stamps it and counts it.
    ///
    /// # Errors
    ///
    /// The entry, if there is no such slot.
    #[inline]
    pub(crate) fn push_at(&mut self, count: usize, entry: T, stamp: u64) -> Result<(), T> {
        let Some((header, slot)) = self.slot_mut(count) else { return Err(entry) };
        slot.fill(entry, stamp);
        header.set_count(to_wire(count.saturating_add(1)));
        Ok(())
    }
}
