//! Where a chain starts and ends: the places where blocks and entries are added and removed.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::chain::header::Header;

/// The last block in use of a set: which it is, and how many entries there are in it and before it.
///
/// The count is in the block's header too. This copy saves [`BlockSet::get`](crate::BlockSet::get)
/// a look at the header, and stays right if someone overwrites the header behind the set's back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// The block's number; 0 if no block is in use.
    pub(crate) block: usize,
    /// Entries in the blocks before it.
    pub(crate) start: usize,
    /// Entries in it.
    pub(crate) count: usize,
}

impl Tail {
    /// That of a set without blocks.
    pub(crate) const NONE: Self = Self { block: 0, start: 0, count: 0 };

    /// Entries in the set.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        // Never too large: so many entries are in memory.
        self.start.wrapping_add(self.count)
    }
}

/// The ends of a chain: its first block, the spare blocks that are not in it, and the tail.
///
/// A kexec may come between any two of the stores below. Their order keeps every block without
/// entries out of the chain that the root names, but for the first one of a set without entries.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The address of the first block.
    pub(crate) first: Option<PhysAddr>,
    /// The address of the first spare block.
    pub(crate) spare: Option<PhysAddr>,
    pub(crate) tail: Tail,
}

impl Ends {
    /// Those of a chain without blocks.
    pub(crate) const NONE: Self = Self { first: None, spare: None, tail: Tail::NONE };

    /// Links the first spare block, whose entries are written and counted, behind the tail, which
    /// is full, and makes it the tail. The caller then sets the tail's count.
    pub(crate) fn link(&mut self, tail: &Header, spare: &Header) {
        let addr = self.spare;
        // INVARIANT: 2, 3 and 4 of the index. The next spare block starts the others, and the first
        // is the last one of the chain.
        self.spare = spare.next();
        spare.set_next(None);
        tail.set_next(addr);
        let Tail { block, .. } = self.tail;
        self.tail = Tail { block: block.saturating_add(1), start: self.tail.end(), count: 0 };
    }

    /// Unlinks the tail from the block `before` it and makes it the first spare block. The caller
    /// then un-counts its entries.
    #[inline]
    pub(crate) fn unlink(&mut self, before: &Header, tail: &Header) {
        let addr = before.next();
        // INVARIANT: 2 and 3 of the index. `before` ends the chain, and the tail starts the spare
        // blocks.
        before.set_next(None);
        tail.set_next(self.spare);
        self.spare = addr;
    }

    /// Moves the tail back to the block before it, which starts at entry `start`; what was in the
    /// tail is gone.
    #[inline]
    pub(crate) fn retreat(&mut self, start: usize) {
        let Tail { block, start: end, .. } = self.tail;
        let count = end.saturating_sub(start);
        // INVARIANT: 4 of the index. What lies between the two starts is in the block before.
        self.tail = Tail { block: block.saturating_sub(1), start, count };
    }
}
