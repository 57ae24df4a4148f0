//! What a set of this kernel can do: grow, be filled, and be left to the next kernel.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::MAX_BLOCKS;
use crate::chain::block::Chain;
use crate::chain::entry::Entry;
use crate::chain::starts::Starts;
use crate::chain::tail::Tail;
use crate::error::{GrowError, GrowErrorKind, PushError};
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Outgoing;
use crate::set::writer::Writer;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize>
    BlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    /// Creates an empty set, without a block. Allocates nothing, so that a set can be a `static`.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let mem = Mock::new();
    /// let set = BlockSet::<u64, _>::new(&mem);
    /// assert_eq!((set.len(), set.head()), (0, None));
    /// ```
    #[must_use]
    pub const fn new(alloc: A) -> Self {
        // INVARIANT: 1 to 4 hold of a set without blocks.
        Self { chain: Chain::new(alloc), starts: Starts::dense(), tail: Tail::NONE }
    }

    /// Makes room for `count` entries in all, those in the set included: adds as many blocks as
    /// that takes, or none.
    ///
    /// Costs an allocation of `BLOCK_SIZE` bytes for each block. A kexec on the way hands over
    /// blocks without entries.
    ///
    /// # Errors
    ///
    /// [`GrowErrorKind::TooManyBlocks`] beyond [`MAX_BLOCKS`], before anything is allocated;
    /// [`GrowErrorKind::OutOfMemory`] if a block is refused, after those obtained were given back.
    /// Heap that the index took for them, a pointer a block, is kept for the next attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1023)?; // one more than a block holds
    /// assert_eq!(set.block_count(), 2);
    /// assert!(set.grow(usize::MAX).is_err());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn grow(&mut self, count: usize) -> Result<(), GrowError> {
        let before = self.block_count();
        // Rounded up with one division; `div_ceil` takes a remainder too.
        let last = count.checked_sub(1).and_then(|last| last.checked_div(Self::CAPACITY_PER_BLOCK));
        let blocks = last.map_or(0, |block| block.saturating_add(1));
        let wanted = blocks.saturating_sub(before);
        if wanted == 0 {
            return Ok(());
        }
        let refuse = |kind, obtained| Err(GrowError { kind, wanted, obtained });
        if blocks > MAX_BLOCKS {
            return refuse(GrowErrorKind::TooManyBlocks, 0);
        }
        if self.chain.reserve(wanted).is_err() {
            return refuse(GrowErrorKind::OutOfMemory, 0);
        }
        for obtained in 0..wanted {
            if self.chain.append().is_err() {
                self.chain.truncate(before);
                return refuse(GrowErrorKind::OutOfMemory, obtained);
            }
        }
        Ok(())
    }

    /// Appends an entry, growing by a block if all are full.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the entry, if there was no block to be had.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// assert_eq!(set.get(0), Some(&2));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn push(&mut self, entry: T) -> Result<(), PushError<T>> {
        let Err(entry) = self.end().push(entry) else { return Ok(()) };
        if let Err(cause) = self.grow(self.capacity().saturating_add(1)) {
            return Err(PushError { entry, cause });
        }
        self.end().push(entry).map_err(|entry| PushError {
            entry,
            cause: GrowError { kind: GrowErrorKind::OutOfMemory, wanted: 1, obtained: 0 },
        })
    }

    /// Appends copies of all `entries`, or of none, growing as needed: a copy for each block.
    ///
    /// # Errors
    ///
    /// Those of [`grow`](Self::grow); the set is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// set.extend_from_slice(&[7, 11])?;
    /// assert!(set.iter().eq(&[2, 3, 5, 7, 11]));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn extend_from_slice(&mut self, entries: &[T]) -> Result<(), GrowError> {
        self.grow(self.len().saturating_add(entries.len()))?;
        self.end().fill(entries);
        Ok(())
    }

    /// A write cursor behind the last entry. It appends to the blocks there are and never
    /// allocates, so a save that must not fail grows first.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(3)?;
    /// let mut writer = set.writer();
    /// assert_eq!(writer.extend([2, 3, 5]), 3);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn writer(&mut self) -> Writer<'_, T, BLOCK_SIZE> {
        self.end()
    }

    /// Frees the blocks without entries, so that no empty block is handed over, and returns the
    /// head. The set stays usable.
    ///
    /// Linux mainline refuses a chain with an empty block, and panics.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(5000)?;
    /// assert_eq!(set.publish(), None);
    /// set.push(2).unwrap();
    /// assert_eq!(set.publish(), set.head());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn publish(&mut self) -> Option<PhysAddr> {
        self.shrink(0);
        self.head()
    }

    /// [Publishes](Self::publish) the set and leaves its blocks to the next kernel; returns the
    /// head.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let head = set.into_head();
    /// assert!(head.is_some());
    /// assert_eq!(mem.live(), 1);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use = "nobody else knows where the chain starts"]
    pub fn into_head(mut self) -> Option<PhysAddr> {
        self.publish();
        self.chain.leave()
    }
}

impl<T: Entry, A: PreservedAllocator + Default, const BLOCK_SIZE: usize> Default
    for BlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    fn default() -> Self {
        Self::new(A::default())
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;
    use crate::memory::mock::Mock;

    #[test]
    fn a_push_into_a_set_whose_invariants_are_broken_gives_its_entry_back() {
        let mem = Mock::new();
        let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
        set.extend_from_slice(&[1, 2, 3, 4, 5]).unwrap();
        // No block, but a tail.
        set.chain.truncate(0);
        let error = set.push(6).unwrap_err();
        assert_eq!((error.entry, error.errno()), (6, 12));
    }
}
