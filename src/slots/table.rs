//! The table: entries that keep their slots.

#![forbid(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::{Descriptor, DescriptorFlags};
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::entry::Entry;
use crate::chain::owned::Fate;
use crate::chain::stamped::StampedBlock;
use crate::chain::typed::Typed;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_addrs::BlockAddrs;
use crate::set::origin::{Incoming, Origin, Outgoing};
use crate::slots::holes::Holes;

/// A table of entries of type `T`, each in a slot that stays its own while others come and go, in a
/// chain of preserved blocks of `BLOCK_SIZE` bytes from `A`.
///
/// What [`BlockSet`](crate::BlockSet) is to `Vec`, this is to a slot map: for tables of devices, page
/// tables or interrupts, in which several kernels in a row work. [`insert`](Self::insert) returns a
/// [`Key`](crate::Key), which finds the entry in this kernel and in all that come after it, until it
/// is removed, and never another one. [Which one to use](crate#which-one-blockset-or-slots) is a
/// table in the crate's documentation.
///
/// On the wire a table is an ordinary chain. An entry of it is a slot: a stamp of 8 bytes, and then
/// the `T`, whose alignment is 8 at most and whose size is a multiple of 8. A stamp is 0 in a slot
/// that was never used, odd in one that is in use, and even in one that is free again: each insert
/// and each removal adds one. A slot that has had all its 2^31 - 1 lives is
/// [retired](Self::retired).
///
/// A kexec after any instruction finds whole entries only, but for what is being changed in place: an
/// entry is written before its stamp says that it is there, and zeroed after it says that it is not.
///
/// What becomes of the blocks when a table is dropped is as with
/// [sets](crate#how-a-set-ends). A pointer from [`entry_ptr`](Self::entry_ptr) stays good while other
/// entries come and go; [`iter`](Self::iter), [`iter_mut`](Self::iter_mut), [`retain`](Self::retain),
/// [`clear`](Self::clear) and `audit` count as uses of all entries.
///
/// # Invariants
///
/// 1. The chain is dense: every block before the tail is full. Slot `n` is number `n % capacity` of
///    block `n / capacity`.
/// 2. No stamp in the chain is above `u32::MAX`. `len` of them are odd, and `retired` those of
///    retired slots.
/// 3. In an outgoing table `holes` has room for every slot of every block, and has the numbers of
///    those slots in the chain that are free, and not retired. Slots behind the chain's last one are
///    zero. In an incoming table `holes` is empty.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{IncomingSlots, OutgoingSlots};
///
/// let mut mem = Mock::new();
/// let mut devices = OutgoingSlots::<u64, _>::new(&mem);
/// let disk = devices.insert(0xfeb0_0000)?;
/// let card = devices.insert(0xfec0_0000)?;
/// let root = devices.descriptor(0xde7);
/// devices.seal().leave();
///
/// mem.reboot();
///
/// let devices = IncomingSlots::<u64, _>::restore_from(&mem, &root, 0xde7)?;
/// let mut devices = devices.adopt().map_err(|error| error.into_kind())?;
/// assert_eq!(devices.remove(disk), Some(0xfeb0_0000));
/// let nic = devices.insert(0xfed0_0000)?; // in the slot of the disk
/// assert_eq!((nic.slot, devices.get(disk)), (disk.slot, None));
/// assert_eq!(devices.get(card), Some(&0xfec0_0000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Slots<
    T: Entry,
    A: PreservedAllocator,
    O: Origin = Outgoing,
    const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE,
> {
    pub(crate) chain: Typed<StampedBlock<T, BLOCK_SIZE>, A>,
    pub(crate) origin: PhantomData<O>,
    pub(crate) len: usize,
    pub(crate) retired: usize,
    pub(crate) holes: Holes,
}

/// A table of this kernel, filled for the next one.
///
/// # Examples
///
/// ```
/// use kho_block::OutgoingSlots;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let mut pages: OutgoingSlots<u64, _, 4096> = OutgoingSlots::new(&mem); // blocks of 4 KiB
/// pages.insert(0x1000)?;
/// # Ok::<(), kho_block::PushError<u64>>(())
/// ```
pub type OutgoingSlots<T, A, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> =
    Slots<T, A, Outgoing, BLOCK_SIZE>;

