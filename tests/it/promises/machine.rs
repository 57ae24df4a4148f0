//! The mock keeps its own books: a mock that lies proves nothing.

mod carry;

use core::mem::forget;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::catch_unwind;

use kho_block::mock::{Calls, Fault, Mock};
use kho_block::{BlockSet, IncomingSet, PhysAddr, PreservedAllocator, PreservedBlock};

use crate::heap::{Call, give_back};

fn addr(addr: u64) -> PhysAddr {
    PhysAddr::new(addr).unwrap()
}

fn panics(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// A machine with a block of 64 bytes left at 0x1000.
fn with_a_block() -> Mock {
    let mut mem = Mock::new();
    mem.leave(0x1000, &[7; 64]);
    mem
}

#[test]
fn a_machine_is_as_good_by_default_and_prints_its_books_but_no_memory() {
    let mut mem = Mock::default();
    mem.leave(0x1000, &[77; 64]);
    mem.leave(0x2000, &[77; 64]);
    assert!(mem.alloc_preserve(64).is_ok());
    assert!(mem.restore(addr(0x1000), 64).is_some());
    let calls = Calls { alloc_preserve: 1, restore: 1, ..Calls::default() };
    let expected = format!("Mock {{ live: 2, unclaimed: 1, calls: {calls:?}, .. }}");
    assert_eq!(format!("{mem:?}"), expected);
}

#[test]
fn a_block_is_zeroed_aligned_and_somewhere_else_than_its_address() {
    let mut mem = Mock::new();
    for size in [32, 64, 4096, 65536] {
        let PreservedBlock { ptr, addr } = mem.alloc_preserve(size).unwrap();
        assert!(addr.is_aligned_to(u64::try_from(size).unwrap()));
        assert_eq!(ptr.addr().get() % size, 0);
        assert_ne!(u64::try_from(ptr.addr().get()), Ok(addr.get()));
        assert_eq!(mem.read(addr.get(), size), vec![0; size]);
    }
    assert_eq!((mem.live(), mem.unclaimed(), mem.calls().alloc_preserve), (4, 0, 4));
}

#[test]
fn a_block_is_claimed_once() {
    let mem = with_a_block();
    let ptr = mem.restore(addr(0x1000), 64).unwrap();
    assert_eq!((mem.live(), mem.unclaimed()), (1, 0));
    assert_eq!(mem.restore(addr(0x1000), 64), None);
    assert_eq!(mem.faults(), [Fault::DoubleClaim { addr: 0x1000 }]);

    give_back(&mem, Call::Unrestore, ptr, 64);
    assert_eq!((mem.live(), mem.unclaimed()), (0, 1));
    assert_eq!(mem.restore(addr(0x1000), 64), Some(ptr), "it can be claimed again");
    give_back(&mem, Call::RestoreFree, ptr, 64);
    assert_eq!(mem.restore(addr(0x1000), 64), None, "a freed block is gone");
    mem.assert_clean();
    let calls = Calls { restore: 4, unrestore: 1, restore_free: 1, ..Calls::default() };
    assert_eq!(mem.calls(), calls);
}

#[test]
fn only_the_start_and_size_of_a_block_claim_it() {
    let mut mem = with_a_block();
    for elsewhere in [1, 0xfff, 0x1001, 0x1020, 0x103f, 0x1040, 0x2000, u64::MAX] {
        assert_eq!(mem.restore(addr(elsewhere), 64), None);
    }
    assert_eq!(mem.faults(), [], "a damaged chain is no fault of the kernel that reads it");
    for size in [0, 1, 32, 63, 128, usize::MAX] {
        assert_eq!(mem.restore(addr(0x1000), size), None);
        let fault = Fault::WrongSizeClaim { addr: 0x1000, size: 64, said: size };
        assert_eq!(mem.faults().last(), Some(&fault));
    }
    assert_eq!((mem.live(), mem.unclaimed()), (0, 1));
    assert_eq!(mem.read(0x1000, 64), [7; 64]);
}

#[test]
#[should_panic(expected = "0x100000000, 0x100000020, 0x100000040, 0x100000060, 0x100000080, \
                           0x1000000a0, 0x1000000c0, 0x1000000e0 and 2 more")]
fn what_is_left_is_named_by_address_up_to_eight_blocks() {
    let mem = Mock::new();
    (0..10).for_each(|_| _ = mem.alloc_preserve(32).unwrap());
    mem.assert_clean();
}

#[test]
fn what_this_kernel_preserves_is_not_its_own_to_restore() {
    let mut mem = Mock::new();
    let block = mem.alloc_preserve(64).unwrap();
    assert_eq!(mem.restore(block.addr, 64), None);
    mem.reboot();
    assert_eq!((mem.live(), mem.unclaimed()), (0, 1));
    assert_eq!(mem.restore(block.addr, 64), Some(block.ptr));
    // Two reboots without a claim, and it is lost; so it is with one.
    mem.reboot();
    assert_eq!((mem.live(), mem.unclaimed()), (0, 0));
    assert_eq!(mem.faults(), [Fault::Lost { addr: block.addr.get() }]);
    assert_eq!(mem.restore(block.addr, 64), None);
    let mut mem = with_a_block();
    mem.reboot();
    assert_eq!(mem.faults(), [Fault::Lost { addr: 0x1000 }]);
    assert!(panics(|| mem.assert_clean()));
}

#[test]
fn what_is_kept_until_it_is_freed_is_there_for_every_kernel() {
    let mut mem = with_a_block();
    mem.leave(0x2000, &[8; 64]);
    mem.leave(0x3000, &[9; 64]);
    let outgoing = mem.alloc_preserve(64).unwrap();
    for _ in 0..3 {
        assert!(mem.restore(addr(0x1000), 64).is_some());
        let returned = mem.restore(addr(0x2000), 64).unwrap();
        give_back(&mem, Call::Unrestore, returned, 64);
        mem.reboot_keeping_claims();
        assert_eq!((mem.live(), mem.unclaimed(), mem.faults()), (0, 4, vec![]));
        let bytes = [0x1000, 0x2000, 0x3000].map(|addr| mem.read(addr, 64));
        assert_eq!(bytes, [7, 8, 9].map(|byte| vec![byte; 64]));
    }
    let freed = mem.restore(outgoing.addr, 64).unwrap();
    give_back(&mem, Call::RestoreFree, freed, 64);
    mem.reboot_keeping_claims();
    assert_eq!((mem.restore(outgoing.addr, 64), mem.unclaimed()), (None, 3), "it was freed");
    // Which kind of allocator it is, each kexec says.
    assert!(mem.restore(addr(0x1000), 64).is_some());
    mem.reboot();
    assert_eq!(mem.faults(), [0x1000, 0x2000, 0x3000].map(|addr| Fault::Lost { addr }));
}

#[test]
fn what_nobody_has_claimed_is_discarded_and_nothing_else() {
    let mut mem = with_a_block();
    assert_eq!(Mock::new().discard_unclaimed(), 0);
    mem.leave(0x2000, &[8; 64]);
    mem.leave(0x3000, &[9; 64]);
    let fresh = mem.alloc_preserve(64).unwrap();
    let claimed = mem.restore(addr(0x1000), 64).unwrap();
    let returned = mem.restore(addr(0x3000), 64).unwrap();
    give_back(&mem, Call::Unrestore, returned, 64);
    let calls = mem.calls();
    assert_eq!((mem.discard_unclaimed(), mem.unclaimed(), mem.live()), (2, 0, 2));
    assert_eq!((mem.calls(), mem.faults()), (calls, vec![]), "no kernel asked for it");
    assert_eq!([0x2000, 0x3000].map(|at| mem.restore(addr(at), 64)), [None; 2]);
    assert_eq!(mem.read(0x1000, 64), [7; 64]);
    mem.leave(0x2000, &[8; 64]);
    assert_eq!(mem.discard_unclaimed(), 1, "the address is free again");
    give_back(&mem, Call::RestoreFree, claimed, 64);
    give_back(&mem, Call::UnpreserveFree, fresh.ptr, 64);
    mem.assert_clean();
}

#[test]
fn a_wrong_way_to_give_a_block_back_is_reported_and_does_nothing() {
    let mem = with_a_block();
    let claimed = mem.restore(addr(0x1000), 64).unwrap();
    let fresh = mem.alloc_preserve(64).unwrap();
    let nothing = NonNull::<u8>::dangling();
    let inside = claimed.map_addr(|addr| addr.saturating_add(32));
    let mut expected = Vec::new();
    for (call, name, takes) in [
        (Call::UnpreserveFree, "unpreserve_free", fresh.ptr),
        (Call::Unrestore, "unrestore", claimed),
        (Call::RestoreFree, "restore_free", claimed),
    ] {
        for ptr in [claimed, fresh.ptr, nothing, inside].into_iter().filter(|&ptr| ptr != takes) {
            give_back(&mem, call, ptr, 64);
            expected.push(Fault::ForeignFree { call: name });
        }
        give_back(&mem, call, takes, 32);
        let addr = if takes == claimed { 0x1000 } else { fresh.addr.get() };
        expected.push(Fault::WrongSize { addr, size: 64, said: 32 });
    }
    assert_eq!(mem.faults(), expected);
    assert_eq!((mem.live(), mem.unclaimed()), (2, 0));
    assert!(panics(|| mem.assert_clean()));

    give_back(&mem, Call::UnpreserveFree, fresh.ptr, 64);
    give_back(&mem, Call::RestoreFree, claimed, 64);
    assert_eq!((mem.live(), mem.faults()), (0, expected.clone()));
    give_back(&mem, Call::RestoreFree, claimed, 64);
    expected.push(Fault::ForeignFree { call: "restore_free" });
    assert_eq!(mem.faults(), expected, "a second free");
    assert!(panics(|| mem.assert_clean()), "nothing is left, but something went wrong");
}

#[test]
fn a_claim_given_back_twice_is_reported() {
    let mem = with_a_block();
    let ptr = mem.restore(addr(0x1000), 64).unwrap();
    give_back(&mem, Call::Unrestore, ptr, 64);
    give_back(&mem, Call::Unrestore, ptr, 64);
    assert_eq!(mem.faults(), [Fault::ForeignFree { call: "unrestore" }]);
    assert_eq!(mem.unclaimed(), 1);
}

#[test]
fn allocations_are_refused_as_told() {
    let mem = Mock::refusing(2);
    let granted = |mem: &Mock| (0..4).map(|_| mem.alloc_preserve(64).is_ok()).collect::<Vec<_>>();
    assert_eq!(granted(&mem), [true, true, false, false]);
    mem.refuse_after(1);
    assert_eq!(granted(&mem), [true, false, false, false]);
    mem.refuse_none();
    assert_eq!(granted(&mem), [true; 4]);
    assert_eq!((mem.live(), mem.calls().alloc_preserve), (7, 12), "refused calls count as calls");
    assert!(mem.alloc_preserve(48).is_err(), "no power of two");
    assert!(mem.alloc_preserve(0).is_err());
}

#[test]
fn blocks_go_where_they_are_placed() {
    let mem = Mock::new();
    mem.place([0x8000, 0x2000]);
    let addrs: Vec<_> = (0..3).map(|_| mem.alloc_preserve(64).unwrap().addr.get()).collect();
    assert_eq!(addrs[..2], [0x8000, 0x2000]);
    assert!(addrs[2] >= 1 << 32);
    for wrong in [0, 0x2000, 0x1001, 0x2020, 0_u64.wrapping_sub(64)] {
        mem.place([wrong]);
        assert!(panics(|| _ = mem.alloc_preserve(64)), "{wrong:#x}");
    }
    mem.place([0x1fc0]);
    assert!(panics(|| _ = mem.alloc_preserve(128)), "it is misaligned");
    mem.place([0x1f80, 0x2080]);
    assert!(mem.alloc_preserve(128).is_ok(), "it ends where another begins");
    assert!(mem.alloc_preserve(128).is_ok());
    assert_eq!((mem.live(), mem.faults()), (5, vec![]));
}

#[test]
fn bytes_are_read_and_damaged_by_address() {
    let mut mem = with_a_block();
    mem.write(0x1010, &[1, 2, 3]);
    assert_eq!(mem.read(0x100f, 5), [7, 1, 2, 3, 7]);
    assert_eq!(mem.read(0x103f, 1), [7]);
    assert_eq!(mem.read(0x1000, 0), [0; 0]);
    for (addr, len) in [(0xfff, 1), (0x1040, 1), (0x103f, 2), (0xfff, 2), (0x1000, usize::MAX)] {
        assert!(panics(|| drop(mem.read(addr, len))), "{len} bytes at {addr:#x}");
    }
    assert!(panics(|| mem.write(0x103f, &[1, 2])));
    assert_eq!(mem.read(0x1000, 64).iter().filter(|&&byte| byte == 7).count(), 61);
    for (addr, len) in [(0x1000, 64), (0x1020, 32), (0, 64), (0x2020, 64), (0x3000, 48)] {
        assert!(panics(|| mem.leave(addr, &vec![0; len])), "{len} bytes left at {addr:#x}");
    }
}

#[test]
fn an_address_is_a_number_or_a_physical_address() {
    let mut mem = Mock::new();
    let (at, word) = (addr(0x2000), addr(0x2010));
    mem.leave(at, &[7; 64]);
    mem.write(word, &[1]);
    assert_eq!((mem.read(at, 1), mem.read(word, 2)), (vec![7], vec![1, 7]));
    assert_eq!((mem.read(0x2000, 1), mem.read(word.get(), 2)), (vec![7], vec![1, 7]));
    mem.place([addr(0x8000), addr(0x4000)]);
    mem.place(Some(addr(0x6000)));
    let addrs = [(); 3].map(|()| mem.alloc_preserve(64).unwrap().addr.get());
    assert_eq!(addrs, [0x8000, 0x4000, 0x6000]);
}

#[test]
fn places_may_be_worked_out_with_the_machine_itself() {
    let mem = Mock::new();
    // A machine that is locked meanwhile would wait for itself.
    mem.place((0..2).map(|n| 0x2000 * u64::try_from(mem.live() + n + 1).unwrap()));
    assert_eq!(mem.alloc_preserve(64).unwrap().addr, addr(0x2000));
    assert_eq!(mem.alloc_preserve(64).unwrap().addr, addr(0x4000));
}

#[test]
fn what_is_left_over_is_not_clean() {
    let mut mem = Mock::new();
    mem.assert_clean();
    let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    set.push(7).unwrap();
    assert!(panics(|| mem.assert_clean()), "a set is alive");
    let head = set.into_head();
    assert!(panics(|| mem.assert_clean()), "a block is left to the next kernel");
    mem.reboot();
    assert!(panics(|| mem.assert_clean()), "the block is not claimed");
    let mut set = IncomingSet::<u64, _, 32>::restore(&mem, head).unwrap();
    assert!(panics(|| mem.assert_clean()), "the block is claimed");
    assert!(IncomingSet::<u64, _, 32>::restore(&mem, head).is_err());
    set.destroy();
    mem.assert_clean();

    let set = {
        let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
        set.push(7).unwrap();
        set
    };
    forget(set);
    assert_eq!(mem.live(), 1, "a forgotten set is alive for ever");
    assert!(panics(|| mem.assert_clean()));
}
