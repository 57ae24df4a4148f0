//! Any key, in any table: it finds the entry that it was given for, or none.

use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, IntoBytes};
use kho_block::{IncomingSlots, Key, Origin, Slots};
use std::collections::BTreeMap;

use super::{NUMBERS, Table, Taken, left};

/// What there is, by key, and keys of which none is there any more.
type Model = (BTreeMap<Key, u64>, Vec<Key>);

/// A table with slots in their first and in later lives, some free, in four blocks; one slot is in no
/// use yet.
fn table(mem: &Mock) -> (Table<'_>, Model) {
    let mut table = Table::new(mem);
    let (mut there, mut gone) = (BTreeMap::new(), Vec::new());
    for &number in &NUMBERS[..11] {
        there.insert(table.insert(number).unwrap(), number);
    }
    for (slot, lives) in [(1, 1), (4, 2), (10, 3), (7, 1)] {
        for life in 0..lives {
            let key = Key { slot, life: 2 * life + 1 };
            assert_eq!(table.remove(key), there.remove(&key));
            gone.push(key);
            if slot != 7 {
                let number = 1000 + u64::from(slot) * 10 + u64::from(life);
                there.insert(table.insert(number).unwrap(), number);
            }
        }
    }
    assert_eq!(there.keys().filter(|key| key.life > 1).count(), 3);
    (table, (there, gone))
}

/// Asserts that a key finds what it should, by every way to look, and removes nothing else.
fn assert_finds<O: Origin>(table: &mut Slots<u64, &Mock, O, 64>, (there, _): &Model, key: Key) {
    let expected = there.get(&key);
    assert_eq!(table.get(key), expected, "{key}");
    assert_eq!(table.contains(key), expected.is_some(), "{key}");
    assert_eq!(table.phys_addr(key).is_some(), expected.is_some(), "{key}");
    assert_eq!(table.entry_ptr(key).is_some(), expected.is_some(), "{key}");
    assert_eq!(table.get_mut(key).copied(), expected.copied(), "{key}");
    if expected.is_none() {
        assert_eq!(table.remove(key), None, "{key}");
    }
}

/// Every key that looks like one of the table's.
fn alike((there, gone): &Model) -> Vec<Key> {
    let small = (0..20).flat_map(|slot| (0..12).map(move |life| Key { slot, life }));
    let edges = [0, 1, 2, 1 << 31, u32::MAX - 2, u32::MAX - 1, u32::MAX];
    let edges = edges.iter().flat_map(|&slot| edges.iter().map(move |&life| Key { slot, life }));
    let given = there.keys().chain(gone);
    let flipped = given.flat_map(|key| {
        (0..64).map(|bit| {
            let mut bytes = <[u8; 8]>::try_from(key.as_bytes()).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Key::read_from_bytes(&bytes).unwrap()
        })
    });
    small.chain(edges).chain(flipped).collect()
}

#[test]
fn any_key_finds_its_own_entry_or_none_in_this_kernel_and_the_next() {
    let mut mem = Mock::new();
    let (mut table, model) = table(&mem);
    let mut keys = alike(&model);
    assert_eq!(keys.len(), 20 * 12 + 49 + 17 * 64);
    if cfg!(miri) {
        keys = keys.into_iter().step_by(13).collect();
    }
    for &key in &keys {
        assert_finds(&mut table, &model, key);
    }
    assert!(table.iter().map(|(key, &entry)| (key, entry)).eq(model.0.clone()));
    table.audit().unwrap();
    let head = table.seal().leave();
    mem.reboot();
    let mut table = Taken::restore(&mem, head).unwrap();
    for &key in &keys {
        assert_finds(&mut table, &model, key);
    }
    let mut table = table.adopt().unwrap();
    for &key in &keys {
        assert_finds(&mut table, &model, key);
    }
    assert!(table.iter().map(|(key, &entry)| (key, entry)).eq(model.0));
    table.audit().unwrap();
}

#[test]
fn the_key_of_no_entry_finds_none_in_any_table() {
    let mem = Mock::new();
    let mut empty = Table::new(&mem);
    let (table, _) = table(&mem);
    for key in [Key::NULL, Key::default(), Key { slot: 0, life: 0 }] {
        assert!(key.is_null());
        assert_eq!((empty.remove(key), empty.get(key), table.get(key)), (None, None, None));
    }
    assert_eq!(Key::NULL.as_bytes(), [0; 8]);
    assert!(table.iter().all(|(key, _)| !key.is_null()));
    empty.grow(5).unwrap();
    assert_eq!((empty.get(Key { slot: 0, life: 1 }), empty.key_at(0)), (None, None));
}

#[test]
fn a_key_is_its_slot_and_its_life_as_words_of_this_machine() {
    let key = Key { slot: 0x0102_0304, life: 0x0506_0708 };
    let words = [0x0102_0304_u32, 0x0506_0708].map(u32::to_ne_bytes);
    assert_eq!(key.as_bytes(), words.as_flattened());
    assert_eq!(Key::read_from_bytes(words.as_flattened()).unwrap(), key);
    assert_eq!(key.to_string(), "slot 16909060, life 84281096");
    assert!(Key { slot: 1, life: 9 } < Key { slot: 2, life: 1 }, "ordered by slot");
}

#[test]
fn keys_end_where_their_table_is_destroyed() {
    let (mem, head, keys) = left(10);
    let mut table = Taken::restore(&mem, head).unwrap().adopt().unwrap();
    table.destroy();
    assert!(keys.iter().all(|&key| table.get(key).is_none()));
    assert_eq!(table.insert(77).unwrap(), keys[0], "and may be given anew");
    table.audit().unwrap();
}

#[test]
fn a_slot_that_is_not_counted_has_no_key_whatever_its_stamp_says() {
    let mut mem = Mock::new();
    let mut table = Slots::<u64, _>::new(&mem);
    let counted = table.insert(2).unwrap();
    let next = table.phys_addr(counted).unwrap().get() + 8;
    let head = table.seal().leave();
    mem.reboot();
    // What a kernel that dies between stamp and count leaves behind.
    mem.write(next, [1_u64, 3].as_bytes());

    let mut table = IncomingSlots::<u64, _>::restore(&mem, head).unwrap();
    let uncounted = Key { slot: counted.slot + 1, life: 1 };
    assert_eq!((table.len(), table.get(counted)), (1, Some(&2)));
    assert!(!table.contains(uncounted) && table.key_at(uncounted.slot).is_none());
    assert_eq!(table.get_mut(uncounted), None);
    assert_eq!(table.entry_ptr(uncounted), None);
    assert_eq!((table.remove(uncounted), table.len()), (None, 1));

    let table = table.adopt().unwrap();
    assert!(!table.contains(uncounted), "it is zeroed");
}
