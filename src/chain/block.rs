//! One block: the header and, behind it, slots for entries.
//!
//! What it hands out is safe: every slot of a lent block is an initialised `T`, since any bytes are
//! one, and a count is never believed beyond the capacity. So even a header that changes behind the
//! set's back leads to wrong entries at worst, never out of the block.
//!
//! No reference is made to a slot that was not asked for, so that a pointer to another entry, which
//! a device or a reader without a lock may hold, stays good.

#![expect(unsafe_code, reason = "dereferences lent blocks")]

use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use crate::abi::layout::ChainLayout;
use crate::abi::sizes::HEADER_SIZE;
use crate::chain::entry::{Entry, checked_layout};
use crate::chain::header::Header;

/// A lent block, whatever its entries are: a pointer, without the duty to free what it points to.
///
/// # Invariants
///
/// 1. `base` points to a block that is lent (as the allocator's contract has it) to whoever holds
///    this value, and this value alone. It has the size of its chain's blocks, 32 bytes at least.
pub(crate) struct RawBlock {
    base: NonNull<Header>,
}

// SAFETY: by invariant 1 it is exclusively the holder's, and a lent block is valid on every thread.
// Which entries may go to another thread, `Block` says.
unsafe impl Send for RawBlock {}
// SAFETY: as above; what `&self` reaches is the header's atomics.
unsafe impl Sync for RawBlock {}

impl RawBlock {
    /// Takes over a lent block.
    ///
    /// # Safety
    ///
    /// 1. `ptr` points to a block of the chain's block size that is lent to the caller.
    /// 2. The caller leaves the block to the value returned.
    #[inline]
    pub(crate) unsafe fn from_lent(ptr: NonNull<u8>) -> Self {
        // INVARIANT: 1. by the caller's duties.
        Self { base: ptr.cast() }
    }

    /// Where the block starts, with the provenance of the allocator's pointer.
    #[inline]
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base.cast()
    }

    /// The header, as it stands.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the first 16 bytes of a lent block (invariant 1) are valid, initialised, aligned
        // for the header's words, and never borrowed by a `&mut`.
        unsafe { self.base.as_ref() }
    }

    /// The first slot's place.
    #[inline]
    pub(crate) fn first_slot(&self) -> NonNull<u8> {
        // SAFETY: the header's 16 bytes lie within the one lent block at `base`, which has at least
        // 32 (invariant 1).
        unsafe { self.base.add(1) }.cast()
    }
}

/// How the blocks of a chain are seen: as what they hold.
///
/// # Safety
///
/// It is `#[repr(transparent)]` over a [`RawBlock`], and any lent block of a chain of `LAYOUT` may
/// be seen so.
pub(crate) unsafe trait View: Sized {
    const LAYOUT: ChainLayout;
}

/// A lent block of `T`s.
///
/// # Invariants
///
/// 1. `raw` has `BLOCK_SIZE` bytes.
/// 2. `T` and `BLOCK_SIZE` have passed [`checked_layout`]. So what follows the header is less
///    than `isize::MAX` bytes: `BLOCK_SIZE` is a power of two.
#[repr(transparent)]
pub(crate) struct Block<T, const BLOCK_SIZE: usize> {
    raw: RawBlock,
    entries: PhantomData<T>,
}

// SAFETY: transparent over a `RawBlock`. Its invariants hold of any block of that layout: 1. by
// the layout. 2. `LAYOUT` is what `checked_layout` returns.
unsafe impl<T: Entry, const BLOCK_SIZE: usize> View for Block<T, BLOCK_SIZE> {
    const LAYOUT: ChainLayout = checked_layout::<T, BLOCK_SIZE>();
}

impl<T: Entry, const BLOCK_SIZE: usize> Block<T, BLOCK_SIZE> {
    /// Entries that fit into a block.
    pub(crate) const CAPACITY: usize = Self::LAYOUT.capacity();

