//! Physical memory in miniature: a root word, a few blocks, and which of them are preserved.
//!
//! Unsafe is open here to map the memory that two processes share, and to implement the allocator.

#![expect(unsafe_code, reason = "maps shared memory and implements `PreservedAllocator` in it")]

use core::array;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;
use std::os::fd::{AsFd, OwnedFd};
use std::process::abort;

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

pub(crate) const BLOCKS: usize = 8;
pub(crate) const BLOCK_SIZE: usize = 128;

/// In every byte of a block that is not preserved: as a link, a count or an entry it would show.
const POISON: u64 = 0xdbdb_dbdb_dbdb_dbdb;

/// A file of zeros, in memory itself.
pub(crate) fn file(size: usize) -> OwnedFd {
    let file = memfd_create("memory", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, u64::try_from(size).unwrap()).unwrap();
    file
}

/// The first `size` bytes of a file, shared with all who map it for as long as the process lives.
pub(crate) fn map(file: impl AsFd, size: usize) -> NonNull<u8> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without an address asked for, no mapping of this process is replaced.
    let base = unsafe { mmap(null_mut(), size, access, MapFlags::SHARED, file, 0) };
    NonNull::new(base.unwrap()).unwrap().cast()
}

#[repr(C, align(128))]
struct Block([AtomicU64; BLOCK_SIZE / 8]);

impl Block {
    fn filled(value: u64) -> Self {
        Self(array::from_fn(|_| AtomicU64::new(value)))
    }

    fn fill(&self, value: u64) {
        self.0.iter().for_each(|word| word.store(value, Relaxed));
    }

    fn base(&self) -> NonNull<u8> {
        NonNull::from(self).cast()
    }

    /// The physical address of block `number`: no pointer, and no neighbour of the next one.
    fn addr(number: usize) -> Option<PhysAddr> {
        let number = u64::try_from(number).ok()?;
        PhysAddr::new(0x1_0000_0000)?.checked_add(number.checked_mul(0x1000)?)
    }
}

#[repr(C)]
pub(crate) struct Memory {
    root: AtomicU64,
    /// A bit for each block.
    preserved: AtomicU64,
    /// A bit for each block, in the new kernel's copy.
    claimed: AtomicU64,
    blocks: [Block; BLOCKS],
}

impl Memory {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let blocks = array::from_fn(|_| Block::filled(0));
        Self { root: zero(), preserved: zero(), claimed: zero(), blocks }
    }

    /// A file with room for a memory.
    pub(crate) fn create() -> OwnedFd {
        file(size_of::<Self>())
    }

    /// The memory in a file from [`create`](Self::create), mapped for as long as the process lives.
    pub(crate) fn shared(file: impl AsFd) -> &'static Self {
        // SAFETY: the mapping is as long as a `Memory`, aligned to a page and never unmapped. Any
        // bytes are valid atomics, and through these alone it is shared with the other process.
        unsafe { map(file, size_of::<Self>()).cast().as_ref() }
    }

    pub(crate) fn poison(&self) {
        self.blocks.iter().for_each(|block| block.fill(POISON));
    }

    /// The head that the old kernel left where the new one looks for it.
    pub(crate) fn root(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.root.load(Relaxed))
    }

    pub(crate) fn set_root(&self, head: Option<PhysAddr>) {
        compiler_fence(SeqCst);
        self.root.store(PhysAddr::to_wire(head), Relaxed);
        compiler_fence(SeqCst);
    }

    /// Overwrites a word of a block behind everyone's back.
    pub(crate) fn write(&self, addr: PhysAddr, value: u64) {
        let word = (0..BLOCKS).find_map(|number| {
            let offset = addr.get().checked_sub(Block::addr(number)?.get())?;
            self.blocks.get(number)?.0.get(usize::try_from(offset.checked_div(8)?).ok()?)
        });
        word.unwrap().store(value, Relaxed);
    }

    /// Forgets what is claimed, as a kernel does that starts: whatever is preserved stays so.
    pub(crate) fn forget_claims(&self) {
        self.claimed.store(0, Relaxed);
    }

    /// Whether no block is preserved.
    pub(crate) fn is_empty(&self) -> bool {
        self.preserved.load(Relaxed) == 0
    }

    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        let blocks = self.blocks.iter().flat_map(|block| &block.0);
        [&self.root, &self.preserved, &self.claimed].into_iter().chain(blocks)
    }

    /// Becomes a copy of `other`; tells whether it was none.
    pub(crate) fn follow(&self, other: &Self) -> bool {
        let mut changed = false;
        for (to, from) in self.words().zip(other.words()) {
            let value = from.load(Relaxed);
            if to.load(Relaxed) != value {
                to.store(value, Relaxed);
                changed = true;
            }
        }
        changed
    }
}

