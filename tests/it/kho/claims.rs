//! Which addresses are claimed: of whole blocks, exactly, and once.

use std::thread;

use kho_block::{AllocError, PhysAddr, PreservedAllocator};

use super::machine::{Machine, PAGE_SIZE, State};
use super::{boot, restore_free, unrestore};

/// A block of two pages between others that are one page long.
const BLOCK: u64 = 0x8000;

fn neighbours() -> Machine {
    let mut machine = Machine::new();
    machine.leave(BLOCK - 0x1000, 0);
    machine.leave(BLOCK, 1);
    machine.leave(BLOCK + 0x2000, 0);
    machine
}

/// Asserts that a claim is refused, and nothing called for it.
fn refuse(machine: &Machine, addr: u64, size: usize) {
    let claimed = boot(machine).restore(PhysAddr::new(addr).unwrap(), size);
    assert_eq!(claimed, None, "{addr:#x}, {size} bytes");
    assert_eq!(machine.take_calls(), [""; 0], "{addr:#x}, {size} bytes");
}

#[test]
fn an_address_inside_a_block_is_refused_and_nothing_called() {
    let machine = neighbours();
    for offset in [1, 8, 16, 2048, 4095, 4096, 4097, 8191] {
        refuse(&machine, BLOCK + offset, 8192);
        refuse(&machine, BLOCK + offset, 4096);
    }
}

#[test]
fn a_block_of_another_order_is_refused_and_nothing_called() {
    let machine = neighbours();
    for size in [4096, 16384, 32768, 1 << 30] {
        refuse(&machine, BLOCK, size);
    }
    refuse(&machine, BLOCK + 0x2000, 8192);
    refuse(&machine, BLOCK - 0x1000, 8192);
}

#[test]
fn a_size_that_is_no_power_of_two_of_pages_is_refused_and_nothing_called() {
    let machine = neighbours();
    for size in [0, 1, 32, 64, 2048, 4095, 4097, 3 * 4096, 8191, usize::MAX] {
        refuse(&machine, BLOCK, size);
        refuse(&machine, BLOCK + 0x2000, size);
        let refused = boot(&machine).alloc_preserve(size);
        assert_eq!(refused, Err(AllocError), "{size} bytes, which the next kernel would not find");
        assert_eq!(machine.take_calls(), [""; 0], "{size} bytes");
    }
}

#[test]
fn an_unknown_address_is_refused_and_nothing_called() {
    let machine = neighbours();
    for addr in [1, 4096, 8192, BLOCK - 0x2000, BLOCK + 0x4000, 1 << 40, u64::MAX - 8191, u64::MAX]
    {
        refuse(&machine, addr, 4096);
        refuse(&machine, addr, 8192);
    }
}

#[test]
fn what_this_kernel_preserves_is_not_its_own_to_claim() {
    let machine = Machine::new();
    let block = boot(&machine).alloc_preserve(8192).unwrap();
    machine.take_calls();
    refuse(&machine, block.addr.get(), 8192);
    assert_eq!(machine.state(block.addr), Some(State::Allocated));
}

#[test]
fn a_block_is_claimed_once_at_a_time_and_never_after_it_was_freed() {
    let mut machine = Machine::new();
    let addr = machine.leave(BLOCK, 1);
    let kho = boot(&machine);
    let ptr = kho.restore(addr, 8192).unwrap();
    assert_eq!(kho.restore(addr, 8192), None, "it is claimed");

    unrestore(&kho, ptr, 8192);
    assert_eq!(machine.state(addr), Some(State::Marked), "KHO was told nothing");
    assert_eq!(machine.take_calls(), [""; 0]);
    assert_eq!(kho.restore(addr, 8192), Some(ptr), "it can be claimed again");

    restore_free(&kho, ptr, 8192);
    assert_eq!(machine.take_calls(), ["kho_restore_free"]);
    assert_eq!(kho.restore(addr, 8192), None, "it is gone");
    machine.assert_clean();
}

#[test]
fn of_threads_that_claim_one_block_one_gets_it() {
    for _ in 0..if cfg!(miri) { 3 } else { 50 } {
        let mut machine = Machine::new();
        let addr = machine.leave(BLOCK, 0);
        let kho = boot(&machine);
        let claim = || kho.restore(addr, PAGE_SIZE).is_some();
        let got = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|&got| got).count()
        });
        assert_eq!((got, machine.faults()), (1, vec![]));
    }
}
