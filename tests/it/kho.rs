//! The allocator that the crate documentation shows, over a model of KHO's rules.
//!
//! Unsafe is open here to give blocks back.

#![expect(unsafe_code, reason = "calls the allocator as a set does")]

mod claims;
mod example;
mod life;
mod machine;
mod rules;

use core::ptr::NonNull;

use kho_block::{BlockSet, PhysAddr, PreservedAllocator};

use self::example::Kho;
use self::machine::Machine;

/// The allocator of a kernel that runs on `machine`.
fn boot(machine: &Machine) -> Kho<'_> {
    Kho(machine)
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
    // SAFETY: 1 and 2. the tests call this for claimed blocks, with their sizes.
    unsafe { kho.unrestore(ptr, size) }
}

fn restore_free(kho: &Kho<'_>, ptr: NonNull<u8>, size: usize) {
    // SAFETY: 1 and 2. the tests call this for claimed blocks, with their sizes.
    unsafe { kho.restore_free(ptr, size) }
}
