//! What a table of three slots should be: a plain map, and every key that was ever given.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test panics when it fails, and where its own arithmetic does"
)]

use std::collections::BTreeMap;

use kho_block::Key;

pub(super) const SLOTS: usize = 3;

/// The last life that a slot is given.
pub(super) const LAST: u32 = u32::MAX - 2;

/// What a table should be.
pub(super) struct Map {
    pub(super) entries: BTreeMap<Key, u64>,
    /// Every key that was given, the first one first.
    pub(super) given: Vec<Key>,
    /// Of each slot that was ever used, the life that its entry has, or the next one gets.
    pub(super) lives: Vec<u32>,
    pub(super) blocks: usize,
    /// Slots that fit into a block.
    pub(super) capacity: usize,
}

impl Map {
    pub(super) fn new(capacity: usize) -> Self {
        let (entries, given, lives) = Default::default();
        Self { entries, given, lives, blocks: 0, capacity }
    }

    /// Finds free slots, the next lives of which are these.
    pub(super) fn found_free(&mut self, lives: &[u32]) {
        self.lives = lives.to_vec();
        self.blocks = self.linked();
        // The keys that were given last.
        self.given = (0..).zip(lives).map(|(slot, &life)| Key { slot, life: life - 2 }).collect();
    }

    /// An entry like no other.
    pub(super) fn next_entry(&self) -> u64 {
        0x5e_0000 + u64::try_from(self.given.len()).unwrap()
    }

    /// The newest key of a slot, or the first one it can have.
    pub(super) fn newest(&self, slot: u32) -> Key {
        let of_slot = self.given.iter().rev().find(|key| key.slot == slot);
        of_slot.copied().unwrap_or(Key { slot, life: 1 })
    }

    /// The keys whose entries are gone.
    pub(super) fn old(&self) -> impl Iterator<Item = Key> {
        self.given.iter().copied().filter(|key| !self.entries.contains_key(key))
    }

    /// Puts an entry into the lowest slot that is free: none of three, and it is refused.
    pub(super) fn insert(&mut self, entry: u64) -> Option<Key> {
        let in_use = |slot| self.entries.keys().any(|key| key.slot == slot);
        let slot = (0..3).find(|&slot| !in_use(slot) && self.life(slot) <= LAST)?;
        let key = Key { slot, life: self.life(slot) };
        if at(slot) == self.lives.len() {
            self.lives.push(1);
        }
        self.blocks = self.blocks.max(self.linked());
        assert!(!self.given.contains(&key), "{key} was given before");
        self.given.push(key);
        self.entries.insert(key, entry);
        Some(key)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<u64> {
        let entry = self.entries.remove(&key)?;
        self.lives[at(key.slot)] += 2;
        Some(entry)
    }

    fn life(&self, slot: u32) -> u32 {
        self.lives.get(at(slot)).copied().unwrap_or(1)
    }

    /// Slots that never take an entry again.
    pub(super) fn retired(&self) -> usize {
        self.lives.iter().filter(|&&life| life > LAST).count()
    }

    /// Blocks with slots that were ever used.
    pub(super) fn linked(&self) -> usize {
        self.lives.len().div_ceil(self.capacity)
    }

    /// Blocks that the next kernel finds: the first one it does also if no slot was ever used.
    pub(super) fn in_chain(&self) -> usize {
        self.linked().max(self.blocks.min(1))
    }

    /// Frees the spare blocks.
    pub(super) fn shrink(&mut self) {
        self.blocks = self.linked().max(self.retired().div_ceil(self.capacity));
    }
}

fn at(slot: u32) -> usize {
    usize::try_from(slot).unwrap()
}
