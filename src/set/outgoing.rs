//! What a set of this kernel can do: grow, be filled, and be left to the next kernel.

#![forbid(unsafe_code)]

use core::marker::PhantomData;
use core::mem;

use crate::abi::addr::PhysAddr;
use crate::chain::entry::Entry;
use crate::chain::owned::Fate;
use crate::chain::typed::Typed;
use crate::error::append::{FullError, PushError};
use crate::error::grow::{GrowError, GrowErrorKind};
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::{Origin, Outgoing};
use crate::set::remove::copy;
use crate::set::sealed::Sealed;
use crate::set::writer::Writer;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize>
    BlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    /// Creates an empty set, without a block. Allocates nothing, so that a set can be a `static`.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let mem = Mock::new();
    /// let set = BlockSet::<u64, _>::new(&mem);
    /// assert_eq!((set.len(), set.first_block()), (0, None));
    /// ```
    #[must_use]
    pub const fn new(alloc: A) -> Self {
        // INVARIANT: 6. there are no blocks.
        Self { chain: Typed::new(alloc, Fate::Free), origin: PhantomData }
    }

    /// Makes room for `count` entries in all, those in the set included: adds as many blocks as
    /// that takes, or none.
    ///
    /// Costs an allocation of `BLOCK_SIZE` bytes for each block. The new blocks are spare: they are
    /// not in the chain until they have entries, but for the very first one.
    ///
    /// # Errors
    ///
    /// [`GrowErrorKind::TooManyBlocks`] beyond [`MAX_BLOCKS`](Self::MAX_BLOCKS), before anything is
    /// allocated; [`GrowErrorKind::OutOfMemory`] if a block is refused, and
    /// [`GrowErrorKind::Misaligned`] if one is not aligned, which the next kernel would refuse:
    /// both after those obtained were given back. Heap that the index took for them, a pointer a
    /// block, is kept for the next attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(1023)?; // one more than a block holds
    /// assert_eq!(set.block_count(), 2);
    /// assert!(set.grow(usize::MAX).is_err());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn grow(&mut self, count: usize) -> Result<(), GrowError> {
        self.chain.grow(count)
    }

    /// Appends an entry, growing by a block if all are full. In a loop there may be
    /// [a faster call](BlockSet#which-call-in-a-loop).
    ///
    /// # Errors
    ///
    /// [`PushError`], with the entry, if there was no block to be had.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// assert_eq!(set.get(0), Some(&2));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[inline]
    pub fn push(&mut self, entry: T) -> Result<(), PushError<T>> {
        // Room is made without the entry, which else would be copied to memory before each push.
        let Err(entry) = self.end().push_to_tail(entry) else { return Ok(()) };
        if let Err(cause) = self.make_room() {
            return Err(PushError { entry, cause });
        }
        self.end().push(entry).map_err(|FullError { entry }| PushError {
            entry,
            cause: GrowError { kind: GrowErrorKind::OutOfMemory, wanted: 1, obtained: 0 },
        })
    }

    /// Makes room for one entry more.
    ///
    /// # Errors
    ///
    /// Those of [`grow`](Self::grow).
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> Result<(), GrowError> {
        self.grow(self.len().saturating_add(1))
    }

    /// Appends copies of all `entries`, or of none, growing as needed: a copy for each block.
    ///
    /// # Errors
    ///
    /// Those of [`grow`](Self::grow); the set is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// set.extend_from_slice(&[7, 11])?;
    /// assert!(set.iter().eq(&[2, 3, 5, 7, 11]));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn extend_from_slice(&mut self, entries: &[T]) -> Result<(), GrowError> {
        self.grow(self.len().saturating_add(entries.len()))?;
        self.end().fill(entries);
        Ok(())
    }

    /// A write cursor behind the last entry. It appends to the blocks there are and never
    /// allocates, so a save that must not fail grows first.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(3)?;
    /// let mut writer = set.writer();
    /// assert_eq!(writer.extend([2, 3, 5]), 3);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn writer(&mut self) -> Writer<'_, T, BLOCK_SIZE> {
        self.end()
    }

    /// Appends what `entries` yields, growing as needed.
    ///
    /// Takes no entry before there is a place for the one before it: on an error the entries
    /// appended so far are in the set, the error holds the next one, and what an iterator passed by
    /// `&mut` has not yielded is there to be saved elsewhere.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the entry for which there was no block to be had.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let mem = Mock::refusing(1);
    /// let mut set = BlockSet::<u64, _, _, 32>::new(&mem); // two entries to a block
    /// let mut entries = 1..=5;
    /// let error = set.try_extend(&mut entries).unwrap_err();
    /// assert!(set.iter().eq(&[1, 2]));
    /// assert_eq!((error.entry, entries), (3, 4..=5));
    /// ```
    pub fn try_extend<I: IntoIterator<Item = T>>(
        &mut self,
        entries: I,
    ) -> Result<(), PushError<T>> {
        let mut entries = entries.into_iter().fuse();
        loop {
            self.end().extend(&mut entries);
            let Some(entry) = entries.next() else { return Ok(()) };
            self.push(entry)?;
        }
    }

    /// Keeps the entries for which `keep` is true, in their order, and removes the others.
    ///
    /// Costs a copy of each entry behind the first one removed, and a write to every byte removed. A
    /// kexec in the middle may find an entry half overwritten, and some twice, but none that was
    /// kept is missing. If `keep` panics, the entries that it has not seen are kept.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 4, 5])?;
    /// set.retain(|entry| entry % 2 == 0);
    /// assert!(set.iter().eq(&[2, 4]));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let mut kept = Retained { set: self, kept: 0, seen: 0 };
        while let Some(entry) = kept.set.get(kept.seen) {
            let keeps = keep(entry);
            kept.see(keeps);
        }
    }

    /// Takes the set, and leaves an empty one over the same allocator: so a set in a `static`, behind
    /// a lock, is handed over.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let head = set.take().into_head();
    /// assert!(head.is_some() && set.is_empty());
    /// set.push(3)?;
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

    /// Closes the set for the jump: frees its spare blocks, and lets nothing change any more.
    ///
    /// What is sealed is left to the next kernel, unless it is [unsealed](Sealed::unseal) because the
    /// jump failed. A set without entries has no block when it is sealed: whoever was told the
    /// [first one](Self::first_block) must be told before that there is none.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # fn jump(_: Option<kho_block::PhysAddr>) {}
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.grow(5000)?;
    /// set.push(2).unwrap();
    /// let sealed = set.seal();
    /// assert_eq!(sealed.block_count(), 1);
    /// jump(sealed.head()); // does not return, if all goes well
    /// let mut set = sealed.unseal();
    /// set.push(3).unwrap();
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn seal(mut self) -> Sealed<Self> {
        self.shrink(0);
        Sealed::new(self)
    }

    /// [Seals](Self::seal) the set and [leaves](Sealed::leave) its blocks to the next kernel;
    /// returns the head. There is no way back.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let head = set.into_head();
    /// assert!(head.is_some());
    /// assert_eq!(mem.live(), 1);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use = "nobody else knows where the chain starts"]
    pub fn into_head(self) -> Option<PhysAddr> {
        self.seal().leave()
    }
}

