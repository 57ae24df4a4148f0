//! Blocks: one, as a header and slots, and the chain of them that a set owns.
//!
//! This is the core, and the only module that follows a pointer into preserved memory. What it
//! hands out is safe: every slot of a lent block is an initialised `T`, since any bytes are one,
//! and a count is never believed beyond the capacity. So even a header that changes behind the
//! set's back leads to wrong entries at worst, never out of the block.

#![expect(unsafe_code, reason = "dereferences lent blocks and gives them back to the allocator")]

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{BlockHeader, HEADER_SIZE};
use crate::chain::entry::{Entry, checked_capacity};
use crate::chain::header::Header;
use crate::memory::allocator::{AllocError, PreservedAllocator, PreservedBlock};
use crate::set::origin::{Incoming, Origin, Outgoing};

/// One block that its holder owns, without the duty to free it.
///
/// # Invariants
///
/// 1. `base` points to a block of `BLOCK_SIZE` bytes that is lent (as the allocator's contract has
///    it) to whoever holds this value, and this value alone.
/// 2. `T` and `BLOCK_SIZE` have passed [`checked_capacity`]. So what follows the header is less
///    than `isize::MAX` bytes: `BLOCK_SIZE` is a power of two.
pub(crate) struct Block<T, const BLOCK_SIZE: usize> {
    base: NonNull<Header>,
    entries: PhantomData<T>,
}

// SAFETY: a block is the `T`s in it: by invariant 1 it is exclusively the holder's, and a lent
// block is valid on every thread.
unsafe impl<T: Send, const BLOCK_SIZE: usize> Send for Block<T, BLOCK_SIZE> {}
// SAFETY: as above; what `&self` reaches is `&T`s and the header's atomics.
unsafe impl<T: Sync, const BLOCK_SIZE: usize> Sync for Block<T, BLOCK_SIZE> {}

impl<T: Entry, const BLOCK_SIZE: usize> Block<T, BLOCK_SIZE> {
    /// Entries that fit into a block.
    pub(crate) const CAPACITY: usize = checked_capacity::<T, BLOCK_SIZE>();

    /// Takes over a lent block.
    ///
    /// # Safety
    ///
    /// 1. `ptr` points to a block of `BLOCK_SIZE` bytes that is lent to the caller.
    /// 2. The caller leaves the block to the value returned.
    #[inline]
    unsafe fn from_lent(ptr: NonNull<u8>) -> Self {
        const { assert!(Self::CAPACITY > 0) };
        // INVARIANT: 1. by the caller's duties; 2. `CAPACITY` is computed by that function.
        Self { base: ptr.cast(), entries: PhantomData }
    }

    /// The header, as it stands.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the first 16 bytes of a lent block (invariant 1) are valid, initialised, aligned
        // for the header's words, and never borrowed by a `&mut`.
        unsafe { self.base.as_ref() }
    }

    /// The first slot.
    #[inline]
    fn first_slot(&self) -> NonNull<T> {
        // SAFETY: the header's 16 bytes lie within the one lent block at `base`, which has at least
        // 32 (invariants 1 and 2).
        unsafe { self.base.add(1) }.cast()
    }

    /// Every slot, in use or not.
    #[inline]
    pub(crate) fn slots(&self) -> &[T] {
        // SAFETY: by invariants 1 and 2, `CAPACITY` slots fit into the valid, initialised block
        // behind its header, are aligned for `T`, and any bytes are a `T`. `&self` excludes
        // writers.
        unsafe { slice::from_raw_parts(self.first_slot().as_ptr(), Self::CAPACITY) }
    }

    /// The header, and every slot, in use or not.
    #[inline]
    pub(crate) fn parts_mut(&mut self) -> (&Header, &mut [T]) {
        let first = self.first_slot();
        // SAFETY: as in `header`; the slots, borrowed below, do not overlap it.
        let header = unsafe { self.base.as_ref() };
        // SAFETY: as in `slots`; `&mut self` borrows the block's only holder, which excludes
        // readers.
        let slots = unsafe { slice::from_raw_parts_mut(first.as_ptr(), Self::CAPACITY) };
        (header, slots)
    }

    /// The bytes from slot `from` to the end of the block; those behind the last slot, if there is
    /// no such slot.
    #[inline]
    pub(crate) fn bytes_behind(&self, from: usize) -> &[u8] {
        let skip = from.min(Self::CAPACITY).saturating_mul(size_of::<T>());
        let len = BLOCK_SIZE.saturating_sub(HEADER_SIZE).saturating_sub(skip);
        let start = self.first_slot().as_ptr().cast::<u8>().wrapping_add(skip);
        // SAFETY: by invariants 1 and 2 the block is valid and initialised from its header's end to
        // its own; `start` lies `len` bytes before that. `&self` excludes writers.
        unsafe { slice::from_raw_parts(start, len) }
    }
}

