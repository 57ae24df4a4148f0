//! What it costs to take a chain over, as a whole, in part, or not at all.

use kho_block::mock::{Calls, Mock};
use kho_block::{Descriptor, MAX_BLOCKS, RestoreChecks, RestoreErrorKind};

use super::{
    BLOCK_SIZE, BOUNDARIES, CAPACITY, NOTHING, Restored, blocks_for, calls, claims, filled,
    frees_claimed, gives_back, left,
};
use crate::heap::{counting, sheltered};

#[test]
fn restoring_claims_each_block_once_and_dropping_gives_it_back_once() {
    const MOST: usize = if cfg!(miri) { 20 } else { MAX_BLOCKS };
    for entries in BOUNDARIES.into_iter().chain([MOST * CAPACITY]) {
        let (mem, head) = left(entries);
        let blocks = blocks_for(entries);
        for checks in [RestoreChecks::empty(), RestoreChecks::all()] {
            let mut set = None;
            let restore = || set = Restored::restore_with(&mem, head, checks).ok();
            assert_eq!(calls(&mem, restore), claims(blocks), "{entries} entries");
            let release = || assert_eq!(set.unwrap().release(), head);
            assert_eq!(calls(&mem, release), gives_back(blocks), "{entries} entries");
        }
        let set = Restored::restore(&mem, head).unwrap();
        assert_eq!(calls(&mem, || drop(set)), gives_back(blocks), "{entries} entries");
        let mut set = Restored::restore(&mem, head).unwrap();
        assert_eq!(calls(&mem, || set.destroy()), frees_claimed(blocks), "{entries} entries");
        assert_eq!(calls(&mem, || drop(set)), NOTHING);
        mem.assert_clean();
    }
}

#[test]
fn the_index_of_a_chain_of_up_to_16_blocks_is_one_allocation_on_the_heap() {
    for blocks in [1, 2, 5, 16] {
        let (mem, head) = left(blocks * CAPACITY);
        let (asked, set) = counting(|| Restored::restore(sheltered(&mem), head).unwrap());
        assert_eq!((asked, set.block_count()), (1, blocks));
    }
}

#[test]
fn a_restored_set_frees_as_one_of_this_kernel_does() {
    let (mem, head) = left(5 * CAPACITY);
    let mut set = Restored::restore(&mem, head).unwrap();
    assert_eq!(calls(&mem, || set.truncate(2 * CAPACITY)), NOTHING);
    assert_eq!(calls(&mem, || set.shrink(3 * CAPACITY)), frees_claimed(2));
    assert_eq!(calls(&mem, || set.shrink(0)), frees_claimed(1));
    assert_eq!(calls(&mem, || set.clear()), NOTHING);
    assert_eq!(calls(&mem, || set.destroy()), frees_claimed(2));
    assert_eq!(calls(&mem, || drop(set)), NOTHING);
    mem.assert_clean();
}

#[test]
fn a_failed_restore_claims_up_to_the_damage_and_gives_back_as_often() {
    const BLOCKS: usize = 4;
    for damaged in 0..BLOCKS {
        let (mut mem, head) = left(BLOCKS * CAPACITY);
        let addr = 0x1_0000_0000 + u64::try_from(damaged * BLOCK_SIZE).unwrap();
        let next = mem.read(addr, 8);
        let fails = |mem: &Mock, kind| {
            let restore = || {
                let error = Restored::restore(mem, head).unwrap_err();
                assert_eq!(error.kind, kind);
            };
            calls(mem, restore)
        };
        let claimed = damaged + 1;

        mem.write(addr, &1_u64.to_ne_bytes());
        let expected = Calls { unrestore: claimed, ..claims(claimed) };
        assert_eq!(fails(&mem, RestoreErrorKind::Misaligned), expected);
        mem.write(addr, &(1_u64 << 40).to_ne_bytes());
        let expected = Calls { unrestore: claimed, ..claims(claimed + 1) };
        let kind = RestoreErrorKind::NotPreserved { block_size: BLOCK_SIZE };
        assert_eq!(fails(&mem, kind), expected);
        mem.write(addr, &addr.to_ne_bytes());
        assert_eq!(fails(&mem, RestoreErrorKind::Cycle { first: damaged }), expected);
        mem.write(addr, &next);
        mem.write(addr + 8, &7_u64.to_ne_bytes());
        let expected = Calls { unrestore: claimed, ..claims(claimed) };
        let kind = RestoreErrorKind::CountTooLarge { count: 7, capacity: CAPACITY };
        assert_eq!(fails(&mem, kind), expected);
    }
}

#[test]
fn salvaging_claims_each_sound_block_once_and_gives_the_damaged_one_back_at_once() {
    const BLOCKS: usize = 4;
    for damaged in 0..BLOCKS {
        let (mut mem, head) = left(BLOCKS * CAPACITY);
        let addr = 0x1_0000_0000 + u64::try_from(damaged * BLOCK_SIZE).unwrap();
        mem.write(addr + 8, &7_u64.to_ne_bytes());
        let mut set = None;
        let salvage = || set = Some(Restored::salvage(&mem, head).0);
        let expected = Calls { unrestore: 1, ..claims(damaged + 1) };
        assert_eq!(calls(&mem, salvage), expected);
        assert_eq!(calls(&mem, || drop(set)), gives_back(damaged));
        let (mut set, _) = Restored::salvage(&mem, head);
        assert_eq!(calls(&mem, || set.destroy()), frees_claimed(damaged));
        assert_eq!((mem.live(), mem.unclaimed()), (0, BLOCKS - damaged));
    }
    let (mem, head) = left(BLOCKS * CAPACITY);
    let salvage = || Restored::salvage(&mem, head).0.release();
    assert_eq!(calls(&mem, salvage), Calls { unrestore: BLOCKS, ..claims(BLOCKS) });
}

#[test]
fn a_descriptor_that_does_not_fit_is_refused_before_the_first_claim_if_it_can_be() {
    let mut mem = Mock::new();
    let sealed = filled(&mem, 3 * CAPACITY).seal();
    let good = sealed.descriptor(7);
    sealed.leave();
    mem.reboot();

    let restore = |descriptor, tag| {
        let restore = || Restored::restore_from(&mem, &descriptor, tag).map(Restored::release);
        calls(&mem, restore)
    };
    assert_eq!(restore(Descriptor { magic: 0, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { version: 2, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { flags: 8, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { entry_size: 4, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { block_size: 32, ..good }, 7), NOTHING);
    assert_eq!(restore(good, 8), NOTHING);
    let all = Calls { unrestore: 3, ..claims(3) };
    assert_eq!(restore(Descriptor { entries: 17, ..good }, 7), all);
    assert_eq!(restore(good, 7), all, "restored, and released");
    assert_eq!(mem.unclaimed(), 3);
}
