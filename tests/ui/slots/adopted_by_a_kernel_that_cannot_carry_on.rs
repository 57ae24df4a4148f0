use core::ptr::NonNull;

use kho_block::{AllocError, IncomingSlots, PhysAddr, PreservedAllocator, PreservedBlock};

/// Preserves no block again that it has restored.
struct Once;

// SAFETY: it lends no block.
unsafe impl PreservedAllocator for Once {
    fn alloc_preserve(&self, _: usize) -> Result<PreservedBlock, AllocError> {
        Err(AllocError)
    }
    unsafe fn unpreserve_free(&self, _: NonNull<u8>, _: usize) {}
    fn restore(&self, _: PhysAddr, _: usize) -> Option<NonNull<u8>> {
        None
    }
    unsafe fn unrestore(&self, _: NonNull<u8>, _: usize) {}
    unsafe fn restore_free(&self, _: NonNull<u8>, _: usize) {}
}

fn main() {
    let table = IncomingSlots::<u64, _>::restore(Once, None).unwrap();
    let _ = table.adopt();
}
