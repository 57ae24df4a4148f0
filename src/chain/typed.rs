//! A chain whose blocks are seen as what they hold: the one place that ties a type to the two numbers
//! of a chain, so that what is built on it is safe code.

#![expect(unsafe_code, reason = "sees the blocks of a chain as what they hold")]

use core::marker::PhantomData;
use core::slice;

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::descriptor::{Descriptor, DescriptorFlags};
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::to_wire;
use crate::chain::block::View;
use crate::chain::index::{Emptied, Index};
use crate::chain::owned::{Chain, Fate};
use crate::chain::starts::Starts;
use crate::chain::tail::{Ends, Tail};
use crate::error::adopt::AdoptErrorKind;
use crate::error::grow::GrowError;
use crate::error::restore::RestoreError;
use crate::memory::allocator::{CarryAllocator, PreservedAllocator};

/// A chain whose blocks are seen as `V`.
///
/// # Invariants
///
/// 1. The layout of `chain` is that of `V`. Nobody gets hold of a `&mut Chain` or `&mut Index`, which
///    could be swapped for another.
pub(crate) struct Typed<V: View, A: PreservedAllocator> {
    chain: Chain<A>,
    view: PhantomData<V>,
}

impl<V: View, A: PreservedAllocator> Typed<V, A> {
    pub(crate) const LAYOUT: ChainLayout = V::LAYOUT;

    pub(crate) const fn new(alloc: A, fate: Fate) -> Self {
        // INVARIANT: 1. this very layout.
        Self { chain: Chain::new(alloc, fate, &Self::LAYOUT), view: PhantomData }
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

    /// The address by which the next kernel finds the chain; `None` while nothing is in it.
    #[inline]
    pub(crate) fn head(&self) -> Option<PhysAddr> {
        self.index().ends.first.filter(|_| self.tail().end() > 0)
    }

    /// Describes the chain, as entries that `tag` names; counts them if `flags` say so.
    pub(crate) fn descriptor(&self, flags: DescriptorFlags, tag: u64) -> Descriptor {
        const {
            assert!(
                to_wire(V::LAYOUT.block_size()) < 1 << 32,
                "a descriptor has 32 bits for the size of a block"
            );
        }
        let counted = flags.contains(DescriptorFlags::COUNTED);
        let entries = if counted { self.tail().end() } else { 0 };
        Descriptor::new(V::LAYOUT, flags, self.index().ends.first, entries, tag)
    }

    #[inline]
    pub(crate) fn starts(&self) -> &Starts {
        &self.chain.index.starts
    }

    /// All blocks: those of the chain, then the spare ones.
    #[inline]
    pub(crate) fn blocks(&self) -> &[V] {
        let blocks = self.chain.index.blocks();
        // SAFETY: by invariant 1 they are blocks of a chain of `V`'s layout, whose `RawBlock`s may be
        // seen as `V`; the lifetime is theirs.
        unsafe { slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len()) }
    }

    /// All blocks, to change entries. The caller swaps no two of them.
    #[inline]
    pub(crate) fn blocks_mut(&mut self) -> &mut [V] {
        self.parts_mut().0
    }

    /// All blocks, and the ends, as [`Index::parts_mut`].
    #[inline]
    pub(crate) fn parts_mut(&mut self) -> (&mut [V], &mut Ends) {
        let (blocks, ends) = self.chain.index.parts_mut();
        // SAFETY: as in `blocks`.
        let blocks = unsafe { slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len()) };
        (blocks, ends)
    }

    /// As [`Index::link_spare`].
    #[inline]
    pub(crate) fn link_spare(&mut self) {
        self.chain.index.link_spare();
    }

    /// Takes note that the tail has so many entries now, counted in its header.
    #[inline]
    pub(crate) fn recount(&mut self, count: usize) {
        // INVARIANT: 4 of the index. As the caller has counted.
        self.chain.index.ends.tail.count = count;
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

    /// As [`Chain::give_back`].
    #[inline]
    pub(crate) fn give_back(&mut self, blocks: usize) {
        self.chain.give_back(blocks);
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

    /// As [`Chain::leave`].
    #[inline]
    pub(crate) fn leave(&mut self, left: bool) {
        self.chain.leave(left);
    }
}
