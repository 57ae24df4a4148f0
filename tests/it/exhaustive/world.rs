//! The memory underneath: four blocks, with a bit for each that is claimed and each that is freed.
//!
//! Unsafe is open here to implement the allocator; there is no unsafe operation in it.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` over four blocks")]
#![expect(clippy::indexing_slicing, reason = "a test panics when it fails")]

use core::array;
use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};

use super::checker::{BLOCK_SIZE, BLOCKS, Link};

/// A block in which every word can be stored through a shared reference.
#[repr(C, align(64))]
struct Block([AtomicU64; 8]);

const _: () = assert!(size_of::<Block>() == BLOCK_SIZE && align_of::<Block>() == BLOCK_SIZE);

/// The words of all blocks.
pub(super) type Image = [[u64; BLOCK_SIZE / 8]; BLOCKS];

/// Blocks to be borrowed by a [`World`], which can then be moved without moving them.
pub(super) struct Memory([Block; BLOCKS]);

impl Memory {
    pub(super) fn new() -> Self {
        Self(array::from_fn(|_| Block(array::from_fn(|_| AtomicU64::new(0)))))
    }
}

/// The memory underneath, at one thread's disposal. No kernel comes after, to find what is claimed.
pub(super) struct World<'m> {
    blocks: &'m [Block; BLOCKS],
    preserved: Cell<usize>,
    claimed: Cell<u8>,
    freed: Cell<u8>,
    /// Set by a call that the contract forbids.
    misused: Cell<bool>,
}

impl<'m> World<'m> {
    pub(super) fn new(memory: &'m Memory) -> Self {
        Self {
            blocks: &memory.0,
            preserved: Cell::new(0),
            claimed: Cell::new(0),
            freed: Cell::new(0),
            misused: Cell::new(false),
        }
    }

    /// Makes memory what `image` has, with the first `preserved` blocks for the taking.
    pub(super) fn load(&self, preserved: usize, image: &Image) {
        for (block, words) in self.blocks.iter().zip(image) {
            for (word, &value) in block.0.iter().zip(words) {
                word.store(value, Relaxed);
            }
        }
        self.preserved.set(preserved);
        self.claimed.set(0);
        self.freed.set(0);
    }

    pub(super) fn image(&self) -> Image {
        array::from_fn(|block| array::from_fn(|word| self.blocks[block].0[word].load(Relaxed)))
    }

    /// The bits of the blocks that are claimed, and of those that are freed.
    ///
    /// # Panics
    ///
    /// If a call broke the allocator's contract.
    pub(super) fn taken(&self) -> (u8, u8) {
        assert!(!self.misused.get(), "the allocator was misused");
        (self.claimed.get(), self.freed.get())
    }

    /// Ends a claim; returns its bit.
    fn give_back(&self, ptr: NonNull<u8>, size: usize) -> u8 {
        let base = |block: &Block| NonNull::from(block).cast::<u8>();
        let bit = self.blocks.iter().position(|block| base(block) == ptr).map_or(0, |b| 1 << b);
        if self.claimed.get() & bit == 0 || size != BLOCK_SIZE {
            self.misused.set(true);
        }
        self.claimed.set(self.claimed.get() & !bit);
        bit
    }
}

// SAFETY: by duty. 1 and 3: a block is a `Block`, 64 bytes of atomics aligned to 64, which this only
// borrows. 2 and 5: `claimed` and `freed` let a block out once, and nothing stores to one that is.
// 4: nothing is allocated. 6: an address is only compared. 7: the address from a case is the one
// that `restore` compares with. 8: no method panics. 9: `&A` is the same cells. 10, 11: no kernel
// comes after.
unsafe impl PreservedAllocator for World<'_> {
    fn alloc_preserve(&self, _: usize) -> Result<PreservedBlock, AllocError> {
        Err(AllocError)
    }

    unsafe fn unpreserve_free(&self, _: NonNull<u8>, _: usize) {
        self.misused.set(true);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let mut known = self.blocks.iter().take(self.preserved.get()).enumerate();
        let (number, block) = known.find(|&(b, _)| Link::Block(b).addr() == addr.get())?;
        let bit = 1 << number;
        if (self.claimed.get() | self.freed.get()) & bit != 0 || size != BLOCK_SIZE {
            return None;
        }
        self.claimed.set(self.claimed.get() | bit);
        Some(NonNull::from(block).cast())
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        self.give_back(ptr, size);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        self.freed.set(self.freed.get() | self.give_back(ptr, size));
    }
}
