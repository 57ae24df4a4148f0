//! An allocator over blocks that are simply there: a bit says of each whether it is preserved, and two
//! more what the running kernel has to do with it.
//!
//! Unsafe is open here to implement the traits; there is no unsafe operation in it.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` over blocks of atomics")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test panics when it fails, and where its own arithmetic does"
)]

use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

/// In every byte of a block that is not preserved: as a link, a count or an entry it would show.
pub(crate) const POISON: u64 = 0xdbdb_dbdb_dbdb_dbdb;

/// What is known of the blocks: a bit for each.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Books {
    pub(crate) preserved: AtomicU64,
    /// Of the preserved ones: the previous kernel left it, and this one has claimed it.
    pub(crate) claimed: AtomicU64,
    /// Or: this kernel has preserved it.
    own: AtomicU64,
}

impl Books {
    /// Starts the next kernel, which knows of what is preserved alone.
    pub(crate) fn reboot(&self) {
        self.claimed.store(0, Relaxed);
        self.own.store(0, Relaxed);
    }
}

/// The allocator of a kernel that has a few blocks of one size. What is claimed stays preserved until
/// it is freed, for the kernel after as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ram<'a> {
    words: &'a [AtomicU64],
    addrs: &'a [u64],
    books: &'a Books,
    /// Bytes of a block.
    size: usize,
}

impl<'a> Ram<'a> {
    /// Divides `words` into blocks, one for each physical address.
    pub(crate) fn new(words: &'a [AtomicU64], addrs: &'a [u64], books: &'a Books) -> Self {
        let size = size_of_val(words) / addrs.len();
        let aligned = |addr: u64, to: usize| addr.trailing_zeros() >= to.trailing_zeros();
        assert!(size.is_power_of_two() && words.as_ptr().addr() % size.min(4096) == 0);
        assert!(addrs.len() <= 64 && addrs.iter().all(|&addr| aligned(addr, size)));
        Self { words, addrs, books, size }
    }

    /// The words of a block.
    fn block(self, number: usize) -> &'a [AtomicU64] {
        let words = self.size / size_of::<AtomicU64>();
        &self.words[number * words..][..words]
    }

    /// The number of the block at `ptr`, which is one of `lent`, and its bit.
    ///
    /// # Panics
    ///
    /// If it is not: a call broke the allocator's contract.
    fn find(self, ptr: NonNull<u8>, size: usize, lent: &AtomicU64) -> (usize, u64) {
        let offset = ptr.addr().get().wrapping_sub(self.words.as_ptr().addr());
        let number = offset / self.size;
        assert!(size == self.size && offset % size == 0 && number < self.addrs.len(), "misused");
        assert!(lent.load(Relaxed) & (1 << number) != 0, "misused");
        (number, 1 << number)
    }

    /// Frees a block of `lent`.
    fn free(self, ptr: NonNull<u8>, size: usize, lent: &AtomicU64) {
        let (number, bit) = self.find(ptr, size, lent);
        change(&self.books.preserved, |bits| bits & !bit);
        change(lent, |bits| bits & !bit);
        self.block(number).iter().for_each(|word| word.store(POISON, Relaxed));
    }
}

/// Sets or clears bits, in one store and in program order.
fn change(word: &AtomicU64, to: impl FnOnce(u64) -> u64) {
    compiler_fence(SeqCst);
    word.store(to(word.load(Relaxed)), Relaxed);
    compiler_fence(SeqCst);
}

// SAFETY: by duty. 1 and 3: a block is a part of `words`, which are borrowed, and `new` looks at how
// it is aligned. 2 and 5: a preserved block is not allocated again, nor claimed while it is lent. 4:
// it is zeroed here. 6: an address is only compared. 7: `restore` compares with the address from
// `alloc_preserve`. 8: who keeps to the contract meets no panic. 9: a copy borrows the same memory.
// 10: one store preserves a block, once it is zeroed, or frees it. 11: said of `Ram`.
unsafe impl PreservedAllocator for Ram<'_> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let number = self.books.preserved.load(Relaxed).trailing_ones();
        let number = usize::try_from(number).map_err(|_| AllocError)?;
        let addr = self.addrs.get(number).filter(|_| size == self.size).ok_or(AllocError)?;
        let addr = PhysAddr::new(*addr).ok_or(AllocError)?;
        let block = self.block(number);
        block.iter().for_each(|word| word.store(0, Relaxed));
        change(&self.books.preserved, |bits| bits | 1 << number);
        change(&self.books.own, |bits| bits | 1 << number);
        Ok(PreservedBlock { ptr: NonNull::from(block).cast(), addr })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        self.free(ptr, size, &self.books.own);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let number = self.addrs.iter().position(|&known| known == addr.get())?;
        let Books { preserved, claimed, own } = self.books;
        let left = preserved.load(Relaxed) & !claimed.load(Relaxed) & !own.load(Relaxed);
        if left & (1 << number) == 0 || size != self.size {
            return None;
        }
        change(claimed, |bits| bits | 1 << number);
        Some(NonNull::from(self.block(number)).cast())
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        let (_, bit) = self.find(ptr, size, &self.books.claimed);
        change(&self.books.claimed, |bits| bits & !bit);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        self.free(ptr, size, &self.books.claimed);
    }
}

// SAFETY: a block that this kernel has preserved again is as one from `alloc_preserve`.
unsafe impl CarryAllocator for Ram<'_> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let (_, bit) = self.find(ptr, size, &self.books.claimed);
        change(&self.books.claimed, |bits| bits & !bit);
        change(&self.books.own, |bits| bits | bit);
        Ok(())
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        let (_, bit) = self.find(ptr, size, &self.books.own);
        change(&self.books.own, |bits| bits & !bit);
        change(&self.books.claimed, |bits| bits | bit);
    }
}
