//! The memory of every benchmark: one arena cut into blocks that are handed out in shuffled order,
//! since a kernel's blocks are not neighbours.
//!
//! Allocating costs a zeroing, every other call a few instructions. No call is inlined into its
//! caller, as none is in a kernel. Unsafe is open here to own the arena and to implement the
//! allocator's trait over it.

#![expect(unsafe_code, reason = "owns raw memory and implements the unsafe trait")]
#![expect(dead_code, reason = "each of the crates that include this file uses a part of it")]

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};

/// Where the arena lies in the physical memory of the benchmarks' machine.
const BASE: u64 = 1 << 40;

/// Blocks of one size, free, in use, or left by the kernel before.
///
/// # Invariants
///
/// 1. `arena` holds `blocks << shift` initialised bytes, aligned to a block, until the pool is
///    dropped.
/// 2. `free` holds, up to `free_len`, numbers of blocks below `blocks`, each once, and none that is
///    lent, kept or left.
/// 3. The bit of a block in `kept` is set from its allocation until it is freed or the machine is
///    rebooted, that in `left` from the reboot, except while the block is claimed, until it is freed.
pub(crate) struct Pool {
    arena: NonNull<u8>,
    blocks: usize,
    shift: u32,
    free: Box<[Cell<u32>]>,
    free_len: Cell<usize>,
    kept: Bits,
    left: Bits,
}

impl Pool {
    /// `blocks` blocks of `size` bytes, in the same shuffled order on every run. All pages are
    /// present.
    pub(crate) fn new(blocks: usize, size: usize) -> Self {
        assert!(size.is_power_of_two() && blocks > 0, "blocks have a power of two of bytes");
        let layout = Layout::from_size_align(blocks * size, size).expect("the arena has a size");
        // SAFETY: the layout is not empty.
        let arena = unsafe { alloc_zeroed(layout) };
        let arena = NonNull::new(arena).unwrap_or_else(|| handle_alloc_error(layout));
        let pool = Self {
            arena,
            blocks,
            shift: size.trailing_zeros(),
            free: shuffled(blocks).into_iter().map(Cell::new).collect(),
            free_len: Cell::new(blocks),
            kept: Bits::new(blocks),
            left: Bits::new(blocks),
        };
        for block in 0..blocks {
            pool.zero(block);
        }
        pool
    }

    /// Starts the next kernel: what was preserved can be claimed. No set of the kernel before is
    /// left, since all of them borrow the pool. What it claimed and did not free is gone.
    pub(crate) fn reboot(&mut self) {
        // INVARIANT: 3. a claim of the kernel before has ended with its set.
        for (kept, left) in self.kept.0.iter().zip(&self.left.0) {
            left.set(left.get() | kept.take());
        }
    }

    fn base(&self, block: usize) -> NonNull<u8> {
        // SAFETY: by invariant 1 the block lies within the arena.
        unsafe { self.arena.add(block << self.shift) }
    }

    fn block_of(&self, base: NonNull<u8>) -> usize {
        (base.addr().get() - self.arena.addr().get()) >> self.shift
    }

    fn zero(&self, block: usize) {
        // SAFETY: by invariant 1 the bytes are the arena's; by 2 the block is no one else's yet.
        unsafe { self.base(block).write_bytes(0, 1 << self.shift) };
    }

