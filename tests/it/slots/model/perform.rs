//! Operations on a table and on the model alike, and what can be read from both.

use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{DescriptorFlags, Key, Origin, OutgoingSlots, PhysAddr, Slots};

use super::TAG;
use super::plan::{Change, Work};
use super::table::{Model, at};
use crate::model::compare::read;
use crate::model::list::Sample;

/// Compares everything that can be read.
pub(super) fn check<T: Sample, O: Origin, const B: usize>(
    table: &Slots<T, &Mock, O, B>,
    model: &Model<T>,
) {
    table.audit().unwrap();
    let used = model.lives.len();
    assert_eq!((table.len(), table.is_empty()), (model.entries.len(), model.entries.is_empty()));
    assert_eq!((table.slot_count(), table.retired()), (used, model.retired()));
    assert_eq!((table.block_count(), table.capacity()), (model.blocks, model.room()));
    let addrs: Vec<PhysAddr> = table.block_addrs().collect();
    assert_eq!((addrs.len(), table.first_block()), (model.blocks, addrs.first().copied()));
    assert_eq!(table.head(), table.first_block().filter(|_| used > 0));

    // Every key ever given finds its own entry, or none.
    for &key in &model.given {
        let entry = model.entries.get(&key);
        assert_eq!((table.get(key), table.contains(key)), (entry, entry.is_some()), "{key}");
        let place = entry.map(|_| {
            let slot = at(key.slot);
            let offset = 16 + slot % model.capacity * (8 + size_of::<T>()) + 8;
            addrs[slot / model.capacity].checked_add(u64::try_from(offset).unwrap()).unwrap()
        });
        assert_eq!(table.phys_addr(key), place, "{key}");
        let ptr = table.entry_ptr(key).map(|ptr| ptr.as_ptr().cast_const());
        assert_eq!(ptr, table.get(key).map(core::ptr::from_ref), "{key}");
    }
    for slot in model.slots().chain([u32::try_from(used).unwrap(), u32::MAX]) {
        assert_eq!(table.key_at(slot), model.key_at(slot));
        for life in [0, 2, u32::MAX - 1, u32::MAX] {
            assert_eq!(table.get(Key { slot, life }), None, "{slot}, {life}");
        }
    }
    assert!(table.iter().eq(model.entries.iter().map(|(&key, entry)| (key, entry))));
}

pub(super) fn apply<T: Sample, O: Origin, const B: usize>(
    table: &mut Slots<T, &Mock, O, B>,
    model: &mut Model<T>,
    change: &Change,
) {
    match change {
        Change::Remove(which) => {
            let key = model.pick(*which);
            assert_eq!(table.remove(key), model.remove(key), "{key}");
            assert_eq!(table.remove(key), None, "{key} is removed");
        }
        Change::Write(which) => {
            let (key, new) = (model.pick(*which), model.sample());
            let (ours, models) = (table.get_mut(key), model.entries.get_mut(&key));
            assert_eq!(ours, models, "{key}");
            if let (Some(ours), Some(models)) = (ours, models) {
                *ours = new.clone();
                *models = new;
            }
        }
        Change::Retain(of, keep) => {
            let (mut number, mut seen) = (0, Vec::new());
            let mut kept = Vec::new();
            table.retain(|key, entry| {
                seen.push((key, entry.clone()));
                number += 1;
                kept.push((number - 1) % of < *keep);
                kept[number - 1]
            });
            let entries = model.entries.clone();
            assert!(seen.into_iter().eq(entries.clone()), "each entry is shown once, in order");
            for (&key, kept) in entries.keys().zip(kept) {
                if !kept {
                    model.remove(key);
                }
            }
        }
        Change::All { back } => {
            let new: Vec<T> = (0..model.entries.len()).map(|_| model.sample()).collect();
            let write = |((key, entry), new): ((Key, &mut T), &T)| {
                assert_eq!(model.entries.get(&key), Some(&*entry), "{key}");
                *entry = new.clone();
            };
            if *back {
                table.iter_mut().rev().zip(new.iter().rev()).for_each(write);
            } else {
                table.iter_mut().zip(&new).for_each(write);
            }
            model.entries.values_mut().zip(new).for_each(|(entry, new)| *entry = new);
        }
        Change::Clear => {
            table.clear();
            let keys: Vec<Key> = model.entries.keys().copied().collect();
            for key in keys {
                model.remove(key);
            }
        }
        Change::Destroy => {
            table.destroy();
            model.destroy();
        }
        Change::Read(steps, finish) => {
            let mut copies = model.entries.clone();
            let models = || model.entries.iter().map(|(&key, entry)| (key, entry));
            read(table.iter(), models(), steps, *finish, model.capacity);
            read((&*table).into_iter().clone(), models(), steps, *finish, model.capacity);
            let copies = copies.iter_mut().map(|(&key, entry)| (key, entry));
            read(table.into_iter(), copies, steps, *finish, model.capacity);
        }
    }
}

