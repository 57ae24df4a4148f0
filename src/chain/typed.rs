//! A chain of `T`s: the one place that ties a type to the two numbers of a chain, so that what is
//! built on it is safe code.

#![expect(unsafe_code, reason = "sees the blocks of a chain as what they hold")]

use core::marker::PhantomData;

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::layout::ChainLayout;
use crate::chain::block::Block;
use crate::chain::entry::Entry;
use crate::chain::index::{Emptied, Index};
use crate::chain::owned::{Chain, Fate};
use crate::chain::starts::Starts;
use crate::chain::tail::{Ends, Tail};
use crate::error::adopt::AdoptErrorKind;
use crate::error::grow::GrowError;
use crate::error::restore::RestoreError;
use crate::memory::allocator::{CarryAllocator, PreservedAllocator};

/// A chain whose entries are `T`s.
///
/// # Invariants
///
/// 1. The layout of `chain` is that of `T`s in blocks of `BLOCK_SIZE` bytes. Nobody gets hold of a
///    `&mut Chain` or `&mut Index`, which could be swapped for another.
pub(crate) struct Typed<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> {
    chain: Chain<A>,
    entries: PhantomData<T>,
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Typed<T, A, BLOCK_SIZE> {
    pub(crate) const LAYOUT: ChainLayout = Block::<T, BLOCK_SIZE>::LAYOUT;

    pub(crate) const fn new(alloc: A, fate: Fate) -> Self {
        // INVARIANT: 1. this very layout.
        Self { chain: Chain::new(alloc, fate, Self::LAYOUT), entries: PhantomData }
    }

    #[inline]
    pub(crate) fn alloc(&self) -> &A {
        self.chain.alloc()
    }

    #[inline]
    pub(crate) fn index(&self) -> &Index {
        &self.chain.index
    }

    #[inline]
    pub(crate) fn tail(&self) -> Tail {
        self.chain.index.ends.tail
    }

    #[inline]
    pub(crate) fn starts(&self) -> &Starts {
        &self.chain.index.starts
    }

    /// All blocks: those of the chain, then the spare ones.
    #[inline]
    pub(crate) fn blocks(&self) -> &[Block<T, BLOCK_SIZE>] {
        // SAFETY: by invariant 1, and invariant 1 of the index.
        unsafe { Block::typed(self.chain.index.blocks()) }
    }

    /// All blocks, to change entries. The caller swaps no two of them.
    #[inline]
    pub(crate) fn blocks_mut(&mut self) -> &mut [Block<T, BLOCK_SIZE>] {
        self.parts_mut().0
    }

    /// All blocks, and the ends, as [`Index::parts_mut`].
    #[inline]
    pub(crate) fn parts_mut(&mut self) -> (&mut [Block<T, BLOCK_SIZE>], &mut Ends) {
        let (blocks, ends) = self.chain.index.parts_mut();
        // SAFETY: by invariant 1, and invariant 1 of the index.
        (unsafe { Block::typed_mut(blocks) }, ends)
    }

    /// As [`Chain::grow`].
    ///
    /// # Errors
    ///
    /// Those of `Chain::grow`.
    #[inline]
    pub(crate) fn grow(&mut self, count: usize) -> Result<(), GrowError> {
        self.chain.grow(count)
    }

    /// As [`Chain::keep`].
    #[inline]
    pub(crate) fn keep(&mut self, blocks: usize) {
        self.chain.keep(blocks);
    }

    /// As [`Index::truncate`].
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize, emptied: Emptied) {
        self.chain.index.truncate(len, emptied);
    }

    /// As [`Chain::walk`].
    ///
    /// # Errors
    ///
    /// Those of `Chain::walk`.
    #[inline]
    pub(crate) fn walk(
        &mut self,
        head: Option<PhysAddr>,
        checks: RestoreChecks,
        empty_is_fine: bool,
    ) -> Result<(), RestoreError> {
        self.chain.walk(head, checks, empty_is_fine)
    }

    /// As [`Chain::adopt`].
    ///
    /// # Errors
    ///
    /// Those of `Chain::adopt`.
    #[inline]
    pub(crate) fn adopt(&mut self) -> Result<(), AdoptErrorKind>
    where
        A: CarryAllocator,
    {
        self.chain.adopt()
    }

    #[inline]
    pub(crate) fn fate(&self) -> Fate {
        self.chain.fate()
    }

    /// As [`Chain::leave`].
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.chain.leave();
    }

    /// As [`Chain::take_back`].
    #[inline]
    pub(crate) fn take_back(&mut self, fate: Fate) {
        self.chain.take_back(fate);
    }
}
