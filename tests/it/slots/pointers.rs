//! A pointer to an entry of a table: good until that entry is removed, whatever happens to the others.
//!
//! Under Miri this shows that no other operation makes a reference to an entry that is not its own.

use kho_block::mock::Mock;
use kho_block::{AdoptErrorKind, Key, Origin, Slots};

use super::{BLOCK_SIZE, Table, Taken};
use crate::device::{TURNS, count, while_it_counts};

#[test]
fn it_stays_good_while_others_are_inserted_removed_and_changed() {
    let mem = Mock::new();
    let mut table = Table::new(&mem);
    let keys = [10, 20, 30, 40].map(|entry| table.insert(entry).unwrap());
    // In one block with others, and the first of the second block.
    let [first, fourth] = [0, 3].map(|slot| table.entry_ptr(keys[slot]).unwrap());
    let mut turns = 0;
    let mut turn = |table: &Table<'_>| {
        assert_eq!((count(first), count(fourth)), (10 + turns, 40 + turns));
        turns += 1;
        let again = [0, 3].map(|slot| table.entry_ptr(keys[slot]));
        assert_eq!(again, [Some(first), Some(fourth)]);
    };
    turn(&table);
    assert_eq!(
        (table.remove(keys[1]), table.get(keys[1]), table.get(keys[2])),
        (Some(20), None, Some(&30))
    );
    turn(&table);
    let second = table.insert(21).unwrap();
    turn(&table);
    *table.get_mut(second).unwrap() += 1;
    turn(&table);
    table.grow(40).unwrap();
    turn(&table);
    let fifth = table.insert(50).unwrap();
    assert_eq!((table.key_at(4), table.contains(fifth)), (Some(fifth), true));
    turn(&table);
    assert_eq!((table.remove(fifth), table.remove(fifth)), (Some(50), None));
    turn(&table);
    table.shrink(0);
    turn(&table);
    assert_eq!((table.phys_addr(keys[0]), table.block_count()), (table.phys_addr(keys[0]), 2));
    let mut taken = table.take();
    turn(&taken);
    drop(table);
    assert_eq!(taken.remove(second), Some(22));
    let sealed = taken.seal();
    turn(&sealed);
    let table = sealed.unseal();
    turn(&table);
    table.audit().unwrap();
    let expected = [(keys[0], 10 + turns), (keys[2], 30), (keys[3], 40 + turns)];
    assert!(table.iter().map(|(key, &entry)| (key, entry)).eq(expected));
}

/// All that can be asked of a table, and of an entry, without a look at the one in slot 0.
fn ask<O: Origin>(table: &Slots<u64, &Mock, O, BLOCK_SIZE>, key: Key, entry: u64) {
    assert_eq!((table.get(key), table.contains(key)), (Some(&entry), true));
    let counted = table.key_at(0).unwrap();
    assert_eq!((table.key_at(key.slot), table.contains(counted)), (Some(key), true));
    assert_eq!((table.len() > 1, table.is_empty(), table.retired()), (true, false, 0));
    assert_eq!(table.capacity(), table.block_count() * 3);
    assert_eq!(table.phys_addr(counted), table.first_block().unwrap().checked_add(16 + 8));
    assert_eq!((table.head(), table.descriptor(7).head()), (table.first_block(), table.head()));
    assert_eq!(table.block_addrs().len(), table.block_count());
    assert_eq!(table.allocator().faults(), []);
    assert!(format!("{table:?}").starts_with("Slots"));
}

/// All that can be done in a table with the entry 20 in slot 1, and something in slot 2, to other
/// entries than that in slot 0, beside it in its block and in other blocks. There is 30 in slot 2
/// then, and nothing behind.
fn work_beside_the_first<'m>(mem: &'m Mock, mut table: Table<'m>) -> Table<'m> {
    let [second, third] = [1, 2].map(|slot| table.key_at(slot).unwrap());
    ask(&table, second, 20);
    let new = [40, 50, 60, 70].map(|entry| table.insert(entry).unwrap());
    *table.get_mut(new[0]).unwrap() += 1;
    *table.get_mut(second).unwrap() += 1;
    ask(&table, new[3], 70);
    assert_eq!(new.map(|key| table.remove(key)), [Some(41), Some(50), Some(60), Some(70)]);
    assert_eq!(new.map(|key| table.remove(key)), [None; 4]);
    assert!(table.remove(third).is_some());
    assert_eq!(table.insert(30).unwrap(), Key { slot: 2, life: third.life + 2 });
    assert_eq!(table.remove(second), Some(21));
    let second = table.insert(20).unwrap();

    // What fails, halfway, gives back what it has done.
    table.shrink(0);
    mem.refuse_after(1);
    assert_eq!(table.grow(30).unwrap_err().obtained, 1);
    let free = table.capacity() - table.len();
    let filled: Vec<_> = (0..free).map(|_| table.insert(8).unwrap()).collect();
    assert_eq!(table.insert(9).unwrap_err().entry, 9);
    mem.refuse_none();
    assert!(filled.into_iter().all(|key| table.remove(key).is_some()));

    // A table of the same allocator comes and goes, and this one goes through many hands.
    table.grow(40).unwrap();
    table.shrink(7);
    let mut other = Table::new(mem);
    other.insert(1).unwrap();
    other.clear();
    other.destroy();
    core::mem::swap(&mut table, &mut other);
    let sealed = other.take().seal();
    ask(&sealed, second, 20);
    assert_eq!(sealed.descriptor(7).head(), sealed.head());
    sealed.unseal()
}

