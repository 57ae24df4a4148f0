//! Blocks whose pages are one page: mapped wrong, which neither their pointers nor their first byte
//! tell.
//!
//! Unsafe is open here to map them, and to lend them.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` over memory that is mapped wrong")]

use core::ptr::{NonNull, null_mut};

use kho_block::mock::conformance::{Conformance, Duty};
use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

const PAGE_SIZE: usize = 4096;

/// Lends one block of two pages, which is never unmapped.
struct Mapped(NonNull<u8>);

impl Mapped {
    /// Pages of a file at these offsets.
    fn new(offsets: [u64; 2]) -> Self {
        let file = memfd_create("block", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 8192).unwrap();
        let (prot, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: it is a new mapping.
        let base = unsafe { mmap(null_mut(), 2 * PAGE_SIZE, prot, shared, &file, 0) }.unwrap();
        for (page, offset) in offsets.into_iter().enumerate() {
            let at = base.wrapping_byte_add(page * PAGE_SIZE);
            let flags = shared | MapFlags::FIXED;
            // SAFETY: it replaces a page of the mapping above.
            unsafe { mmap(at, PAGE_SIZE, prot, flags, &file, offset) }.unwrap();
        }
        Self(NonNull::new(base.cast()).unwrap())
    }
}

// SAFETY: the block is there, though not all of it if the pages are one, and is lent to one check.
unsafe impl PreservedAllocator for Mapped {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let addr = PhysAddr::new(0x2000).filter(|_| size == 2 * PAGE_SIZE);
        addr.map(|addr| PreservedBlock { ptr: self.0, addr }).ok_or(AllocError)
    }

    unsafe fn unpreserve_free(&self, _: NonNull<u8>, _: usize) {}

    fn restore(&self, _: PhysAddr, _: usize) -> Option<NonNull<u8>> {
        None
    }

    unsafe fn unrestore(&self, _: NonNull<u8>, _: usize) {}

    unsafe fn restore_free(&self, _: NonNull<u8>, _: usize) {}
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no memory of which two addresses share a page")]
fn a_block_of_which_a_page_is_another_is_not_valid() {
    let kexec = |offsets| move |_: Option<Mapped>| Mapped::new(offsets);
    let check = Conformance::new().sizes(&[8192]);
    for offsets in [[0, 0], [4096, 4096]] {
        let broken = check.check(kexec(offsets)).unwrap_err();
        assert_eq!(broken.duty, Duty::Valid, "{broken}");
    }
    // With all its pages it is, and is lent twice.
    let broken = check.check(kexec([4096, 0])).unwrap_err();
    assert_eq!(broken.duty, Duty::Exclusive, "{broken}");
}
