use std::rc::Rc;

use kho_block::mock::Mock;
use kho_block::{AllocError, BlockSet, PhysAddr, PreservedAllocator, PreservedBlock};

/// An allocator of one thread.
struct Local(Rc<Mock>);

unsafe impl PreservedAllocator for Local {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        self.0.alloc_preserve(size)
    }

    unsafe fn unpreserve_free(&self, ptr: std::ptr::NonNull<u8>, size: usize) {
        unsafe { self.0.unpreserve_free(ptr, size) }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<std::ptr::NonNull<u8>> {
        self.0.restore(addr, size)
    }

    unsafe fn unrestore(&self, ptr: std::ptr::NonNull<u8>, size: usize) {
        unsafe { self.0.unrestore(ptr, size) }
    }

    unsafe fn restore_free(&self, ptr: std::ptr::NonNull<u8>, size: usize) {
        unsafe { self.0.restore_free(ptr, size) }
    }
}

fn send(_: impl Send) {}

fn main() {
    send(BlockSet::<u64, Local>::new(Local(Rc::new(Mock::new()))));
}
