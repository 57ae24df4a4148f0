//! The heap, which refuses an allocation on request.

#![expect(unsafe_code, reason = "implements `GlobalAlloc`")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::{ptr, thread};

#[global_allocator]
static HEAP: Heap = Heap;

struct Heap;

thread_local! {
    /// Allocations until one is refused, that one included; 0 if none is to be.
    static UNTIL_REFUSAL: Cell<usize> = const { Cell::new(0) };
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Refuses the `n`-th allocation of this thread from now on, and no other.
pub(crate) fn refuse(n: usize) {
    UNTIL_REFUSAL.set(n);
}

/// Whether an allocation was refused since the last call.
pub(crate) fn take_refused() -> bool {
    REFUSED.take()
}

/// Runs `work`, which asks for memory of its own, and is not refused it.
pub(crate) fn unrefused<R>(work: impl FnOnce() -> R) -> R {
    let until = UNTIL_REFUSAL.replace(0);
    let result = work();
    UNTIL_REFUSAL.set(until);
    result
}

/// Whether this allocation is the one. Nothing is refused to a panic.
fn refuses() -> bool {
    match UNTIL_REFUSAL.get() {
        0 => return false,
        _ if thread::panicking() => {
            UNTIL_REFUSAL.set(0);
            return false;
        }
        n => UNTIL_REFUSAL.set(n - 1),
    }
    REFUSED.set(UNTIL_REFUSAL.get() == 0);
    REFUSED.get()
}

// SAFETY: every block comes from `System` and goes back to it, with the layout it came with.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses() {
            return ptr::null_mut();
        }
        // SAFETY: the caller's duties are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are those of `System`.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if refuses() {
            return ptr::null_mut();
        }
        // SAFETY: the caller's duties are those of `System`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
