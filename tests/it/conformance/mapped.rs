//! Blocks whose pages are one page: mapped wrong, which neither their pointers nor their first byte
//! tell.
//!
//! Unsafe is open here to map them.

#![expect(unsafe_code, reason = "maps memory wrong")]

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::AtomicU64;

use kho_block::mock::conformance::{Conformance, Duty};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::ram::{Books, Ram};

const PAGE_SIZE: usize = 4096;

/// Pages of a file at these offsets, which are never unmapped.
fn pages(offsets: [u64; 2]) -> &'static [AtomicU64] {
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
    let words = NonNull::new(base.cast()).unwrap();
    // SAFETY: so many words are mapped for good. Atomics may share their memory with others.
    unsafe { NonNull::slice_from_raw_parts(words, 2 * PAGE_SIZE / 8).as_ref() }
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no memory of which two addresses share a page")]
fn a_block_of_which_a_page_is_another_is_not_valid() {
    let check = |offsets| {
        let (words, books) = (pages(offsets), Books::default());
        Conformance::new().sizes(&[8192]).claims_survive(true).check_carry(|_| {
            books.reboot();
            Ram::new(words, &[0x2000], &books)
        })
    };
    for offsets in [[0, 0], [4096, 4096]] {
        let broken = check(offsets).unwrap_err();
        assert_eq!(broken.duty, Duty::Valid, "{broken}");
    }
    // With all its pages it is, whatever their order.
    check([4096, 0]).unwrap();
}
