//! What a table of this kernel can do: grow, take entries in, and be left to the next kernel.

#![forbid(unsafe_code)]

use core::mem;

use crate::abi::key::{Key, Stamp};
use crate::abi::sizes::MAX_BLOCKS;
use crate::chain::entry::Entry;
use crate::chain::owned::Fate;
use crate::error::append::PushError;
use crate::error::grow::{GrowError, GrowErrorKind};
use crate::memory::allocator::PreservedAllocator;
use crate::set::origin::Outgoing;
use crate::set::sealed::Sealed;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Slots<T, A, Outgoing, BLOCK_SIZE> {
    /// Creates an empty table, without a block. Allocates nothing, so that a table can be a
    /// `static`.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// let mem = Mock::new();
    /// let table = Slots::<u64, _>::new(&mem);
    /// assert_eq!((table.len(), table.first_block()), (0, None));
    /// ```
    #[must_use]
    pub const fn new(alloc: A) -> Self {
        Self::empty(alloc, Fate::Free)
    }

    /// Makes room for `count` entries in all, those in the table included: adds as many blocks as
    /// that takes, or none.
    ///
    /// Costs an allocation of `BLOCK_SIZE` bytes for each block, and a bit of heap for each slot.
    ///
    /// # Errors
    ///
    /// [`GrowErrorKind::TooManyBlocks`] beyond [`MAX_BLOCKS`], before anything is
    /// allocated; [`GrowErrorKind::OutOfMemory`] if a block or the heap is refused, and
    /// [`GrowErrorKind::Misaligned`] if a block is not aligned: after the blocks obtained were given
    /// back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(512)?; // one more than a block holds
    /// assert_eq!(table.block_count(), 2);
    /// assert!(table.grow(usize::MAX).is_err());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn grow(&mut self, count: usize) -> Result<(), GrowError> {
        let slots = count.saturating_add(self.retired);
        let blocks = slots.div_ceil(Self::SLOTS_PER_BLOCK.max(1));
        let wanted = blocks.saturating_sub(self.block_count());
        // More are refused below.
        if blocks <= MAX_BLOCKS {
            let slots = blocks.saturating_mul(Self::SLOTS_PER_BLOCK);
            // INVARIANT: 3. before there are such slots.
            self.holes.reserve(slots).map_err(|_| GrowError {
                kind: GrowErrorKind::OutOfMemory,
                wanted,
                obtained: 0,
            })?;
        }
        self.chain.grow(slots)
    }

    /// Puts an entry into the lowest free slot, growing by a block if there is none; returns its
    /// key.
    ///
    /// Costs at most five reads to find the slot, and calls the allocator only if there is none.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the entry, if there was no block to be had.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let keys = [table.insert(2)?, table.insert(3)?, table.insert(5)?];
    /// table.remove(keys[1]);
    /// assert_eq!(table.insert(7)?.slot, 1);
    /// assert_eq!(table.insert(11)?.slot, 3);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[inline]
    pub fn insert(&mut self, entry: T) -> Result<Key, PushError<T>> {
        let entry = match self.reuse(entry) {
            Ok(key) => return Ok(key),
            Err(entry) => entry,
        };
        let entry = match self.append(entry) {
            Ok(key) => return Ok(key),
            Err(entry) => entry,
        };
        if let Err(cause) = self.grow(self.capacity().saturating_add(1)) {
            return Err(PushError { entry, cause });
        }
        self.append(entry).map_err(|entry| PushError {
            entry,
            cause: GrowError { kind: GrowErrorKind::OutOfMemory, wanted: 1, obtained: 0 },
        })
    }

    /// Puts an entry into the lowest free slot among those that were used before.
    ///
    /// # Errors
    ///
    /// The entry, if there is none.
    #[inline]
    fn reuse(&mut self, entry: T) -> Result<Key, T> {
        let Some(number) = self.holes.first() else { return Err(entry) };
        let Ok(slot) = u32::try_from(number) else { return Err(entry) };
        let Some((block, place)) = Self::locate(slot) else { return Err(entry) };
        let block = self.chain.blocks_mut().get_mut(block);
        let Some((_, place)) = block.and_then(|block| block.slot_mut(place)) else {
            return Err(entry);
        };
        let Some(Stamp::Free { next: life }) = Stamp::read(place.stamp()) else {
            return Err(entry);
        };
        place.fill(entry, life.into());
        // INVARIANT: 2 and 3. the slot is in use from here on.
        self.holes.remove(number);
        self.len = self.len.saturating_add(1);
        Ok(Key { slot, life })
    }

    /// Puts an entry into the first slot that was never used, in the blocks there are.
    ///
    /// # Errors
    ///
    /// The entry, if there is none.
    #[inline]
    fn append(&mut self, entry: T) -> Result<Key, T> {
        let tail = self.chain.tail();
        let full = tail.count >= Self::SLOTS_PER_BLOCK;
        let (block, count) =
            if full { (tail.block.saturating_add(1), 0) } else { (tail.block, tail.count) };
        let Ok(slot) = u32::try_from(tail.end()) else { return Err(entry) };
        let Some(block) = self.chain.blocks_mut().get_mut(block) else { return Err(entry) };
        let life = 1;
        block.push_at(count, entry, life.into())?;
        if full {
            self.chain.link_spare();
        }
        self.chain.recount(count.saturating_add(1));
        // INVARIANT: 1. the tail was full before another block came to the chain. 2. one odd stamp
        // more. 3. `grow` has made room for its slot.
        self.len = self.len.saturating_add(1);
        Ok(Key { slot, life })
    }

    /// Frees the last blocks that `count` entries in all would not need, of those no slot of which
    /// was ever used: keys stay what they are.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(2000)?;
    /// let key = table.insert(2)?;
    /// table.remove(key);
    /// table.shrink(0);
    /// assert_eq!(table.block_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink(&mut self, count: usize) {
        let slots = count.saturating_add(self.retired);
        self.chain.keep(self.chain.index().needed(slots));
    }

    /// Takes the table, and leaves an empty one over the same allocator: so a table in a `static`,
    /// behind a lock, is handed over.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.insert(2)?;
    /// let head = table.take().seal().leave();
    /// assert!(head.is_some() && table.is_empty());
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use = "what is taken and dropped is freed"]
    pub fn take(&mut self) -> Self
    where
        A: Clone,
    {
        let empty = Self::new(self.allocator().clone());
        mem::replace(self, empty)
    }

    /// Closes the table for the jump: frees its spare blocks, and lets nothing change any more.
    ///
    /// What is sealed is left to the next kernel, unless it is [unsealed](Sealed::unseal) because the
    /// jump failed.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # fn jump(_: Option<kho_block::PhysAddr>) {}
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// let sealed = table.seal();
    /// jump(sealed.head()); // does not return, if all goes well
    /// let mut table = sealed.unseal();
    /// assert_eq!(table.remove(key), Some(2));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn seal(mut self) -> Sealed<Self> {
        self.shrink(0);
        Sealed::new(self)
    }
}

impl<T: Entry, A: PreservedAllocator + Default, const BLOCK_SIZE: usize> Default
    for Slots<T, A, Outgoing, BLOCK_SIZE>
{
    fn default() -> Self {
        Self::new(A::default())
    }
}
