//! Preserved memory in an array: no heap, and every misuse a panic.
//!
//! Unsafe is open here to lend blocks.

#![expect(unsafe_code, reason = "implements `PreservedAllocator`")]

use core::cell::{Cell, UnsafeCell};
use core::ptr::NonNull;

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

use crate::image::Image;

/// Blocks of an arena.
pub(crate) const BLOCKS: usize = 16;

/// Which kernel a block is preserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// Allocated by this kernel, for the next, or claimed and preserved again.
    Outgoing,
    /// Left by the previous kernel.
    Left,
    /// Left by the previous kernel, and claimed by this one.
    Claimed,
}

/// Blocks, each with a gap behind it that is never lent.
#[repr(C, align(64))]
struct Memory<const SIZE: usize>([[[u8; SIZE]; 2]; BLOCKS]);

/// A machine with [`BLOCKS`] blocks of `SIZE` bytes, 32 or 64. Block `i` is at the physical address
/// `(i + 1) * SIZE`: small numbers, which a fuzzer finds.
///
/// # Invariants
///
/// 1. A block is lent while its state is `Outgoing` or `Claimed`; otherwise this arena alone uses it.
/// 2. Under `AddressSanitizer`, all but the lent blocks are poisoned, once `reset` was called.
pub(crate) struct Arena<const SIZE: usize> {
    memory: UnsafeCell<Memory<SIZE>>,
    states: [Cell<State>; BLOCKS],
    /// Where the next block is looked for first, and how far on after that: an odd number.
    next: Cell<usize>,
    stride: Cell<usize>,
    /// Allocations until one is refused, that one included; 0 if none is to be.
    until_refusal: Cell<usize>,
    granted: Cell<usize>,
    refused: Cell<bool>,
}

impl<const SIZE: usize> Arena<SIZE> {
    pub(crate) const fn new() -> Self {
        const { assert!(SIZE == 32 || SIZE == 64, "`Memory` aligns no other size") };
        Self {
            memory: UnsafeCell::new(Memory([[[0; SIZE]; 2]; BLOCKS])),
            states: [const { Cell::new(State::Free) }; BLOCKS],
            next: Cell::new(0),
            stride: Cell::new(1),
            until_refusal: Cell::new(0),
            granted: Cell::new(0),
            refused: Cell::new(false),
        }
    }

    /// Starts anew with free blocks, which are handed out in an order that `order` chooses. No block
    /// is lent.
    pub(crate) fn reset(&self, order: u8) {
        let order = usize::from(order);
        self.next.set(order % BLOCKS);
        self.stride.set(order / BLOCKS * 2 + 1);
        self.until_refusal.set(0);
        self.take_granted();
        self.take_refused();
        shadow::poison(self.base(), size_of::<Memory<SIZE>>());
        for state in &self.states {
            assert!(matches!(state.get(), State::Free | State::Left), "a block was leaked");
            state.set(State::Free);
        }
    }

    /// Starts the next kernel. Panics if a block is claimed, or was never: it would be gone.
    pub(crate) fn reboot(&self) {
        for (index, state) in self.states.iter().enumerate() {
            match state.get() {
                State::Free => {}
                State::Outgoing => self.take_back(index, State::Outgoing, State::Left),
                lost => panic!("block {index} is lost: {lost:?}"),
            }
        }
    }

    /// Frees what the previous kernel left and this one has not claimed; how many blocks those are.
    pub(crate) fn sweep(&self) -> usize {
        let left = |state: &&Cell<State>| state.get() == State::Left;
        self.states.iter().filter(left).map(|state| state.set(State::Free)).count()
    }

    /// Adds what the previous kernel left, where blocks are free.
    pub(crate) fn leave(&self, image: &Image<SIZE>) {
        for (index, bytes) in image.blocks.iter().enumerate() {
            if let Some(bytes) = bytes {
                self.lend(index, State::Free, State::Left);
                // SAFETY: the block is this arena's (invariant 1), and `SIZE` bytes long.
                unsafe { self.block(index).cast::<[u8; SIZE]>().write(*bytes) };
                shadow::poison(self.block(index), SIZE);
            }
        }
    }

    /// Every preserved block as it stands. No entry of a lent block is borrowed.
    pub(crate) fn image(&self) -> Image<SIZE> {
        let mut image = Image::empty();
        for (index, bytes) in image.blocks.iter_mut().enumerate() {
            let state = self.states[index].get();
            if state != State::Free {
                shadow::unpoison(self.block(index), SIZE);
                // SAFETY: valid and initialised, `SIZE` bytes long, and unborrowed by the caller's
                // word.
                *bytes = Some(unsafe { self.block(index).cast::<[u8; SIZE]>().read() });
            }
            if state == State::Left {
                shadow::poison(self.block(index), SIZE);
            }
        }
        image
    }

    /// Blocks that this kernel has allocated or claimed.
    pub(crate) fn lent(&self) -> usize {
        let lent = |state: &&Cell<State>| matches!(state.get(), State::Outgoing | State::Claimed);
        self.states.iter().filter(lent).count()
    }

    /// Refuses the `n`-th block from now on that is to be allocated or preserved again.
    pub(crate) fn refuse(&self, n: usize) {
        self.until_refusal.set(n);
    }

    /// Blocks allocated since the last call.
    pub(crate) fn take_granted(&self) -> usize {
        self.granted.take()
    }

