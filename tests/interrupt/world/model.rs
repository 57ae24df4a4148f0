//! What has to be there: whatever calls that have returned have stored, and of the one that is under
//! way what its documentation says.

use std::collections::{BTreeMap, BTreeSet};

use kho_block::{Key, PhysAddr};

use super::found::{Found, Whens};
use super::plan::{Change, Op, Turn, has};
use super::{Raw, Record, number};
use crate::slots::kernels::{LAST_LIFE, Rows};
use crate::strict::When;
use crate::{Entry, entry};

/// What is there between two operations. Entries are numbers.
pub(super) struct Model {
    first: Vec<usize>,
    second: Vec<usize>,
    rows: Rows,
    /// Every key that there ever was.
    keys: BTreeSet<Key>,
    pub(super) raws: Vec<Raw>,
    /// How many entries the set, of which an operation is under way, was last seen to have.
    seen: Option<usize>,
}

impl Model {
    /// What the first kernel starts with.
    pub(super) fn new() -> Self {
        // Those that the slots had before, of which few are left.
        let keys = (0..3).map(|slot| Key { slot, life: LAST_LIFE - 2 * (slot + 1) }).collect();
        let (first, second) = (vec![0, 1, 2], vec![3, 4]);
        Self { first, second, rows: Rows::new(), keys, raws: Vec::new(), seen: None }
    }

    /// How many entries the sets, and the table, have.
    pub(super) fn lengths(&self) -> [usize; 3] {
        [self.first.len(), self.second.len(), self.rows.len()]
    }

    /// Operation `n` has returned, with that `outcome`.
    pub(super) fn advance(&mut self, n: usize, op: &Op, outcome: u64) {
        let from = number(n);
        let small = usize::try_from(outcome).unwrap();
        self.seen = None;
        match op {
            Op::First(change) => self.first = after(&self.first, change, from, small),
            Op::Second(change) => self.second = after(&self.second, change, from, small),
            Op::Table(Turn::Insert) if outcome != 0 => {
                let key = Key {
                    slot: u32::try_from(outcome & 0xffff_ffff).unwrap(),
                    life: u32::try_from(outcome >> 32).unwrap(),
                };
                self.assert_new(key);
                self.keys.insert(key);
                assert_eq!(self.rows.insert(key.slot, (key.life, from)), None);
            }
            Op::Table(turn) => {
                let gone = self.gone(turn);
                self.rows.retain(|slot, _| !gone.contains(slot));
            }
            &Op::Allocate(size) => {
                let fill = u8::try_from(n).unwrap();
                let addr = PhysAddr::new(outcome);
                self.raws.extend(addr.map(|addr| Raw { addr, size, fill, left: false }));
            }
            Op::Free(which) => {
                if let Some(which) = which.checked_rem(self.raws.len()) {
                    self.raws.remove(which);
                }
            }
            Op::Sweep => self.raws.retain(|raw| !raw.left),
            &Op::Kexec { claimed, .. } => {
                for (which, raw) in self.raws.iter_mut().enumerate() {
                    raw.left = !has(claimed.into(), which);
                }
            }
            Op::Publish => {}
        }
    }

    /// The slots that lose their entries, in order.
    fn gone(&self, turn: &Turn) -> Vec<u32> {
        let slots = || self.rows.keys().copied();
        match *turn {
            Turn::Remove(which) => which
                .checked_rem(self.rows.len())
                .and_then(|nth| slots().nth(nth))
                .into_iter()
                .collect(),
            Turn::Retain(bits) => {
                slots().filter(|&slot| !has(bits, usize::try_from(slot).unwrap())).collect()
            }
            Turn::Clear => slots().collect(),
            Turn::Insert | Turn::Grow(_) | Turn::Shrink(_) | Turn::Seal => Vec::new(),
        }
    }

