//! What a table should be: a list of slots, with the stamp and the bytes of each.

use core::ptr;

use arrayvec::ArrayVec;
use kho_block::{HEADER_SIZE, Key, Origin, PhysAddr, RestoreChecks, RestoreErrorKind, Slots};

use crate::arena::{Arena, BLOCKS, addr_of};
use crate::image::{Damage, Image};
use crate::{Record, heap, record};

/// The stamp of a slot that takes no entry any more.
const RETIRED: u64 = u32::MAX as u64 - 1;

/// A stamp, and what lies behind it: also in a slot that is free.
pub(super) type Slot<T> = (u64, T);

/// At most three slots to a block.
#[derive(Clone)]
pub(super) struct Model<T>(pub(super) ArrayVec<Slot<T>, { 3 * BLOCKS }>);

/// What is found in memory: the slots up to the first damaged block, the number of their blocks, and
/// what is wrong with that block.
pub(super) struct Found<T> {
    pub(super) model: Model<T>,
    pub(super) blocks: ArrayVec<usize, BLOCKS>,
    pub(super) damage: Option<Damage>,
}

/// Reads a table from its bytes, without the library. `S` is as large as a slot.
pub(super) fn find<T: Record, S: Record, const SIZE: usize>(
    image: &Image<SIZE>,
    head: u64,
    checks: RestoreChecks,
    empty_is_fine: bool,
) -> Found<T> {
    let walk = image.walk::<S>(head, checks | RestoreChecks::DENSE, empty_is_fine);
    let mut found = Found {
        model: Model(ArrayVec::new()),
        blocks: walk.blocks.iter().map(|&(block, _)| block).collect(),
        damage: walk.damage,
    };
    for slot in &walk.entries {
        let (stamp, entry) = slot.as_bytes().split_at(8);
        let stamp = u64::from_ne_bytes(stamp.try_into().expect("8 bytes"));
        if stamp > u32::MAX.into() {
            // Nothing of its block is taken.
            let (number, capacity) = (found.model.0.len(), (SIZE - HEADER_SIZE) / size_of::<S>());
            let block = number / capacity;
            let addr = PhysAddr::new(addr_of::<SIZE>(found.blocks[block])).expect("not zero");
            let kind = RestoreErrorKind::Stamp { slot: number, stamp };
            found.damage = Some((kind, block, addr));
            found.model.0.truncate(block * capacity);
            found.blocks.truncate(block);
            break;
        }
        found.model.0.push((stamp, T::read_from_bytes(entry).expect("an entry")));
    }
    found
}

impl<T: Record> Model<T> {
    /// The key of the entry in a slot, if it has one.
    pub(super) fn key(&self, slot: usize) -> Option<Key> {
        let &(stamp, _) = self.0.get(slot).filter(|(stamp, _)| stamp % 2 == 1)?;
        Some(Key { slot: slot as u32, life: stamp as u32 })
    }

    pub(super) fn keys(&self) -> impl DoubleEndedIterator<Item = Key> {
        (0..self.0.len()).filter_map(|slot| self.key(slot))
    }

    pub(super) fn len(&self) -> usize {
        self.keys().count()
    }

    pub(super) fn retired(&self) -> usize {
        self.0.iter().filter(|(stamp, _)| *stamp == RETIRED).count()
    }

    /// The entry of a key, if it is there.
    pub(super) fn entry(&mut self, key: Key) -> Option<&mut T> {
        let slot = key.slot as usize;
        (self.key(slot)? == key).then(|| &mut self.0[slot].1)
    }

    /// Puts an entry into the lowest free slot, of as many as there may be.
    pub(super) fn insert(&mut self, entry: T, slots: usize) -> Option<Key> {
        let free = |&(stamp, _): &Slot<T>| stamp % 2 == 0 && stamp != RETIRED;
        let slot = self.0.iter().position(free).unwrap_or(self.0.len());
        if slot == self.0.len() {
            if slot == slots {
                return None;
            }
            self.0.push((0, T::new_zeroed()));
        }
        self.0[slot] = (self.0[slot].0 + 1, entry);
        self.key(slot)
    }

    /// Takes the entry of a key out, and leaves zeros.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = *self.entry(key)?;
        self.0[key.slot as usize] = (RETIRED.min(u64::from(key.life) + 1), T::new_zeroed());
        Some(entry)
    }
}

type Table<'a, T, O, const SIZE: usize> = Slots<T, &'a Arena<SIZE>, O, SIZE>;