    /// Whether an allocation was refused since the last call.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.take()
    }

    /// Whether the allocation that is asked for now is the one to be refused.
    fn refuses(&self) -> bool {
        let left = self.until_refusal.get();
        self.until_refusal.set(left.saturating_sub(1));
        left == 1
    }

    fn base(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    fn block(&self, index: usize) -> *mut u8 {
        self.base().wrapping_add(index * 2 * SIZE)
    }

    /// Makes a block of this arena that is `was` one that is `becomes`, and lets it be touched.
    fn lend(&self, index: usize, was: State, becomes: State) {
        assert_eq!(self.states[index].replace(becomes), was, "block {index}");
        shadow::unpoison(self.block(index), SIZE);
    }

    /// Makes a lent block that is `was` one that is `becomes`, and that nobody touches.
    fn take_back(&self, index: usize, was: State, becomes: State) {
        assert_eq!(self.states[index].replace(becomes), was, "block {index}");
        shadow::poison(self.block(index), SIZE);
    }

    /// The index of a block that is given back.
    fn index(&self, ptr: NonNull<u8>, size: usize) -> usize {
        assert_eq!(size, SIZE, "the size of a block is a set's own");
        let index = (ptr.addr().get() - self.base().addr()) / (2 * SIZE);
        assert_eq!(ptr.as_ptr(), self.block(index), "the pointer is not that of a block");
        index
    }
}

/// The physical address of block `index`.
pub(crate) fn addr_of<const SIZE: usize>(index: usize) -> u64 {
    u64::try_from((index + 1) * SIZE).expect("an arena is small")
}

/// The block at a physical address, if there is one.
pub(crate) fn index_of<const SIZE: usize>(addr: u64) -> Option<usize> {
    let index = usize::try_from(addr).ok()?.checked_div(SIZE)?.checked_sub(1)?;
    (index < BLOCKS && addr_of::<SIZE>(index) == addr).then_some(index)
}

// SAFETY:
// 1, 2. Blocks are parts of `memory`, which moves under no borrow; a lent one is touched by `image`
//       alone, which only reads, and between the calls of its holder. An arena stays on its thread.
// 3. `Memory` is aligned to 64, blocks lie `2 * SIZE` apart, and the first address is `SIZE`.
// 4. `alloc_preserve` zeroes.
// 5. `Left` is what `reboot` makes of `Outgoing`, or `leave` of bytes; `restore` makes it `Claimed`.
// 6. `index_of` compares.
// 7. Index and address belong together for good.
// 8. An arena panics when the library has broken its contract, which ends the fuzzing.
// 9. An arena is not cloned.
// 10. `reboot` comes between two calls.
// 11. Said of `reboot`.
unsafe impl<const SIZE: usize> PreservedAllocator for Arena<SIZE> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        assert_eq!(size, SIZE, "the size of a block is a set's own");
        let refused = self.refuses();
        let free = (0..BLOCKS)
            .map(|i| (self.next.get() + i * self.stride.get()) % BLOCKS)
            .find(|&index| self.states[index].get() == State::Free && !refused);
        let Some(index) = free else {
            self.refused.set(true);
            return Err(AllocError);
        };
        self.next.set(index + self.stride.get());
        self.granted.set(self.granted.get() + 1);
        self.lend(index, State::Free, State::Outgoing);
        // SAFETY: the block is not lent yet, so this arena's (invariant 1), and `SIZE` bytes long.
        unsafe { self.block(index).write_bytes(0, SIZE) };
        let ptr = NonNull::new(self.block(index)).ok_or(AllocError)?;
        let addr = PhysAddr::new(addr_of::<SIZE>(index)).ok_or(AllocError)?;
        Ok(PreservedBlock { ptr, addr })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        self.take_back(self.index(ptr, size), State::Outgoing, State::Free);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        assert_eq!(size, SIZE, "the size of a block is a set's own");
        let index = index_of::<SIZE>(addr.get())?;
        if self.states[index].get() != State::Left {
            return None;
        }
        self.lend(index, State::Left, State::Claimed);
        NonNull::new(self.block(index))
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        self.take_back(self.index(ptr, size), State::Claimed, State::Left);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        self.take_back(self.index(ptr, size), State::Claimed, State::Free);
    }
}

// SAFETY: a block that is carried is as one from `alloc_preserve`: `Outgoing`.
unsafe impl<const SIZE: usize> CarryAllocator for Arena<SIZE> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let index = self.index(ptr, size);
        if self.refuses() {
            self.refused.set(true);
            return Err(AllocError);
        }
        self.lend(index, State::Claimed, State::Outgoing);
        Ok(())
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        self.lend(self.index(ptr, size), State::Outgoing, State::Claimed);
    }
}

/// `AddressSanitizer`'s knowledge of what may be touched. `cargo fuzz` turns the sanitizer on.
#[cfg(fuzzing)]
mod shadow {
    unsafe extern "C" {
        fn __asan_poison_memory_region(addr: *const u8, size: usize);
        fn __asan_unpoison_memory_region(addr: *const u8, size: usize);
    }

    /// Makes every touch of these bytes an error.
    pub(super) fn poison(start: *const u8, size: usize) {
        // SAFETY: the bytes are an arena's, and poison only ends a program that touches them.
        unsafe { __asan_poison_memory_region(start, size) }
    }

    pub(super) fn unpoison(start: *const u8, size: usize) {
        // SAFETY: the bytes are an arena's, which are valid.
        unsafe { __asan_unpoison_memory_region(start, size) }
    }
}

#[cfg(not(fuzzing))]
mod shadow {
    pub(super) fn poison(_: *const u8, _: usize) {}
    pub(super) fn unpoison(_: *const u8, _: usize) {}
}