#[test]
fn a_device_may_write_through_it_while_other_entries_are_worked_on() {
    let mem = Mock::new();
    let mut table = Table::new(&mem);
    let [first, ..] = [0, 20, 31].map(|entry| table.insert(entry).unwrap());
    let entry = table.entry_ptr(first).unwrap();
    let (times, table) = while_it_counts(entry, || {
        (0..TURNS).fold(table, |table, _| work_beside_the_first(&mem, table))
    });
    assert_eq!(table.get(first), Some(&times), "no count is lost");
    assert_eq!(table.entry_ptr(first), Some(entry));
    assert!(table.iter().map(|(_, entry)| entry).eq(&[times, 20, 30]));
    table.audit().unwrap();
}

#[test]
fn a_device_may_write_through_it_while_its_table_is_restored_and_carried_on() {
    let mut mem = Mock::new();
    let mut table = Table::new(&mem);
    let keys = [0, 20, 31, 40, 50, 60, 70].map(|entry| table.insert(entry).unwrap());
    let entry = table.entry_ptr(keys[0]).unwrap();
    let head = table.seal().leave();
    // The device has the physical address, and is not stopped for the jump.
    mem.reboot();
    let (times, table) = while_it_counts(entry, || {
        assert_eq!(Taken::restore(&mem, head).unwrap().release(), head);
        let mut table = Taken::salvage(&mem, head).0;
        ask(&table, keys[1], 20);
        assert_eq!((table.remove(keys[3]), table.remove(keys[6])), (Some(40), Some(70)));
        *table.get_mut(keys[4]).unwrap() += 1;
        ask(&table, keys[4], 51);
        assert_eq!(table.entry_ptr(keys[0]), Some(entry));

        mem.refuse_preserve_after(1);
        let (table, kind) = table.adopt().unwrap_err().into_parts();
        assert_eq!(kind, AdoptErrorKind::Refused { block: 1 });
        mem.refuse_none();
        let mut table = table.adopt().unwrap();
        assert_eq!((table.remove(keys[4]), table.remove(keys[5])), (Some(51), Some(60)));
        work_beside_the_first(&mem, table)
    });
    assert_eq!(table.get(keys[0]), Some(&times), "no count is lost");
    assert_eq!(table.entry_ptr(keys[0]), Some(entry));
    assert!(table.iter().map(|(_, entry)| entry).eq(&[times, 20, 30]));
    table.audit().unwrap();
}

#[test]
fn every_entry_is_lent_at_once_to_be_read_or_to_be_changed() {
    let mem = Mock::new();
    let mut table = Table::new(&mem);
    let keys = [10, 20, 30, 40, 50].map(|entry| table.insert(entry).unwrap());
    table.remove(keys[1]);
    let all: Vec<_> = table.iter().collect();
    let by_key = keys.map(|key| table.get(key));
    let entry = table.entry_ptr(keys[3]).unwrap();
    table.audit().unwrap();
    assert_eq!(all, [(keys[0], &10), (keys[2], &30), (keys[3], &40), (keys[4], &50)]);
    assert_eq!(by_key, [Some(&10), None, Some(&30), Some(&40), Some(&50)]);
    assert_eq!(core::ptr::from_ref(all[2].1), entry.as_ptr().cast_const());

    let mut all: Vec<_> = table.iter_mut().collect();
    for (_, entry) in all.iter_mut().rev() {
        **entry += 100;
    }
    for (_, entry) in &mut all {
        **entry += 1;
    }
    assert_eq!(all.into_iter().map(|(_, entry)| *entry).collect::<Vec<_>>(), [111, 131, 141, 151]);
    table.retain(|key, entry| {
        *entry += u64::from(key.slot);
        *entry != 133
    });
    assert!(table.iter().map(|(_, entry)| entry).eq(&[111, 144, 155]));
    table.audit().unwrap();
}

#[test]
fn it_is_where_the_entry_is_and_where_the_next_kernel_finds_it() {
    let mut mem = Mock::new();
    let mut table = Table::new(&mem);
    let keys = [10, 20, 30, 40, 50].map(|entry| table.insert(entry).unwrap());
    table.grow(10).unwrap();
    for &key in &keys {
        let entry = table.entry_ptr(key).unwrap();
        assert_eq!(entry.as_ptr().cast_const(), core::ptr::from_ref(table.get(key).unwrap()));
        count(entry);
    }
    table.remove(keys[1]);
    let stale = [keys[1], Key { slot: 1, life: 2 }, Key { slot: 5, life: 1 }, Key::NULL];
    for key in stale {
        assert_eq!(table.entry_ptr(key), None, "{key}: a slot without that entry");
    }
    let head = table.seal().leave();
    mem.reboot();
    let mut table = Taken::restore(&mem, head).unwrap();
    assert!(table.iter().map(|(_, entry)| entry).eq(&[11, 31, 41, 51]));
    let [third, last] = [2, 4].map(|slot| table.entry_ptr(keys[slot]).unwrap());
    assert_eq!((count(third), count(last)), (31, 51));
    assert_eq!((table.remove(keys[0]), table.entry_ptr(keys[0])), (Some(11), None));
    let mut table = table.adopt().unwrap();
    assert_eq!((count(third), count(last), table.entry_ptr(keys[2])), (32, 52, Some(third)));
    assert!(table.iter().map(|(_, entry)| entry).eq(&[33, 41, 53]));
    table.destroy();
    mem.assert_clean();
}
