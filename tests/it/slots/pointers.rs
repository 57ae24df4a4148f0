//! A pointer to an entry of a table: good until that entry is removed, whatever happens to the others.
//!
//! Unsafe is open here to read and write through such pointers. Under Miri this shows that no other
//! operation makes a reference to an entry that is not its own.

#![expect(unsafe_code, reason = "reads and writes through `entry_ptr`")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kho_block::Key;
use kho_block::mock::Mock;

use super::{Table, Taken};

/// Counts one more in an entry, as a device or another CPU does, and says what it was.
fn count(entry: NonNull<u64>) -> u64 {
    // SAFETY: `entry_ptr` lent the pointer, which is aligned, and its entry is still in its table. No
    // one else uses it meanwhile.
    let entry = unsafe { AtomicU64::from_ptr(entry.as_ptr()) };
    entry.fetch_add(1, Ordering::Relaxed)
}

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

#[test]
fn another_thread_counts_in_one_entry_while_others_come_and_go() {
    let mem = Mock::new();
    let mut table = Table::new(&mem);
    let [counted, other, _] = [0, 20, 30].map(|entry| table.insert(entry).unwrap());
    let entry = table.entry_ptr(counted).unwrap();
    // SAFETY: aligned, and its entry stays; nothing but this counts in it.
    let counter = unsafe { AtomicU64::from_ptr(entry.as_ptr()) };
    let (begun, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let times = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut times = 0;
            while !stop.load(Ordering::Relaxed) {
                counter.fetch_add(1, Ordering::Relaxed);
                times += 1;
                begun.store(true, Ordering::Relaxed);
            }
            times
        });
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        for turn in 0..30 {
            // Beside it, in its block, and in others.
            let new = [40, 50, 60, 70].map(|entry| table.insert(entry).unwrap());
            assert_eq!((table.get(other), table.get(new[3])), (Some(&20), Some(&70)));
            *table.get_mut(new[0]).unwrap() = 41;
            *table.get_mut(other).unwrap() = 20;
            assert_eq!(new.map(|key| table.remove(key)), [Some(41), Some(50), Some(60), Some(70)]);
            assert_eq!(new.map(|key| table.contains(key)), [false; 4]);
            assert_eq!(table.key_at(0), Some(counted));
            let third = table.key_at(2).unwrap();
            assert_eq!(table.remove(third), Some(if turn == 0 { 30 } else { 31 }));
            assert_eq!(table.insert(31).unwrap(), Key { slot: 2, life: third.life + 2 });
            table.grow(20).unwrap();
            table.shrink(7);
        }
        stop.store(true, Ordering::Relaxed);
        counting.join().unwrap()
    });
    assert!(times > 0);
    assert_eq!(table.get(counted), Some(&times), "no count is lost");
    assert!(table.iter().skip(1).map(|(_, entry)| entry).eq(&[20, 31]));
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
