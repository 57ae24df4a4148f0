//! A slot's last life: once that is over it is never used again, by this kernel or any other.

use kho_block::mock::Mock;
use kho_block::{Key, PhysAddr};

use super::{Table, Taken, left, number};

/// The last life that a slot is given.
const LAST: u32 = u32::MAX - 2;

/// What the previous kernel left: ten entries, but that slot `slot` has this stamp.
fn aged(slot: usize, stamp: u32) -> (Mock, Option<PhysAddr>, Vec<Key>) {
    let (mut mem, head, mut keys) = left(10);
    write(&mut mem, head, slot, stamp);
    keys.remove(slot);
    (mem, head, keys)
}

/// Overwrites the stamp of a slot.
fn write(mem: &mut Mock, head: Option<PhysAddr>, slot: usize, stamp: u32) {
    let addr = Taken::restore(&*mem, head).unwrap().block_addrs().nth(slot / 3).unwrap().get();
    let offset = u64::try_from(16 + slot % 3 * 16).unwrap();
    mem.write(addr + offset, &u64::from(stamp).to_ne_bytes());
}

/// Hands the table to the next kernel.
fn reboot<'m>(mem: &'m mut Mock, table: Option<PhysAddr>) -> Taken<'m> {
    mem.reboot();
    let table = Taken::restore(mem, table).unwrap();
    table.audit().unwrap();
    table
}

#[test]
fn a_slot_has_its_last_life_like_any_other_and_is_retired_behind_it_for_good() {
    let (mut mem, head, keys) = aged(4, LAST - 1);
    let mut table = Taken::restore(&mem, head).unwrap().adopt().unwrap();
    assert_eq!((table.len(), table.retired(), table.capacity()), (9, 0, 12));
    let last = table.insert(77).unwrap();
    assert_eq!(last, Key { slot: 4, life: LAST });
    assert_eq!((table.get(last), table.key_at(4)), (Some(&77), Some(last)));

    // The entry of the last life passes to the next kernel, and ends there.
    let head = table.seal().leave();
    let mut table = reboot(&mut mem, head).adopt().unwrap();
    assert_eq!((table.retired(), table.get(last)), (0, Some(&77)));
    assert_eq!(table.remove(last), Some(77));
    table.audit().unwrap();
    assert_eq!((table.len(), table.retired(), table.capacity()), (9, 1, 11));
    assert_eq!((table.remove(last), table.get(last), table.key_at(4)), (None, None, None));
    for slot in [10, 11, 12] {
        assert_eq!(table.insert(7).unwrap(), Key { slot, life: 1 }, "not slot 4");
    }

    // Nor does the kernel after it use the slot.
    let head = table.seal().leave();
    let table = reboot(&mut mem, head);
    assert_eq!((table.len(), table.retired(), table.capacity()), (12, 1, 14));
    let mut table = table.adopt().unwrap();
    table.audit().unwrap();
    table.clear();
    assert_eq!((table.len(), table.retired(), table.slot_count()), (0, 1, 13));
    for slot in (0..15).filter(|&slot| slot != 4) {
        assert_eq!(table.insert(7).unwrap().slot, slot);
    }
    assert!(keys.iter().chain([&last]).all(|&key| table.get(key).is_none()));
    assert!(
        (0..=u32::MAX)
            .step_by(if cfg!(miri) { 1 << 26 } else { 1 << 20 })
            .all(|life| table.get(Key { slot: 4, life }).is_none())
    );
    table.audit().unwrap();
}

#[test]
fn the_stamp_behind_the_last_is_never_reached_but_is_believed_once() {
    // No kernel of this crate gives that life, but its entry is there as any other.
    let (mem, head, _) = aged(4, u32::MAX);
    let mut table = Taken::restore(&mem, head).unwrap();
    let key = Key { slot: 4, life: u32::MAX };
    assert_eq!((table.len(), table.retired(), table.key_at(4)), (10, 0, Some(key)));
    assert_eq!(table.remove(key), Some(*number(key)));
    assert_eq!((table.len(), table.retired(), table.key_at(4)), (9, 1, None));
    table.audit().unwrap();
    let mut table = table.adopt().unwrap();
    table.audit().unwrap();
    assert_eq!(table.insert(7).unwrap().slot, 10);
}

#[test]
fn a_slot_found_retired_is_counted_and_left_alone() {
    let (mem, head, keys) = aged(4, LAST + 1);
    let mut table = Taken::restore(&mem, head).unwrap();
    assert_eq!((table.len(), table.retired(), table.slot_count()), (9, 1, 10));
    assert!(table.iter().eq(keys.iter().map(|&key| (key, number(key)))));
    assert_eq!(table.remove(keys[4]).as_ref(), Some(number(keys[4])));
    let mut table = table.adopt().unwrap();
    assert_eq!(table.retired(), 1);
    assert_eq!(table.insert(7).unwrap(), Key { slot: 5, life: 3 });
    assert_eq!(table.insert(7).unwrap(), Key { slot: 10, life: 1 });
    table.audit().unwrap();
    table.destroy();
    assert_eq!((table.retired(), table.capacity()), (0, 0));
    mem.assert_clean();
}

#[test]
fn growing_and_shrinking_make_room_for_entries_and_not_for_retired_slots() {
    // All of the first block is retired, and a slot of the second one.
    let (mut mem, head, _) = left(10);
    for slot in 0..4 {
        write(&mut mem, head, slot, LAST + 1);
    }
    let mut table = Taken::restore(&mem, head).unwrap().adopt().unwrap();
    assert_eq!((table.len(), table.retired(), table.capacity()), (6, 4, 8));
    table.grow(8).unwrap();
    assert_eq!(table.block_count(), 4);
    table.grow(9).unwrap();
    assert_eq!((table.block_count(), table.capacity()), (5, 11));
    table.grow(20).unwrap();
    assert_eq!((table.block_count(), table.capacity()), (8, 20));
    mem.refuse_after(0);
    for entry in 6..20 {
        assert_eq!(table.insert(entry).unwrap().slot, u32::try_from(entry + 4).unwrap());
    }
    assert_eq!(table.insert(20).unwrap_err().entry, 20, "room for 20 entries was made, not more");
    mem.refuse_none();
    table.grow(40).unwrap();
    table.shrink(21);
    assert_eq!((table.block_count(), table.capacity()), (9, 23));
    table.shrink(0);
    assert_eq!((table.block_count(), table.capacity()), (8, 20));
    table.audit().unwrap();
}

#[test]
fn a_table_of_retired_slots_alone_takes_new_ones() {
    let mut mem = Mock::new();
    let mut table = Table::new(&mem);
    for entry in 0..3 {
        table.insert(entry).unwrap();
    }
    let head = table.seal().leave();
    mem.reboot();
    for slot in 0..3 {
        write(&mut mem, head, slot, LAST);
    }
    let mut table = Taken::restore(&mem, head).unwrap().adopt().unwrap();
    assert!(table.iter().map(|(key, _)| key.life).eq([LAST; 3]));
    table.clear();
    assert_eq!((table.len(), table.retired(), table.capacity()), (0, 3, 0));
    table.audit().unwrap();
    assert_eq!(table.insert(7).unwrap(), Key { slot: 3, life: 1 });
    assert_eq!((table.block_count(), table.head()), (2, head));
    table.audit().unwrap();
}