/// A set in the middle of [`BlockSet::retain`]: the first `kept` entries stay, and what was behind
/// them up to `seen` is gone, or has a copy among them.
struct Retained<'a, T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> {
    set: &'a mut BlockSet<T, A, Outgoing, BLOCK_SIZE>,
    kept: usize,
    seen: usize,
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Retained<'_, T, A, BLOCK_SIZE> {
    /// Keeps entry `seen` or not, as `keeps` says, and goes on to the next one.
    fn see(&mut self, keeps: bool) {
        if keeps {
            let entry = self.set.get(self.seen).filter(|_| self.kept < self.seen).and_then(copy);
            if let (Some(entry), Some(place)) = (entry, self.set.get_mut(self.kept)) {
                *place = entry;
            }
            self.kept = self.kept.saturating_add(1);
        }
        self.seen = self.seen.saturating_add(1);
    }
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Drop
    for Retained<'_, T, A, BLOCK_SIZE>
{
    fn drop(&mut self) {
        while self.seen < self.set.len() {
            self.see(true);
        }
        self.set.truncate(self.kept);
    }
}

/// The end of a set, where entries are appended and removed.
impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// A write cursor at the end of an outgoing set, for callers that have seen that it is one.
    #[inline]
    pub(crate) fn end(&mut self) -> Writer<'_, T, BLOCK_SIZE> {
        let (blocks, ends) = self.chain.parts_mut();
        Writer::new(blocks, ends)
    }
}

impl<T: Entry, A: PreservedAllocator + Default, const BLOCK_SIZE: usize> Default
    for BlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    fn default() -> Self {
        Self::new(A::default())
    }
}
