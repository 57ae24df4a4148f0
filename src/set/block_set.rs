//! The container: entries in a chain of blocks.

#![forbid(unsafe_code)]

use core::marker::PhantomData;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::{Descriptor, DescriptorFlags};
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::{DEFAULT_BLOCK_SIZE, MAX_BLOCKS};
use crate::chain::block::Block;
use crate::chain::entry::Entry;
use crate::chain::typed::Typed;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_addrs::BlockAddrs;
use crate::set::iter::{Iter, IterMut};
use crate::set::origin::{Incoming, Origin, Outgoing};

/// Entries of type `T`, kept in a chain of preserved blocks of `BLOCK_SIZE` bytes from `A`.
///
/// The origin `O` says whether this kernel fills the chain for the next one ([`Outgoing`]) or took
/// it over from the previous one ([`Incoming`]; see [`IncomingSet`]).
///
/// Entries are numbered from 0 in the order in which they were appended, and never move in memory.
/// `&mut` is the only lock; `SharedBlockSet`, with the feature `spin`, adds one. What becomes of the
/// blocks when a set is dropped, and what else can be done with it, is a table in the [crate's
/// documentation](crate#how-a-set-ends).
///
/// A pointer from [`entry_ptr`](Self::entry_ptr) stays good while other entries come and go: an
/// operation on one entry makes no reference to another. Those over several
/// ([`iter`](Self::iter), [`blocks`](Self::blocks), what they have for `mut`, [`cursor`](Self::cursor),
/// [`retain`](Self::retain), [`dump`](Self::dump), `audit`) count as uses of all entries.
///
/// # Which call in a loop
///
/// | there is | call | since |
/// |---|---|---|
/// | a slice of records | [`extend_from_slice`](Self::extend_from_slice) | it copies a block at a time |
/// | an iterator | [`try_extend`](Self::try_extend), [`Writer::extend`](crate::Writer::extend) | each block is counted once |
/// | one record after another | [`push`](Self::push), or a [`writer`](Self::writer) after [`grow`](Self::grow) | the writer has at hand what `push` looks up |
/// | all entries to be read | [`iter`](Self::iter), as a loop or by `fold`; `rev` | it opens a block at a time |
/// | a place that moves both ways | [`cursor`](Self::cursor) | it stays in its block |
/// | an index | [`get`](Self::get) | it divides, and looks up the block |
///
/// # Invariants
///
/// Those of the chain, which `audit`, with the feature `mock`, checks, and
///
/// 6. An outgoing set is dense (every block before the tail is full), its unused bytes are zero, and
///    all blocks behind the tail are spare.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, IncomingSet};
///
/// let mut mem = Mock::new();
///
/// let mut set = BlockSet::<u64, _>::new(&mem);
/// set.extend_from_slice(&[2, 3, 5])?;
/// let head = set.into_head();
///
/// mem.reboot();
///
/// let set = IncomingSet::<u64, _>::restore(&mem, head)?;
/// assert!(set.iter().eq(&[2, 3, 5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlockSet<
    T: Entry,
    A: PreservedAllocator,
    O: Origin = Outgoing,
    const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE,
> {
    pub(crate) chain: Typed<Block<T, BLOCK_SIZE>, A>,
    pub(crate) origin: PhantomData<O>,
}

/// A set of this kernel, filled for the next one.
///
/// # Examples
///
/// ```
/// use kho_block::OutgoingSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let mut pages: OutgoingSet<u64, _, 4096> = OutgoingSet::new(&mem); // blocks of 4 KiB
/// pages.push(0x1000)?;
/// # Ok::<(), kho_block::PushError<u64>>(())
/// ```
pub type OutgoingSet<T, A, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> =
    BlockSet<T, A, Outgoing, BLOCK_SIZE>;

