//! A kernel that the compiler knows nothing of: memory, heap and the end of everything are foreign.

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::NonNull;

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

unsafe extern "C" {
    fn kernel_alloc_preserve(size: usize, addr: &mut u64) -> *mut u8;
    fn kernel_unpreserve_free(ptr: *mut u8, size: usize);
    fn kernel_restore(addr: u64, size: usize) -> *mut u8;
    fn kernel_unrestore(ptr: *mut u8, size: usize);
    fn kernel_restore_free(ptr: *mut u8, size: usize);
    fn kernel_preserve(ptr: *mut u8, size: usize) -> bool;
    fn kernel_unpreserve(ptr: *mut u8, size: usize);
    fn kernel_heap_alloc(size: usize, align: usize) -> *mut u8;
    fn kernel_heap_realloc(ptr: *mut u8, size: usize, align: usize, new: usize) -> *mut u8;
    fn kernel_heap_free(ptr: *mut u8, size: usize, align: usize);
    safe fn kernel_panics() -> !;
}

/// The kernel's preserved memory.
#[derive(Clone, Default)]
pub struct Kernel;

// SAFETY: the foreign functions pay every duty, and are never linked to anything.
unsafe impl PreservedAllocator for Kernel {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let mut addr = 0;
        // SAFETY: takes any size.
        let ptr = unsafe { kernel_alloc_preserve(size, &mut addr) };
        let ptr = NonNull::new(ptr).ok_or(AllocError)?;
        Ok(PreservedBlock { ptr, addr: PhysAddr::new(addr).ok_or(AllocError)? })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_unpreserve_free(ptr.as_ptr(), size) }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: takes any address.
        NonNull::new(unsafe { kernel_restore(addr.get(), size) })
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_unrestore(ptr.as_ptr(), size) }
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_restore_free(ptr.as_ptr(), size) }
    }
}

// SAFETY: as above.
unsafe impl CarryAllocator for Kernel {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_preserve(ptr.as_ptr(), size) }.then_some(()).ok_or(AllocError)
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_unpreserve(ptr.as_ptr(), size) }
    }
}

/// The kernel's heap.
struct Heap;

// SAFETY: the foreign functions are a heap.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: takes any layout.
        unsafe { kernel_heap_alloc(layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_heap_realloc(ptr, layout.size(), layout.align(), new) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are those of the foreign function.
        unsafe { kernel_heap_free(ptr, layout.size(), layout.align()) }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;

/// Every panic ends here: what must not be reached refers to `kernel_panics`.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    kernel_panics()
}
