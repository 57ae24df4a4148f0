//! Taking entries and blocks off a set.

#![forbid(unsafe_code)]

use core::mem;

use crate::chain::entry::Entry;
use crate::chain::index::Emptied;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Origin;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// What happens to a block that loses its last entry: in a set of this kernel it is unlinked,
    /// and spare from there on; a restored chain keeps its links.
    const EMPTIED: Emptied = if O::INCOMING { Emptied::Stays } else { Emptied::Spare };

    /// Removes the last entry and returns it; its slot is zeroed, its block stays with the set.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3])?;
    /// assert_eq!((set.pop(), set.pop(), set.pop()), (Some(3), Some(2), None));
    /// assert_eq!(set.block_count(), 1);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn pop(&mut self) -> Option<T> {
        if !O::INCOMING {
            return self.end().pop();
        }
        let last = self.len().checked_sub(1)?;
        let entry = self.get(last).and_then(copy)?;
        self.truncate(last);
        Some(entry)
    }

    /// Removes entry `index` and returns it; the last entry takes its place. `None`, and no change,
    /// if there is no such entry.
    ///
    /// A kexec in the middle may find entry `index` half overwritten, and the moved one twice; no
    /// other is touched.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!(set.swap_remove(0), Some(2));
    /// assert!(set.iter().eq(&[5, 3]));
    /// assert_eq!(set.swap_remove(2), None);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn swap_remove(&mut self, index: usize) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        if index == last {
            return self.pop();
        }
        let moved = self.get(last).and_then(copy)?;
        let removed = mem::replace(self.get_mut(index)?, moved);
        self.truncate(last);
        Some(removed)
    }

    /// Removes all entries but the first `len`, the last ones first, and zeroes their slots. The
    /// blocks stay with the set. Does nothing if there are no more than `len` entries.
    ///
    /// Costs a write to every byte removed.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[7; 3000])?;
    /// set.truncate(1000);
    /// assert_eq!((set.len(), set.block_count()), (1000, 3));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn truncate(&mut self, len: usize) {
        self.chain.truncate(len, Self::EMPTIED);
    }

    /// Removes all entries, the last ones first, and zeroes their slots. The blocks stay with the
    /// set.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// set.clear();
    /// assert_eq!((set.len(), set.block_count()), (0, 1));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Frees the last blocks that `count` entries in all would not need, also if they came from the
    /// previous kernel. Never drops an entry: a block in use stays, and so do the blocks before it.
    ///
    /// `shrink(0)` frees every block behind the last entry. If those are all blocks, whoever was
    /// told the [first one](Self::first_block) must be told before that there is none.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(5000)?;
    /// set.shrink(2000);
    /// assert_eq!(set.block_count(), 2);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn shrink(&mut self, count: usize) {
        self.chain.keep(self.chain.index().needed(count));
    }

    /// Frees every block and with them every entry, also if they came from the previous kernel. The
    /// set is then empty and can be used again.
    ///
    /// The first block is freed last and is an empty chain until then, but a kexec after that would
    /// not find it: whoever was told its address must be told first that there is none.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// set.destroy();
    /// assert_eq!((set.first_block(), mem.live()), (None, 0));
    /// set.push(3)?;
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[inline]
    pub fn destroy(&mut self) {
        self.chain.keep(0);
    }
}

/// A copy of an entry, which need not be `Copy`, but has neither a destructor nor padding.
#[inline]
pub(crate) fn copy<T: Entry>(entry: &T) -> Option<T> {
    T::read_from_bytes(entry.as_bytes()).ok()
}
