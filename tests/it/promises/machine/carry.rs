//! The mock's books of blocks that are preserved again.
//!
//! Unsafe is open here to give blocks to a mock, right and wrong.

#![expect(unsafe_code, reason = "calls the allocator as a set does")]

use core::ptr::NonNull;

use kho_block::mock::{Calls, Fault, Mock};
use kho_block::{CarryAllocator, PreservedAllocator};

use super::{addr, panics, with_a_block};
use crate::heap::{Call, give_back};

fn preserve(mem: &Mock, ptr: NonNull<u8>, size: usize) -> bool {
    // SAFETY: a mock looks a pointer up and follows none that it does not know.
    unsafe { mem.preserve(ptr, size) }.is_ok()
}

fn unpreserve(mem: &Mock, ptr: NonNull<u8>, size: usize) {
    // SAFETY: as above.
    unsafe { mem.unpreserve(ptr, size) }
}

/// A machine with a block of 64 bytes at 0x1000, carried.
fn with_a_carried_block() -> (Mock, NonNull<u8>) {
    let mem = with_a_block();
    let ptr = mem.restore(addr(0x1000), 64).unwrap();
    assert!(preserve(&mem, ptr, 64));
    (mem, ptr)
}

#[test]
fn a_carried_block_is_there_for_the_next_kernel_as_often_as_it_is_carried() {
    let mut mem = with_a_block();
    for kernel in 0..3 {
        let ptr = mem.restore(addr(0x1000), 64).unwrap();
        assert!(preserve(&mem, ptr, 64));
        assert_eq!((mem.live(), mem.unclaimed()), (1, 0), "it stays lent");
        mem.reboot();
        assert_eq!((mem.live(), mem.unclaimed()), (0, 1));
        assert_eq!(mem.read(0x1000, 64), [7; 64], "after kernel {kernel}");
    }
    let calls = Calls { restore: 3, preserve: 3, ..Calls::default() };
    assert_eq!((mem.calls(), mem.faults()), (calls, vec![]));
}

#[test]
fn a_block_that_is_no_longer_carried_is_a_claimed_one() {
    let (mut mem, ptr) = with_a_carried_block();
    unpreserve(&mem, ptr, 64);
    assert_eq!((mem.live(), mem.unclaimed()), (1, 0));
    assert!(preserve(&mem, ptr, 64), "it can be carried after all");
    unpreserve(&mem, ptr, 64);
    give_back(&mem, Call::Unrestore, ptr, 64);
    assert_eq!(mem.restore(addr(0x1000), 64), Some(ptr));
    assert_eq!(mem.faults(), []);
    assert_eq!((mem.calls().preserve, mem.calls().unpreserve), (2, 2));
    mem.reboot();
    assert_eq!((mem.unclaimed(), mem.faults()), (0, vec![Fault::Lost { addr: 0x1000 }]));
}

#[test]
fn a_carried_block_is_freed_as_one_of_this_kernel() {
    let (mut mem, ptr) = with_a_carried_block();
    give_back(&mem, Call::UnpreserveFree, ptr, 64);
    assert_eq!(mem.restore(addr(0x1000), 64), None);
    mem.assert_clean();
    mem.reboot();
    assert_eq!(mem.restore(addr(0x1000), 64), None);
    mem.assert_clean();
}

#[test]
fn a_carried_block_is_claimed_already() {
    let (mem, _) = with_a_carried_block();
    assert_eq!(mem.restore(addr(0x1000), 64), None);
    assert_eq!(mem.faults(), [Fault::DoubleClaim { addr: 0x1000 }]);
}

#[test]
fn a_block_is_left_claimed_when_preserving_it_is_refused_as_told() {
    let mut mem = Mock::new();
    mem.refuse_preserve_after(2);
    let addrs = [0x1000, 0x2000, 0x3000, 0x4000];
    let ptrs = addrs.map(|at| {
        mem.leave(at, &[7; 64]);
        mem.restore(addr(at), 64).unwrap()
    });
    assert_eq!(ptrs.map(|ptr| preserve(&mem, ptr, 64)), [true, true, false, false]);
    assert_eq!((mem.live(), mem.calls().preserve), (4, 4), "refused calls count as calls");
    assert!(mem.alloc_preserve(64).is_ok(), "allocations have a limit of their own");
    mem.refuse_after(0);
    give_back(&mem, Call::RestoreFree, ptrs[2], 64);
    mem.refuse_none();
    assert!(preserve(&mem, ptrs[3], 64));
    assert!(mem.alloc_preserve(64).is_ok());
    mem.reboot();
    let found = addrs.map(|at| mem.restore(addr(at), 64).is_some());
    assert_eq!((found, mem.faults()), ([true, true, false, true], vec![]));
}

#[test]
fn a_wrong_way_to_carry_a_block_is_reported_and_does_nothing() {
    let (mem, carried) = with_a_carried_block();
    let fresh = mem.alloc_preserve(64).unwrap().ptr;
    let inside = carried.map_addr(|addr| addr.saturating_add(32));
    mem.refuse_preserve_after(0); // what is misused is not what is granted
    let mut expected = Vec::new();
    for ptr in [carried, fresh, inside, NonNull::dangling()] {
        assert!(!preserve(&mem, ptr, 64));
        expected.push(Fault::ForeignCarry { call: "preserve" });
        if ptr != carried {
            unpreserve(&mem, ptr, 64);
            expected.push(Fault::ForeignCarry { call: "unpreserve" });
        }
    }
    for call in [Call::Unrestore, Call::RestoreFree] {
        give_back(&mem, call, carried, 64);
        let call = if let Call::Unrestore = call { "unrestore" } else { "restore_free" };
        expected.push(Fault::ForeignFree { call });
    }
    unpreserve(&mem, carried, 32);
    expected.push(Fault::WrongSize { addr: 0x1000, size: 64, said: 32 });
    mem.refuse_none();
    unpreserve(&mem, carried, 64);
    unpreserve(&mem, carried, 64);
    expected.push(Fault::ForeignCarry { call: "unpreserve" });
    assert!(!preserve(&mem, carried, 128));
    expected.push(Fault::WrongSize { addr: 0x1000, size: 64, said: 128 });
    assert_eq!((mem.live(), mem.faults()), (2, expected));
    assert!(panics(|| mem.assert_clean()));
}

#[test]
fn a_carried_block_is_not_clean_before_it_is_freed() {
    let (mem, ptr) = with_a_carried_block();
    assert!(panics(|| mem.assert_clean()));
    give_back(&mem, Call::UnpreserveFree, ptr, 64);
    mem.assert_clean();
}
