//! Damaged links and counts: no key shifts to another slot.

use kho_block::RestoreErrorKind::{CountTooLarge, Cycle, Misaligned, NotFull};
use kho_block::{Key, RestoreErrorKind, RestoreFromError};

use super::{SLOTS, Taken, assert_refused, number, stamp_addr, table};
use crate::corrupt::Damage::{Count, Head, Next};
use crate::corrupt::{ADDRS, NOT_PRESERVED, NOWHERE, apply, phys};

const CAPACITY: usize = 3;

#[test]
fn every_damage_of_a_chain_is_refused_and_what_is_before_it_is_salvaged() {
    let [a, b, c, d] = ADDRS;
    let too_large = |count| CountTooLarge { count, capacity: CAPACITY };
    let not_full = |count| NotFull { count, capacity: CAPACITY };
    let rows = [
        (Head(a + 8), Misaligned, 0, a + 8),
        (Head(NOWHERE), NOT_PRESERVED, 0, NOWHERE),
        (Next(0, b + 16), Misaligned, 1, b + 16),
        (Next(1, NOWHERE), NOT_PRESERVED, 2, NOWHERE),
        (Next(2, b), Cycle { first: 1 }, 3, b),
        (Next(2, d + 63), Misaligned, 3, d + 63),
        (Count(0, 4), too_large(4), 0, a),
        (Count(1, (1 << 32) + 3), too_large((1 << 32) + 3), 1, b),
        (Count(3, 4), too_large(4), 3, d),
        (Count(3, u64::MAX), too_large(u64::MAX), 3, d),
        // A block in the middle with fewer slots would give those behind it other numbers.
        (Count(0, 0), not_full(0), 0, a),
        (Count(0, 2), not_full(2), 0, a),
        (Count(1, 0), not_full(0), 1, b),
        (Count(1, 1), not_full(1), 1, b),
        (Count(1, 2), not_full(2), 1, b),
        (Count(2, 2), not_full(2), 2, c),
        (Next(3, NOWHERE), not_full(1), 3, d),
        (Next(3, a), not_full(1), 3, d),
    ];
    for (damage, kind, sound, addr) in rows.into_iter().step_by(if cfg!(miri) { 4 } else { 1 }) {
        let (mut mem, keys) = table();
        let head = apply(&mut mem, &[damage]);
        assert_refused(&mut mem, head, &keys, (kind, sound, addr));
    }
}

#[test]
fn of_a_stamp_and_another_damage_the_earlier_block_is_named() {
    let [a, b, c, _] = ADDRS;
    let stamp = |slot| RestoreErrorKind::Stamp { slot, stamp: u64::MAX };
    let not_full = NotFull { count: 1, capacity: CAPACITY };
    let rows = [
        (Count(2, 1), 0, (stamp(0), 0, a)),
        (Count(2, 1), 5, (stamp(5), 1, b)),
        // A header is read before the stamps of its block.
        (Count(1, 1), 3, (not_full, 1, b)),
        (Count(1, 1), 6, (not_full, 1, b)),
        (Next(1, NOWHERE), 4, (stamp(4), 1, b)),
        (Next(1, NOWHERE), 7, (NOT_PRESERVED, 2, NOWHERE)),
        (Next(2, a), 8, (stamp(8), 2, c)),
    ];
    for (damage, slot, error) in rows {
        let (mut mem, keys) = table();
        let head = apply(&mut mem, &[damage]);
        mem.write(stamp_addr(slot), &u64::MAX.to_ne_bytes());
        assert_refused(&mut mem, head, &keys, error);
    }
}

