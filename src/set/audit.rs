//! The invariants of a set, checked one by one; for tests, with the feature `mock`.

#![forbid(unsafe_code)]

use alloc::collections::BTreeSet;
use core::error::Error;
use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{BlockHeader, to_wire};
use crate::chain::entry::Entry;
use crate::chain::tail::Tail;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Origin;

/// An invariant of [`BlockSet`] that does not hold: a fault in this crate, or in the allocator.
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
        let blocks = self.chain.blocks();
        let last = blocks.len().saturating_sub(1);
        let sound = |block, holds: bool, broken| {
            if holds { Ok(()) } else { Err(AuditError { broken, block }) }
        };
        sound(0, self.head().is_some() != blocks.is_empty(), "1: a head if there are blocks")?;
        sound(last, self.tail.block <= last, "2: the tail is a block, or 0")?;

        let mut addrs = BTreeSet::new();
        let mut sum: usize = 0;
        for (number, block) in blocks.iter().enumerate() {
            let BlockHeader { next, count } = block.header().read();
            let addr = self.block_addr(number);
            let aligned = addr.is_some_and(|addr| addr.is_aligned_to(to_wire(BLOCK_SIZE)));
            sound(number, aligned, "1: the address is a block's")?;
            sound(number, addrs.insert(addr), "1: no two blocks have one address")?;
            sound(number, PhysAddr::new(next).is_some() == (number < last), "1: the last ends it")?;
            sound(number, count <= to_wire(Self::CAPACITY_PER_BLOCK), "2: the count fits")?;
            sound(number, number <= self.tail.block || count == 0, "2: empty after the tail")?;
            let start = self.starts.of(number, Self::CAPACITY_PER_BLOCK);
            sound(number, number > self.tail.block || start == sum, "3: the start")?;
            let Tail { block: tail, start, count } = self.tail;
            let known = (start, count) == (sum, block.count());
            sound(number, number != tail || known, "2: the tail's start and count")?;
            if !O::INCOMING {
                sound(
                    number,
                    number >= self.tail.block || block.count() == Self::CAPACITY_PER_BLOCK,
                    "4: full before the tail",
                )?;
                let zero = block.bytes_behind(block.count()).iter().all(|&byte| byte == 0);
                sound(number, zero, "4: unused bytes are zero")?;
            }
            sum = sum.saturating_add(block.count());
        }
        sound(last, self.len() == sum, "2: the length is the sum of the counts")
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::memory::mock::Mock;

    /// Two entries to a block.
    type Set<'a> = BlockSet<u64, &'a Mock, crate::Outgoing, 32>;

    #[test]
    fn every_broken_invariant_is_noticed_where_it_is_broken() {
        type Break = fn(&mut Set<'_>);
        let breaks: [(Break, usize, &str); 13] = [
            (|set| set.tail.block = 4, 3, "2: the tail is a block, or 0"),
            (|set| set.tail.start = 3, 2, "2: the tail's start and count"),
            (|set| set.tail.count = 2, 2, "2: the tail's start and count"),
            (|set| link(set, 0, 0x2008), 1, "1: the address is a block's"),
            (|set| link(set, 1, set.head().map_or(0, u64::from)), 2, "1: no two blocks have"),
            (|set| link(set, 1, 0), 1, "1: the last ends it"),
            (|set| link(set, 3, 0x2000), 3, "1: the last ends it"),
            (|set| count(set, 1, 3), 1, "2: the count fits"),
            (|set| count(set, 3, 1), 3, "2: empty after the tail"),
            (|set| set.starts.note(1, 1, true, 2).unwrap(), 1, "3: the start"),
            (|set| set.starts.note(2, 3, true, 2).unwrap(), 2, "3: the start"),
            (|set| count(set, 1, 1), 1, "4: full before the tail"),
            (|set| set.chain.blocks_mut()[2].parts_mut().1[1] = 7, 2, "4: unused bytes are zero"),
        ];
        for (broken, block, message) in breaks {
            let mem = Mock::new();
            let mut set = Set::new(&mem);
            set.grow(8).unwrap();
            set.writer().extend([1, 2, 3, 4, 5]);
            set.audit().unwrap();
            broken(&mut set);
            let error = set.audit().unwrap_err();
            assert_eq!(error.block, block, "{error}");
            let printed = error.to_string();
            let expected = alloc::format!("block {block}: {message}");
            assert!(printed.starts_with(&expected), "{printed}, not {expected}");
        }
    }

    #[test]
    fn a_set_without_blocks_is_sound() {
        let mem = Mock::new();
        Set::new(&mem).audit().unwrap();
    }

    fn link(set: &mut Set<'_>, block: usize, next: u64) {
        set.chain.blocks()[block].header().set_next(PhysAddr::new(next));
    }

    fn count(set: &mut Set<'_>, block: usize, count: u64) {
        set.chain.blocks()[block].header().set_count(count);
    }
}
