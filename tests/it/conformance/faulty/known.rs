//! What an allocator knows of a block, and how to spoil one.
//!
//! Unsafe is open here to write to it.

#![expect(unsafe_code, reason = "writes to blocks of a mock, which keeps them")]

use core::ptr::NonNull;

use kho_block::PhysAddr;

use super::Call;

/// A block that the allocator has lent, now or before. It has one pointer for all kernels.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) ptr: NonNull<u8>,
    pub(super) addr: PhysAddr,
    pub(super) size: usize,
    /// The last call of this kernel's about it.
    pub(super) call: Option<Call>,
    /// Whether it was given back since the allocator knows it.
    pub(super) returned: bool,
    /// Whether it was carried.
    pub(super) carried: bool,
}

/// Adds 1 to a byte: what is done twice is not undone.
///
/// # Safety
///
/// It is there, and no one else uses it now.
pub(super) unsafe fn spoil(ptr: NonNull<u8>, at: usize) {
    // SAFETY: by the caller's duty.
    let ptr = unsafe { ptr.add(at) };
    // SAFETY: as above.
    let byte = unsafe { ptr.read() };
    // SAFETY: as above.
    unsafe { ptr.write(byte.wrapping_add(1)) };
}
