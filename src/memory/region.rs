//! The allocator that is simply there: a range of physical memory with its own books inside.
//!
//! Unsafe is open here because the region is made of memory that the caller vouches for.

#![expect(unsafe_code, reason = "takes charge of raw memory")]

mod blocks;
pub(crate) mod books;
pub(crate) mod free;
pub(crate) mod ground;
pub(crate) mod header;
pub(crate) mod image;
pub(crate) mod judge;
pub(crate) mod left;
pub(crate) mod lock;

use core::fmt;
use core::ptr::NonNull;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::Descriptor;
use crate::abi::region::{BookByte, Claim};
use crate::error::region::RegionError;
use crate::memory::region::books::Books;
use crate::memory::region::free::FreeBlocks;
use crate::memory::region::ground::Ground;
use crate::memory::region::header::Root;
use crate::memory::region::lock::Lock;

/// A contiguous range of physical memory that outlives the kernel, and an allocator of blocks in it.
///
/// The kernel reserves the range, in every kernel alike: a carve-out of the firmware's memory map,
/// `memmap=` on a command line, a DAX device, a `memfd` for a process. Everything else is in the
/// range itself: the first kernel [creates](Self::create) the region, and each one after it
/// [opens](Self::open) it, wherever it has mapped the memory.
///
/// Blocks have any power of two of bytes from 32 up. One of less than 4096 bytes takes 4096 all the
/// same. [`restore`](crate::PreservedAllocator::restore) wants the size with which the block was
/// allocated.
///
/// # What a kexec leaves
///
/// **A block is preserved until it is freed.** What a kernel was left, has claimed or has allocated is
/// there again for the next one, so a kernel that ends while it restores loses nothing. What no kernel
/// wants any more is freed by [`sweep`](Self::sweep).
///
/// That holds at every instant: one store of one byte makes a block or frees it, whatever its size.
///
/// # Cost
///
/// Allocating and freeing take a number of steps that depends on the sizes of blocks, never on how many
/// there are or how much of the region is in use; allocating zeroes the block besides. `open`, `sweep`
/// and the iterators look at one byte for each 4 KiB. Nothing asks for heap.
///
/// # Threads
///
/// A region is behind a lock that spins. Whatever can interrupt a thread within a call and make a call
/// itself, such as an interrupt handler, must be masked meanwhile. A processor that cannot swap a byte
/// has no such lock: there a region is `Send`, but not `Sync`.
///
/// Dropping a region does nothing.
///
/// # The bytes
///
/// Numbers are native-endian. A unit is 4096 bytes. Unit 0 is the header's:
///
/// ```text
/// offset  bytes
///      0      4  "KHO-"
///      4      4  "area"; "form" while the region is created, which is as good as nothing
///      8      4  version: 1
///     12      4  byte order: 0x0a0b0c0d
///     16      8  base: the physical address of this header
///     24      8  length of the region in bytes, a multiple of 4096
///     32      8  offset of the books: 4096
///     40      8  checksum of bytes 0 to 39
///     64     64  root
///    128     64  root, the other copy
///                all else is zero, and not looked at
/// ```
///
/// The word at offset 4 is written last. A root:
///
/// ```text
///      0      4  sequence number; 0 while the copy is written, or if it never was
///      4      4  1 if there is a root, 0 if there is none
///      8     48  its `Descriptor`; zero if there is none
///     56      8  checksum of bytes 0 to 55
/// ```
///
/// The newer copy counts: of two that are sound, that of the greater sequence number, modulo 2^32 and
/// without 0. The other one is written next. Checksums are FNV-1a with 64 bits.
///
/// The books have a byte for each unit of the region, in whole units of their own. The byte of a block's
/// first unit holds the base-2 logarithm of its size in bits 0 to 5. Every other byte is zero there:
/// those of a block's other units, of free ones, of the header's and the books', and what is left of
/// the books' last unit. Bits 6 and 7 are
/// the running kernel's (in a block's byte 0: left; 1: given back; 2: claimed; 3: allocated, or preserved
/// again; in that of a free unit 1: about to be a block), and mean nothing to the next one.
///
/// A block's physical address is a multiple of its size.
///
/// # Examples
///
/// ```
/// use core::ptr::NonNull;
/// use kho_block::{IncomingSet, OutgoingSet, PhysAddr, Region, RegionError};
///
/// #[repr(align(4096))]
/// struct Memory([u8; 1 << 20]);
///
/// let mut memory = Box::new(Memory([0; 1 << 20])); // your kernel's mapping of the range
/// let memory = NonNull::from(&mut memory.0[..]);
/// let base = PhysAddr::new(0x1_0000_0000).unwrap();
///
/// // SAFETY: the memory outlives the example, and is nobody else's.
/// assert_eq!(unsafe { Region::open(base, memory) }.unwrap_err(), RegionError::Blank);
/// // SAFETY: as above.
/// let region = unsafe { Region::create(base, memory) }?;
/// let mut set = OutgoingSet::<u64, _>::new(&region);
/// set.extend_from_slice(&[2, 3, 5])?;
/// let sealed = set.seal();
/// region.set_root(Some(&sealed.descriptor(0x5e55)));
/// sealed.leave();
///
/// // The next kernel.
/// // SAFETY: as above; the kernel before is gone.
/// let region = unsafe { Region::open(base, memory) }?;
/// let root = region.root().expect("there is one");
/// let mut set = IncomingSet::<u64, _>::restore_from(&region, &root, 0x5e55)?;
/// assert!(set.iter().eq(&[2, 3, 5]));
/// region.sweep(); // what the set does not hold
/// region.set_root(None);
/// set.destroy();
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Region {
    books: Books,
    state: Lock<State>,
}

