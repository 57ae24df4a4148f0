//! The machine that `tests/kexec/src/pages.rs` runs on here: 64 pages, mapped where this thread says.

use core::cell::Cell;
use core::ptr::{NonNull, null_mut};

/// Where the pages start that can be preserved.
pub(crate) const POOL: u64 = 2 << 12;
/// Where they end: behind them lies what is not for pages.
pub(crate) const REGION: u64 = 64 << 12;

thread_local! {
    static MEMORY: Cell<*mut u8> = const { Cell::new(null_mut()) };
}

/// Makes the memory at `base` that of the kernels which this thread runs from here on.
pub(crate) fn enter(base: NonNull<u8>) {
    MEMORY.set(base.as_ptr());
}

/// Where this kernel reaches a physical address, in place by the page; only an address.
pub(crate) fn reach(addr: u64) -> NonNull<u8> {
    let ptr = MEMORY.get().wrapping_add(usize::try_from(addr).unwrap());
    NonNull::new(ptr).unwrap_or(NonNull::dangling())
}

/// The inverse of [`reach`].
pub(crate) fn physical(ptr: NonNull<u8>) -> u64 {
    u64::try_from(ptr.addr().get().wrapping_sub(MEMORY.get().addr())).unwrap()
}
