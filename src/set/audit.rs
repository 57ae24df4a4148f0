//! The invariants of a set, checked one by one; for tests, with the feature `mock`.

#![forbid(unsafe_code)]

use alloc::collections::BTreeSet;
use core::error::Error;
use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{BlockHeader, to_wire};
use crate::chain::entry::Entry;
use crate::chain::index::Index;
use crate::chain::tail::Tail;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Origin;

/// An invariant of [`BlockSet`] or its chain that does not hold: a fault in this crate, or in the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditError {
    /// What does not hold.
    pub broken: &'static str,
    /// The position of the block where it shows.
    pub block: usize,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}: {}", self.block, self.broken)
    }
}

impl Error for AuditError {}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// Checks every line of the set's invariants, and reads every byte for that. Needs the feature
    /// `mock`.
    ///
    /// # Errors
    ///
    /// The first line that does not hold.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[7; 3000])?;
    /// set.pop();
    /// set.audit()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn audit(&self) -> Result<(), AuditError> {
        audit(self.chain.index(), O::INCOMING)
    }
}

/// Checks the invariants of a chain, and those of an outgoing set.
///
/// # Errors
///
/// The first one that does not hold.
pub(crate) fn audit(index: &Index, incoming: bool) -> Result<(), AuditError> {
    let sound = |block, holds: bool, broken| {
        if holds { Ok(()) } else { Err(AuditError { broken, block }) }
    };
    let (blocks, capacity) = (index.blocks(), index.layout().capacity());
    let last = blocks.len().saturating_sub(1);
    let Tail { block: tail, start: tail_start, count: tail_count } = index.ends.tail;
    let spare = index.ends.spare.is_some();
    sound(0, index.ends.first.is_some() != blocks.is_empty(), "2: a first block if there are any")?;
    sound(last, tail <= last, "4: the tail is a block, or 0")?;
    sound(tail, incoming || spare == (tail < last), "3: what is behind the tail is spare")?;
    sound(tail, !(incoming && spare), "3: no restored block is spare")?;

    let mut addrs = BTreeSet::new();
    let mut sum: usize = 0;
    for (number, block) in blocks.iter().enumerate() {
        let BlockHeader { next, count } = block.header().read();
        let addr = index.addr(number);
        let aligned =
            addr.is_some_and(|addr| addr.is_aligned_to(to_wire(index.layout().block_size())));
        sound(number, aligned, "2: the address is a block's")?;
        sound(number, addrs.insert(addr), "2: no two blocks have one address")?;
        let ends = number == last || (spare && number == tail);
        // A salvaged chain keeps its last link as found.
        let ended = PhysAddr::new(next).is_some() != ends || (incoming && number == last);
        sound(number, ended, "2: the last ends it")?;
        sound(number, count <= to_wire(capacity), "4: the count fits")?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        sound(number, number <= tail || count == 0, "4: empty after the tail")?;
        let start = index.starts.of(number, capacity);
        sound(number, number > tail || start == sum, "5: the start")?;
        let known = (tail_start, tail_count) == (sum, count);
        sound(number, number != tail || known, "4: the tail's start and count")?;
        if !incoming {
            sound(number, number >= tail || count == capacity, "6: full before the tail")?;
            sound(number, number != tail || number == 0 || count > 0, "6: the tail has entries")?;
            let zero = index.bytes_behind(number, count).iter().all(|&byte| byte == 0);
            sound(number, zero, "6: unused bytes are zero")?;
        }
        sum = sum.saturating_add(count);
    }
    sound(last, index.ends.tail.end() == sum, "4: the length is the sum of the counts")
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::memory::mock::Mock;
    use crate::set::block_set::IncomingSet;
    use crate::set::origin::Outgoing;

    /// Two entries to a block.
    type Set<'a> = BlockSet<u64, &'a Mock, Outgoing, 32>;

    #[test]
    fn every_broken_invariant_is_noticed_where_it_is_broken() {
        // Of five blocks the first three are in use: the entries are 1 to 5.
        type Break = fn(&mut Set<'_>);
        let breaks: [(Break, usize, &str); 15] = [
            (|set| ends(set).first = None, 0, "2: a first block"),
            (|set| ends(set).tail.block = 5, 4, "4: the tail is a block, or 0"),
            (|set| ends(set).tail.block = 4, 4, "3: what is behind the tail is spare"),
            (|set| ends(set).spare = None, 2, "3: what is behind the tail is spare"),
            (|set| ends(set).tail.start = 3, 2, "4: the tail's start and count"),
            (|set| ends(set).tail.count = 2, 2, "4: the tail's start and count"),
            (|set| link(set, 0, 0x2008), 1, "2: the address is a block's"),
            (|set| link(set, 1, set.head().map_or(0, u64::from)), 2, "2: no two blocks have"),
            (|set| link(set, 1, 0), 1, "2: the last ends it"),
            (|set| link(set, 2, 0x2000), 2, "2: the last ends it"),
            (|set| link(set, 4, 0x2000), 4, "2: the last ends it"),
            (|set| count(set, 1, 3), 1, "4: the count fits"),
            (|set| count(set, 3, 1), 3, "4: empty after the tail"),
            (|set| count(set, 1, 1), 1, "6: full before the tail"),
            (
                |set| *set.chain.blocks_mut()[2].slot_mut(1).unwrap().1 = 7,
                2,
                "6: unused bytes are zero",
            ),
        ];
        for (broken, block, message) in breaks {
            let mem = Mock::new();
            let mut set = Set::new(&mem);
            set.grow(10).unwrap();
            set.writer().extend([1, 2, 3, 4, 5]);
            set.audit().unwrap();
            broken(&mut set);
            let error = set.audit().unwrap_err();
            let printed = error.to_string();
            let expected = alloc::format!("block {block}: {message}");
            assert!(printed.starts_with(&expected), "{printed}, not {expected}");
        }
    }

    #[test]
    fn an_empty_tail_is_noticed() {
        let mem = Mock::new();
        let mut set = Set::new(&mem);
        set.extend_from_slice(&[1, 2, 3]).unwrap();
        *set.chain.blocks_mut()[1].slot_mut(0).unwrap().1 = 0;
        count(&mut set, 1, 0);
        ends(&mut set).tail.count = 0;
        assert_eq!(set.audit().unwrap_err().broken, "6: the tail has entries");
    }

    #[test]
    fn blocks_of_a_restored_set_whose_entries_start_elsewhere_are_noticed() {
        // What precedes them has fewer entries than when it was restored.
        for (fewer, block) in [(0, 1), (1, 2)] {
            let mut mem = Mock::new();
            let mut set = Set::new(&mem);
            set.extend_from_slice(&[1, 2, 3, 4, 5]).unwrap();
            let head = set.into_head();
            mem.reboot();
            let mut set = IncomingSet::<u64, &Mock, 32>::restore(&mem, head).unwrap();
            set.audit().unwrap();
            set.chain.blocks()[fewer].header().set_count(1);
            set.chain.parts_mut().1.tail.start = 3;
            let error = set.audit().unwrap_err();
            assert_eq!((error.block, error.broken), (block, "5: the start"));
        }
    }

    #[test]
    fn a_set_without_blocks_is_sound() {
        let mem = Mock::new();
        Set::new(&mem).audit().unwrap();
    }

    fn ends<'s>(set: &'s mut Set<'_>) -> &'s mut crate::chain::tail::Ends {
        set.chain.parts_mut().1
    }

    fn link(set: &mut Set<'_>, block: usize, next: u64) {
        set.chain.blocks()[block].header().set_next(PhysAddr::new(next));
    }

    fn count(set: &mut Set<'_>, block: usize, count: u64) {
        set.chain.blocks()[block].header().set_count(count);
    }
}