    /// What a call that is under way may leave behind the last entry.
    pub(super) fn whens(op: Option<&Op>) -> Whens {
        let mut whens = [When::AtRest; 3];
        match op {
            Some(Op::First(_)) => whens[0] = When::Any,
            Some(Op::Second(_)) => whens[1] = When::Any,
            Some(Op::Table(_)) => whens[2] = When::Any,
            _ => {}
        }
        whens
    }

    /// Compares what a new kernel found while `under_way`, if anything, with what has to be there.
    pub(super) fn check(&mut self, found: &Found, under_way: Option<(usize, &Op)>) {
        let op = under_way.map(|(_, op)| op);
        let from = under_way.map_or(0, |(n, _)| number(n));
        let (first, second, turn) = match op {
            Some(Op::First(change)) => (Some(change), None, None),
            Some(Op::Second(change)) => (None, Some(change), None),
            Some(Op::Table(turn)) => (None, None, Some(turn)),
            _ => (None, None, None),
        };
        check_set(&self.first, first, from, &found.first, &mut self.seen);
        check_set(&self.second, second, from, &found.second, &mut self.seen);
        self.check_table(turn, from, &found.rows);
        if let Some(next) = found.next {
            self.assert_new(next);
        }

        let freed =
            if let Some(Op::Free(which)) = op { which.checked_rem(self.raws.len()) } else { None };
        for (which, (raw, &there)) in self.raws.iter().zip(&found.raws).enumerate() {
            let may_go = freed == Some(which) || matches!(op, Some(Op::Sweep)) && raw.left;
            assert!(there || may_go, "block {which} is not there");
        }
    }

    /// The key is later than all that its slot had, and not too late.
    fn assert_new(&self, key: Key) {
        let before = self.keys.iter().filter(|before| before.slot == key.slot);
        assert!(before.map(|before| before.life).all(|life| life < key.life), "{key} comes again");
        assert!(key.life <= LAST_LIFE, "{key} is beyond the last life");
    }

    fn check_table(&self, turn: Option<&Turn>, from: usize, found: &BTreeMap<u32, (u32, Entry)>) {
        let mut left: BTreeMap<_, _> =
            self.rows.iter().map(|(&slot, &(life, i))| (slot, (life, entry(i)))).collect();
        for slot in turn.map(|turn| self.gone(turn)).unwrap_or_default() {
            if *found == left {
                return;
            }
            left.remove(&slot);
        }
        if matches!(turn, Some(Turn::Insert)) && *found != left {
            let new = found.iter().find(|(slot, _)| !left.contains_key(slot));
            let (&slot, &(life, _)) = new.unwrap();
            let key = Key { slot, life };
            self.assert_new(key);
            left.insert(slot, (life, entry(from)));
        }
        assert_eq!(*found, left);
    }
}

/// The entries of a set of `old` ones after a change, which says that it has `len` of them.
fn after(old: &[usize], change: &Change, from: usize, len: usize) -> Vec<usize> {
    let mut new = old.to_vec();
    match *change {
        Change::Push | Change::Slice(_) | Change::Write(_) | Change::Extend(_) => {
            let appended = len.checked_sub(old.len()).unwrap();
            let wanted = count(change);
            let all_or_none = matches!(change, Change::Push | Change::Slice(_));
            assert!(appended == wanted || appended == 0 || appended < wanted && !all_or_none);
            new.extend((from..).take(appended));
        }
        Change::Pop => drop(new.pop()),
        Change::Truncate(len) => new.truncate(len),
        Change::Clear => new.clear(),
        // Or there was no memory to name the others alone.
        Change::Destroy if len == old.len() => {}
        Change::Destroy => new.clear(),
        Change::Retain(bits) => new = retained(old, bits),
        Change::SwapRemove(index) => {
            if index < new.len() {
                new.swap_remove(index);
            }
        }
        Change::Grow(_) | Change::Shrink(_) | Change::Seal => {}
    }
    assert_eq!(new.len(), len, "as many as the set has");
    new
}

/// How many entries a change wants to append.
fn count(change: &Change) -> usize {
    match *change {
        Change::Push => 1,
        Change::Slice(count) | Change::Write(count) | Change::Extend(count) => count,
        _ => 0,
    }
}