#[test]
fn slots_missing_at_the_end_are_missed_by_a_descriptor_alone_and_no_key_shifts() {
    let sealed = |damage: &[_]| {
        let (mut mem, keys) = table();
        let table = Taken::restore(&mem, Some(phys(ADDRS[0]))).unwrap();
        let sealed = table.adopt().unwrap().seal();
        let root = sealed.descriptor(9);
        sealed.leave();
        mem.reboot();
        assert_eq!(root.entries, 10);
        let head = apply(&mut mem, damage);
        (mem, keys, root, head)
    };
    for (damage, slots) in [(Count(3, 0), 9), (Next(2, 0), 9), (Next(0, 0), 3)] {
        let (mem, keys, root, head) = sealed(&[damage]);
        let table = Taken::restore(&mem, head).unwrap();
        assert_eq!(table.slot_count(), slots);
        let kept = keys.iter().filter(|key| usize::try_from(key.slot).unwrap() < slots);
        assert!(table.iter().eq(kept.map(|&key| (key, number(key)))));
        drop(table);
        let error = Taken::restore_from(&mem, &root, 9).unwrap_err();
        // A descriptor of a sealed table promises that no block is empty, too.
        let expected = match damage {
            Count(..) => format!("block 3 at {}: holds no entries", phys(ADDRS[3])),
            _ => format!("descriptor: says {SLOTS} entries, the chain {slots}"),
        };
        assert_eq!((error.to_string(), error.errno()), (expected, 22));
        assert!(matches!(error, RestoreFromError::Chain(_)) == matches!(damage, Count(..)));
        assert_eq!((mem.live(), mem.unclaimed()), (0, 4));
    }
}

#[test]
fn a_chain_that_is_not_dense_is_refused_whether_or_not_a_descriptor_promises_it() {
    for flags in [0, 3] {
        let (mut mem, _) = table();
        let table = Taken::restore(&mem, Some(phys(ADDRS[0]))).unwrap();
        let root = kho_block::Descriptor { flags, ..table.descriptor(9) };
        table.release();
        apply(&mut mem, &[Count(1, 2)]);
        let error = Taken::restore_from(&mem, &root, 9).unwrap_err();
        let RestoreFromError::Chain(error) = error else { panic!("{error}") };
        let not_full = NotFull { count: 2, capacity: CAPACITY };
        assert_eq!((error.kind, error.block), (not_full, 1));
    }
}

#[test]
fn a_link_that_leaves_a_block_out_shifts_slots_and_a_descriptor_tells() {
    // The bare chain cannot tell: the number of slots can.
    let (mut mem, _) = table();
    let head = apply(&mut mem, &[Next(0, ADDRS[2])]);
    let table = Taken::restore(&mem, head).unwrap();
    assert_eq!(table.slot_count(), SLOTS - CAPACITY);
    let root = kho_block::Descriptor {
        entries: 10,
        flags: kho_block::DescriptorFlags::all().bits(),
        ..table.descriptor(9)
    };
    drop(table);
    let error = Taken::restore_from(&mem, &root, 9).unwrap_err();
    assert_eq!(error.to_string(), "descriptor: says 10 entries, the chain 7");
}

#[test]
fn the_sound_part_of_a_damaged_table_is_carried_on() {
    for slot in [6, 8] {
        let (mut mem, keys) = table();
        let head = Some(phys(ADDRS[0]));
        mem.write(stamp_addr(slot), &u64::MAX.to_ne_bytes());
        let (table, damage) = Taken::salvage(&mem, head);
        assert_eq!(damage.unwrap().block, 2);
        let mut table = table.adopt().unwrap();
        table.audit().unwrap();
        // The first free slot, and then one of a block of this kernel's.
        assert_eq!(table.insert(7).unwrap(), Key { slot: 1, life: 3 });
        assert_eq!(table.insert(8).unwrap(), Key { slot: 6, life: 1 });
        table.audit().unwrap();
        assert_eq!(table.seal().leave(), head);
        assert_eq!(mem.discard_unclaimed(), 2);
        mem.reboot();
        let table = Taken::restore(&mem, head).unwrap();
        assert_eq!((table.len(), table.slot_count(), table.block_count()), (7, 7, 3));
        for &key in keys.iter().filter(|key| key.slot < 6) {
            assert_eq!(table.get(key), Some(number(key)));
        }
    }
}
