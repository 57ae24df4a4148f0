//! Taking a chain over from the previous kernel: the walk that trusts no byte of it.

#![forbid(unsafe_code)]

use bitflags::bitflags;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::Descriptor;
use crate::abi::sizes::{BlockHeader, MAX_BLOCKS, to_wire};
use crate::chain::block::Chain;
use crate::chain::entry::Entry;
use crate::chain::starts::Starts;
use crate::chain::tail::Tail;
use crate::error::{RestoreError, RestoreErrorKind, RestoreFromError};
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Incoming;

bitflags! {
    /// What [`restore_with`](BlockSet::restore_with) refuses beyond damage.
    ///
    /// The default, none of them, accepts empty and partly filled blocks anywhere, which the C
    /// writers produce.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::RestoreChecks;
    ///
    /// let as_this_crate_publishes = RestoreChecks::all();
    /// assert!(as_this_crate_publishes.contains(RestoreChecks::DENSE));
    /// assert_eq!(RestoreChecks::default(), RestoreChecks::empty());
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RestoreChecks: u32 {
        /// Every block but the last is full.
        const DENSE = 1 << 0;
        /// Every block has an entry, as Linux mainline wants it.
        const NO_EMPTY_BLOCKS = 1 << 1;
        /// Every byte behind a block's last entry is zero. Costs a read of those bytes.
        const ZERO_TAIL = 1 << 2;
    }
}

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
    /// [`TooManyBlocks`]: RestoreErrorKind::TooManyBlocks
    /// [`OutOfMemory`]: RestoreErrorKind::OutOfMemory
    /// [`Misaligned`]: RestoreErrorKind::Misaligned
    /// [`Cycle`]: RestoreErrorKind::Cycle
    /// [`NotPreserved`]: RestoreErrorKind::NotPreserved
    /// [`CountTooLarge`]: RestoreErrorKind::CountTooLarge
    /// [`Empty`]: RestoreErrorKind::Empty
    /// [`NotFull`]: RestoreErrorKind::NotFull
    /// [`DirtyTail`]: RestoreErrorKind::DirtyTail
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
    /// assert_eq!(again.kind, RestoreErrorKind::NotPreserved);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(alloc: A, head: Option<PhysAddr>) -> Result<Self, RestoreError> {
        Self::restore_with(alloc, head, RestoreChecks::empty())
    }

    /// [`restore`](Self::restore), but stricter.
    ///
    /// # Errors
    ///
    /// Those of `restore`, and [`NotFull`](RestoreErrorKind::NotFull),
    /// [`Empty`](RestoreErrorKind::Empty) and [`DirtyTail`](RestoreErrorKind::DirtyTail) as asked
    /// for.
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
        // INVARIANT: 1 to 3 hold of a set without blocks; 4 is not about incoming ones.
        let mut set = Self { chain: Chain::new(alloc), starts: Starts::dense(), tail: Tail::NONE };
        match set.walk(head, checks) {
            Ok(()) => Ok(set),
            Err(error) => {
                set.chain.release();
                Err(error)
            }
        }
    }

    /// Claims and checks every block from `head` on, for a set that has none yet.
    ///
    /// # Errors
    ///
    /// Those of `restore_with`; the caller releases what was claimed until then.
    fn walk(&mut self, head: Option<PhysAddr>, checks: RestoreChecks) -> Result<(), RestoreError> {
        let capacity = Self::CAPACITY_PER_BLOCK;
        let mut entries: usize = 0;
        let mut link = head;
        while let Some(addr) = link {
            let block = self.block_count();
            let refuse = |kind| Err(RestoreError { kind, block, addr });
            if block >= MAX_BLOCKS {
                return refuse(RestoreErrorKind::TooManyBlocks);
            }
            if !addr.is_aligned_to(to_wire(BLOCK_SIZE)) {
                return refuse(RestoreErrorKind::Misaligned);
            }
            if self.chain.reserve(1).is_err() {
                return refuse(RestoreErrorKind::OutOfMemory);
            }
            let Some(BlockHeader { next, count }) = self.chain.claim(addr) else {
                return refuse(self.why_unclaimed(addr));
            };
            let Some(count) = usize::try_from(count).ok().filter(|&count| count <= capacity) else {
                return refuse(RestoreErrorKind::CountTooLarge { count, capacity });
            };
            link = PhysAddr::new(next);
            if checks.contains(RestoreChecks::NO_EMPTY_BLOCKS) && count == 0 {
                return refuse(RestoreErrorKind::Empty);
            }
            if checks.contains(RestoreChecks::DENSE) && count < capacity && link.is_some() {
                return refuse(RestoreErrorKind::NotFull { count, capacity });
            }
            if checks.contains(RestoreChecks::ZERO_TAIL) {
                let claimed = self.chain.blocks().last();
                let tail = claimed.map(|block| block.bytes_behind(count)).unwrap_or_default();
                if let Some(dirty) = tail.iter().position(|&byte| byte != 0) {
                    let offset = BLOCK_SIZE.saturating_sub(tail.len()).saturating_add(dirty);
                    return refuse(RestoreErrorKind::DirtyTail { offset });
                }
            }
            // INVARIANT: 3. `entries` precede this block.
            if self.starts.note(block, entries, count > 0, capacity).is_err() {
                return refuse(RestoreErrorKind::OutOfMemory);
            }
            if count > 0 {
                // INVARIANT: 2. no block follows yet, and those before are before `tail`.
                self.tail = Tail { block, start: entries, count };
            }
            entries = entries.saturating_add(count);
        }
        // INVARIANT: 1. each claim was where the link before it points, and the last link is zero.
        Ok(())
    }

    /// What is wrong with an address that the allocator refused.
    fn why_unclaimed(&self, addr: PhysAddr) -> RestoreErrorKind {
        let mut link = self.head();
        for (first, block) in self.chain.blocks().iter().enumerate() {
            if link == Some(addr) {
                return RestoreErrorKind::Cycle { first };
            }
            link = block.header().next();
        }
        RestoreErrorKind::NotPreserved
    }

    /// Takes over the chain that `descriptor` describes, and refuses it if it is not what was
    /// expected: other sizes, another `tag`, another number of entries. The bare chain cannot
    /// notice any of these.
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
    /// let descriptor = set.descriptor(SESSIONS); // into the device tree, or any root page
    /// let _ = set.into_head();
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
        let checks = descriptor.check(size_of::<T>(), BLOCK_SIZE, tag)?;
        let set = Self::restore_with(alloc, PhysAddr::new(descriptor.head), checks)?;
        if let Err(error) = descriptor.check_entries(set.len()) {
            set.release();
            return Err(error.into());
        }
        Ok(set)
    }

    /// Gives every claim back, unfreed, so that the chain can be restored again; returns its head.
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
    pub fn release(mut self) -> Option<PhysAddr> {
        self.chain.release()
    }
}