/// Removes entries, rewrites them or looks for them, in one of several ways.
pub(super) fn touch<T: Record, O: Origin, const SIZE: usize>(
    table: &mut Table<'_, T, O, SIZE>,
    model: &mut Model<T>,
    way: u8,
    n: u8,
) {
    // One more than there are; and for the most part the key of the entry that is there.
    let slot = usize::from(n) % (model.0.len() + 1);
    let none = Key { slot: slot as u32, life: (n / 8).into() };
    let key = model.key(slot).filter(|_| n & 0xc0 != 0xc0).unwrap_or(none);
    match way {
        0..=2 => {
            assert_eq!(table.remove(key), model.remove(key));
            assert_eq!(
                (table.remove(key), table.get(key), table.contains(key)),
                (None, None, false)
            );
        }
        3 => {
            let (entry, in_model) = (table.get_mut(key), model.entry(key));
            assert_eq!(entry, in_model);
            if let (Some(entry), Some(in_model)) = (entry, in_model) {
                (*entry, *in_model) = (record(n), record(n));
            }
        }
        4 => {
            let skip = usize::from(n % 8);
            let keys: ArrayVec<Key, { 3 * BLOCKS }> = model.keys().rev().skip(skip).collect();
            let mut entries = table.iter_mut().rev();
            assert!(skip == 0 || entries.nth(skip - 1).is_some() == (model.len() >= skip));
            assert_eq!(entries.len(), keys.len());
            for (found, entry) in entries {
                let in_model = model.entry(found).expect("a key that is there");
                (*entry, *in_model) = (record(n), record(n));
            }
        }
        5 => {
            let mut keys: ArrayVec<Key, { 3 * BLOCKS }> = model.keys().collect();
            table.retain(|key, entry| {
                assert_eq!(key, keys.remove(0), "in the order of slots");
                assert_eq!(Some(&mut *entry), model.entry(key));
                let keeps = n >> (key.slot % 8) & 1 == 1;
                if keeps {
                    (*entry, *model.entry(key).expect("there")) = (record(n), record(n));
                } else {
                    model.remove(key);
                }
                keeps
            });
            assert!(keys.is_empty());
        }
        6 if n < 64 => {
            table.clear();
            (0..model.0.len()).for_each(|slot| {
                model.key(slot).and_then(|key| model.remove(key));
            });
        }
        _ => compare(table, model),
    }
}

/// Reads the table in every way, and compares it with the model.
pub(super) fn compare<T: Record, O: Origin, const SIZE: usize>(
    table: &Table<'_, T, O, SIZE>,
    model: &Model<T>,
) {
    heap::unrefused(|| table.audit()).expect("every invariant holds");
    let (len, slots, retired) = (model.len(), model.0.len(), model.retired());
    assert_eq!((table.len(), table.slot_count(), table.retired()), (len, slots, retired));
    assert_eq!(table.is_empty(), len == 0);
    let per_block = (SIZE - HEADER_SIZE) / (8 + size_of::<T>());
    assert_eq!(table.capacity(), table.block_count() * per_block - retired);
    assert_eq!(table.head(), table.first_block().filter(|_| slots > 0));

    let entries = || model.keys().map(|key| (key, &model.0[key.slot as usize].1));
    assert_eq!(table.iter().len(), len);
    assert!(table.iter().eq(entries()), "forward");
    assert!(table.iter().rev().eq(entries().rev()), "backward");
    let (mut both, mut expected) = (table.iter(), entries());
    for left in (0..len).rev() {
        let (found, entry) = match left % 3 {
            0 => (both.next(), expected.next()),
            _ => (both.next_back(), expected.next_back()),
        };
        assert_eq!((found, both.len()), (entry, left), "from both ends");
    }
    assert_eq!((both.next(), both.next_back()), (None, None));

    for slot in 0..=slots {
        let key = model.key(slot);
        let number = slot as u32;
        assert_eq!(table.key_at(number), key);
        let stamp = model.0.get(slot).map_or(0, |&(stamp, _)| stamp as u32);
        for life in [0, 1, stamp.wrapping_sub(1), stamp, stamp.wrapping_add(1), u32::MAX] {
            let asked = Key { slot: number, life };
            let entry = model.0.get(slot).filter(|_| key == Some(asked)).map(|(_, entry)| entry);
            assert_eq!((table.get(asked), table.contains(asked)), (entry, entry.is_some()));
            let place = table.entry_ptr(asked).map(|place| place.as_ptr().cast_const());
            assert_eq!(place, table.get(asked).map(ptr::from_ref));
            let addr = entry.and_then(|_| table.block_addrs().nth(slot / per_block)).map(|block| {
                let end = HEADER_SIZE + (slot % per_block + 1) * (8 + size_of::<T>());
                block.get() + (end - size_of::<T>()) as u64
            });
            assert_eq!(table.phys_addr(asked).map(PhysAddr::get), addr);
        }
    }
    assert_eq!((table.get(Key::NULL), table.key_at(u32::MAX)), (None, None));
}
