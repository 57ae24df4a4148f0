//! Three kernels in one table: keys of the first find their entries in the third, where they were.

use core::ptr::NonNull;

use kho_block::mock::{Calls, Mock};
use kho_block::{
    AdoptErrorKind, IncomingSlots, Key, OutgoingSlots, PhysAddr, RestoreChecks, Slots,
};

use super::{Table, Taken, left, number};

/// What identifies an entry: where it is, by both names.
type Place = (Option<PhysAddr>, Option<NonNull<[u64; 4]>>);

#[test]
fn keys_of_the_first_kernel_find_their_entries_in_the_third_and_no_entry_moves() {
    const ENTRIES: u64 = if cfg!(miri) { 210 } else { 20_000 };
    const STEP: usize = if cfg!(miri) { 70 } else { 1000 };
    const REMOVED: usize = if cfg!(miri) { 9 } else { 60 };
    type Devices<'m> = OutgoingSlots<[u64; 4], &'m Mock>;
    let mut mem = Mock::new();
    let mut table = Devices::new(&mem);
    let keys: Vec<Key> = (0..ENTRIES).map(|i| table.insert([i, !i, i << 32, 7]).unwrap()).collect();
    let place =
        |table: &Devices<'_>, key| -> Place { (table.phys_addr(key), table.entry_ptr(key)) };
    let places: Vec<Place> = keys.iter().map(|&key| place(&table, key)).collect();
    let blocks = table.block_count();
    // What each kernel removes, of those that are left: one in five, and what it puts in their place.
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let mut head = table.seal().leave();
    for kernel in 1..=3_u64 {
        mem.reboot();
        let before = mem.calls();
        let table = IncomingSlots::<[u64; 4], _>::restore(&mem, head).unwrap();
        let mut table = table.adopt().unwrap();
        let restore = before.restore + blocks;
        let preserve = before.preserve + blocks;
        assert_eq!(mem.calls(), Calls { restore, preserve, ..before }, "two calls for each block");
        table.audit().unwrap();

        for (i, &key) in keys.iter().enumerate() {
            let i = u64::try_from(i).unwrap();
            if gone.contains(&key) {
                assert_eq!((table.get(key), place(&table, key)), (None, (None, None)), "{key}");
            } else {
                assert_eq!(table.get(key), Some(&[i, !i, i << 32, 7]), "{key}");
                assert_eq!(place(&table, key), places[usize::try_from(i).unwrap()], "{key}");
            }
        }
        for &(key, entry) in &new {
            assert_eq!(table.get(key), Some(&entry), "{key}");
        }

        let removed: Vec<Key> =
            keys.iter().skip(usize::try_from(kernel).unwrap()).step_by(STEP).copied().collect();
        for &key in &removed {
            assert!(table.remove(key).is_some());
        }
        for (&old, i) in removed.iter().zip(0..) {
            let entry = [kernel, i, 0, 0];
            let key = table.insert(entry).unwrap();
            assert_eq!(key, Key { slot: old.slot, life: 3 }, "the lowest free slot, in its turn");
            new.push((key, entry));
        }
        gone.extend(removed);
        assert_eq!((table.len(), table.block_count()), (keys.len(), blocks));
        table.audit().unwrap();
        head = table.seal().leave();
    }
    mem.reboot();
    let mut table = IncomingSlots::<[u64; 4], _>::restore(&mem, head).unwrap();
    assert_eq!(table.iter().count(), keys.len());
    assert_eq!((gone.len(), new.len()), (REMOVED, REMOVED));
    table.destroy();
    mem.assert_clean();
}

#[test]
fn records_that_point_at_each_other_by_key_do_so_three_kernels_later() {
    // A list: the key of the next one, as two halves of a word, and a number.
    type Lists<'m> = Slots<[Key; 2], &'m Mock>;
    let mut mem = Mock::new();
    let mut table = Lists::new(&mem);
    let mut first = Key::NULL;
    const ENTRIES: usize = if cfg!(miri) { 30 } else { 1000 };
    for i in (0..).take(ENTRIES) {
        first = table.insert([first, Key { slot: i, life: 0 }]).unwrap();
    }
    let mut head = table.seal().leave();
    for kernel in 0..3 {
        mem.reboot();
        let table = IncomingSlots::<[Key; 2], _>::restore(&mem, head).unwrap();
        let mut table = table.adopt().unwrap();
        let (mut key, mut walked) = (first, 0);
        while let Some(&[next, Key { slot, .. }]) = table.get(key) {
            walked += 1;
            // Each kernel takes the second entry out of the list.
            if walked == 1 {
                let after = table.remove(next).unwrap()[0];
                table.get_mut(key).unwrap()[0] = after;
                key = after;
                assert!(after.is_null() || slot > table.get(after).unwrap()[1].slot);
            } else {
                key = next;
            }
        }
        assert!(key.is_null());
        let left = ENTRIES - 1 - kernel;
        assert_eq!((walked, table.len()), (left, left));
        head = table.seal().leave();
    }
}

