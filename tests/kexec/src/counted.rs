//! A region that is watched at work: what is allocated is counted, and a call may be the last.
//!
//! Unsafe is open here to implement the allocator's traits.

#![expect(unsafe_code, reason = "passes an allocator's calls on")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock, Region};

use crate::fault::fault;

/// A region, and how often this kernel allocated there.
pub(crate) struct Counted<'a> {
    region: &'a Region,
    allocated: AtomicUsize,
    /// Claims, and blocks preserved again, until the kernel faults.
    claims: AtomicUsize,
    carries: AtomicUsize,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(region: &'a Region) -> Self {
        let never = || AtomicUsize::new(usize::MAX);
        Self { region, allocated: AtomicUsize::new(0), claims: never(), carries: never() }
    }

    /// A region that the kernel does not survive: so many blocks are claimed before it faults.
    pub(crate) fn faulting_at_claim(region: &'a Region, claims: usize) -> Self {
        Self { claims: AtomicUsize::new(claims), ..Self::new(region) }
    }

    /// Another: so many blocks are preserved again before it faults.
    pub(crate) fn faulting_at_carry(region: &'a Region, carries: usize) -> Self {
        Self { carries: AtomicUsize::new(carries), ..Self::new(region) }
    }

    /// Blocks that were allocated, whatever became of them.
    pub(crate) fn allocated(&self) -> usize {
        self.allocated.load(Relaxed)
    }
}

// SAFETY: every duty is the region's, to which every call is passed on as it is. A fault ends the
// kernel, which may happen at any instant.
unsafe impl PreservedAllocator for Counted<'_> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        self.allocated.fetch_add(1, Relaxed);
        self.region.alloc_preserve(size)
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties.
        unsafe { self.region.unpreserve_free(ptr, size) }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        if self.claims.fetch_sub(1, Relaxed) == 0 {
            fault();
        }
        self.region.restore(addr, size)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties.
        unsafe { self.region.unrestore(ptr, size) }
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties.
        unsafe { self.region.restore_free(ptr, size) }
    }
}

// SAFETY: as above.
unsafe impl CarryAllocator for Counted<'_> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        if self.carries.fetch_sub(1, Relaxed) == 0 {
            fault();
        }
        // SAFETY: the caller's duties.
        unsafe { self.region.preserve(ptr, size) }
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties.
        unsafe { self.region.unpreserve(ptr, size) }
    }
}
