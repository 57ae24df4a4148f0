//! The allocator that the crate documentation shows, over a model of KHO's rules.
//!
//! Unsafe is open here to give blocks back.

#![expect(unsafe_code, reason = "calls the allocator as a set does")]

mod adopt;
mod carry;
mod claims;
mod conformance;
#[expect(clippy::missing_errors_doc, clippy::missing_safety_doc, reason = "an example is brief")]
#[path = "../../docs/kho.rs"]
mod example;
mod life;
mod machine;
mod rules;

use core::ops::Deref;
use core::ptr::NonNull;

use kho_block::{AllocError, BlockSet, CarryAllocator, PhysAddr, PreservedAllocator};

use self::example::Bindings;
use self::machine::Machine;

type Kho<'m> = example::Kho<&'m Machine>;

// SAFETY: the machine has these functions. It unwinds if it is told of a block that there never was.
unsafe impl<M: Deref<Target = Machine>> Bindings for M {
    fn kho_alloc_preserve(&self, size: usize) -> Option<NonNull<u8>> {
        Machine::kho_alloc_preserve(self, size)
    }

    unsafe fn kho_unpreserve_free(&self, ptr: NonNull<u8>) {
        Machine::kho_unpreserve_free(self, ptr);
    }

    unsafe fn kho_restore_folio(&self, addr: PhysAddr) -> Option<NonNull<u8>> {
        Machine::kho_restore_folio(self, addr.get())
    }

    unsafe fn kho_restore_free(&self, ptr: NonNull<u8>) {
        Machine::kho_restore_free(self, ptr);
    }

    unsafe fn kho_preserve_folio(&self, ptr: NonNull<u8>, order: u32) -> Result<(), AllocError> {
        Machine::kho_preserve_folio(self, ptr, order)
    }

    unsafe fn kho_unpreserve_folio(&self, ptr: NonNull<u8>) {
        Machine::kho_unpreserve_folio(self, ptr);
    }

    unsafe fn free_pages(&self, ptr: NonNull<u8>, order: u32) {
        Machine::free_pages(self, ptr, order);
    }

    fn page_mark(&self, addr: PhysAddr) -> Option<u32> {
        Machine::page_mark(self, addr.get())
    }

    fn phys_to_virt(&self, addr: PhysAddr) -> NonNull<u8> {
        Machine::phys_to_virt(self, addr.get())
    }

    fn virt_to_phys(&self, ptr: NonNull<u8>) -> PhysAddr {
        Machine::virt_to_phys(self, ptr)
    }
}

/// The allocator of a kernel that runs on `machine`.
fn boot(machine: &Machine) -> Kho<'_> {
    // SAFETY: a test makes one for each kernel; or one after the other, none of which lends a block.
    unsafe { Kho::new(machine) }
}

/// A machine on which the previous kernel left a chain of the numbers up to `entries`.
fn left<const BLOCK_SIZE: usize>(entries: u64) -> (Machine, Option<PhysAddr>) {
    let mut machine = Machine::new();
    let head = {
        let kho = boot(&machine);
        let mut set = BlockSet::<u64, _, _, BLOCK_SIZE>::new(&kho);
        set.grow(usize::try_from(entries).unwrap()).unwrap();
        assert_eq!(set.writer().extend(0..entries), usize::try_from(entries).unwrap());
        set.into_head()
    };
    machine.kexec();
    machine.take_calls();
    (machine, head)
}

fn unrestore(kho: &Kho<'_>, ptr: NonNull<u8>, size: usize) {
    // SAFETY: the table looks the block up, and does nothing if the call does not suit it.
    unsafe { kho.unrestore(ptr, size) }
}

fn restore_free(kho: &Kho<'_>, ptr: NonNull<u8>, size: usize) {
    // SAFETY: the table looks the block up, and does nothing if the call does not suit it.
    unsafe { kho.restore_free(ptr, size) }
}

fn preserve(kho: &Kho<'_>, ptr: NonNull<u8>, size: usize) -> bool {
    // SAFETY: the table looks the block up, and does nothing if the call does not suit it.
    unsafe { kho.preserve(ptr, size) }.is_ok()
}

fn unpreserve(kho: &Kho<'_>, ptr: NonNull<u8>, size: usize) {
    // SAFETY: the table looks the block up, and does nothing if the call does not suit it.
    unsafe { kho.unpreserve(ptr, size) }
}

fn unpreserve_free(kho: &Kho<'_>, ptr: NonNull<u8>, size: usize) {
    // SAFETY: the table looks the block up, and does nothing if the call does not suit it.
    unsafe { kho.unpreserve_free(ptr, size) }
}
