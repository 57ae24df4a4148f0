//! A chain that belongs to a set: its blocks, the allocator they came from, and what becomes of them.
//!
//! All here is compiled once for each allocator, whatever the entries and the origin are.
//!
//! Unsafe is open here to take over lent blocks and to give them back.

#![expect(unsafe_code, reason = "takes over lent blocks and gives them back to the allocator")]

use crate::abi::addr::PhysAddr;
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::MAX_BLOCKS;
use crate::chain::block::{RawBlock, bytes_of};
use crate::chain::index::Index;
use crate::error::adopt::AdoptErrorKind;
use crate::error::grow::{GrowError, GrowErrorKind};
use crate::memory::allocator::{CarryAllocator, PreservedAllocator, PreservedBlock};

/// What becomes of the blocks when their chain is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are freed: this kernel allocated them, and no one else has them.
    Free,
    /// The claims on them are given back: they came from the previous kernel.
    Unclaim,
    /// Those in the chain stay as they are, preserved: the next kernel has them.
    Leave,
}

/// How a chain parts with blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// They are freed.
    Freed,
    /// The claims on them are given back.
    GivenBack,
}

/// The blocks of one set, and the duty to give them back.
///
/// # Invariants
///
/// 1. Each block of the index was lent by `alloc`, for the index's block size: by `restore` if
///    `fate` is [`Fate::Unclaim`], otherwise by `alloc_preserve`. Only this folder adds, removes or
///    reorders blocks.
pub(crate) struct Chain<A: PreservedAllocator> {
    alloc: A,
    fate: Fate,
    /// Whether the chain is sealed.
    left: bool,
    pub(crate) index: Index,
}

impl<A: PreservedAllocator> Chain<A> {
    // Out of line: there is one for all entries.
    #[inline(never)]
    pub(crate) const fn new(alloc: A, fate: Fate, layout: &ChainLayout) -> Self {
        // INVARIANT: 1. there are no blocks.
        Self { alloc, fate, left: false, index: Index::new(*layout) }
    }

    #[inline]
    pub(crate) fn alloc(&self) -> &A {
        &self.alloc
    }

    /// Says whether the blocks, which are this kernel's, are left to the next one when the chain is
    /// dropped, whatever their fate is otherwise.
    pub(crate) fn leave(&mut self, left: bool) {
        self.left = left;
    }

    /// Adds blocks until there is room for `count` entries in all. On an error the chain is as it
    /// was.
    ///
    /// # Errors
    ///
    /// What stood in the way, and how far it came.
    pub(crate) fn grow(&mut self, count: usize) -> Result<(), GrowError> {
        let before = self.index.blocks().len();
        let blocks = self.index.layout().blocks_for(count);
        if blocks <= before {
            return Ok(());
        }
        let wanted = blocks.wrapping_sub(before);
        self.extend(blocks, wanted).map_err(|kind| {
            let obtained = self.index.blocks().len().wrapping_sub(before);
            self.keep(before);
            GrowError { kind, wanted, obtained }
        })
    }

    /// Allocates the blocks that are `wanted`, until there are `blocks`.
    ///
    /// # Errors
    ///
    /// What stood in the way of the next one.
    fn extend(&mut self, blocks: usize, wanted: usize) -> Result<(), GrowErrorKind> {
        if blocks > MAX_BLOCKS {
            return Err(GrowErrorKind::TooManyBlocks);
        }
        if self.index.reserve(wanted).is_err() {
            return Err(GrowErrorKind::OutOfMemory);
        }
        while self.index.blocks().len() < blocks {
            self.append()?;
        }
        Ok(())
    }