/// The allocator of a kernel that runs on a [`Memory`]. What is claimed stays preserved until it is
/// freed, for the kernel after as well.
#[derive(Clone, Copy)]
pub(crate) struct Ram<'a>(pub(crate) &'a Memory);

impl Ram<'_> {
    /// The bit of the block at `ptr`, which is set in `lent`; anything else ends the process.
    fn bit(self, ptr: NonNull<u8>, size: usize, lent: &AtomicU64) -> u64 {
        let number = self.0.blocks.iter().position(|block| block.base() == ptr);
        let bit = number.map_or(0, |number| 1 << number);
        if size != BLOCK_SIZE || lent.load(Relaxed) & bit == 0 {
            abort();
        }
        bit
    }
}

/// Sets or clears bits, in one store and in program order.
fn change(word: &AtomicU64, to: impl FnOnce(u64) -> u64) {
    compiler_fence(SeqCst);
    word.store(to(word.load(Relaxed)), Relaxed);
    compiler_fence(SeqCst);
}

// SAFETY: by duty. 1 and 3: a block is a `Block`, 128 bytes of atomics that are aligned to as many
// and that are borrowed. 2 and 5: a preserved block is not allocated again, nor a claimed one
// claimed. 4: it is zeroed here. 6: an address is only compared. 7: `restore` compares with the
// address from `alloc_preserve`. 8: no method panics. 9: a copy borrows the same memory. 10: one
// store preserves a block, once it is zeroed, or frees it. 11: said of `Ram`.
unsafe impl PreservedAllocator for Ram<'_> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let Memory { preserved, blocks, .. } = self.0;
        let free = |&(number, _): &(usize, &Block)| preserved.load(Relaxed) & (1 << number) == 0;
        let (number, block) = blocks.iter().enumerate().find(free).ok_or(AllocError)?;
        let addr = Block::addr(number).filter(|_| size == BLOCK_SIZE).ok_or(AllocError)?;
        block.fill(0);
        change(preserved, |bits| bits | 1 << number);
        Ok(PreservedBlock { ptr: block.base(), addr })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        let bit = self.bit(ptr, size, &self.0.preserved);
        change(&self.0.preserved, |bits| bits & !bit);
        if let Some(block) = self.0.blocks.iter().find(|block| block.base() == ptr) {
            block.fill(POISON);
        }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let Memory { preserved, claimed, blocks, .. } = self.0;
        let number = (0..BLOCKS).find(|&number| Block::addr(number) == Some(addr))?;
        let bit = 1 << number;
        let there = preserved.load(Relaxed) & !claimed.load(Relaxed) & bit != 0;
        let block = blocks.get(number).filter(|_| there && size == BLOCK_SIZE)?;
        change(claimed, |bits| bits | bit);
        Some(block.base())
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        let bit = self.bit(ptr, size, &self.0.claimed);
        change(&self.0.claimed, |bits| bits & !bit);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        let bit = self.bit(ptr, size, &self.0.claimed);
        change(&self.0.claimed, |bits| bits & !bit);
        change(&self.0.preserved, |bits| bits & !bit);
    }
}

// SAFETY: a block that is preserved and not claimed is as one from `alloc_preserve`.
unsafe impl CarryAllocator for Ram<'_> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let bit = self.bit(ptr, size, &self.0.claimed);
        change(&self.0.claimed, |bits| bits & !bit);
        Ok(())
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        let bit = self.bit(ptr, size, &self.0.preserved);
        change(&self.0.claimed, |bits| bits | bit);
    }
}
