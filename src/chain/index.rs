//! The blocks of a chain in order, and what is remembered of them.
//!
//! All here is compiled once, whatever the entries are: sizes are numbers here, not types.
//!
//! Unsafe is open here to reach the bytes of blocks whose size the index knows.

#![expect(unsafe_code, reason = "reaches the bytes of blocks whose size the index knows")]

use core::cmp::Ordering;
use core::ops::Range;

use crate::abi::addr::PhysAddr;
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::to_wire;
use crate::chain::block::{RawBlock, bytes_of_mut};
use crate::chain::list::{List, NoRoom};
use crate::chain::starts::Starts;
use crate::chain::tail::{Ends, Tail};

/// What becomes of the entries that a chain loses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// A block without entries leaves the chain and is spare: the chain is this kernel's.
    Spare,
    /// It stays where it is: the chain is as the previous kernel linked it.
    Stays,
}

/// The blocks of one chain, in order.
///
/// # Invariants
///
/// 1. Each block in `blocks` has the block size of `layout`, which never changes.
/// 2. The blocks in use come first. `ends.first` is the address of the first block, and the `next`
///    of each one in the chain is the address of the one that follows it. That of the last is
///    `None`, but for a chain that was salvaged, or is still being restored.
/// 3. If `ends.spare` is `Some`, it is the address of the block behind the tail, which starts a
///    chain of its own, of all the others: those are spare, and have no entries. Otherwise all
///    blocks are in the chain.
/// 4. Every block after the tail is empty. The tail is a block, or 0 if there is none, and knows
///    how many entries it has and how many precede it.
/// 5. `starts` knows where the entries of each block up to the tail start.
pub(crate) struct Index {
    layout: ChainLayout,
    blocks: List<RawBlock>,
    pub(crate) starts: Starts,
    pub(crate) ends: Ends,
}

impl Index {
    pub(crate) const fn new(layout: ChainLayout) -> Self {
        // INVARIANT: 1 to 5 hold of no blocks.
        Self { layout, blocks: List::new(), starts: Starts::dense(), ends: Ends::NONE }
    }

    #[inline]
    pub(crate) fn layout(&self) -> ChainLayout {
        self.layout
    }

    /// All blocks: those of the chain, then the spare ones.
    #[inline]
    pub(crate) fn blocks(&self) -> &[RawBlock] {
        &self.blocks
    }

    /// All blocks, and the ends, for a caller that changes entries, counts and the ends, keeps the
    /// invariants, and swaps no two blocks.
    #[inline]
    pub(crate) fn parts_mut(&mut self) -> (&mut [RawBlock], &mut Ends) {
        (&mut self.blocks, &mut self.ends)
    }