pub(super) fn apply_work<T: Sample, const B: usize>(
    table: &mut OutgoingSlots<T, &Mock, B>,
    model: &mut Model<T>,
    work: &Work,
) {
    let (len, capacity) = (model.entries.len(), model.capacity);
    match work {
        Work::Change(change) => apply(table, model, change),
        Work::Insert(n) => {
            for _ in 0..*n {
                let new = model.sample();
                assert_eq!(table.insert(new.clone()).unwrap(), model.insert(new));
            }
        }
        // Few slots show all there is to see.
        Work::Fill if model.room() > 64 => {}
        Work::Fill => {
            table.allocator().refuse_after(0);
            for _ in len..model.room() {
                let new = model.sample();
                assert_eq!(table.insert(new.clone()).unwrap(), model.insert(new));
            }
            let new = model.sample();
            assert_eq!(table.insert(new.clone()).unwrap_err().entry, new);
            table.allocator().refuse_none();
        }
        Work::Grow(at) => {
            table.grow(at.of(len, capacity)).unwrap();
            model.grow(at.of(len, capacity));
        }
        Work::Shrink(at) => {
            table.shrink(at.of(len, capacity));
            model.shrink(at.of(len, capacity));
        }
        Work::Seal => {
            let sealed = table.take().seal();
            model.shrink(0);
            check(&sealed, model);
            let root = sealed.descriptor(TAG);
            assert_eq!(root.entries, u64::try_from(model.lives.len()).unwrap());
            assert_eq!((root.head(), root.flags), (sealed.head(), DescriptorFlags::all().bits()));
            *table = sealed.unseal();
        }
        Work::Take => {
            let taken = table.take();
            check(&taken, model);
            check(table, &Model::new(capacity));
            assert_eq!(table.insert(model.sample()).unwrap(), Key { slot: 0, life: 1 });
            *table = taken;
        }
    }
}

/// Compares memory with the model: every header, every stamp, and every byte of an entry or of a
/// free slot. `addrs` are those of the blocks in the chain.
pub(super) fn check_bytes<T: Sample>(mem: &mut Mock, model: &Model<T>, addrs: &[PhysAddr]) {
    let links = addrs.iter().skip(1).map(|addr| addr.get()).chain([0]);
    for (block, (addr, next)) in addrs.iter().zip(links).enumerate() {
        let count = (model.lives.len() - block * model.capacity).min(model.capacity);
        let header = [next, u64::try_from(count).unwrap()];
        assert_eq!(mem.read(*addr, 16), header.as_bytes(), "block {block}");
    }
    for slot in model.slots() {
        let addr = stamp_addr(model, addrs, slot);
        let found = mem.read(addr, 8 + size_of::<T>());
        let entry = model.key_at(slot).map(|key| model.entries[&key].as_bytes());
        let mut expected = model.stamp(slot).to_ne_bytes().to_vec();
        expected.extend(entry.unwrap_or(T::new_zeroed().as_bytes()));
        assert_eq!(found, expected, "slot {slot}");
    }
}

/// Where the stamp of a slot is.
pub(super) fn stamp_addr<T>(model: &Model<T>, addrs: &[PhysAddr], slot: u32) -> u64 {
    let offset = 16 + at(slot) % model.capacity * (8 + size_of::<T>());
    addrs[at(slot) / model.capacity].get() + u64::try_from(offset).unwrap()
}