    /// Allocates a block as the last spare one. The index has room for it.
    ///
    /// # Errors
    ///
    /// If there is no block, or it is not aligned; nothing has changed then.
    fn append(&mut self) -> Result<(), GrowErrorKind> {
        let layout = self.index.layout();
        let lent = self.alloc.alloc_preserve(layout.block_size());
        let PreservedBlock { ptr, addr } = lent.map_err(|_| GrowErrorKind::OutOfMemory)?;
        // SAFETY: 1. `alloc_preserve` lent it just now. 2. `ptr` is only looked at from here on.
        let block = unsafe { RawBlock::from_lent(ptr) };
        let (block, refused) = if layout.may_lie_at(addr) && layout.may_be_reached_at(ptr) {
            // SAFETY: the allocator was asked for the block size, and says that the block lies at
            // `addr`.
            match unsafe { self.index.append(block, addr) } {
                Ok(()) => return Ok(()),
                Err(block) => (block, GrowErrorKind::OutOfMemory),
            }
        } else {
            (block, GrowErrorKind::Misaligned { addr })
        };
        self.free(block);
        Err(refused)
    }

    /// Frees all blocks but the first `len`. They are unlinked before the first of them is freed,
    /// and the head is freed last: whoever still names it finds an empty chain until then.
    #[inline]
    pub(crate) fn keep(&mut self, len: usize) {
        self.part(len, Parting::Freed);
    }

    /// Gives the claims on all blocks but the first `len` back, the last one first, and writes
    /// nothing. A chain that has claimed nothing frees them.
    #[inline]
    pub(crate) fn give_back(&mut self, len: usize) {
        self.part(len, Parting::GivenBack);
    }

    /// Parts with all blocks but the first `len`, the last one first. Only a chain that claims gives
    /// them back.
    fn part(&mut self, len: usize, parting: Parting) {
        if parting == Parting::Freed {
            self.index.cut(len);
        }
        self.index.forget(len);
        while self.index.blocks().len() > len {
            // INVARIANT: 1 holds of fewer blocks.
            let Some(block) = self.index.pop() else { break };
            match parting {
                Parting::GivenBack if self.fate == Fate::Unclaim => self.unclaim(block),
                _ => self.free(block),
            }
        }
    }

    /// Claims the block at `addr`; `None` if the allocator has none there.
    #[inline]
    pub(crate) fn claim(&self, addr: PhysAddr) -> Option<RawBlock> {
        let ptr = self.alloc.restore(addr, self.index.layout().block_size())?;
        // SAFETY: 1. `restore` lent it just now. 2. `ptr` is not used again.
        Some(unsafe { RawBlock::from_lent(ptr) })
    }

    /// Takes a block from [`claim`](Self::claim), of `addr`, as the next one of the chain, with
    /// `count` entries. The block before it links to it.
    ///
    /// # Errors
    ///
    /// The block, if the heap has no room for it.
    #[inline]
    pub(crate) fn follow(
        &mut self,
        block: RawBlock,
        addr: PhysAddr,
        count: usize,
    ) -> Result<(), RawBlock> {
        // SAFETY: `claim` asked the allocator for a block of that size at `addr`.
        unsafe { self.index.follow(block, addr, count) }
    }