/// What changes.
struct State {
    free: FreeBlocks,
    root: Root,
}

#[cfg(target_has_atomic = "8")]
const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Region>();
};

impl Region {
    /// Makes a region of memory that is none, with all of it free.
    ///
    /// Right for the first kernel, which is one to whom [`open`](Self::open) says
    /// [`Blank`](RegionError::Blank). Whatever the memory held is gone.
    ///
    /// # Errors
    ///
    /// [`Exists`](RegionError::Exists) if the memory carries the magic of a region, or half of it, be it
    /// one of another place, length or version, or damaged; or the memory does not suit. No byte has
    /// changed then.
    ///
    /// # Safety
    ///
    /// 1. The memory is mapped and initialised, to be read and written through `memory` from any
    ///    thread, for as long as the region or any block that it lent is in use.
    /// 2. It is the physical memory at `base`.
    /// 3. Nothing else uses it meanwhile, but for who is lent a block: no other region, no device.
    pub unsafe fn create(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Self, RegionError> {
        // SAFETY: 1. duty 1. 2. duty 3.
        let ground = unsafe { Ground::new(base, memory) }?;
        if header::is_taken(&ground) {
            return Err(RegionError::Exists);
        }
        // SAFETY: by duty 3.
        Ok(unsafe { Self::form(ground) })
    }

    /// Makes a region of any memory, also if there is one already. All that was in that is lost.
    ///
    /// # Errors
    ///
    /// If the memory does not suit. No byte has changed then.
    ///
    /// # Safety
    ///
    /// Those of [`create`](Self::create).
    pub unsafe fn create_over(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Self, RegionError> {
        // SAFETY: 1. duty 1. 2. duty 3.
        let ground = unsafe { Ground::new(base, memory) }?;
        // SAFETY: by duty 3.
        Ok(unsafe { Self::form(ground) })
    }

    /// Makes a region.
    ///
    /// # Safety
    ///
    /// Nobody else uses the memory, or what was lent of its ground.
    unsafe fn form(ground: Ground) -> Self {
        // SAFETY: the caller's duty.
        unsafe { header::begin(&ground) };
        let root = header::finish(&ground);
        Self::take_charge(Books { ground }, root)
    }

    /// Takes over the region that the previous kernel left, whenever that ended: every block that it
    /// had and did not free can be claimed.
    ///
    /// No byte is believed before it is checked, and none is written before all are.
    ///
    /// # Errors
    ///
    /// What is wrong with the memory. No byte has changed then, and it is the memory of a region that is
    /// not understood, unless the error is [`Blank`](RegionError::Blank).
    ///
    /// # Safety
    ///
    /// Those of [`create`](Self::create).
    pub unsafe fn open(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Self, RegionError> {
        // SAFETY: 1. duty 1. 2. duty 3.
        let ground = unsafe { Ground::new(base, memory) }?;
        header::check(&ground)?;
        let root = Root::read(&ground)?;
        let books = Books { ground };
        books.check()?;
        Ok(Self::take_charge(books, root))
    }

    /// The region of these books, which are sound, before anyone is lent a block.
    fn take_charge(books: Books, root: Root) -> Self {
        let mut free = FreeBlocks::new(books);
        books.take_over(|unit, end| {
            // SAFETY: by the books, nobody has them, and they lie behind these. Each is named once.
            unsafe { free.put_range(unit, end) };
        });
        Self { books, state: Lock::new(State { free, root }) }
    }

    /// The physical address of the region.
    #[must_use]
    pub fn base(&self) -> PhysAddr {
        self.books.ground.base()
    }

    /// Bytes of the region, its header and books included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.books.ground.bytes()
    }

    /// What was last [set](Self::set_root), by this kernel or a previous one: where to start.
    #[must_use]
    pub fn root(&self) -> Option<Descriptor> {
        self.state.with(|state| state.root.get())
    }

    /// Tells the next kernel where to start.
    ///
    /// A kexec before this returns finds the old root or the new one. The block that the old one names
    /// may be freed after this, not before. One descriptor is all there is room for: a kernel with
    /// several sets names a set of descriptors.
    pub fn set_root(&self, root: Option<&Descriptor>) {
        self.state.with(|state| state.root.set(&self.books.ground, root));
    }

    /// Frees every block that previous kernels left and this one has never claimed; returns how many.
    ///
    /// A block whose claim was given back, by a set that was dropped or a restore that failed, stays.
    /// Looks at every byte of the books.
    pub fn sweep(&self) -> usize {
        let left = self.books.blocks().filter(|block| block.byte.claim() == Claim::Left);
        // SAFETY: no one has claimed it, and once it is free no one can.
        left.filter(|block| unsafe { self.free_booked(block.unit, block.byte) }.is_some()).count()
    }

    /// Frees the block that starts with `unit`, if the books still say `byte` of it.
    ///
    /// # Safety
    ///
    /// If they do, no one uses it any more.
    unsafe fn free_booked(&self, unit: usize, byte: BookByte) -> Option<()> {
        self.state.with(|state| {
            if !byte.is_block() || self.books.get(unit) != byte {
                return None;
            }
            self.books.set(unit, BookByte::FREE);
            // SAFETY: 1. as all that is in the books. 2. by the duty; it was in the books until now.
            unsafe { state.free.put(unit, byte.order()) };
            Some(())
        })
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, size) = (self.base(), self.size());
        f.debug_struct("Region").field("base", &base).field("size", &size).finish_non_exhaustive()
    }
}
