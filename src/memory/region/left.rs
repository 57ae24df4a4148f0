//! What there is in a region: ranges in use, and blocks that no one has claimed.

#![forbid(unsafe_code)]

use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

use crate::abi::addr::PhysAddr;
use crate::abi::region::Claim;
use crate::memory::region::Region;
use crate::memory::region::books::Books;

impl Region {
    /// The blocks that previous kernels left and nobody has claimed now, in the order of their
    /// addresses.
    ///
    /// They can be restored while this goes on: each is looked up when it is its turn.
    #[must_use]
    pub fn unclaimed(&self) -> Unclaimed<'_> {
        Unclaimed { books: &self.books, unit: self.books.ground.first() }
    }

    /// The ranges of physical memory that are in use, in their order: the header and the books, and
    /// every block that the next kernel would find. Neighbours are one range.
    ///
    /// For what has to keep its hands off before the region is anyone's, such as early boot.
    #[must_use]
    pub fn preserved(&self) -> PreservedRanges<'_> {
        PreservedRanges { books: &self.books, unit: 0 }
    }
}

/// A block that a previous kernel left, and nobody has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnclaimedBlock {
    /// Where it is.
    pub addr: PhysAddr,
    /// Its size in bytes.
    pub size: usize,
    /// Whether this kernel has claimed it and given the claim back: [`sweep`](Region::sweep) spares
    /// it.
    pub given_back: bool,
}

/// Iterator of [`Region::unclaimed`].
#[derive(Clone)]
pub struct Unclaimed<'a> {
    books: &'a Books,
    unit: usize,
}

impl Iterator for Unclaimed<'_> {
    type Item = UnclaimedBlock;

    fn next(&mut self) -> Option<UnclaimedBlock> {
        while let Some(block) = self.books.next_block(self.unit) {
            self.unit = block.end();
            let given_back = match block.byte.claim() {
                Claim::Left => false,
                Claim::GivenBack => true,
                Claim::Claimed | Claim::Held => continue,
            };
            let addr = self.books.ground.addr(block.unit);
            return Some(UnclaimedBlock { addr, size: block.size(), given_back });
        }
        self.unit = self.books.ground.units();
        None
    }
}

impl FusedIterator for Unclaimed<'_> {}

impl fmt::Debug for Unclaimed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Iterator of [`Region::preserved`].
#[derive(Clone)]
pub struct PreservedRanges<'a> {
    books: &'a Books,
    unit: usize,
}

impl Iterator for PreservedRanges<'_> {
    type Item = Range<PhysAddr>;

    fn next(&mut self) -> Option<Range<PhysAddr>> {
        let (start, mut end) = if self.unit == 0 {
            (0, self.books.ground.first())
        } else {
            let block = self.books.next_block(self.unit)?;
            (block.unit, block.end())
        };
        while let Some(block) = self.books.next_block(end).filter(|block| block.unit == end) {
            end = block.end();
        }
        self.unit = end;
        Some(self.books.ground.addr(start)..self.books.ground.addr(end))
    }
}

impl FusedIterator for PreservedRanges<'_> {}

impl fmt::Debug for PreservedRanges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
