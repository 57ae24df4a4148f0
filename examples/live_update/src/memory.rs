//! Memory that outlives the program: a [`PreservedAllocator`] over a `memfd`.
//!
//! The file is an array of blocks. Block 0 is the root page. Block 1 is the tracker, a byte for each
//! block that says whose it is. All others are lent. The physical address of a block tells where it
//! lies in the file; where the file is mapped differs from generation to generation, so a pointer
//! into it never is in it.
//!
//! A block is preserved until it is freed: what a generation was left, has claimed or has allocated
//! is there again for the next one, so one that ends while it restores loses nothing. A block is made
//! or freed by one store of one byte, so whenever the process ends, the tracker is right.
//!
//! Unsafe is open here to map the file, and to promise what the trait asks for.

#![expect(unsafe_code, reason = "maps memory and implements `PreservedAllocator`")]

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicU64};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kho_block::{
    AllocError, DEFAULT_BLOCK_SIZE as BLOCK_SIZE, PhysAddr, PreservedAllocator, PreservedBlock,
};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};

use crate::Result;

#[cfg(test)]
mod tests;

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

/// The states of a block, in the tracker. To the next generation all but `FREE` mean the same.
mod state {
    /// Nobody's. A new file is all zeros, and so all free.
    pub(super) const FREE: u8 = 0;
    /// Allocated by this generation, and preserved for the next.
    pub(super) const OUTGOING: u8 = 1;
    /// Preserved by a previous generation, and not claimed.
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
/// 5. It is not `Sync`, so its methods run one at a time.
pub(crate) struct Memory {
    file: OwnedFd,
    base: NonNull<u8>,
    /// The words of the root page. If the first is zero, there is no root.
    root: &'static [AtomicU64],
    tracker: &'static [AtomicU8],
    /// The block allocated last, behind which the search for the next one starts.
    last: Cell<usize>,
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

    /// The memory that the previous generation left in `file`. All that it had and did not free can be
    /// claimed now: what it had allocated, what it had claimed, and what it had not.
    ///
    /// # Errors
    ///
    /// If the file is not of its making, or cannot be mapped. No byte of it has changed then.
    pub(crate) fn inherit(file: OwnedFd) -> Result<Self> {
        let size = fstat(&file)?.st_size;
        if usize::try_from(size) != Ok(FILE_SIZE) || !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err("the inherited memory is not that of a live update".into());
        }
        let memory = Self::map(file)?;
        for (block, state) in memory.tracker.iter().enumerate() {
            let state = state.load(Relaxed);
            let highest = if block < FIRST_BLOCK { state::FREE } else { state::CLAIMED };
            if state > highest {
                return Err(format!("block {block} was inherited in state {state}").into());
            }
        }
        for block in FIRST_BLOCK..BLOCKS {
            // INVARIANT: 4. nothing is lent yet.
            let _ = memory.change(block, state::OUTGOING, state::LEFT)
                || memory.change(block, state::CLAIMED, state::LEFT);
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
        Ok(Self { file, base, root, tracker, last: Cell::new(FIRST_BLOCK) })
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
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> usize {
        self.tracker.iter().filter(|block| block.load(Relaxed) != state::FREE).count()
    }

    /// Blocks that a previous generation left and nobody has claimed.
    pub(crate) fn unclaimed(&self) -> usize {
        self.tracker.iter().filter(|block| block.load(Relaxed) == state::LEFT).count()
    }

    /// The descriptor that the next generation [inherits](Self::inherit) the memory by.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether block number `block` is nobody's.
    fn is_free(&self, block: usize) -> bool {
        self.tracker.get(block).is_some_and(|state| state.load(Relaxed) == state::FREE)
    }

    /// Changes the state of a block if it is `from`, and says whether it was.
    ///
    /// What comes before in the program happens before, and what comes after happens after, also for
    /// a generation that finds the memory as it is in between.
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
//    be cut short (2). Bytes of a file are initialised. Dropping `self` writes nothing.
// 2. Exclusive: only a block that is not lent (4) is handed out, and blocks do not overlap. The root
//    page is block 0, the tracker is block 1, and neither is lent. A free block is zeroed while it is
//    nobody's.
// 3. Aligned: `base` and `FIRST_ADDR` are multiples of `BLOCK_SIZE`, the only size that is served.
// 4. Zeroed: `alloc_preserve` does so.
// 5. Once: `restore` turns `LEFT` into `CLAIMED`. `inherit` made `LEFT` of what previous generations
//    had preserved and no one has freed, and blocks have one size.
// 6. Total: an address becomes a number of a block, which is looked up.
// 7. Found again: `addr` depends on the place in the file alone, where the bytes and the state are.
// 8. Calm: there is nothing that panics, but for an assertion about the caller in debug builds.
// 9. Same: it is not cloned.
// 10. Fit at every instant: whether a block is preserved is one byte of the tracker, changed by one
//     instruction, and by one for each block in `inherit`, to a state that means the same to the next
//     generation. `alloc_preserve` zeroes a block before, while it is free.
// 11. Claims at a kexec: a claimed block is there again, as the file's first lines say.
unsafe impl PreservedAllocator for Memory {
    fn alloc_preserve(&self, size: usize) -> core::result::Result<PreservedBlock, AllocError> {
        if size != BLOCK_SIZE {
            return Err(AllocError);
        }
        let last = self.last.get();
        let mut blocks = (last..BLOCKS).chain(FIRST_BLOCK..last);
        let block = blocks.find(|&block| self.is_free(block)).ok_or(AllocError)?;
        let (ptr, addr) = (self.ptr(block), Self::addr(block).ok_or(AllocError)?);
        // SAFETY: the block is free, and stays so in this call: by invariant 5 there is no other.
        unsafe { ptr.write_bytes(0, BLOCK_SIZE) };
        // Zeroes first: a block that is preserved has no byte of another's.
        if !self.change(block, state::FREE, state::OUTGOING) {
            return Err(AllocError);
        }
        self.last.set(block);
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