    /// Makes room for `additional` blocks.
    ///
    /// # Errors
    ///
    /// If the heap has no such room; nothing has changed then.
    // Out of line, since several call it.
    #[inline(never)]
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), NoRoom> {
        self.blocks.reserve(additional)
    }

    /// Takes a block of this kernel that is all zero: as the first of the chain if there is none,
    /// and otherwise as the last of the spare ones.
    ///
    /// # Errors
    ///
    /// The block, if there is no room for it; nothing has changed then.
    ///
    /// # Safety
    ///
    /// The block is of the index's block size and lies at `addr`.
    pub(crate) unsafe fn append(
        &mut self,
        block: RawBlock,
        addr: PhysAddr,
    ) -> Result<(), RawBlock> {
        // INVARIANT: 1. by the caller's duty.
        self.blocks.push(block)?;
        // INVARIANT: 2 and 3. the new block's own link is zero.
        match self.blocks.split_last() {
            Some((_, [.., last])) if self.ends.spare.is_some() => {
                last.header().set_next(Some(addr))
            }
            Some((_, [])) => self.ends.first = Some(addr),
            _ => self.ends.spare = Some(addr),
        }
        Ok(())
    }

    /// Takes a claimed block as the next one of the chain, with `count` entries; the block before it
    /// links to it.
    ///
    /// # Errors
    ///
    /// The block, if there is no room for it; nothing has changed then.
    ///
    /// # Safety
    ///
    /// The block is of the index's block size and lies at `addr`.
    pub(crate) unsafe fn follow(
        &mut self,
        block: RawBlock,
        addr: PhysAddr,
        count: usize,
    ) -> Result<(), RawBlock> {
        let (number, before) = (self.blocks.len(), self.ends.tail.end());
        let capacity = self.layout.capacity();
        if self.starts.note(number, before, count > 0, capacity).is_err() {
            return Err(block);
        }
        // INVARIANT: 1. by the caller's duty. 2. the block before links to it, as the caller says.
        // 3. no block is spare. 5. noted above.
        self.blocks.push(block)?;
        if number == 0 {
            self.ends.first = Some(addr);
        }
        if count > 0 {
            // INVARIANT: 4. no block follows yet.
            self.ends.tail = Tail { block: number, start: before, count };
        }
        Ok(())
    }

    /// The address of a block: the link of its predecessor.
    pub(crate) fn addr(&self, block: usize) -> Option<PhysAddr> {
        let Some(before) = block.checked_sub(1) else { return self.ends.first };
        if before == self.ends.tail.block && self.ends.spare.is_some() {
            return self.ends.spare;
        }
        self.blocks.get(before).filter(|_| block < self.blocks.len())?.header().next()
    }

    /// The bytes of a block from slot `slot` to its end; none if there is no such block.
    #[cfg(all(feature = "mock", not(target_os = "none")))]
    pub(crate) fn bytes_behind(&self, block: usize, slot: usize) -> &[u8] {
        let Some(block) = self.blocks.get(block) else { return &[] };
        let start = slot.saturating_mul(self.layout.entry_size());
        // SAFETY: 1. by invariant 1. 2. `&self` borrows the only holder, which excludes writers.
        unsafe { crate::chain::block::bytes_of(block, self.layout.block_size(), start) }
    }

    /// Sets slots of a block to zero.
    fn zero(&mut self, block: usize, slots: Range<usize>) {
        let Some(block) = self.blocks.get_mut(block) else { return };
        let size = self.layout.entry_size();
        let bytes = slots.start.saturating_mul(size)..slots.end.saturating_mul(size);
        // SAFETY: 1. by invariant 1. 2. `&mut self` borrows the only holder, and the slots are of
        // entries that are removed.
        let bytes = unsafe { bytes_of_mut(block, self.layout.block_size(), bytes) };
        bytes.fill(0);
    }

    /// Sets the bytes of a block from slot `slot` to its end to zero.
    fn zero_behind(&mut self, block: usize, slot: usize) {
        let Some(block) = self.blocks.get_mut(block) else { return };
        let start = slot.saturating_mul(self.layout.entry_size());
        // SAFETY: as in `zero`; no entry is in use there.
        unsafe { bytes_of_mut(block, self.layout.block_size(), start..usize::MAX) }.fill(0);
    }

    /// Removes all entries but the first `len`, those of the last block first, and zeroes their
    /// slots.
    pub(crate) fn truncate(&mut self, len: usize, emptied: Emptied) {
        let capacity = self.layout.capacity();
        loop {
            let Tail { block, start, count } = self.ends.tail;
            let kept = len.saturating_sub(start).min(count);
            let before = block.checked_sub(1).filter(|_| kept == 0);
            let Some(tail) = self.blocks.get(block) else { return };
            if let (Some(before), Emptied::Spare) =
                (before.and_then(|b| self.blocks.get(b)), emptied)
            {
                // INVARIANT: 2 and 3. the block before the tail ends the chain.
                self.ends.unlink(before.header(), tail.header());
            }
            if kept < count {
                tail.header().set_count(to_wire(kept));
                self.zero(block, kept..count);
            }
            // INVARIANT: 4. as counted.
            self.ends.tail.count = kept;
            let Some(before) = before else { return };
            // INVARIANT: 4. the old tail has no entries.
            self.ends.retreat(self.starts.of(before, capacity));
        }
    }

    /// Blocks in the chain; the others are spare.
    pub(crate) fn linked(&self) -> usize {
        match self.ends.spare {
            Some(_) => self.ends.tail.block.wrapping_add(1),
            None => self.blocks.len(),
        }
    }

    /// The first block before the tail that is not full, if there is one.
    pub(crate) fn sparse(&self) -> Option<usize> {
        let capacity = self.layout.capacity();
        let full = |block: usize| {
            let end = self.starts.of(block.saturating_add(1), capacity);
            end == self.starts.of(block, capacity).saturating_add(capacity)
        };
        (0..self.ends.tail.block).find(|&block| !full(block))
    }

    /// Makes a restored chain, which is not sparse, one as this kernel fills it: cuts it behind the
    /// tail, makes the blocks without entries spare, and zeroes what is unused.
    pub(crate) fn own(&mut self) {
        let tail = self.ends.tail.block;
        // INVARIANT: 2 and 3. the block behind the tail, if any, starts the spare ones.
        self.ends.spare = self.addr(tail.saturating_add(1));
        for end in [self.blocks.get(tail), self.blocks.last()].into_iter().flatten() {
            end.header().set_next(None);
        }
        // INVARIANT: 5. every block before the tail is full.
        self.starts = Starts::dense();
        let capacity = self.layout.capacity();
        for block in 0..self.blocks.len() {
            let count = match block.cmp(&tail) {
                Ordering::Less => capacity,
                Ordering::Equal => self.ends.tail.count,
                Ordering::Greater => 0,
            };
            self.zero_behind(block, count);
        }
    }

    /// How many blocks `count` entries in all would need; at least those up to the last one in use.
    pub(crate) fn needed(&self, count: usize) -> usize {
        let Tail { block, .. } = self.ends.tail;
        let in_use = if self.ends.tail.end() == 0 { 0 } else { block.wrapping_add(1) };
        self.layout.blocks_for(count).max(in_use)
    }

    /// Unlinks all blocks but the first `len`, which the caller then [forgets](Self::forget).
    pub(crate) fn cut(&mut self, len: usize) {
        if len >= self.blocks.len() {
            return;
        }
        // The last block that stays, or the first one, which is freed last.
        let last = len.saturating_sub(1);
        if let Some(header) = self.blocks.get(last).map(RawBlock::header) {
            // INVARIANT: 2 and 3. it becomes the last, of the chain or of the spare blocks.
            header.set_next(None);
            if len == 0 {
                header.set_count(0);
            }
        }
        if last <= self.ends.tail.block {
            // INVARIANT: 3. what was spare is behind the tail, and goes.
            self.ends.spare = None;
        }
    }

    /// Forgets all blocks but the first `len`, which the caller then takes off the end. Writes
    /// nothing into any block.
    pub(crate) fn forget(&mut self, len: usize) {
        match len.checked_sub(1) {
            Some(last) if last < self.ends.tail.block => {
                // INVARIANT: 4. only the blocks up to `last` stay.
                let capacity = self.layout.capacity();
                let start = self.starts.of(last, capacity);
                let count = self.starts.of(len, capacity).wrapping_sub(start);
                self.ends.tail = Tail { block: last, start, count };
            }
            Some(_) => {}
            // INVARIANT: 2, 3 and 4. no block stays.
            None => self.ends = Ends::NONE,
        }
        // INVARIANT: 5. a start for each block that is left.
        self.starts.truncate(len);
    }

    /// Links the first spare block, whose first entry is written and counted, behind the tail, which
    /// is full, and makes it the tail. The caller then sets the tail's count.
    #[cold]
    pub(crate) fn link_spare(&mut self) {
        let tail = self.ends.tail.block;
        let blocks = [self.blocks.get(tail), self.blocks.get(tail.saturating_add(1))];
        if let [Some(tail), Some(spare)] = blocks {
            self.ends.link(tail.header(), spare.header());
        }
    }

    /// Takes the last block off the end; the caller has [forgotten](Self::forget) it.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<RawBlock> {
        self.blocks.pop()
    }
}