fn retained(old: &[usize], bits: u32) -> Vec<usize> {
    let kept = old.iter().enumerate().filter(|&(place, _)| has(bits, place));
    kept.map(|(_, &i)| i).collect()
}

/// Whether a set of `old` entries, of which a change may be under way, may be as it was `found`.
fn check_set<T: Record>(
    old: &[usize],
    change: Option<&Change>,
    from: usize,
    found: &[T],
    seen: &mut Option<usize>,
) {
    let n = found.len();
    let starts = |all: &[usize]| {
        let expected: Vec<T> = all.iter().take(n).map(|&i| T::number(i)).collect();
        assert_eq!(found, expected, "of {}", old.len());
    };
    let Some(change) = change else {
        assert_eq!(n, old.len());
        return starts(old);
    };
    // Whether there is nothing but whole blocks.
    let is_full = n % T::PER_BLOCK == 0;
    let before = seen.replace(n).unwrap_or(old.len());
    match *change {
        Change::Grow(_) | Change::Shrink(_) | Change::Seal => {
            assert_eq!(n, old.len());
            starts(old);
        }
        Change::Push | Change::Slice(_) | Change::Write(_) | Change::Extend(_) => {
            let one_by_one = matches!(change, Change::Write(_) | Change::Extend(_));
            let all: Vec<_> = old.iter().copied().chain((from..).take(count(change))).collect();
            let starts_block = one_by_one && n % T::PER_BLOCK == 1;
            let ends = [old.len(), all.len()].contains(&n);
            assert!(n >= before && n <= all.len(), "{n} of {}", all.len());
            assert!(ends || is_full || starts_block, "{n} of {}", all.len());
            starts(&all);
        }
        Change::Pop | Change::Truncate(_) | Change::Clear | Change::Destroy => {
            let new = match *change {
                Change::Pop => old.len().saturating_sub(1),
                Change::Truncate(len) => len.min(old.len()),
                _ => 0,
            };
            let ends = [old.len(), new].contains(&n);
            assert!(n <= before && n >= new, "{n}, from {} to {new}", old.len());
            assert!(ends || is_full && !matches!(change, Change::Destroy), "{n}");
            starts(old);
        }
        Change::SwapRemove(index) => {
            let last = old.len().checked_sub(1).filter(|&last| index <= last);
            assert!(n == old.len() || Some(n) == last, "{n} of {}", old.len());
            // The one that moves is in its new place before it leaves the old one.
            if n < old.len() && index < n {
                assert_eq!(found[index], T::number(old[n]), "of {}", old.len());
            }
            for (place, found) in found.iter().enumerate() {
                let is = T::number(old[place]);
                let other = last.filter(|_| place == index).map_or(is, |last| T::number(old[last]));
                assert!(is_mixed(found, &is, &other), "entry {place}");
            }
        }
        Change::Retain(bits) => {
            let new = retained(old, bits);
            assert!(n <= before && n >= new.len(), "{n}, from {} to {}", old.len(), new.len());
            assert!([old.len(), new.len()].contains(&n) || is_full, "{n}");
            for &i in &new {
                assert!(found.contains(&T::number(i)), "entry {i}, which was kept, is missing");
            }
            let is_old = |found: &T| old.iter().any(|&i| *found == T::number(i));
            let torn = found.iter().enumerate().filter(|(_, found)| !is_old(found));
            let torn: Vec<_> = torn.collect();
            assert!(torn.len() <= 1, "{torn:?}");
            for (place, found) in torn {
                let was = T::number(old[place]);
                assert!(new.iter().any(|&i| is_mixed(found, &was, &T::number(i))), "{found:?}");
            }
        }
    }
}

/// Whether each byte is that of one of the two.
fn is_mixed<T: Record>(found: &T, is: &T, other: &T) -> bool {
    let others = is.as_bytes().iter().zip(other.as_bytes());
    found.as_bytes().iter().zip(others).all(|(byte, (is, other))| byte == is || byte == other)
}
