//! Whole chains over KHO: no page is lost, none is leaked, none is restored twice.

use core::mem::forget;

use kho_block::{BlockSet, GrowErrorKind, IncomingSet, RestoreChecks, RestoreErrorKind};

use super::machine::{Fault, Machine, State};
use super::{boot, left};

/// Entries of four blocks of 8192 bytes, or seven of 4096.
const ENTRIES: u64 = 3200;

fn saved_restored_and_freed<const BLOCK_SIZE: usize>() {
    let (machine, head) = left::<BLOCK_SIZE>(ENTRIES);
    let kho = boot(&machine);
    let mut set = IncomingSet::<u64, _, BLOCK_SIZE>::restore(&kho, head).unwrap();
    assert!(set.iter().copied().eq(0..ENTRIES));
    let (restoring, blocks) = (machine.take_calls(), set.block_count());
    set.destroy();
    machine.assert_clean();
    assert_eq!((restoring, machine.take_calls()), (vec![], vec!["kho_restore_free"; blocks]));
}

#[test]
fn a_chain_is_saved_restored_and_freed() {
    saved_restored_and_freed::<4096>();
    saved_restored_and_freed::<8192>();
}

fn refused_repaired_and_restored<const BLOCK_SIZE: usize>() {
    let (mut machine, head) = left::<BLOCK_SIZE>(ENTRIES);
    let last = {
        let kho = boot(&machine);
        let set = IncomingSet::<u64, _, BLOCK_SIZE>::restore(&kho, head).unwrap();
        let last = set.phys_addr(set.len() - 1).unwrap().get();
        set.release();
        u64::try_from(BLOCK_SIZE).map(|size| last / size * size).unwrap()
    };
    machine.write(last + 8, &u64::MAX.to_ne_bytes());
    {
        let kho = boot(&machine);
        for _ in 0..3 {
            let error = IncomingSet::<u64, _, BLOCK_SIZE>::restore(&kho, head).unwrap_err();
            assert_eq!(error.addr.get(), last);
            assert!(matches!(error.kind, RestoreErrorKind::CountTooLarge { .. }));
        }
        assert_eq!(machine.take_calls(), [""; 0], "nothing was done that cannot be undone");
    }
    machine.write(last + 8, &1_u64.to_ne_bytes());
    let kho = boot(&machine);
    let mut set = IncomingSet::<u64, _, BLOCK_SIZE>::restore(&kho, head).unwrap();
    set.destroy();
    machine.assert_clean();
}

#[test]
fn a_failed_restore_gives_every_claim_back_and_can_be_repeated() {
    refused_repaired_and_restored::<4096>();
    refused_repaired_and_restored::<8192>();
}

#[test]
fn a_released_chain_is_restored_again() {
    let (machine, head) = left::<8192>(ENTRIES);
    let kho = boot(&machine);
    for _ in 0..3 {
        let set = IncomingSet::<u64, _>::restore(&kho, head).unwrap();
        assert!(set.iter().copied().eq(0..ENTRIES));
        assert_eq!(set.release(), head);
    }
    assert_eq!(machine.take_calls(), [""; 0]);
    let mut set = IncomingSet::<u64, _>::restore(&kho, head).unwrap();
    set.destroy();
    machine.assert_clean();
}

#[test]
fn a_chain_that_was_shrunk_frees_the_rest_later() {
    let (machine, head) = left::<4096>(ENTRIES);
    let kho = boot(&machine);
    let mut set = IncomingSet::<u64, _, 4096>::restore(&kho, head).unwrap();
    set.truncate(1);
    set.shrink(0);
    assert_eq!(set.block_count(), 1);
    set.destroy();
    machine.assert_clean();
}

#[test]
fn what_is_not_handed_over_is_freed() {
    let machine = Machine::new();
    let kho = boot(&machine);
    let mut set = BlockSet::<u64, _>::new(&kho);
    set.grow(5000).unwrap();
    machine.refuse_after(2);
    assert!(set.grow(9000).is_err());
    set.destroy();
    machine.assert_clean();
}

#[test]
fn a_set_of_smaller_blocks_than_pages_does_not_grow() {
    let machine = Machine::new();
    let kho = boot(&machine);
    let mut set = BlockSet::<u64, _, _, 2048>::new(&kho);
    assert_eq!(set.grow(1).unwrap_err().kind, GrowErrorKind::OutOfMemory);
    machine.assert_clean();
}

#[test]
fn what_is_claimed_and_neither_freed_nor_preserved_again_is_gone_for_the_kernel_after() {
    for released in [false, true] {
        let (mut machine, head) = left::<8192>(1);
        {
            let kho = boot(&machine);
            let set = IncomingSet::<u64, _>::restore(&kho, head).unwrap();
            if released { _ = set.release() } else { forget(set) }
        }
        assert_eq!(machine.state(head.unwrap()), Some(State::Marked));
        machine.kexec();
        assert_eq!(machine.faults(), [Fault::Lost { addr: head.unwrap().get() }]);
        let kho = boot(&machine);
        let error = IncomingSet::<u64, _>::restore(&kho, head).unwrap_err();
        assert_eq!(error.kind, RestoreErrorKind::NotPreserved { block_size: 8192 });
    }
}

#[test]
fn pages_of_another_user_look_like_a_block_and_stay_theirs_when_the_claim_is_given_back() {
    let mut machine = Machine::new();
    let theirs = machine.leave(0x4000, 1);
    machine.write(0x4008, &1_u64.to_ne_bytes());
    {
        let kho = boot(&machine);
        let checks = RestoreChecks::all();
        let set = IncomingSet::<u64, _>::restore_with(&kho, Some(theirs), checks).unwrap();
        set.release();
    }
    assert_eq!(machine.take_calls(), [""; 0]);
    assert!(machine.kho_restore_folio(theirs.get()).is_some(), "they restore it");
    machine.kho_preserve_folio(machine.phys_to_virt(theirs.get()), 1).unwrap();
    assert_eq!((machine.state(theirs), machine.faults()), (Some(State::Preserved), vec![]));
}