    /// Takes a block, zeroes and preserves it. Inlined into the two calls that lead here, from Rust
    /// and from C.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<PreservedBlock> {
        let len = self.free_len.get().checked_sub(1)?;
        let block = self.free[len].get() as usize;
        self.zero(block);
        // INVARIANT: 2. the last number is cut off. 3. the block is preserved from here on.
        self.free_len.set(len);
        self.kept.set(block);
        let addr = PhysAddr::new(BASE + ((block as u64) << self.shift))?;
        Some(PreservedBlock { ptr: self.base(block), addr })
    }

    /// Takes a block back that [`take`](Self::take) gave.
    #[inline(always)]
    pub(crate) fn put(&self, base: NonNull<u8>) {
        let block = self.block_of(base);
        self.kept.clear(block);
        // INVARIANT: 2. the block is no longer in use, and was not free.
        self.free[self.free_len.get()].set(block as u32);
        self.free_len.set(self.free_len.get() + 1);
    }

    /// Claims a block that the kernel before left, at most once.
    #[inline(always)]
    pub(crate) fn claim(&self, addr: u64, size: usize) -> Option<NonNull<u8>> {
        let offset = addr.checked_sub(BASE)?;
        let block = (offset >> self.shift) as usize;
        let known = size == 1 << self.shift
            && offset & (size as u64 - 1) == 0
            && block < self.blocks
            && self.left.has(block);
        if !known {
            return None;
        }
        // INVARIANT: 3. the block is claimed.
        self.left.clear(block);
        Some(self.base(block))
    }

    /// Gives a claim back.
    #[inline(always)]
    pub(crate) fn unclaim(&self, base: NonNull<u8>) {
        // INVARIANT: 3. the block is no longer claimed.
        self.left.set(self.block_of(base));
    }

    /// What C adds to a physical address, modulo 2^64, to reach a block without asking whose it is.
    pub(crate) fn virt_offset(&self) -> u64 {
        (self.arena.as_ptr().expose_provenance() as u64).wrapping_sub(BASE)
    }

    /// Writes the header of a block that the kernel before left: a link and a count.
    pub(crate) fn set_header(
        &mut self,
        at: Option<PhysAddr>,
        next: Option<PhysAddr>,
        count: usize,
    ) {
        let Some(at) = at else { return };
        let header = self.base(((at.get() - BASE) >> self.shift) as usize).cast::<[u64; 2]>();
        // SAFETY: by invariant 1 the header lies within the arena, aligned; no set is left that
        // could use it, since all of them borrow the pool.
        unsafe { header.write([PhysAddr::to_wire(next), count as u64]) };
    }

    /// The link in a block that the kernel before left.
    fn next(&self, at: PhysAddr) -> Option<PhysAddr> {
        let header = self.base(((at.get() - BASE) >> self.shift) as usize).cast::<[u64; 2]>();
        // SAFETY: by invariant 1 the header lies within the arena, aligned. Only `set_header` writes
        // it, by `&mut self`, since what was left belongs to no set that could.
        PhysAddr::new(unsafe { header.read() }[0])
    }

    /// Follows the links of a chain, and does nothing else; returns the last block.
    pub(crate) fn follow(&self, head: Option<PhysAddr>) -> Option<PhysAddr> {
        let mut last = head?;
        while let Some(next) = self.next(last) {
            last = next;
        }
        Some(last)
    }

    /// Links the last block of a chain, which holds `count` entries, to its first.
    pub(crate) fn close(&mut self, head: Option<PhysAddr>, count: usize) {
        let last = self.follow(head);
        self.set_header(last, head, count);
    }

    /// Frees what the kernel before left and nobody can restore. No set is left, as above.
    pub(crate) fn discard(&mut self) {
        for block in (0..self.blocks).filter(|&block| self.left.has(block)) {
            self.left.clear(block);
            // INVARIANT: 2. the block was left, and is not any more.
            self.free[self.free_len.get()].set(block as u32);
            self.free_len.set(self.free_len.get() + 1);
        }
    }

    /// Zeroes every free block, in the order in which they are handed out.
    pub(crate) fn zero_all(&self) {
        for block in self.free[..self.free_len.get()].iter().rev() {
            self.zero(block.get() as usize);
        }
    }

    /// Throws the first cache line of every block out of the caches.
    pub(crate) fn chill_headers(&self) {
        for block in 0..self.blocks {
            chill(self.base(block).as_ptr());
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let size = 1 << self.shift;
        if let Ok(layout) = Layout::from_size_align(self.blocks * size, size) {
            // SAFETY: by invariant 1, and this is the drop it speaks of.
            unsafe { dealloc(self.arena.as_ptr(), layout) }
        }
    }
}

// SAFETY: by duty. 1: invariant 1. 2: invariant 2, and each call below takes or gives a number once.
// 3: the arena is aligned to a block and so is `BASE`. 4: `take` zeroes. 5, 6: `claim` looks the
// address up, and clears its bit. 7: an address stands for a place in the arena, which stays. 8: a
// caller that keeps its own duties meets no panic. 9: there is one arena. 10: `reboot` comes between
// two calls. 11: said of `reboot`.
unsafe impl PreservedAllocator for Pool {
    #[inline(never)]
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        if size == 1 << self.shift { self.take().ok_or(AllocError) } else { Err(AllocError) }
    }

    #[inline(never)]
    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.put(ptr);
    }

    #[inline(never)]
    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        self.claim(addr.get(), size)
    }

    #[inline(never)]
    unsafe fn unrestore(&self, ptr: NonNull<u8>, _size: usize) {
        self.unclaim(ptr);
    }

    #[inline(never)]
    unsafe fn restore_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.put(ptr);
    }
}

/// A bit for each block.
struct Bits(Box<[Cell<u64>]>);

impl Bits {
    fn new(blocks: usize) -> Self {
        Self((0..blocks.div_ceil(64)).map(|_| Cell::new(0)).collect())
    }

    fn has(&self, block: usize) -> bool {
        self.0[block / 64].get() >> (block % 64) & 1 == 1
    }

    fn set(&self, block: usize) {
        let word = &self.0[block / 64];
        word.set(word.get() | 1 << (block % 64));
    }

    fn clear(&self, block: usize) {
        let word = &self.0[block / 64];
        word.set(word.get() & !(1 << (block % 64)));
    }
}

/// The numbers below `n` in an order without a pattern, the same on every run (Fisher and Yates,
/// driven by xorshift).
pub(crate) fn shuffled(n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..n).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(last, (state % (last as u64 + 1)) as usize);
    }
    order
}

/// Throws a cache line out of the caches, where the processor has an instruction for that.
pub(crate) fn chill(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and the line is mapped.
    unsafe {
        core::arch::x86_64::_mm_clflush(line);
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::hint::black_box(line);
}
