//! Where a set ends: the place where entries are appended and removed.

#![forbid(unsafe_code)]

/// The block at the end of a set, counted in entries. What it knows is true by invariant 2 of the
/// set.
///
/// The count is in the block's header too. Here it is at hand for what asks often, such as
/// [`BlockSet::get`](crate::BlockSet::get).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// The block's number.
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

    /// Moves on to the next block, which is empty.
    #[inline]
    pub(crate) fn advance(&mut self) {
        *self = Self { block: self.block.saturating_add(1), start: self.end(), count: 0 };
    }

    /// Moves back to `block`, which has `count` entries, the last ones of the set.
    #[inline]
    pub(crate) fn retreat(&mut self, block: usize, count: usize) {
        *self = Self { block, start: self.end().saturating_sub(count), count };
    }
}