#[test]
fn a_refusal_gives_the_table_back_as_it_was_whichever_block_it_is() {
    for refused in 0..4 {
        let (mem, head, keys) = left(10);
        let table = Taken::restore(&mem, head).unwrap();
        mem.refuse_preserve_after(refused);
        let error = table.adopt().unwrap_err();
        assert_eq!(error.kind(), AdoptErrorKind::Refused { block: refused });
        assert_eq!(error.errno(), 12);
        assert_eq!(mem.calls().unpreserve, refused, "what was preserved is no more");
        let table = error.into_set();
        assert!(table.iter().eq(keys.iter().map(|&key| (key, number(key)))));
        table.audit().unwrap();
        assert_eq!((mem.live(), mem.unclaimed()), (4, 0));
        mem.refuse_none();
        let mut table = table.adopt().unwrap();
        table.audit().unwrap();
        assert_eq!(table.insert(5).unwrap(), Key { slot: 10, life: 1 });
        table.destroy();
        mem.assert_clean();
    }
    // Dropped with the error, it is there to be restored again.
    let (mem, head, keys) = left(10);
    mem.refuse_preserve_after(2);
    let kind = Taken::restore(&mem, head).unwrap().adopt().map(drop).unwrap_err().into_kind();
    assert_eq!(kind, AdoptErrorKind::Refused { block: 2 });
    let table = Taken::restore(&mem, head).unwrap();
    assert!(table.iter().eq(keys.iter().map(|&key| (key, number(key)))));
    assert_eq!(mem.faults(), []);
}

#[test]
fn an_adopted_table_that_is_dropped_leaves_every_record_at_any_point_of_its_life() {
    type Life = fn(&mut Table<'_>);
    let lives: [Life; 9] = [
        |_| {},
        |table| {
            table.insert(70).unwrap();
        },
        |table| table.grow(40).unwrap(),
        |table| {
            for i in 70..80 {
                table.insert(i).unwrap();
            }
            table.grow(40).unwrap();
        },
        |table| table.retain(|key, _| key.slot % 2 == 1),
        |table| {
            table.retain(|key, _| key.slot % 3 == 1);
            table.insert(71).unwrap();
            table.grow(30).unwrap();
            table.insert(72).unwrap();
        },
        |table| {
            table.clear();
            table.grow(20).unwrap();
        },
        |table| {
            let mut sealed = table.take().seal().unseal();
            sealed.insert(70).unwrap();
            *table = sealed;
        },
        |table| {
            table.destroy();
            table.insert(70).unwrap();
        },
    ];
    const ENTRIES: &[usize] = if cfg!(miri) { &[0, 10] } else { &[0, 1, 3, 10] };
    for &entries in ENTRIES {
        for (number, life) in lives.iter().enumerate() {
            let (mut mem, head, _) = left(entries);
            let mut table = Taken::restore(&mem, head).unwrap().adopt().unwrap();
            life(&mut table);
            table.audit().unwrap();
            // Without a block to start with, the first one that it gets is as good.
            let root = table.descriptor(9);
            let records: Vec<(Key, u64)> = table.iter().map(|(key, &entry)| (key, entry)).collect();
            let slots = table.slot_count();
            let chained = slots.div_ceil(3).max(table.block_count().min(1));
            drop(table);
            assert_eq!(mem.live(), chained, "spare blocks are freed");
            mem.reboot();
            let mut table = Taken::restore_from(&mem, &root, 9).unwrap();
            let found = table.iter().map(|(key, &entry)| (key, entry));
            assert!(found.eq(records), "life {number} of {entries} entries");
            assert_eq!(table.slot_count(), slots);
            table.destroy();
            mem.assert_clean();
        }
    }
}

#[test]
fn a_table_that_is_adopted_ends_with_its_last_slot_and_leaves_no_byte_behind_it() {
    let (mut mem, head, keys) = left(4);
    // Of a kernel that died as it inserted: written, and stamped, but not counted.
    let second = Taken::restore(&mem, head).unwrap().block_addrs().nth(1).unwrap().get();
    mem.write(second + 16 + 16, [1_u64, 77].map(u64::to_ne_bytes).as_flattened());
    mem.write(second + 16 + 32, &[0xee; 16]);
    let table = Taken::restore(&mem, head).unwrap();
    assert_eq!((table.len(), table.key_at(4)), (4, None), "what is not counted is not there");
    let table = table.adopt().unwrap();
    table.audit().unwrap();
    assert_eq!(table.seal().leave(), head);
    mem.reboot();
    assert_eq!(mem.read(second + 32, 32), [0; 32]);
    let set =
        kho_block::IncomingSet::<[u64; 2], _, 64>::restore_with(&mem, head, RestoreChecks::all())
            .unwrap();
    assert!(
        set.iter()
            .map(|&[stamp, entry]| (stamp, entry))
            .eq(keys.iter().map(|&key| (1, *number(key))))
    );
}