    /// The bytes of a block from [`claim`](Self::claim) behind its first `count` slots.
    pub(crate) fn unused<'b>(&self, block: &'b RawBlock, count: usize) -> &'b [u8] {
        let layout = self.index.layout();
        let start = count.saturating_mul(layout.entry_size());
        // SAFETY: 1. `claim` asked for that size. 2. a claimed block is the holder's alone, who
        // lends it here, but for entries that a device writes, which end before these bytes.
        unsafe { bytes_of(block, layout.block_size(), start) }
    }

    /// Makes a claimed chain this kernel's, where it is: preserves every block, and cuts the chain
    /// behind the last one in use. From then on its blocks are left where they are by a drop.
    ///
    /// # Errors
    ///
    /// The first block that is neither full nor the last in use, or that the allocator refuses to
    /// preserve. Nothing has changed then.
    pub(crate) fn adopt(&mut self) -> Result<(), AdoptErrorKind>
    where
        A: CarryAllocator,
    {
        if let Some(block) = self.index.sparse() {
            return Err(AdoptErrorKind::Sparse { block });
        }
        let size = self.index.layout().block_size();
        for (number, block) in self.index.blocks().iter().enumerate() {
            // SAFETY: by invariant 1, as `fate` says, and each block is carried once.
            if unsafe { self.alloc.preserve(block.base(), size) }.is_err() {
                for carried in self.index.blocks().iter().take(number).rev() {
                    // SAFETY: carried above.
                    unsafe { self.alloc.unpreserve(carried.base(), size) };
                }
                return Err(AdoptErrorKind::Refused { block: number });
            }
        }
        // INVARIANT: 1. carried blocks are as lent by `alloc_preserve`.
        self.fate = Fate::Leave;
        self.index.own();
        Ok(())
    }

    /// Frees a block of the chain.
    #[inline]
    fn free(&self, block: RawBlock) {
        let (ptr, size) = (block.base(), self.index.layout().block_size());
        if self.fate == Fate::Unclaim {
            // SAFETY: 1. by invariant 1. 2. `block` is consumed here, and its only one.
            unsafe { self.alloc.restore_free(ptr, size) }
        } else {
            // SAFETY: 1. by invariant 1. 2. `block` is consumed here, and its only one.
            unsafe { self.alloc.unpreserve_free(ptr, size) }
        }
    }

    /// Gives a claim back.
    pub(crate) fn unclaim(&self, block: RawBlock) {
        let size = self.index.layout().block_size();
        // SAFETY: 1. a chain that claims has claimed all its blocks. 2. `block` is consumed here,
        // and its only one.
        unsafe { self.alloc.unrestore(block.base(), size) }
    }
}

impl<A: PreservedAllocator> Drop for Chain<A> {
    fn drop(&mut self) {
        let (len, parting) = match self.fate {
            Fate::Free if !self.left => (0, Parting::Freed),
            Fate::Unclaim => (0, Parting::GivenBack),
            // Spare blocks are in no chain: nothing is lost with them.
            Fate::Free | Fate::Leave => (self.index.linked(), Parting::Freed),
        };
        self.part(len, parting);
    }
}

#[cfg(test)]
#[cfg(feature = "mock")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;
    use crate::memory::mock::Mock;

    fn chain(mem: &Mock, fate: Fate) -> Chain<&Mock> {
        Chain::new(mem, fate, &ChainLayout::new(8, 32).unwrap())
    }

    #[test]
    fn a_block_that_the_index_has_no_room_for_is_freed() {
        let mem = Mock::new();
        let mut chain = chain(&mem, Fate::Free);
        assert_eq!(chain.append(), Err(GrowErrorKind::OutOfMemory));
        assert_eq!((chain.index.ends.first, mem.live(), mem.calls().unpreserve_free), (None, 0, 1));

        chain.index.reserve(1).unwrap();
        assert_eq!(chain.append(), Ok(()));
        assert_eq!((chain.index.ends.first.is_some(), mem.live()), (true, 1));
        drop(chain);
        mem.assert_clean();
    }

    #[test]
    fn a_claim_that_the_index_has_no_room_for_is_handed_back() {
        let mut mem = Mock::new();
        mem.leave(0x1000, &[0; 32]);
        let addr = PhysAddr::new(0x1000).unwrap();
        let mut chain = chain(&mem, Fate::Unclaim);
        let block = chain.claim(addr).unwrap();
        let block = chain.follow(block, addr, 0).err().unwrap();
        assert_eq!((chain.index.ends.first, mem.live()), (None, 1));

        chain.index.reserve(1).unwrap();
        assert!(chain.follow(block, addr, 0).is_ok());
        assert_eq!((chain.index.ends.first, mem.live()), (Some(addr), 1));
        drop(chain);
        assert_eq!((mem.live(), mem.unclaimed()), (0, 1), "the claim is given back");
    }

    #[test]
    fn what_no_claim_is_on_is_freed_instead_of_given_back() {
        let mem = Mock::new();
        let mut chain = chain(&mem, Fate::Free);
        chain.grow(3).unwrap();
        chain.give_back(1);
        assert_eq!((mem.live(), mem.calls().unpreserve_free, mem.calls().unrestore), (1, 1, 0));
        drop(chain);
        mem.assert_clean();
    }
}
