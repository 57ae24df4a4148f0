//! A mock as an allocator: each call is counted, and goes to the tables.
//!
//! Unsafe is open here to implement the traits.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` and `CarryAllocator`")]

use core::ptr::NonNull;

use super::Mock;
use super::machine::State;
use crate::abi::addr::PhysAddr;
use crate::memory::allocator::{AllocError, CarryAllocator, PreservedAllocator, PreservedBlock};

// SAFETY:
// 1 and 2. A block is lent from memory that the machine owns, and keeps until it is dropped or
//    rebooted, both of which take the machine from everyone else. Until then only `&mut self`
//    touches it. A machine that is dropped has no next kernel.
// 3. `add` checks the address, and `Memory` is aligned to its size.
// 4. `Memory::zeroed`.
// 5. `restore` hands out only what is `Left`, which makes it `Claimed`; `Left` is what `reboot`
//    made of `Outgoing` and `Carried` (and of `Claimed`, if so told), or `leave` of bytes.
// 6. An address is looked up, never followed.
// 7. `reboot` keeps address and memory together.
// 8. Only a test that places blocks on top of each other, or a host without memory, sees a panic,
//    and then before anything was handed out or taken back.
// 9. A mock is not cloned.
// 10. `reboot` takes the machine from everyone else, so it comes between two calls.
// 11. Said of `Mock`.
unsafe impl PreservedAllocator for Mock {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let machine = &mut *self.machine();
        machine.calls.alloc_preserve = machine.calls.alloc_preserve.saturating_add(1);
        machine.alloc(size)
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        let machine = &mut *self.machine();
        machine.calls.unpreserve_free = machine.calls.unpreserve_free.saturating_add(1);
        machine.free("unpreserve_free", &[State::Outgoing, State::Carried], ptr, size);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let machine = &mut *self.machine();
        machine.calls.restore = machine.calls.restore.saturating_add(1);
        machine.claim(addr.get(), size)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        let machine = &mut *self.machine();
        machine.calls.unrestore = machine.calls.unrestore.saturating_add(1);
        machine.unclaim("unrestore", ptr, size);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        let machine = &mut *self.machine();
        machine.calls.restore_free = machine.calls.restore_free.saturating_add(1);
        machine.free("restore_free", &[State::Claimed], ptr, size);
    }
}

// SAFETY: a carried block is the same one in another state, which `reboot` treats as it treats
// `Outgoing`.
unsafe impl CarryAllocator for Mock {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let machine = &mut *self.machine();
        machine.calls.preserve = machine.calls.preserve.saturating_add(1);
        machine.preserve(ptr, size)
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        let machine = &mut *self.machine();
        machine.calls.unpreserve = machine.calls.unpreserve.saturating_add(1);
        machine.unpreserve(ptr, size);
    }
}