    /// The header, as it stands.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        self.raw.header()
    }

    /// Where slot `slot` is, in use or not; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn slot_ptr(&self, slot: usize) -> Option<NonNull<T>> {
        if slot >= Self::CAPACITY {
            return None;
        }
        // SAFETY: `CAPACITY` slots fit into the lent block behind its header (invariants 1 and 2).
        Some(unsafe { self.raw.first_slot().cast::<T>().add(slot) })
    }

    /// Slot `slot`, in use or not; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn slot(&self, slot: usize) -> Option<&T> {
        let slot = self.slot_ptr(slot)?;
        // SAFETY: a slot of the valid, initialised block is aligned for `T`, and any bytes are a
        // `T`. `&self` excludes writers.
        Some(unsafe { slot.as_ref() })
    }

    /// The header, and slot `slot`, in use or not; `None` if the block has no such slot.
    #[inline]
    pub(crate) fn slot_mut(&mut self, slot: usize) -> Option<(&Header, &mut T)> {
        let mut slot = self.slot_ptr(slot)?;
        // SAFETY: as in `slot`; it does not overlap the header, and `&mut self` borrows the block's
        // only holder, which excludes readers.
        let slot = unsafe { slot.as_mut() };
        Some((self.raw.header(), slot))
    }

    /// Slots in use or not; none if the block has no such slots.
    #[inline]
    pub(crate) fn slots(&self, slots: Range<usize>) -> &[T] {
        let Some((first, len)) = self.place(slots) else { return &[] };
        // SAFETY: `len` slots from `first` on lie in the valid, initialised block, are aligned for
        // `T`, and any bytes are a `T`. `&self` excludes writers.
        unsafe { slice::from_raw_parts(first.as_ptr(), len) }
    }

    /// The header, and slots in use or not; none if the block has no such slots.
    #[inline]
    pub(crate) fn slots_mut(&mut self, slots: Range<usize>) -> (&Header, &mut [T]) {
        let Some((first, len)) = self.place(slots) else { return (self.raw.header(), &mut []) };
        // SAFETY: as in `slots`; they do not overlap the header, and `&mut self` borrows the block's
        // only holder, which excludes readers.
        let slots = unsafe { slice::from_raw_parts_mut(first.as_ptr(), len) };
        (self.raw.header(), slots)
    }

    /// Where slots start, and how many they are; `None` if the block does not have them.
    #[inline]
    fn place(&self, slots: Range<usize>) -> Option<(NonNull<T>, usize)> {
        let len = slots.end.checked_sub(slots.start).filter(|_| slots.end <= Self::CAPACITY)?;
        // SAFETY: by the line above, the slots lie in the lent block behind its header (invariants
        // 1 and 2), or are none, at its last slot's end at most.
        Some((unsafe { self.raw.first_slot().cast::<T>().add(slots.start) }, len))
    }
}

/// The bytes of a block from `start` bytes behind its header on; none if that is beyond its end.
///
/// # Safety
///
/// 1. The block has `block_size` bytes.
/// 2. Nothing but this reference reaches those bytes while it lives, unless to read them.
#[inline]
pub(crate) unsafe fn bytes_of(block: &RawBlock, block_size: usize, start: usize) -> &[u8] {
    let end = block_size.saturating_sub(HEADER_SIZE);
    let start = start.min(end);
    // SAFETY: by duty 1 the lent block has `end` bytes behind its header, and `start` is not beyond.
    let first = unsafe { block.first_slot().add(start) };
    // SAFETY: by duty 1 the lent block is valid and initialised there. Duty 2 excludes writers.
    unsafe { slice::from_raw_parts(first.as_ptr(), end.saturating_sub(start)) }
}

/// The bytes of a range behind the header of a block, to change them.
///
/// # Safety
///
/// 1. The block has `block_size` bytes.
/// 2. Nothing but this reference reaches those bytes while it lives.
#[inline]
pub(crate) unsafe fn bytes_of_mut(
    block: &mut RawBlock,
    block_size: usize,
    bytes: Range<usize>,
) -> &mut [u8] {
    let end = bytes.end.min(block_size.saturating_sub(HEADER_SIZE));
    let start = bytes.start.min(end);
    // SAFETY: by duty 1 the lent block has `end` bytes behind its header, and `start` is not beyond.
    let first = unsafe { block.first_slot().add(start) };
    // SAFETY: by duty 1 the lent block is valid and initialised there. Duty 2 excludes the others.
    unsafe { slice::from_raw_parts_mut(first.as_ptr(), end.saturating_sub(start)) }
}
