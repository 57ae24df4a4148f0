//! Looking at entries, and changing them where they are.

#![forbid(unsafe_code)]

use core::ptr::NonNull;

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{HEADER_SIZE, to_wire};
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::iter::{Blocks, BlocksMut, Iter, IterMut};
use crate::set::origin::Origin;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// The physical address of entry `index`, for a device or a record that points to it; `None` if
    /// there is no such entry.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[1, 2, 3])?;
    /// assert_eq!(set.phys_addr(2), set.first_block().unwrap().checked_add(16 + 2 * 8));
    /// assert_eq!(set.phys_addr(3), None);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn phys_addr(&self, index: usize) -> Option<PhysAddr> {
        if index >= self.len() {
            return None;
        }
        let (block, slot) = self.locate(index);
        let offset = HEADER_SIZE.saturating_add(slot.saturating_mul(size_of::<T>()));
        self.chain.index().addr(block)?.checked_add(to_wire(offset))
    }

    /// The block and slot of entry `index`, which must be in use.
    #[inline]
    pub(crate) fn locate(&self, index: usize) -> (usize, usize) {
        self.chain.starts().locate(index, Self::CAPACITY_PER_BLOCK)
    }

    /// Where entry `index` is, for a device, or for whoever counts in it without the lock; `None` if
    /// there is no such entry.
    ///
    /// The pointer has the provenance of the allocator's own, and stays good until its entry is
    /// removed, or moved by [`swap_remove`](Self::swap_remove): pushing, removing, reading and
    /// changing *other* entries makes no reference to this one. [`iter`](Self::iter),
    /// [`blocks`](Self::blocks), what they have for `mut`, a [`cursor`](Self::cursor),
    /// [`retain`](BlockSet::retain), [`dump`](Self::dump) and `audit` look at all entries, and must not
    /// run while this one is written through the pointer; nor may [`get`](Self::get) of this one.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// use core::sync::atomic::{AtomicU64, Ordering};
    ///
    /// # let mem = Mock::new();
    /// let mut references = BlockSet::<u64, _>::new(&mem);
    /// references.push(1)?;
    /// let first = references.entry_ptr(0).unwrap();
    /// references.push(1)?;
    /// // SAFETY: the entry stays, and is aligned; no one else uses it now.
    /// let count = unsafe { AtomicU64::from_ptr(first.as_ptr()) };
    /// count.fetch_add(1, Ordering::Relaxed);
    /// assert_eq!(references.get(0), Some(&2));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn entry_ptr(&self, index: usize) -> Option<NonNull<T>> {
        if index >= self.len() {
            return None;
        }
        let (block, slot) = self.locate(index);
        self.chain.blocks().get(block)?.slot_ptr(slot)
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
        let (block, slot) = self.locate(index);
        self.chain.blocks().get(block)?.slot(slot)
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
        let (block, slot) = self.locate(index);
        Some(self.chain.blocks_mut().get_mut(block)?.slot_mut(slot)?.1)
    }

    /// The first entry; `None` if the set is empty.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!((set.first(), set.last()), (Some(&2), Some(&5)));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last entry; `None` if the set is empty.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// assert_eq!(set.last(), None);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// assert_eq!(set.last(), Some(&5));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The last entry, to be changed; `None` if the set is empty.
    ///
    /// The entry is in the chain already: a kexec in the middle of a change hands over half of it.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// *set.last_mut().unwrap() = 7;
    /// assert!(set.iter().eq(&[2, 3, 7]));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.get_mut(self.len().checked_sub(1)?)
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
}
