//! Where the blocks of a set are.

#![forbid(unsafe_code)]

use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

use crate::abi::addr::PhysAddr;
use crate::chain::index::Index;

/// The physical addresses of a set's blocks; see
/// [`BlockSet::block_addrs`](crate::BlockSet::block_addrs).
#[derive(Clone)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct BlockAddrs<'a> {
    index: &'a Index,
    left: Range<usize>,
}

impl<'a> BlockAddrs<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, left: 0..index.blocks().len() }
    }
}

impl Iterator for BlockAddrs<'_> {
    type Item = PhysAddr;

    fn next(&mut self) -> Option<PhysAddr> {
        self.index.addr(self.left.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<PhysAddr> {
        self.index.addr(self.left.nth(n)?)
    }
}

impl DoubleEndedIterator for BlockAddrs<'_> {
    fn next_back(&mut self) -> Option<PhysAddr> {
        self.index.addr(self.left.next_back()?)
    }
}

impl ExactSizeIterator for BlockAddrs<'_> {}
impl FusedIterator for BlockAddrs<'_> {}

impl fmt::Debug for BlockAddrs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
