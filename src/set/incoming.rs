//! What a set of the previous kernel can do: be taken over, and given back.

#![forbid(unsafe_code)]

use core::marker::PhantomData;

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::descriptor::Descriptor;
use crate::chain::entry::Entry;
use crate::chain::owned::Fate;
use crate::chain::typed::Typed;
use crate::error::restore::{RestoreError, RestoreFromError};
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Incoming;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize>
    BlockSet<T, A, Incoming, BLOCK_SIZE>
{
    /// Takes over the chain that starts at `head`; without a head, an empty set.
    ///
    /// The chain is input. It is walked once, each block claimed before it is read and each header
    /// read once; nothing is written. (A block that cannot be claimed is looked for in the links
    /// followed so far, to tell a cycle.) Costs a claim and a cache miss for each block, and a
    /// pointer of heap.
    ///
    /// # Errors
    ///
    /// [`RestoreError`] says which block is damaged, where it is and how. Of several faults it is
    /// the one of the earliest block, and of one block's the first of [`TooManyBlocks`],
    /// [`Misaligned`], [`OutOfMemory`], [`Cycle`] or [`NotPreserved`], [`CountTooLarge`], and then,
    /// as far as [`RestoreChecks`] ask for them, [`Empty`], [`NotFull`] and [`DirtyTail`]. Every
    /// claim is given back, so the call can be repeated.
    ///
    /// [`TooManyBlocks`]: crate::RestoreErrorKind::TooManyBlocks
    /// [`OutOfMemory`]: crate::RestoreErrorKind::OutOfMemory
    /// [`Misaligned`]: crate::RestoreErrorKind::Misaligned
    /// [`Cycle`]: crate::RestoreErrorKind::Cycle
    /// [`NotPreserved`]: crate::RestoreErrorKind::NotPreserved
    /// [`CountTooLarge`]: crate::RestoreErrorKind::CountTooLarge
    /// [`Empty`]: crate::RestoreErrorKind::Empty
    /// [`NotFull`]: crate::RestoreErrorKind::NotFull
    /// [`DirtyTail`]: crate::RestoreErrorKind::DirtyTail
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{BlockSet, IncomingSet, RestoreErrorKind};
    ///
    /// let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let head = set.into_head();
    ///
    /// mem.reboot();
    /// let set = IncomingSet::<u64, _>::restore(&mem, head)?;
    /// assert_eq!(set.len(), 3);
    ///
    /// let again = IncomingSet::<u64, _>::restore(&mem, head).unwrap_err();
    /// assert_eq!(again.kind, RestoreErrorKind::NotPreserved { block_size: 8192 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(alloc: A, head: Option<PhysAddr>) -> Result<Self, RestoreError> {
        Self::restore_with(alloc, head, RestoreChecks::empty())
    }

    /// [`restore`](Self::restore), but stricter.
    ///
    /// # Errors
    ///
    /// Those of `restore`, and, as far as asked for, [`NotFull`](crate::RestoreErrorKind::NotFull),
    /// [`Empty`](crate::RestoreErrorKind::Empty) and
    /// [`DirtyTail`](crate::RestoreErrorKind::DirtyTail).
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{BlockSet, IncomingSet, RestoreChecks};
    ///
    /// let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[7; 2000])?;
    /// let head = set.into_head();
    ///
    /// mem.reboot();
    /// let set = IncomingSet::<u64, _>::restore_with(&mem, head, RestoreChecks::all())?;
    /// assert_eq!(set.len(), 2000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore_with(
        alloc: A,
        head: Option<PhysAddr>,
        checks: RestoreChecks,
    ) -> Result<Self, RestoreError> {
        let mut set = Self::empty(alloc);
        set.chain.walk(head, checks, false)?;
        Ok(set)
    }

    /// A set that has no block yet.
    fn empty(alloc: A) -> Self {
        Self { chain: Typed::new(alloc, Fate::Unclaim), origin: PhantomData }
    }

    /// Takes over the sound part of a chain that [`restore`](Self::restore) refuses: the blocks
    /// before the first damaged one. What is wrong with that one comes with them; its claim was
    /// given back. Without an error, the whole chain was sound.
    ///
    /// The last block keeps its link as found, so nothing is written here either.
    ///
    /// ```
    /// # use kho_block::{BlockSet, IncomingSet, RestoreErrorKind, mock::Mock};
    /// # let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[7; 5000])?; // in five blocks
    /// let third = set.block_addrs().nth(2).unwrap();
    /// let head = set.into_head();
    /// mem.reboot();
    /// mem.write(third.get() + 8, &9999_u64.to_ne_bytes()); // damage the third one's count
    ///
    /// assert!(IncomingSet::<u64, _>::restore(&mem, head).is_err());
    /// let (set, damage) = IncomingSet::<u64, _>::salvage(&mem, head);
    /// assert_eq!(set.len(), 2 * 1022);
    /// let damage = damage.unwrap();
    /// assert_eq!((damage.block, damage.addr), (2, third));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use = "a set that is dropped gives its claims back"]
    pub fn salvage(alloc: A, head: Option<PhysAddr>) -> (Self, Option<RestoreError>) {
        let mut set = Self::empty(alloc);
        let damage = set.chain.walk(head, RestoreChecks::empty(), false).err();
        (set, damage)
    }

    /// [`salvage`](Self::salvage) of the chain that `descriptor` describes, held to what it
    /// promises. If it does not describe such a chain, nothing is claimed and the set is empty; if
    /// only the number of entries differs, the set has them all.
    ///
    /// ```
    /// # use kho_block::{BlockSet, Descriptor, IncomingSet, mock::Mock};
    /// # let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let sealed = set.seal();
    /// let root = Descriptor { entries: 4, ..sealed.descriptor(0x5e55) };
    /// sealed.leave();
    /// mem.reboot();
    /// let (set, damage) = IncomingSet::<u64, _>::salvage_from(&mem, &root, 0x5e55);
    /// assert!(set.iter().eq(&[2, 3, 5]));
    /// assert_eq!(damage.unwrap().to_string(), "descriptor: says 4 entries, the chain 3");
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use = "a set that is dropped gives its claims back"]
    pub fn salvage_from(
        alloc: A,
        descriptor: &Descriptor,
        tag: u64,
    ) -> (Self, Option<RestoreFromError>) {
        let (head, checks, unfit) = match descriptor.check(Self::LAYOUT, tag) {
            Ok(checks) => (descriptor.head(), checks, None),
            Err(error) => (None, RestoreChecks::empty(), Some(error.into())),
        };
        let mut set = Self::empty(alloc);
        let damage = set.chain.walk(head, checks, true).err();
        let error = unfit.or(damage.map(RestoreFromError::from));
        let error = error.or_else(|| descriptor.check_entries(set.len()).err().map(From::from));
        (set, error)
    }

    /// Takes over the chain that `descriptor` describes, and refuses it if it is not what was
    /// expected: other sizes, another `tag`, another number of entries, if that is promised. The
    /// bare chain cannot notice any of these.
    ///
    /// A first block with neither entries nor a link is the empty set, whatever is promised: so a
    /// descriptor that was written ahead of time is true before the first entry, too.
    ///
    /// # Errors
    ///
    /// [`RestoreFromError::Descriptor`] names the field that differs;
    /// [`RestoreFromError::Chain`] is as from [`restore_with`](Self::restore_with), with the checks
    /// that the descriptor's flags promise to pass. Every claim is given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{BlockSet, IncomingSet};
    ///
    /// const SESSIONS: u64 = 0x5e55;
    ///
    /// let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let sealed = set.seal();
    /// let descriptor = sealed.descriptor(SESSIONS); // into the device tree, or any root page
    /// sealed.leave();
    ///
    /// mem.reboot();
    /// assert!(IncomingSet::<u32, _>::restore_from(&mem, &descriptor, SESSIONS).is_err());
    /// assert!(IncomingSet::<u64, _>::restore_from(&mem, &descriptor, 0xf11e).is_err());
    /// let set = IncomingSet::<u64, _>::restore_from(&mem, &descriptor, SESSIONS)?;
    /// assert_eq!(set.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore_from(
        alloc: A,
        descriptor: &Descriptor,
        tag: u64,
    ) -> Result<Self, RestoreFromError> {
        let (set, error) = Self::salvage_from(alloc, descriptor, tag);
        error.map_or(Ok(set), Err)
    }

    /// Gives every claim back, unfreed, so that the chain can be restored again; returns its head.
    /// Dropping the set does the same.
    ///
    /// ```
    /// # use kho_block::{BlockSet, IncomingSet, mock::Mock};
    /// # let mut mem = Mock::new();
    /// # let mut set = BlockSet::<u64, _>::new(&mem);
    /// # set.push(2)?;
    /// # let head = set.into_head();
    /// # mem.reboot();
    /// let set = IncomingSet::<u64, _>::restore(&mem, head)?;
    /// assert_eq!(set.release(), head);
    /// assert!(IncomingSet::<u64, _>::restore(&mem, head).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(self) -> Option<PhysAddr> {
        self.first_block()
    }
}