/// A set taken over from the previous kernel.
///
/// # Examples
///
/// ```
/// use kho_block::IncomingSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let set = IncomingSet::<u64, _>::restore(&mem, None)?;
/// assert!(set.is_empty());
/// # Ok::<(), kho_block::RestoreError>(())
/// ```
pub type IncomingSet<T, A, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> =
    BlockSet<T, A, Incoming, BLOCK_SIZE>;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// Bytes of an entry and of a block.
    pub const LAYOUT: ChainLayout = Typed::<Block<T, BLOCK_SIZE>, A>::LAYOUT;

    /// Entries that fit into a block.
    pub const CAPACITY_PER_BLOCK: usize = Self::LAYOUT.capacity();

    /// The most blocks that a set may have: [`MAX_BLOCKS`].
    pub const MAX_BLOCKS: usize = MAX_BLOCKS;

    /// Entries in the set.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[1; 5000])?;
    /// assert_eq!((set.len(), set.block_count(), set.capacity()), (5000, 5, 5 * 1022));
    /// assert!(!set.is_empty());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.chain.tail().end()
    }

    /// Whether the set has no entries; it may still have blocks.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1)?;
    /// assert!(set.is_empty());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots in all blocks together, used or not, the spare blocks included. In a restored set that
    /// is not dense some of them lie behind a block's last entry, in the middle of the chain.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1)?;
    /// assert_eq!(set.capacity(), (8192 - 16) / 8);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.block_count().saturating_mul(Self::CAPACITY_PER_BLOCK)
    }

    /// Blocks of the set: those in the chain, and the spare ones.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1023)?;
    /// assert_eq!(set.block_count(), 2);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn block_count(&self) -> usize {
        self.chain.blocks().len()
    }

    /// The physical address of the first block; `None` without blocks.
    ///
    /// It is named as soon as [`grow`](Self::grow) has obtained a block, and stays while the set is
    /// filled, cleared and filled again, so a root page can hold it ahead of time, best in a
    /// [`descriptor`](Self::descriptor). Whoever shrinks, seals or destroys a set without entries
    /// withdraws it first.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// assert_eq!(set.first_block(), None);
    /// set.grow(1)?;
    /// assert!(set.first_block().is_some_and(|addr| addr.is_aligned_to(8192)));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn first_block(&self) -> Option<PhysAddr> {
        self.chain.index().ends.first
    }

    /// The physical address by which the next kernel finds the chain: that of the first block, or
    /// `None` while there is no entry, since Linux mainline panics on a block without any.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1)?;
    /// assert_eq!(set.head(), None);
    /// set.push(2).unwrap();
    /// assert_eq!(set.head(), set.first_block());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn head(&self) -> Option<PhysAddr> {
        self.chain.head()
    }

    /// Describes the chain, as entries that `tag` names, for a root page that is written ahead of
    /// time: names the [first block](Self::first_block), and does not promise how many entries
    /// there are. So it stays true while the set is filled, emptied and filled again.
    ///
    /// [`Sealed::descriptor`](crate::Sealed::descriptor) counts the entries too. Of an incoming set
    /// nothing is promised but the sizes.
    ///
    /// ```
    /// # use kho_block::{BlockSet, IncomingSet, mock::Mock};
    /// # let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1000)?;
    /// let root = set.descriptor(0x5e55); // written now, true whenever the kexec comes
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// # let _ = set.into_head();
    /// # mem.reboot();
    /// let set = IncomingSet::<u64, _>::restore_from(&mem, &root, 0x5e55)?;
    /// assert_eq!(set.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn descriptor(&self, tag: u64) -> Descriptor {
        let dense = DescriptorFlags::DENSE | DescriptorFlags::NO_EMPTY_BLOCKS;
        let flags = if O::INCOMING { DescriptorFlags::empty() } else { dense };
        self.chain.descriptor(flags, tag)
    }

    /// The allocator that the set's blocks come from.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let set = BlockSet::<u64, _>::new(Mock::new());
    /// assert_eq!(set.allocator().live(), 0);
    /// ```
    #[must_use]
    #[inline]
    pub fn allocator(&self) -> &A {
        self.chain.alloc()
    }

    /// The physical addresses of the blocks, from either end: those in the chain, then the spare
    /// ones.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(5000)?;
    /// assert_eq!(set.block_addrs().len(), 5);
    /// assert_eq!(set.block_addrs().next(), set.first_block());
    /// assert!(set.block_addrs().rev().all(|addr| addr.is_aligned_to(8192)));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn block_addrs(&self) -> BlockAddrs<'_> {
        BlockAddrs::new(self.chain.index())
    }
}

impl<'a, T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> IntoIterator
    for &'a BlockSet<T, A, O, BLOCK_SIZE>
{
    type Item = &'a T;
    type IntoIter = Iter<'a, T, BLOCK_SIZE>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> IntoIterator
    for &'a mut BlockSet<T, A, O, BLOCK_SIZE>
{
    type Item = &'a mut T;
    type IntoIter = IterMut<'a, T, BLOCK_SIZE>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
