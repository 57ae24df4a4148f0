//! The allocator over KHO that the crate documentation shows.
//!
//! Unsafe is open here to implement the allocator.

#![expect(unsafe_code, reason = "implements `PreservedAllocator`")]

use core::ptr::NonNull;

use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};

use super::machine::Machine;

/// KHO, reached through this kernel's bindings.
pub(crate) struct Kho<'m>(pub(crate) &'m Machine);

// SAFETY: by duty. 1 to 4, 7: the pages are zeroed, aligned to their order, and no one else's
// until they are freed; KHO keeps them where they are. 5, 6: `restore_folio` looks the address
// up among what is preserved, and takes it off the list. 8: nothing here panics. 9: there is
// one KHO.
unsafe impl PreservedAllocator for Kho<'_> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let ptr = self.0.kho_alloc_preserve(size).ok_or(AllocError)?;
        Ok(PreservedBlock { ptr, addr: self.0.virt_to_phys(ptr) })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.0.kho_unpreserve_free(ptr);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let ptr = self.0.kho_restore_folio(addr.get())?;
        if self.0.folio_size(ptr) == size {
            return Some(ptr);
        }
        // Here the documentation calls `unrestore`, which KHO does not have.
        None
    }

    unsafe fn unrestore(&self, _ptr: NonNull<u8>, _size: usize) {
        // As above.
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.0.kho_restore_free(ptr);
    }
}
