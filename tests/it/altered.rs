//! A mock that differs in one thing from what it is: one allocator for every test that needs such a
//! one.
//!
//! Unsafe is open here to implement the traits, by passing every call on.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` in front of a mock")]

use core::marker::PhantomData;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

use kho_block::mock::Mock;
use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

/// What is different about a mock: nothing, if it is not said.
pub(crate) trait Change {
    /// How many times as large as it is asked for the mock's block is.
    const TIMES: usize = 1;

    /// Makes a call of the mock.
    fn make<R>(&self, call: impl FnOnce() -> R) -> R {
        call()
    }

    /// By how many bytes the next block lies beside where it should, its address and its pointer.
    fn shift(&self) -> (u64, usize) {
        (0, 0)
    }
}

/// Changes nothing, and crosses threads as an `M` does.
impl<M> Change for PhantomData<M> {}

/// A mock with a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Altered<'m, C> {
    mem: &'m Mock,
    change: C,
}

impl<'m, C: Change> Altered<'m, C> {
    pub(crate) const fn new(mem: &'m Mock, change: C) -> Self {
        Self { mem, change }
    }

    /// Makes a call of the mock.
    fn make<R>(&self, call: impl FnOnce(&'m Mock) -> R) -> R {
        self.change.make(|| call(self.mem))
    }

    /// The block to lend for one of the mock's.
    fn lend(&self, block: PreservedBlock, size: usize) -> PreservedBlock {
        let PreservedBlock { ptr, addr } = block;
        let (by, ptr_by) = self.change.shift();
        assert!(ptr_by <= (C::TIMES - 1) * size, "a block ends where the mock's does");
        let addr = addr.checked_add(by).unwrap();
        PreservedBlock { ptr: ptr.map_addr(|addr| addr.saturating_add(ptr_by)), addr }
    }

    /// The pointer and the size of the mock's block for one that was lent.
    fn own(ptr: NonNull<u8>, size: usize) -> (NonNull<u8>, usize) {
        if C::TIMES == 1 {
            return (ptr, size);
        }
        let size = size * C::TIMES;
        // The mock's pointers are multiples of the size, and that which was lent is not beyond.
        let start = |addr: NonZeroUsize| addr.get() & !(size - 1);
        (ptr.map_addr(|addr| start(addr).try_into().unwrap()), size)
    }
}

// SAFETY: by duty. 1 and 2: a block is one of the mock's, or, if that is longer, as many bytes in it.
// 3: broken only for a set to refuse, by a change that says so. 4 to 11: as the mock has it.
unsafe impl<C: Change> PreservedAllocator for Altered<'_, C> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let block = self.make(|mock| mock.alloc_preserve(size * C::TIMES))?;
        Ok(self.lend(block, size))
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        let (ptr, size) = Self::own(ptr, size);
        // SAFETY: 1 and 2. the block that was lent for `ptr`, by the caller's duties.
        self.make(|mock| unsafe { mock.unpreserve_free(ptr, size) });
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let ptr = self.make(|mock| mock.restore(addr, size * C::TIMES))?;
        Some(self.lend(PreservedBlock { ptr, addr }, size).ptr)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        let (ptr, size) = Self::own(ptr, size);
        // SAFETY: 1 and 2. the block that was lent for `ptr`, by the caller's duties.
        self.make(|mock| unsafe { mock.unrestore(ptr, size) });
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        let (ptr, size) = Self::own(ptr, size);
        // SAFETY: 1 and 2. the block that was lent for `ptr`, by the caller's duties.
        self.make(|mock| unsafe { mock.restore_free(ptr, size) });
    }
}

// SAFETY: as above.
unsafe impl<C: Change> CarryAllocator for Altered<'_, C> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let (ptr, size) = Self::own(ptr, size);
        // SAFETY: the block that was lent for `ptr`, by the caller's duty.
        self.make(|mock| unsafe { mock.preserve(ptr, size) })
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        let (ptr, size) = Self::own(ptr, size);
        // SAFETY: the block that was lent for `ptr`, by the caller's duty.
        self.make(|mock| unsafe { mock.unpreserve(ptr, size) });
    }
}
