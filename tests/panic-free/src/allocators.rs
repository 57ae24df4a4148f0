//! Allocators that are reached by way of a pointer.

extern crate alloc;

use alloc::sync::Arc;

use kho_block::{CarryAllocator, PreservedAllocator, PreservedBlock};

use super::*;

/// A module with the operations of an allocator.
macro_rules! allocators {
    ($($module:ident: $Alloc:ty;)+) => {$(
        pub(crate) mod $module {
            use super::*;

            operations! {
                alloc_preserve(alloc: &$Alloc, size: usize) -> Result<PreservedBlock, AllocError> {
                    <$Alloc>::alloc_preserve(alloc, size)
                }
                unpreserve_free(alloc: &$Alloc, ptr: NonNull<u8>, size: usize) {
                    // SAFETY: nobody calls this.
                    unsafe { <$Alloc>::unpreserve_free(alloc, ptr, size) }
                }
                restore(alloc: &$Alloc, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
                    <$Alloc>::restore(alloc, addr, size)
                }
                unrestore(alloc: &$Alloc, ptr: NonNull<u8>, size: usize) {
                    // SAFETY: nobody calls this.
                    unsafe { <$Alloc>::unrestore(alloc, ptr, size) }
                }
                restore_free(alloc: &$Alloc, ptr: NonNull<u8>, size: usize) {
                    // SAFETY: nobody calls this.
                    unsafe { <$Alloc>::restore_free(alloc, ptr, size) }
                }
                preserve(alloc: &$Alloc, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
                    // SAFETY: nobody calls this.
                    unsafe { <$Alloc>::preserve(alloc, ptr, size) }
                }
                unpreserve(alloc: &$Alloc, ptr: NonNull<u8>, size: usize) {
                    // SAFETY: nobody calls this.
                    unsafe { <$Alloc>::unpreserve(alloc, ptr, size) }
                }
            }
        }
    )+};
}

allocators! {
    borrowed: &Kernel;
    counted: Arc<Kernel>;
}
