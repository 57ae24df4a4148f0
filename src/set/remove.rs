//! Taking entries and blocks off the end of a set.

#![forbid(unsafe_code)]

use crate::chain::block::Block;
use crate::chain::entry::Entry;
use crate::chain::tail::Tail;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Origin;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// Removes the last entry and returns it; its slot is zeroed, its block stays.
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
        self.end().prev()
    }

    /// Removes all entries but the first `len`, the last ones first, and zeroes their slots. The
    /// blocks stay. Does nothing if there are no more than `len` entries.
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
        while let Some(block) = self.chain.blocks_mut().get_mut(self.tail.block) {
            let kept = len.saturating_sub(self.tail.start);
            block.truncate(kept);
            // INVARIANT: 2. as `truncate` counts them.
            self.tail.count = self.tail.count.min(kept);
            let Some(before) = self.tail.block.checked_sub(1) else { break };
            if kept > 0 {
                break;
            }
            // INVARIANT: 2. the old tail has just lost whatever entries it had. 4. the blocks
            // before the new one are as full as they were.
            self.retreat(before);
        }
    }

    /// Removes all entries, the last ones first, and zeroes their slots. The blocks stay.
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

    /// Frees the last blocks that `count` entries in all would not need. Never drops an entry: a
    /// block in use stays, and so do the blocks before it.
    ///
    /// `shrink(0)` frees every block behind the last entry. If that is the whole chain, whoever
    /// was told its head must be told that there is none.
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
        let last = (0..self.block_count()).rposition(|block| {
            block.saturating_mul(Self::CAPACITY_PER_BLOCK) < count || self.is_in_use(block)
        });
        self.keep_blocks(last.map_or(0, |last| last.saturating_add(1)));
    }

    /// Frees every block and with them every entry. The set is then empty and can be used again.
    ///
    /// The head is freed last and names an empty chain until then, but a kexec after that would not
    /// find it: whoever was told the head must be told first that there is none.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// set.destroy();
    /// assert_eq!((set.head(), mem.live()), (None, 0));
    /// set.push(3)?;
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[inline]
    pub fn destroy(&mut self) {
        self.keep_blocks(0);
    }

    /// Whether a block has entries. Reads no header of a block that cannot have any.
    #[inline]
    fn is_in_use(&self, block: usize) -> bool {
        block <= self.tail.block
            && self.chain.blocks().get(block).is_some_and(|block| !block.is_empty())
    }

    /// Frees all blocks but the first `blocks`.
    #[inline]
    fn keep_blocks(&mut self, blocks: usize) {
        // INVARIANT: 1. the chain unlinks what it frees. 2 and 3. the tail stays a block or becomes
        // 0, and the blocks up to it keep their starts.
        self.chain.truncate(blocks);
        self.starts.truncate(blocks);
        match blocks.checked_sub(1) {
            None => self.tail = Tail::NONE,
            Some(last) if last < self.tail.block => self.retreat(last),
            Some(_) => {}
        }
    }

    /// Makes `block` the tail: those after it are empty.
    fn retreat(&mut self, block: usize) {
        let count = self.chain.blocks().get(block).map(Block::count).unwrap_or_default();
        // INVARIANT: 2. by the caller's choice of `block`.
        self.tail.retreat(block, count);
    }
}