/// A table taken over from the previous kernel.
///
/// # Examples
///
/// ```
/// use kho_block::IncomingSlots;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let table = IncomingSlots::<u64, _>::restore(&mem, None)?;
/// assert!(table.is_empty());
/// # Ok::<(), kho_block::RestoreError>(())
/// ```
pub type IncomingSlots<T, A, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> =
    Slots<T, A, Incoming, BLOCK_SIZE>;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    Slots<T, A, O, BLOCK_SIZE>
{
    /// Bytes of a slot, which is an entry of the chain, and of a block.
    pub const LAYOUT: ChainLayout = Typed::<StampedBlock<T, BLOCK_SIZE>, A>::LAYOUT;

    /// Slots that fit into a block.
    pub const SLOTS_PER_BLOCK: usize = Self::LAYOUT.capacity();

    /// A table without entries over a chain without blocks.
    pub(crate) const fn empty(alloc: A, fate: Fate) -> Self {
        // INVARIANT: 1 to 3 hold of no slots.
        Self {
            chain: Typed::new(alloc, fate),
            origin: PhantomData,
            len: 0,
            retired: 0,
            holes: Holes::new(),
        }
    }

    /// Entries in the table.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// table.insert(3)?;
    /// table.remove(key);
    /// assert_eq!((table.len(), table.slot_count()), (1, 2));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the table has no entries.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(10)?;
    /// assert!(table.is_empty());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots that are or were in use, with or without an entry: keys name slots below this number.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// table.remove(key);
    /// assert_eq!(table.slot_count(), 1);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn slot_count(&self) -> usize {
        self.chain.tail().end()
    }

    /// Entries that the blocks have room for in all, retired slots not included.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(1)?;
    /// assert_eq!(table.capacity(), (8192 - 16) / (8 + 8));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.block_count().saturating_mul(Self::SLOTS_PER_BLOCK).saturating_sub(self.retired)
    }

    /// Slots that have had all their lives, and take no entry any more. After 2^31 - 1 inserts into
    /// one slot there is one.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// let table = Slots::<u64, _>::new(Mock::new());
    /// assert_eq!(table.retired(), 0);
    /// ```
    #[must_use]
    #[inline]
    pub fn retired(&self) -> usize {
        self.retired
    }

    /// Blocks of the table: those in the chain, and the spare ones.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(512)?;
    /// assert_eq!(table.block_count(), 2);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn block_count(&self) -> usize {
        self.chain.blocks().len()
    }

    /// The physical address of the first block; `None` without blocks. It stays from the first
    /// [`grow`](Self::grow) until a table in which no slot was ever used is shrunk or sealed, or the
    /// table is destroyed.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// assert_eq!(table.first_block(), None);
    /// table.grow(1)?;
    /// assert!(table.first_block().is_some());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn first_block(&self) -> Option<PhysAddr> {
        self.chain.index().ends.first
    }

    /// The physical address by which the next kernel finds the chain: that of the first block, or
    /// `None` while no slot was ever used.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(1)?;
    /// assert_eq!(table.head(), None);
    /// table.insert(2).unwrap();
    /// assert_eq!(table.head(), table.first_block());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn head(&self) -> Option<PhysAddr> {
        self.chain.head()
    }

    /// Describes the chain, as slots of entries that `tag` names, for a root page that is written
    /// ahead of time: it stays true whatever comes and goes.
    ///
    /// [`Sealed::descriptor`](crate::Sealed::descriptor) counts the slots too. Of an incoming table
    /// nothing is promised but the sizes. The size of an entry in it is that of a slot, the stamp
    /// included.
    ///
    /// ```
    /// # use kho_block::{IncomingSlots, Slots, mock::Mock};
    /// # let mut mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(1000)?;
    /// let root = table.descriptor(0xde7); // written now, true whenever the kexec comes
    /// let key = table.insert(2)?;
    /// # table.seal().leave();
    /// # mem.reboot();
    /// let table = IncomingSlots::<u64, _>::restore_from(&mem, &root, 0xde7)?;
    /// assert_eq!(table.get(key), Some(&2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn descriptor(&self, tag: u64) -> Descriptor {
        let dense = DescriptorFlags::DENSE | DescriptorFlags::NO_EMPTY_BLOCKS;
        let flags = if O::INCOMING { DescriptorFlags::empty() } else { dense };
        self.chain.descriptor(flags, tag)
    }

    /// The allocator that the table's blocks come from.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// let table = Slots::<u64, _>::new(Mock::new());
    /// assert_eq!(table.allocator().live(), 0);
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
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.grow(1000)?;
    /// assert_eq!(table.block_addrs().len(), 2);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn block_addrs(&self) -> BlockAddrs<'_> {
        BlockAddrs::new(self.chain.index())
    }
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> fmt::Debug
    for Slots<T, A, O, BLOCK_SIZE>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("first_block", &self.first_block())
            .field("len", &self.len())
            .field("slot_count", &self.slot_count())
            .field("retired", &self.retired())
            .field("block_count", &self.block_count())
            .finish_non_exhaustive()
    }
}