/// The blocks of one set, in order, and the duty to give them back.
///
/// # Invariants
///
/// 1. Each block was lent by `alloc`: by `alloc_preserve` if `O` is [`Outgoing`], by `restore` if
///    it is [`Incoming`]. Only this module adds, removes or reorders blocks.
/// 2. `head` is the address of the first block, `None` if there is none.
/// 3. The `next` of each block is the address of the one that follows it. That of the last is
///    `None`; a chain that is being restored has not followed it yet.
pub(crate) struct Chain<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> {
    alloc: A,
    blocks: Vec<Block<T, BLOCK_SIZE>>,
    head: Option<PhysAddr>,
    origin: PhantomData<O>,
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    Chain<T, A, O, BLOCK_SIZE>
{
    pub(crate) const fn new(alloc: A) -> Self {
        const { assert!(Block::<T, BLOCK_SIZE>::CAPACITY > 0) };
        // INVARIANT: 1, 2 and 3 hold of no blocks.
        Self { alloc, blocks: Vec::new(), head: None, origin: PhantomData }
    }

    #[inline]
    pub(crate) fn head(&self) -> Option<PhysAddr> {
        self.head
    }

    #[inline]
    pub(crate) fn blocks(&self) -> &[Block<T, BLOCK_SIZE>] {
        &self.blocks
    }

    /// The blocks, for a caller that changes entries and counts. It swaps no two of them.
    #[inline]
    pub(crate) fn blocks_mut(&mut self) -> &mut [Block<T, BLOCK_SIZE>] {
        &mut self.blocks
    }

    /// Makes room for `additional` blocks in the index.
    ///
    /// # Errors
    ///
    /// If the heap has no such room; nothing has changed then.
    #[inline]
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), TryReserveError> {
        self.blocks.try_reserve(additional)
    }

