//! Three kernels in one table, each of which has the memory elsewhere.

use kho_block::{IncomingSlots, Key, OutgoingSlots, PhysAddr, Region};

use crate::region::{Memory, UNIT};

const TAG: u64 = 0xde7;

type Devices<'m> = OutgoingSlots<[u64; 3], &'m Region, UNIT>;

fn device(number: u64) -> [u64; 3] {
    [number, !number, number << 32]
}

/// The table that the root names, adopted.
fn adopt(region: &Region) -> Devices<'_> {
    let root = region.root().expect("the previous kernel has set it");
    let table = IncomingSlots::<_, _, UNIT>::restore_from(region, &root, TAG).unwrap();
    let table = table.adopt().unwrap();
    table.audit().unwrap();
    table
}

fn places(table: &Devices<'_>, keys: &[Key]) -> Vec<Option<PhysAddr>> {
    keys.iter().map(|&key| table.phys_addr(key)).collect()
}

#[test]
fn keys_of_the_first_kernel_find_their_entries_in_the_third() {
    let memory = Memory::new(0x1_0000_0000, 64);
    let region = memory.create().unwrap();
    let mut table = Devices::new(&region);
    let keys: Vec<Key> = (0..600).map(|i| table.insert(device(i)).unwrap()).collect();
    let before = places(&table, &keys);
    region.set_root(Some(&table.descriptor(TAG)));
    drop(table.seal());
    let preserved = region.preserved().count();

    // The second removes every third one, puts others in half of their slots, and dies.
    let memory = memory.remapped();
    let region = memory.open().unwrap();
    let mut table = adopt(&region);
    assert_eq!(places(&table, &keys), before, "no entry has moved");
    let (gone, kept): (Vec<Key>, Vec<Key>) = keys.iter().partition(|key| key.slot % 3 == 0);
    for key in &gone {
        assert_eq!(table.remove(*key), Some(device(key.slot.into())));
    }
    let new: Vec<Key> = (1000..1100).map(|i| table.insert(device(i)).unwrap()).collect();
    assert!(new.iter().zip(&gone).all(|(new, old)| (new.slot, new.life) == (old.slot, 3)));
    table.grow(1000).unwrap();
    core::mem::forget(table);

    // The third finds all of it, and frees the blocks that nobody names.
    let memory = memory.remapped();
    let region = memory.open().unwrap();
    let mut table = adopt(&region);
    assert_eq!(region.sweep(), 3, "blocks that were spare");
    assert_eq!(region.preserved().count(), preserved);
    for (&key, &place) in keys.iter().zip(&before) {
        let there = kept.contains(&key);
        let entry = device(key.slot.into());
        assert_eq!(table.get(key), Some(&entry).filter(|_| there), "{key}");
        assert_eq!(table.phys_addr(key), place.filter(|_| there), "{key}");
    }
    assert!(new.iter().zip(1000..).all(|(&key, i)| table.get(key) == Some(&device(i))));
    assert_eq!(table.insert(device(5)).unwrap(), Key { slot: 300, life: 3 });
    assert_eq!((table.len(), table.slot_count()), (501, 600));

    // Dropped, it is there again; and in a kernel that ends with every block claimed.
    drop(table);
    let memory = memory.remapped();
    let region = memory.open().unwrap();
    let root = region.root().unwrap();
    let table = IncomingSlots::<[u64; 3], _, UNIT>::restore_from(&region, &root, TAG).unwrap();
    assert_eq!(table.len(), 501);
    core::mem::forget(table);
    let memory = memory.remapped();
    let region = memory.open().unwrap();
    let mut table = adopt(&region);
    assert_eq!((table.len(), region.sweep()), (501, 0));
    region.set_root(None);
    table.destroy();
    assert_eq!(region.preserved().count(), 1, "of nothing but the header and the books");
}
