//! The bytes behind a mock: memory of the host with the alignment of a block.
//!
//! Unsafe is open here to own memory with any alignment.

#![expect(unsafe_code, reason = "owns raw memory")]

use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;
use core::slice;
use std::alloc::{alloc_zeroed, dealloc};

/// Memory of the host, aligned to its size, a power of two.
///
/// # Invariants
///
/// 1. `ptr` came from the host's allocator for `size` bytes aligned to `size`, and is freed by
///    `drop` alone.
/// 2. All bytes are initialised.
pub(super) struct Memory {
    pub(super) ptr: NonNull<u8>,
    pub(super) size: usize,
}

// SAFETY: it is the only owner of the bytes, which are the host's on every thread.
unsafe impl Send for Memory {}

impl Memory {
    /// `None` if the host has no such memory, or `size` is no power of two.
    pub(super) fn zeroed(size: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size, size).ok()?;
        // SAFETY: the layout is as large as it is aligned, which is not to zero.
        let ptr = unsafe { alloc_zeroed(layout) };
        // INVARIANT: 1. from the line above. 2. zeroed.
        NonNull::new(ptr).map(|ptr| Self { ptr, size })
    }

    /// Copies `len` bytes from `offset`, which lie within the memory.
    pub(super) fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        // SAFETY: `size` initialised bytes (invariants 1 and 2). No set uses them now: of a lent
        // block only `&mut Mock` reads.
        let bytes = unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.size) };
        let range = offset..offset.saturating_add(len);
        bytes.get(range).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// Overwrites the bytes from `offset`, if all lie within the memory.
    pub(super) fn write(&mut self, offset: usize, new: &[u8]) {
        let range = offset..offset.saturating_add(new.len());
        if let Some(bytes) = self.bytes_mut().get_mut(range) {
            bytes.copy_from_slice(new);
        }
    }

    /// Overwrites all bytes.
    pub(super) fn fill(&mut self, byte: u8) {
        self.bytes_mut().fill(byte);
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `size` initialised bytes (invariants 1 and 2). No set uses them now: of a lent
        // block only `&mut Mock` writes, and one that is freed or new is the machine's
        // alone.
        unsafe { slice::from_raw_parts_mut(self.ptr.as_ptr(), self.size) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Ok(layout) = Layout::from_size_align(self.size, self.size) else { return };
        // SAFETY: by invariant 1, and this is the drop it speaks of.
        unsafe { dealloc(self.ptr.as_ptr(), layout) }
    }
}