    /// Frees all blocks but the first `len`. They are unlinked before the first of them is freed,
    /// and the head is freed last: whoever still names it finds an empty chain until then.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len >= self.blocks.len() {
            return;
        }
        if let Some(last) = self.blocks.get(len.saturating_sub(1)) {
            // INVARIANT: 3. `last` becomes the last block below, or, as the head, goes as well.
            let last = last.header();
            last.set_next(None);
            if len == 0 {
                last.set_count(0);
                // INVARIANT: 2. no block is left below.
                self.head = None;
            }
        }
        while self.blocks.len() > len {
            // INVARIANT: 1 holds of fewer blocks.
            let Some(block) = self.blocks.pop() else { break };
            self.free(block);
        }
    }

    /// Leaves every block to the next kernel; returns the head.
    pub(crate) fn leave(&mut self) -> Option<PhysAddr> {
        // INVARIANT: 1, 2 and 3 hold of no blocks.
        self.blocks = Vec::new();
        self.head.take()
    }

    #[inline]
    fn free(&self, block: Block<T, BLOCK_SIZE>) {
        let ptr = block.base.cast();
        if O::INCOMING {
            // SAFETY: 1. by invariant 1 of the chain. 2. `block` is consumed here, and its only
            // one.
            unsafe { self.alloc.restore_free(ptr, BLOCK_SIZE) }
        } else {
            // SAFETY: 1. by invariant 1 of the chain. 2. `block` is consumed here, and its only
            // one.
            unsafe { self.alloc.unpreserve_free(ptr, BLOCK_SIZE) }
        }
    }
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Chain<T, A, Outgoing, BLOCK_SIZE> {
    /// Allocates a block and links it, zeroed as it is, behind the last. The index has room for it.
    ///
    /// # Errors
    ///
    /// If there is no block; nothing has changed then.
    pub(crate) fn append(&mut self) -> Result<(), AllocError> {
        let PreservedBlock { ptr, addr } = self.alloc.alloc_preserve(BLOCK_SIZE)?;
        // SAFETY: 1. `alloc_preserve` lent it just now. 2. `ptr` is not used again.
        let block = unsafe { Block::from_lent(ptr) };
        // There is room, by the caller's word. The compiler, which cannot know what the allocator
        // did in between, learns it here, and leaves out the panic of `push`.
        if self.blocks.len() == self.blocks.capacity() {
            self.free(block);
            return Err(AllocError);
        }
        // INVARIANT: 1. lent by `alloc_preserve`.
        self.blocks.push(block);
        // INVARIANT: 2 and 3. the new block's own link is zero.
        match self.blocks.as_slice() {
            [.., before, _] => before.header().set_next(Some(addr)),
            _ => self.head = Some(addr),
        }
        Ok(())
    }
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Chain<T, A, Incoming, BLOCK_SIZE> {
    /// Claims the block at `addr`, where the last block's link (the head, if there is none) points.
    /// The index has room for it.
    #[inline]
    pub(crate) fn claim(&mut self, addr: PhysAddr) -> Option<BlockHeader> {
        let ptr = self.alloc.restore(addr, BLOCK_SIZE)?;
        // SAFETY: 1. `restore` lent it just now. 2. `ptr` is not used again.
        let block = unsafe { Block::from_lent(ptr) };
        // There is room, by the caller's word; as in `append`.
        if self.blocks.len() == self.blocks.capacity() {
            self.unclaim(block);
            return None;
        }
        // INVARIANT: 2 and 3. by the caller's choice of `addr`.
        if self.blocks.is_empty() {
            self.head = Some(addr);
        }
        let header = block.header().read();
        // INVARIANT: 1. lent by `restore`.
        self.blocks.push(block);
        Some(header)
    }

    /// Gives every claim back, the last one first; returns the head.
    pub(crate) fn release(&mut self) -> Option<PhysAddr> {
        // INVARIANT: 1 holds of fewer blocks.
        while let Some(block) = self.blocks.pop() {
            self.unclaim(block);
        }
        // INVARIANT: 2 and 3 hold of no blocks.
        self.head.take()
    }

    // Out of line: only what fails or gives up comes here.
    #[inline(never)]
    fn unclaim(&self, block: Block<T, BLOCK_SIZE>) {
        // SAFETY: 1. by invariant 1 of the chain. 2. `block` is consumed here, and its only one.
        unsafe { self.alloc.unrestore(block.base.cast(), BLOCK_SIZE) }
    }
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> Drop
    for Chain<T, A, O, BLOCK_SIZE>
{
    fn drop(&mut self) {
        self.truncate(0);
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;
    use crate::memory::mock::Mock;

    #[test]
    fn a_block_that_the_index_has_no_room_for_is_freed() {
        let mem = Mock::new();
        let mut chain = Chain::<u64, _, Outgoing, 32>::new(&mem);
        assert_eq!(chain.append(), Err(AllocError));
        assert_eq!((chain.head(), mem.live(), mem.calls().unpreserve_free), (None, 0, 1));

        chain.reserve(1).unwrap();
        assert_eq!(chain.append(), Ok(()));
        assert_eq!((chain.head().is_some(), mem.live()), (true, 1));
        drop(chain);
        mem.assert_clean();
    }

    #[test]
    fn a_claim_that_the_index_has_no_room_for_is_given_back() {
        let mut mem = Mock::new();
        mem.leave(0x1000, &[0; 32]);
        let addr = PhysAddr::new(0x1000).unwrap();
        let mut chain = Chain::<u64, _, Incoming, 32>::new(&mem);
        assert!(chain.claim(addr).is_none());
        assert_eq!((chain.head(), mem.live(), mem.unclaimed()), (None, 0, 1));

        chain.reserve(1).unwrap();
        assert!(chain.claim(addr).is_some());
        assert_eq!((chain.head(), mem.live(), mem.unclaimed()), (Some(addr), 1, 0));
        drop(chain);
        mem.assert_clean();
    }
}
