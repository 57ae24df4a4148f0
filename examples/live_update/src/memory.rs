//! Memory that outlives the program: a [`PreservedAllocator`] over a `memfd`.
//!
//! The file is an array of blocks. Block 0 is the root page. Block 1 is the tracker, a byte for each
//! block that says whose it is. All others are lent. The physical address of a block tells where it
//! lies in the file; where the file is mapped differs from generation to generation, so a pointer
//! into it never is in it.
//!
//! Unsafe is open here to map the file, and to promise what the trait asks for.

#![expect(unsafe_code, reason = "maps memory and implements `PreservedAllocator`")]

use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kho_block::{
    AllocError, DEFAULT_BLOCK_SIZE as BLOCK_SIZE, PhysAddr, PreservedAllocator, PreservedBlock,
};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};

use crate::Result;

/// Blocks in the file: as many as a tracker of one block has bytes.
const BLOCKS: usize = BLOCK_SIZE;

/// The first block that is lent.
const FIRST_BLOCK: usize = 2;

/// Blocks that are lent.
#[cfg(test)]
pub(crate) const BLOCKS_LENT: usize = BLOCKS - FIRST_BLOCK;

/// Bytes of the file, 64 MiB. Those never written cost nothing.
const FILE_SIZE: usize = BLOCKS * BLOCK_SIZE;

/// Words of the root page, which is a block.
const ROOT_WORDS: usize = BLOCK_SIZE / size_of::<u64>();

/// The physical address of block 0.
pub(crate) const FIRST_ADDR: usize = 1 << 30;

/// What keeps the size of the file as it is.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// The states of a block, in the tracker.
mod state {
    /// Nobody's. A new file is all zeros, and so all free.
    pub(super) const FREE: u8 = 0;
    /// Allocated by this generation, and preserved for the next.
    pub(super) const OUTGOING: u8 = 1;
    /// Preserved by the previous generation for this one.
    pub(super) const LEFT: u8 = 2;
    /// The same, and claimed.
    pub(super) const CLAIMED: u8 = 3;
}

/// Memory that the next generation finds again.
///
/// # Invariants
///
/// 1. `base` is where `FILE_SIZE` bytes of `file` are mapped, to be read and written, at a multiple
///    of `BLOCK_SIZE`, until the process ends or is replaced.
/// 2. The size of `file` is sealed, and no other process or mapping has it.
/// 3. `root` is block 0 and `tracker` block 1, and they are the only references to these.
/// 4. A block is lent exactly while its state is `OUTGOING` or `CLAIMED`.
pub(crate) struct Memory {
    file: OwnedFd,
    base: NonNull<u8>,
    /// The words of the root page. If the first is zero, there is no root.
    root: &'static [AtomicU64],
    tracker: &'static [AtomicU8],
    /// The block allocated last, behind which the search for the next one starts.
    last: AtomicUsize,
}

impl Memory {
    /// New memory, all of it free.
    ///
    /// # Errors
    ///
    /// If the system has none.
    pub(crate) fn create() -> Result<Self> {
        let file = memfd_create("live_update", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, u64::try_from(FILE_SIZE)?)?;
        fcntl_add_seals(&file, SEALS)?;
        Self::map(file)
    }

