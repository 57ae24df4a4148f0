//! Which slots of a table are free between those in use: a bitmap, with summaries to search it by.

#![forbid(unsafe_code)]

use crate::chain::entry::MAX_SLOTS;
use crate::chain::list::{List, NoRoom};

/// Bits of a word, as a shift.
const SHIFT: u32 = 6;

/// Levels that the largest table needs.
const LEVELS: usize = 5;

const _: () = assert!(MAX_SLOTS.ilog2() <= 5 * SHIFT, "the levels tell that many numbers apart");

/// A set of numbers, the lowest of which is found by reading a word of each level.
///
/// # Invariants
///
/// 1. A bit of level 0 is a number in the set. A bit of a higher level says whether the word of that
///    number on the level below has a bit.
/// 2. Levels below `height` have words; the highest of them has one, and the level below it more,
///    if there is one.
#[derive(Debug)]
pub(crate) struct Holes {
    levels: [List<u64>; LEVELS],
    height: usize,
}

impl Holes {
    /// The empty set, without room for a number.
    pub(crate) const fn new() -> Self {
        // INVARIANT: 1 and 2 hold of no words.
        Self { levels: [const { List::new() }; LEVELS], height: 0 }
    }

    /// Makes room for the numbers below `slots`, at most [`MAX_SLOTS`]: a bit of heap for each, and
    /// a 63rd more.
    ///
    /// # Errors
    ///
    /// If the heap has no such room; the set is as it was then.
    pub(crate) fn reserve(&mut self, slots: usize) -> Result<(), NoRoom> {
        if slots == 0 {
            return Ok(());
        }
        let mut words = slots;
        for level in &mut self.levels {
            words = words.div_ceil(64);
            level.reserve(words.saturating_sub(level.len()))?;
            if words <= 1 {
                break;
            }
        }
        words = slots;
        for number in 0..LEVELS {
            words = words.div_ceil(64);
            let had = self.levels.get(number).map_or(0, |level| level.len());
            // A new level sums up the one below, as far as that was there.
            let below = number.checked_sub(1).filter(|_| had == 0);
            let first = below
                .and_then(|below| self.levels.get(below))
                .is_some_and(|below| below.first().is_some_and(|&word| word != 0));
            if let Some(level) = self.levels.get_mut(number) {
                // INVARIANT: 1. the words are zero, but for the first of a new level: the level below
                // had one word before. 2. as many as are needed, up to a level of one word.
                for word in had..words {
                    let _ = level.push(u64::from(first && word == 0));
                }
            }
            self.height = self.height.max(number.saturating_add(1));
            if words <= 1 {
                break;
            }
        }
        Ok(())
    }

    /// Adds a number for which there is room.
    #[inline]
    pub(crate) fn insert(&mut self, number: usize) {
        let mut number = number;
        for level in &mut self.levels {
            let Some(word) = level.get_mut(number >> SHIFT) else { return };
            let before = *word;
            // INVARIANT: 1. the bit, and on the next level that of its word, unless it is there.
            *word = before | (1 << (number & 63));
            if before != 0 {
                return;
            }
            number >>= SHIFT;
        }
    }

    /// Takes a number out.
    #[inline]
    pub(crate) fn remove(&mut self, number: usize) {
        let mut number = number;
        for level in &mut self.levels {
            let Some(word) = level.get_mut(number >> SHIFT) else { return };
            // INVARIANT: 1. the bit, and on the next level that of its word, if no other is left.
            *word &= !(1 << (number & 63));
            if *word != 0 {
                return;
            }
            number >>= SHIFT;
        }
    }

    /// The lowest number, found by reading at most five words; `None` if there is none, found by
    /// reading one.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        let mut number = 0;
        for level in self.levels.get(..self.height)?.iter().rev() {
            let word = level.get(number)?;
            let bit = usize::try_from(word.trailing_zeros()).ok().filter(|_| *word != 0)?;
            number = (number << SHIFT) | bit;
        }
        Some(number).filter(|_| self.height > 0)
    }
}

#[cfg(all(feature = "mock", not(target_os = "none")))]
impl Holes {
    /// Whether a number is in the set.
    pub(crate) fn contains(&self, number: usize) -> bool {
        let [numbers, ..] = &self.levels;
        numbers.get(number >> SHIFT).is_some_and(|word| word & (1 << (number & 63)) != 0)
    }

    /// Whether there is room for the numbers below `slots`, none but those below `used` is in the
    /// set, and every level sums up the one below.
    pub(crate) fn audit(&self, used: usize, slots: usize) -> bool {
        let [numbers, ..] = &self.levels;
        let beyond = (used..numbers.len().saturating_mul(64)).any(|number| self.contains(number));
        let sums = self.levels.windows(2).all(|pair| {
            let [below, above] = pair else { return false };
            let bit =
                |word: usize| above.get(word >> SHIFT).map(|sum| sum & (1 << (word & 63)) != 0);
            let summed = |(number, &word): (usize, &u64)| bit(number) == Some(word != 0);
            below.len() <= 1 || below.iter().enumerate().all(summed)
        });
        let highest = self.height.checked_sub(1).and_then(|top| self.levels.get(top));
        let height = highest.map_or(slots == 0, |top| top.len() == 1);
        !beyond && sums && height && numbers.len().saturating_mul(64) >= slots
    }
}

#[cfg(test)]
#[cfg(feature = "mock")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_lowest_number_is_found_at_every_height() {
        for slots in [1, 2, 63, 64, 65, 4095, 4096, 4097, 262_144, 262_145, 300_000] {
            if cfg!(miri) && slots > 5000 {
                continue; // Checking so many takes it minutes.
            }
            let mut holes = Holes::new();
            assert_eq!(holes.first(), None);
            holes.reserve(slots).unwrap();
            let numbers = [0, 1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, slots - 1];
            let mut model = BTreeSet::new();
            for &number in numbers.iter().filter(|&&number| number < slots).rev() {
                holes.insert(number);
                model.insert(number);
                assert_eq!(holes.first(), model.first().copied(), "of {slots}");
                assert!(holes.audit(slots, slots));
            }
            while let Some(first) = model.pop_first() {
                assert_eq!(holes.first(), Some(first), "of {slots}");
                holes.remove(first);
                assert!(holes.audit(slots, slots));
            }
            assert_eq!(holes.first(), None);
        }
    }

    #[test]
    fn room_grows_around_the_numbers_that_are_there() {
        for first in [0, 1, 63] {
            let mut holes = Holes::new();
            let mut slots = 64;
            holes.reserve(slots).unwrap();
            holes.insert(first);
            while slots < 64 * 64 * if cfg!(miri) { 2 } else { 64 * 2 } {
                slots *= 3;
                holes.reserve(slots).unwrap();
                assert_eq!(holes.first(), Some(first));
                assert!(holes.audit(slots, slots), "{slots}");
                holes.insert(slots - 1);
            }
            holes.remove(first);
            assert_eq!(holes.first(), Some(64 * 3 - 1));
        }
    }
}
