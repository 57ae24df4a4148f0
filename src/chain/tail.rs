//! Where a chain starts and ends: the places where blocks and entries are added and removed.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::chain::header::Header;

/// The last block in use of a set, counted in entries.
///
/// The count is in the block's header too. Here it is at hand for what asks often, such as
/// [`BlockSet::get`](crate::BlockSet::get), and cannot be forged.
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
        self.start.saturating_add(self.count)
    }
}

/// The ends of a chain: its first block, the spare blocks that are not in it, and the tail.
///
/// The order of the stores is what a kexec between any two of them relies on: whatever the root
/// names is a chain without an empty block, but for the first one of a set without entries.
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

    /// Links the first spare block, whose entries are written and counted, behind the tail, which is
    /// full, and makes it the tail; how many entries it has is for the caller to say.
    pub(crate) fn link(&mut self, tail: &Header, spare: &Header) {
        let addr = self.spare;
        self.spare = spare.next();
        spare.set_next(None);
        tail.set_next(addr);
        let Tail { block, .. } = self.tail;
        self.tail = Tail { block: block.saturating_add(1), start: self.tail.end(), count: 0 };
    }

    /// Unlinks the tail from the block `before` it and makes it the first spare block. Its entries
    /// are to be un-counted next.
    #[inline]
    pub(crate) fn unlink(&mut self, before: &Header, tail: &Header) {
        let addr = before.next();
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
        self.tail = Tail { block: block.saturating_sub(1), start, count };
    }
}