    /// The memory that the previous generation left in `file`. What it preserved can be claimed now;
    /// what it had claimed itself, and did not free, is lost.
    ///
    /// # Errors
    ///
    /// If the file is not of its making, or cannot be mapped.
    pub(crate) fn inherit(file: OwnedFd) -> Result<Self> {
        let size = fstat(&file)?.st_size;
        if usize::try_from(size) != Ok(FILE_SIZE) || !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err("the inherited memory is not that of a live update".into());
        }
        let memory = Self::map(file)?;
        for block in memory.tracker {
            let state = match block.load(Relaxed) {
                state::OUTGOING => state::LEFT,
                _ => state::FREE,
            };
            // INVARIANT: 4. nothing is lent yet.
            block.store(state, Relaxed);
        }
        Ok(memory)
    }

    /// The same memory, as the next generation finds it; whatever this one had lent is not used again.
    ///
    /// # Errors
    ///
    /// Those of [`inherit`](Self::inherit).
    #[cfg(test)]
    pub(crate) fn pass_on(self) -> Result<Self> {
        Self::inherit(self.file)
    }

    /// Maps a file that has passed the checks of `inherit`, wherever there is room.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn map(file: OwnedFd) -> Result<Self> {
        // The kernel aligns to pages, the trait asks for blocks: so a block more than needed, and the
        // file over those of its addresses that suit.
        let (flags, room) = (MapFlags::PRIVATE, FILE_SIZE.saturating_add(BLOCK_SIZE));
        // SAFETY: new memory at an address of the kernel's choice, which affects no other.
        let room = unsafe { mmap_anonymous(ptr::null_mut(), room, ProtFlags::empty(), flags) }?;
        let base = room.wrapping_byte_add(room.cast::<u8>().align_offset(BLOCK_SIZE));
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: it replaces part of the mapping made above, which nobody has seen: the offset is
        // less than a block.
        let base = unsafe { mmap(base, FILE_SIZE, access, flags | MapFlags::FIXED, &file, 0) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or("mapped at address zero")?;
        let root = base.as_ptr().cast::<AtomicU64>();
        // SAFETY: block 0, `ROOT_WORDS` words that stay mapped; never lent, and any bytes are a word.
        let root = unsafe { slice::from_raw_parts(root, ROOT_WORDS) };
        let tracker = base.as_ptr().wrapping_add(BLOCK_SIZE).cast::<AtomicU8>();
        // SAFETY: block 1, `BLOCKS` bytes that stay mapped; never lent, and any byte is an `AtomicU8`.
        let tracker = unsafe { slice::from_raw_parts(tracker, BLOCKS) };
        // INVARIANT: 1 and 3. by the calls above. 2. by the seals; a memfd has no name, and its one
        // descriptor went from the previous generation, which is no more, to this one. 4. nothing is
        // lent yet.
        Ok(Self { file, base, root, tracker, last: AtomicUsize::new(FIRST_BLOCK) })
    }

    /// Writes the root page, whose first word says that there is one and is not zero.
    ///
    /// Whenever the process ends, the next generation finds the old root, none, or the new one.
    pub(crate) fn set_root<const N: usize>(&self, root: [u64; N]) {
        const { assert!(N <= ROOT_WORDS, "a root page is a block") };
        self.withdraw_root();
        let words = || self.root.iter().zip(root);
        for (word, value) in words().skip(1).chain(words().take(1)) {
            word.store(value, Release);
        }
    }

    /// Leaves the next generation no root.
    pub(crate) fn withdraw_root(&self) {
        self.root.iter().take(1).for_each(|first| first.store(0, Release));
    }

    /// The words of the root page; `None` if there is no root.
    pub(crate) fn root<const N: usize>(&self) -> Option<[u64; N]> {
        let mut root = [0; N];
        root.iter_mut().zip(self.root).for_each(|(to, from)| *to = from.load(Relaxed));
        Some(root).filter(|root| root.first().is_some_and(|&first| first != 0))
    }

    /// Blocks that are not free.
    pub(crate) fn in_use(&self) -> usize {
        self.tracker.iter().filter(|block| block.load(Relaxed) != state::FREE).count()
    }

    /// The descriptor that the next generation [inherits](Self::inherit) the memory by.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Changes the state of a block if it is `from`, and says whether it was.
    fn change(&self, block: usize, from: u8, to: u8) -> bool {
        let is_lent = (FIRST_BLOCK..BLOCKS).contains(&block);
        let state = self.tracker.get(block).filter(|_| is_lent);
        state.is_some_and(|state| state.compare_exchange(from, to, AcqRel, Relaxed).is_ok())
    }

    /// Where block number `block`, below `BLOCKS`, is mapped.
    fn ptr(&self, block: usize) -> NonNull<u8> {
        let offset = block.saturating_mul(BLOCK_SIZE);
        // SAFETY: by invariant 1 the mapping reaches beyond the start of each of its blocks.
        unsafe { self.base.add(offset) }
    }

    /// The physical address of block number `block`.
    fn addr(block: usize) -> Option<PhysAddr> {
        let offset = block.checked_mul(BLOCK_SIZE)?;
        PhysAddr::new(u64::try_from(FIRST_ADDR.checked_add(offset)?).ok()?)
    }

    /// The inverse of `addr`: the block that starts there, if one does.
    fn block_at(addr: PhysAddr) -> Option<usize> {
        let offset = usize::try_from(addr.get()).ok()?.checked_sub(FIRST_ADDR)?;
        let block = offset.checked_div(BLOCK_SIZE)?;
        (Self::addr(block)? == addr).then_some(block)
    }

    /// The inverse of `ptr`, for a pointer that came from there.
    fn block_of(&self, ptr: NonNull<u8>) -> Option<usize> {
        ptr.addr().get().checked_sub(self.base.addr().get())?.checked_div(BLOCK_SIZE)
    }

    /// Gives a block of state `from` back, and leaves it in state `to`.
    fn give_back(&self, ptr: NonNull<u8>, from: u8, to: u8) {
        let changed = self.block_of(ptr).is_some_and(|block| self.change(block, from, to));
        debug_assert!(changed, "the block was not lent");
    }
}

