//! What a table should be: a map, the keys that were ever given, and how often each slot was used.

use std::collections::{BTreeMap, BTreeSet};

use kho_block::Key;

use super::plan::Which;
use crate::model::list::{Sample, sample};

/// The last life that a slot is given: its stamp and the one after it are below `u32::MAX`.
const LAST: u32 = u32::MAX - 2;

/// What a table should be.
#[derive(Clone)]
pub(super) struct Model<T> {
    pub(super) entries: BTreeMap<Key, T>,
    /// Every key since the table was made, or destroyed.
    pub(super) given: BTreeSet<Key>,
    /// The life that the next entry of each slot gets, or that the one in it has; of those that were
    /// ever used.
    pub(super) lives: Vec<u32>,
    pub(super) blocks: usize,
    /// Slots that fit into a block.
    pub(super) capacity: usize,
    /// For the next entry, so that no two are alike.
    seed: usize,
}

impl<T: Sample> Model<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            given: BTreeSet::new(),
            lives: Vec::new(),
            blocks: 0,
            capacity,
            seed: 1,
        }
    }

    pub(super) fn sample(&mut self) -> T {
        self.seed += 1;
        sample(self.seed)
    }

    pub(super) fn key_at(&self, slot: u32) -> Option<Key> {
        let life = *self.lives.get(usize::try_from(slot).unwrap())?;
        Some(Key { slot, life }).filter(|key| self.entries.contains_key(key))
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        0..u32::try_from(self.lives.len()).unwrap()
    }

    /// Slots that never take an entry again.
    pub(super) fn retired(&self) -> usize {
        self.lives.iter().filter(|&&life| life > LAST).count()
    }

    /// Entries for which there is room in all.
    pub(super) fn room(&self) -> usize {
        self.blocks * self.capacity - self.retired()
    }

    /// The key that the next entry gets: of the lowest slot that is free, and may be used.
    pub(super) fn next_key(&self) -> Key {
        let free = |&slot: &u32| self.key_at(slot).is_none() && self.lives[at(slot)] <= LAST;
        match self.slots().find(free) {
            Some(slot) => Key { slot, life: self.lives[at(slot)] },
            None => Key { slot: u32::try_from(self.lives.len()).unwrap(), life: 1 },
        }
    }

    pub(super) fn insert(&mut self, entry: T) -> Key {
        let key = self.next_key();
        if at(key.slot) == self.lives.len() {
            self.lives.push(key.life);
        }
        self.blocks = self.blocks.max(self.lives.len().div_ceil(self.capacity));
        assert!(self.given.insert(key), "{key} was given before");
        self.entries.insert(key, entry);
        key
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.remove(&key)?;
        self.lives[at(key.slot)] += 2;
        Some(entry)
    }

    pub(super) fn grow(&mut self, count: usize) {
        self.blocks = self.blocks.max((count + self.retired()).div_ceil(self.capacity));
    }

    pub(super) fn shrink(&mut self, count: usize) {
        let wanted = (count + self.retired()).div_ceil(self.capacity);
        self.blocks = self.blocks.min(wanted.max(self.lives.len().div_ceil(self.capacity)));
    }

    pub(super) fn destroy(&mut self) {
        *self = Self { seed: self.seed, ..Self::new(self.capacity) };
    }

    /// Makes the life that a free slot gets next its last.
    pub(super) fn grow_old(&mut self, slot: u32) {
        self.lives[at(slot)] = LAST;
    }

    /// What the stamp of a slot must be, if it was ever used.
    pub(super) fn stamp_of(&self, slot: u32) -> Option<u64> {
        self.lives.get(at(slot)).map(|_| self.stamp(slot))
    }

    /// What the stamp of a slot must be that was used.
    pub(super) fn stamp(&self, slot: u32) -> u64 {
        let life = self.lives[at(slot)];
        u64::from(if self.key_at(slot).is_some() { life } else { life - 1 })
    }

    pub(super) fn pick(&self, which: Which) -> Key {
        let part = |parts: u8, all: usize| usize::from(parts) * all.saturating_sub(1) / 255;
        match which {
            Which::Live(parts) => self.entries.keys().nth(part(parts, self.entries.len())).copied(),
            Which::Given(parts) => self.given.iter().nth(part(parts, self.given.len())).copied(),
            Which::Forged(slot, life) => Some(Key { slot, life }),
        }
        .unwrap_or_default()
    }
}

/// A slot as an index.
pub(super) fn at(slot: u32) -> usize {
    usize::try_from(slot).unwrap()
}
