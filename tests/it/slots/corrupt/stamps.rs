//! Any stamp, of any slot.

use kho_block::mock::Mock;
use kho_block::{Key, RestoreErrorKind};

use super::{SLOTS, Taken, assert_refused, number, stamp_addr, table};
use crate::corrupt::{ADDRS, phys};

/// Restores the table after a stamp was overwritten, and says whether it was accepted: if so its slot
/// is what the stamp says, and every other key finds what it found.
fn restores_as_it_says(mem: &mut Mock, keys: &[Key], slot: usize, stamp: u64) -> bool {
    let head = Some(phys(ADDRS[0]));
    let undamaged = mem.read(stamp_addr(slot), 8);
    mem.write(stamp_addr(slot), &stamp.to_ne_bytes());
    let accepted = stamp < 1 << 32;
    if accepted {
        let table = Taken::restore(&*mem, head).unwrap();
        table.audit().unwrap();
        let number_of_slot = u32::try_from(slot).unwrap();
        let mut expected: Vec<Key> =
            keys.iter().copied().filter(|key| key.slot != number_of_slot).collect();
        if stamp % 2 == 1 {
            let life = u32::try_from(stamp).unwrap();
            expected.push(Key { slot: number_of_slot, life });
            expected.sort();
        }
        // The bytes of slot 1, which was free, are zero.
        let entry = |key: Key| if key.slot == 1 { &0 } else { number(key) };
        assert!(table.iter().eq(expected.iter().map(|&key| (key, entry(key)))), "{stamp:#x}");
        for key in keys {
            let there = expected.contains(key);
            assert_eq!(table.get(*key), Some(entry(*key)).filter(|_| there), "{stamp:#x}: {key}");
        }
        let retired = usize::from(stamp == 0xffff_fffe);
        assert_eq!((table.len(), table.retired()), (expected.len(), retired), "{stamp:#x}");
        assert_eq!(table.capacity(), 12 - retired);
        assert_eq!(table.slot_count(), SLOTS);
    } else {
        let kind = RestoreErrorKind::Stamp { slot, stamp };
        assert_refused(mem, head, keys, (kind, slot / 3, ADDRS[slot / 3]));
    }
    mem.write(stamp_addr(slot), &undamaged);
    accepted
}

/// A test tries one slot of so many, and one bit: Miri takes a second for a few.
const STEP: usize = if cfg!(miri) { 9 } else { 1 };

#[test]
fn any_stamp_is_an_error_by_its_slot_or_says_what_its_slot_is() {
    let (mut mem, keys) = table();
    let stamps = [
        (0, true),
        (1, true),
        (2, true),
        (3, true),
        (4, true),
        (0x7fff_ffff, true),
        (0x8000_0000, true),
        (0xffff_fffc, true),
        (0xffff_fffd, true),
        (0xffff_fffe, true),
        (0xffff_ffff, true),
        (1 << 32, false),
        ((1 << 32) + 1, false),
        (1 << 63, false),
        (u64::MAX - 1, false),
        (u64::MAX, false),
    ];
    for slot in (0..SLOTS).step_by(STEP) {
        for (stamp, accepted) in stamps {
            let was = restores_as_it_says(&mut mem, &keys, slot, stamp);
            assert_eq!(was, accepted, "slot {slot}: {stamp:#x}");
        }
    }
    let table = Taken::restore(&mem, Some(phys(ADDRS[0]))).unwrap();
    assert!(table.iter().eq(keys.iter().map(|&key| (key, number(key)))), "all is repaired");
}

#[test]
fn any_flipped_bit_of_a_stamp_is_an_error_or_says_what_its_slot_is() {
    let (mut mem, keys) = table();
    let mut accepted = 0;
    for slot in (0..SLOTS).step_by(STEP) {
        let stamp = mem.read(stamp_addr(slot), 8).try_into().map(u64::from_ne_bytes).unwrap();
        for bit in (0..64).step_by(STEP) {
            let flipped = restores_as_it_says(&mut mem, &keys, slot, stamp ^ (1 << bit));
            assert_eq!(flipped, bit < 32);
            accepted += usize::from(flipped);
        }
    }
    assert_eq!(accepted, 32_usize.div_ceil(STEP) * SLOTS.div_ceil(STEP));
}

#[test]
fn of_several_stamps_the_first_is_named() {
    for (first, second) in [(0, 1), (0, 9), (2, 3), (4, 5), (8, 9)] {
        let (mut mem, keys) = table();
        for slot in [first, second] {
            mem.write(stamp_addr(slot), &u64::MAX.to_ne_bytes());
        }
        let kind = RestoreErrorKind::Stamp { slot: first, stamp: u64::MAX };
        let error = (kind, first / 3, ADDRS[first / 3]);
        assert_refused(&mut mem, Some(phys(ADDRS[0])), &keys, error);
    }
}

#[test]
fn a_stamp_that_is_not_counted_is_not_looked_at() {
    let (mut mem, keys) = table();
    for slot in [10, 11] {
        mem.write(stamp_addr(slot), &u64::MAX.to_ne_bytes());
    }
    let table = Taken::restore(&mem, Some(phys(ADDRS[0]))).unwrap();
    assert!(table.iter().eq(keys.iter().map(|&key| (key, number(key)))));
    // A kernel that goes on with it takes slots that were never used, not what lay there.
    let mut table = table.adopt().unwrap();
    table.audit().unwrap();
    assert_eq!(table.insert(7).unwrap(), Key { slot: 1, life: 3 });
    assert_eq!(table.insert(7).unwrap(), Key { slot: 10, life: 1 });
    table.audit().unwrap();
}

#[test]
fn a_free_slot_may_hold_any_bytes() {
    let (mut mem, keys) = table();
    mem.write(stamp_addr(1) + 8, &[0xee; 8]);
    let mut table = Taken::restore(&mem, Some(phys(ADDRS[0]))).unwrap();
    assert!(table.iter().eq(keys.iter().map(|&key| (key, number(key)))));
    assert!(table.iter_mut().map(|(key, _)| key).eq(keys.iter().copied()));
    let mut table = table.adopt().unwrap();
    table.audit().unwrap();
    assert_eq!(table.insert(7).unwrap(), Key { slot: 1, life: 3 });
    assert_eq!(table.get(Key { slot: 1, life: 3 }), Some(&7));
}

#[test]
fn an_error_says_which_stamp_it_is() {
    let (mut mem, _) = table();
    mem.write(stamp_addr(7), &(1_u64 << 32).to_ne_bytes());
    let error = Taken::restore(&mem, Some(phys(ADDRS[0]))).unwrap_err();
    assert_eq!(error.to_string(), "block 2 at 0x100000000: slot 7 has 0x100000000 for a stamp");
}