// SAFETY:
// 1. Valid: a block is part of the mapping, which outlives `self` (invariant 1) and whose file cannot
//    be cut short (2). Bytes of a file are initialised.
// 2. Exclusive: only the one who changed its state hands a block out, and blocks do not overlap.
//    The root page is block 0, the tracker is block 1, and neither is lent.
// 3. Aligned: `base` and `FIRST_ADDR` are multiples of `BLOCK_SIZE`, the only size that is served.
// 4. Zeroed: `alloc_preserve` does so.
// 5. Once: `restore` turns `LEFT` into `CLAIMED` in one step. `inherit` made `LEFT` of what the
//    previous generation had preserved, and blocks have one size.
// 6. Total: an address becomes a number of a block, which is looked up.
// 7. Found again: `addr` depends on the place in the file alone, where the bytes and the state are.
// 8. Calm: there is nothing that panics, but for an assertion about the caller in debug builds.
// 9. Same: it is not cloned.
// 10. Fit at every instant: what becomes of a block is one byte of the tracker, which is changed at
//     once.
// 11. Claims at a kexec: said of `inherit`.
unsafe impl PreservedAllocator for Memory {
    fn alloc_preserve(&self, size: usize) -> core::result::Result<PreservedBlock, AllocError> {
        if size != BLOCK_SIZE {
            return Err(AllocError);
        }
        let last = self.last.load(Relaxed);
        let block = (last..BLOCKS)
            .chain(FIRST_BLOCK..last)
            .find(|&block| self.change(block, state::FREE, state::OUTGOING))
            .ok_or(AllocError)?;
        self.last.store(block, Relaxed);
        let (ptr, addr) = (self.ptr(block), Self::addr(block).ok_or(AllocError)?);
        // SAFETY: the block was free until `find`, and is this call's alone since.
        unsafe { ptr.write_bytes(0, BLOCK_SIZE) };
        Ok(PreservedBlock { ptr, addr })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.give_back(ptr, state::OUTGOING, state::FREE);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let block = Self::block_at(addr).filter(|_| size == BLOCK_SIZE)?;
        self.change(block, state::LEFT, state::CLAIMED).then(|| self.ptr(block))
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, _size: usize) {
        self.give_back(ptr, state::CLAIMED, state::LEFT);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.give_back(ptr, state::CLAIMED, state::FREE);
    }
}
