//! The container: entries in a chain of blocks.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{DEFAULT_BLOCK_SIZE, HEADER_SIZE, MAX_BLOCKS, to_wire};
use crate::chain::block::{Block, Chain};
use crate::chain::entry::Entry;
use crate::chain::starts::Starts;
use crate::chain::tail::Tail;
use crate::memory::allocator::PreservedAllocator;
use crate::set::iter::{Blocks, BlocksMut, Iter, IterMut};
use crate::set::origin::{Incoming, Origin, Outgoing};
use crate::set::writer::Writer;

/// Entries of type `T`, kept in a chain of preserved blocks of `BLOCK_SIZE` bytes from `A`.
///
/// The origin `O` says whether this kernel fills the chain for the next one ([`Outgoing`]) or took
/// it over from the previous one ([`Incoming`]; see [`IncomingSet`]).
///
/// Entries are numbered from 0 in the order in which they were appended, and never move in memory.
/// `&mut` is the only lock; `SharedBlockSet`, with the feature `spin`, adds one. A set that is
/// dropped frees its blocks; [`into_head`](Self::into_head) leaves them to the next kernel.
///
/// # Invariants
///
/// 1. The chain of blocks is linked, each block to the one behind it in the index, and ends there.
/// 2. Every block after the tail is empty. The tail is a block, or 0 if there is none, and knows
///    how many entries it has and how many precede it.
/// 3. `starts` knows where the entries of each block up to the tail start.
/// 4. An outgoing set is dense (every block before the tail is full), and its unused bytes are
///    zero.
///
/// `audit`, with the feature `mock`, checks them.
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
    pub(crate) chain: Chain<T, A, O, BLOCK_SIZE>,
    pub(crate) starts: Starts,
    pub(crate) tail: Tail,
}

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
    /// Entries that fit into a block.
    pub const CAPACITY_PER_BLOCK: usize = Block::<T, BLOCK_SIZE>::CAPACITY;

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
        self.tail.end()
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

    /// Slots in all blocks together, used or not. In a restored set that is not dense some of them
    /// lie behind a block's last entry, in the middle of the chain.
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

    /// Blocks in the chain.
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

    /// The physical address of the first block, by which the next kernel finds the chain; `None`
    /// without blocks.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// assert_eq!(set.head(), None);
    /// set.grow(1)?;
    /// assert!(set.head().is_some_and(|head| head.is_aligned_to(8192)));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn head(&self) -> Option<PhysAddr> {
        self.chain.head()
    }

    /// The physical address of entry `index`, for a device or a record that points to it; `None` if
    /// there is no such entry.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[1, 2, 3])?;
    /// assert_eq!(set.phys_addr(2), set.head().unwrap().checked_add(16 + 2 * 8));
    /// assert_eq!(set.phys_addr(3), None);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn phys_addr(&self, index: usize) -> Option<PhysAddr> {
        if index >= self.len() {
            return None;
        }
        let (block, slot) = self.starts.locate(index, Self::CAPACITY_PER_BLOCK);
        let offset = HEADER_SIZE.saturating_add(slot.saturating_mul(size_of::<T>()));
        self.block_addr(block)?.checked_add(to_wire(offset))
    }

    /// The address of a block: the link of its predecessor.
    pub(crate) fn block_addr(&self, block: usize) -> Option<PhysAddr> {
        match block.checked_sub(1) {
            None => self.head(),
            Some(before) => self.chain.blocks().get(before)?.header().next(),
        }
    }

    /// Entry `index`; `None` if there is no such entry.
    ///
    /// O(1) in a dense set, which every set written by this crate is; O(log blocks) in a restored
    /// one with blocks partly filled before the last.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!(set.get(1), Some(&3));
    /// assert_eq!(set.get(3), None);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        // In use, as every entry up to the last is: no header is read.
        if index >= self.len() {
            return None;
        }
        let (block, slot) = self.starts.locate(index, Self::CAPACITY_PER_BLOCK);
        self.chain.blocks().get(block)?.slots().get(slot)
    }

    /// Entry `index`, to be changed; `None` if there is no such entry.
    ///
    /// The entry is in the chain already: a kexec in the middle of a change hands over half of it.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// *set.get_mut(0).unwrap() += 5;
    /// assert_eq!(set.get(0), Some(&7));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if index >= self.len() {
            return None;
        }
        let (block, slot) = self.starts.locate(index, Self::CAPACITY_PER_BLOCK);
        self.chain.blocks_mut().get_mut(block)?.parts_mut().1.get_mut(slot)
    }

    /// Iterates over the entries, from either end.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!(set.iter().rev().copied().collect::<Vec<_>>(), [5, 3, 2]);
    /// assert_eq!(set.iter().len(), 3);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T, BLOCK_SIZE> {
        Iter::new(self.blocks(), self.len())
    }

    /// Iterates over the entries, from either end, to change them.
    ///
    /// The entries are in the chain already: a kexec in the middle of a change hands over half of
    /// it.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// set.iter_mut().for_each(|entry| *entry *= 2);
    /// assert!(set.iter().eq(&[4, 6, 10]));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn iter_mut(&mut self) -> IterMut<'_, T, BLOCK_SIZE> {
        let len = self.len();
        IterMut::new(self.blocks_mut(), len)
    }

    /// Iterates over the blocks, from either end: the entries of each as a slice.
    ///
    /// Blocks without entries are there, as empty slices.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _, _, 32>::new(&mem); // two entries to a block
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!(set.blocks().collect::<Vec<_>>(), [&[2, 3][..], &[5]]);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn blocks(&self) -> Blocks<'_, T, BLOCK_SIZE> {
        Blocks::new(self.chain.blocks())
    }

    /// Iterates over the blocks, from either end: the entries of each as a slice, to change them.
    /// Several CPUs may work on a slice each.
    ///
    /// The entries are in the chain already: a kexec in the middle of a change hands over half of
    /// it.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[1; 3000])?;
    /// std::thread::scope(|scope| {
    ///     for block in set.blocks_mut() {
    ///         scope.spawn(move || block.fill(7));
    ///     }
    /// });
    /// assert!(set.iter().all(|&entry| entry == 7));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn blocks_mut(&mut self) -> BlocksMut<'_, T, BLOCK_SIZE> {
        BlocksMut::new(self.chain.blocks_mut())
    }

    /// The end of the chain, where entries are appended and removed.
    pub(crate) fn end(&mut self) -> Writer<'_, T, BLOCK_SIZE> {
        Writer::new(self.chain.blocks_mut(), &mut self.tail)
    }
}
