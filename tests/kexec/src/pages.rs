//! The allocator: physical pages that outlive the kernel. This is the file to copy.
//!
//! Blocks are of 2^n pages and lie at multiples of their size. What makes a block outlive its
//! kernel is a byte in a table, one for each page up to the end of the pool, that lies in preserved memory itself:
//! the next kernel adopts the table where it is. The byte of a block's first page says that the
//! block is there, and its order; those of its other pages are zero, as are those of free pages. So
//! one store makes a block or frees it, and a kexec between any two instructions finds it whole or
//! not at all. A chain can then say what it likes: only what stands in the table is believed.
//!
//! A block is preserved until it is freed: what a kernel was left, has claimed or has allocated is
//! there again for the next one, so one that ends while it restores loses nothing.
//! [`Pages::sweep`] frees what no one claims.
//!
//! Pointers and physical addresses differ by the offset of the map of all memory, and in type.
//!
//! Unsafe is open here to implement the allocator's trait, and to reach the table.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` over raw memory")]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

use core::iter;
use core::mem;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicU8, compiler_fence};

use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};
use spin::Mutex;

use crate::boot::{POOL, REGION, physical, reach};

/// Bytes of a page, and of the smallest block.
pub const PAGE_SIZE: usize = 4096;

/// Pages up to the end of the pool, and bytes of the table, which the first kernel puts at its start.
const PAGE_COUNT: usize = REGION as usize / PAGE_SIZE;

/// What a page is, or the block that starts with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nobody's.
    Free,
    /// Never a block: the running kernel's own, or the table's, which passes from kernel to kernel.
    Reserved,
    /// Allocated by this kernel and preserved for the next.
    Outgoing,
    /// Preserved by a previous kernel, and not claimed.
    Incoming,
    /// Preserved by a previous kernel, and claimed.
    Claimed,
}

impl State {
    /// By number.
    const ALL: [Self; 5] =
        [Self::Free, Self::Reserved, Self::Outgoing, Self::Incoming, Self::Claimed];

    /// What the table says of a block in this state, whose order is below 32, or of such a page.
    const fn byte(self, order: u8) -> u8 {
        if matches!(self, Self::Free) { 0 } else { (self as u8) << 5 | order }
    }
}

/// The pages of this machine.
pub static PAGES: Pages = Pages::new();

/// All pages, of which every set takes its own: `&Pages` is the allocator that sets are made with.
pub struct Pages(Mutex<Table>);

/// # Invariants
///
/// 1. `pages` has a byte for each page up to `REGION`, or none before [`Pages::create`] or
///    [`Pages::adopt`].
/// 2. A byte that is not zero is [`State::byte`] of a block, or of a reserved page, of order `n`. Its
///    number is a multiple of `1 << n`, and the `(1 << n) - 1` bytes after it are there, and zero.
/// 3. No page below `lowest` is free, and `lowest` is no other page of a block than its first.
struct Table {
    pages: &'static [AtomicU8],
    lowest: usize,
}

/// A block, a reserved page, or a free one.
struct Span {
    first: usize,
    order: u8,
    state: State,
}

impl Pages {
    /// A machine whose memory is not known yet: it has no blocks, and gives none.
    pub(crate) const fn new() -> Self {
        // INVARIANT: 1 to 3 hold of no pages.
        Self(Mutex::new(Table { pages: &[], lowest: 0 }))
    }

    /// Takes charge of all pages from [`POOL`] to [`REGION`], as the first kernel.
    ///
    /// # Safety
    ///
    /// 1. Memory up to `REGION` is mapped, [`reach`] says where, and stays so.
    /// 2. No one else uses the memory from `POOL` to there.
    /// 3. It is the kernel's first call of `create` or `adopt`.
    pub unsafe fn create(&self) {
        let table = POOL as usize / PAGE_SIZE;
        let lowest = table.saturating_add(PAGE_COUNT.div_ceil(PAGE_SIZE));
        // SAFETY: the caller's duties.
        let pages = unsafe { table_at(POOL) };
        for (number, page) in pages.iter().enumerate() {
            let state = if number < lowest { State::Reserved } else { State::Free };
            page.store(state.byte(0), Relaxed);
        }
        // INVARIANT: 1. `table_at` is as long as that. 2. no block yet. 3. all below is reserved.
        *self.0.lock() = Table { pages, lowest };
    }

    /// Takes charge of all pages as the previous kernel left them, whenever it ended: every block
    /// that it had can be claimed. `None` if there is no table at `addr`; nothing has changed then.
    ///
    /// # Safety
    ///
    /// Those of [`create`](Self::create), and
    ///
    /// 4. The previous kernel's [`table`](Self::table) was at `addr`, and it changed nothing after.
    #[must_use]
    pub unsafe fn adopt(&self, addr: u64) -> Option<()> {
        // SAFETY: the caller's duties. There is memory, whatever it holds.
        let pages = unsafe { table_at(addr) };
        // INVARIANT: 1. `table_at` is as long as that. 2. what is not sound is dropped. 3. trivially.
        let table = Some(Table { pages, lowest: 0 }).filter(Table::is_sound)?;
        for span in table.spans(0) {
            if matches!(span.state, State::Outgoing | State::Claimed) {
                // INVARIANT: 2. one state of a block for another.
                table.set(span.first, State::Incoming.byte(span.order));
            }
        }
        *self.0.lock() = table;
        Some(())
    }

    /// Frees every block that previous kernels left and that is not claimed now; returns how many.
    pub fn sweep(&self) -> usize {
        let mut table = self.0.lock();
        // INVARIANT: 3. trivially.
        table.lowest = 0;
        let unclaimed = table.spans(0).filter(|span| span.state == State::Incoming);
        // INVARIANT: 2. without the block.
        unclaimed.inspect(|span| table.set(span.first, State::Free.byte(0))).count()
    }

    /// Where the table is, for the next kernel to [`adopt`](Self::adopt).
    #[must_use]
    pub fn table(&self) -> u64 {
        physical(NonNull::from(self.0.lock().pages).cast())
    }

    /// How many blocks are in `state`, or pages, if it is not one of a block.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.0.lock().spans(0).filter(|span| span.state == state).count()
    }

    /// Calls `f` with every page that is nobody's.
    pub fn for_each_free(&self, mut f: impl FnMut(&mut [u64; PAGE_SIZE / 8])) {
        let table = self.0.lock();
        for span in table.spans(0).filter(|span| span.state == State::Free) {
            let mut page = reach(addr_of(span.first)).cast();
            // SAFETY: the page is mapped, and no one's as long as the table is locked.
            f(unsafe { page.as_mut() });
        }
    }
}

/// The memory of the table at `addr`.
///
/// # Safety
///
/// It is mapped, and no one else's.
unsafe fn table_at(addr: u64) -> &'static [AtomicU8] {
    // SAFETY: by the caller's word; memory is initialised, and there is enough for the table.
    unsafe { slice::from_raw_parts(reach(addr).cast().as_ptr(), PAGE_COUNT) }
}

/// The physical address of a page.
fn addr_of(number: usize) -> u64 {
    (number as u64).saturating_mul(PAGE_SIZE as u64)
}

/// The pages of a block.
fn pages_of(order: u8) -> usize {
    1_usize.wrapping_shl(order.into())
}

/// The order of a block of `size` bytes; `None` if blocks do not have that size.
fn order_of(size: usize) -> Option<u8> {
    let pages = size.checked_div(PAGE_SIZE).filter(|&pages| pages <= PAGE_COUNT)?;
    pages.is_power_of_two().then(|| pages.trailing_zeros() as u8)
}

impl Span {
    /// The page after it.
    fn end(&self) -> usize {
        self.first.saturating_add(pages_of(self.order))
    }
}

impl Table {
    /// What starts with page `first`, if it is not inside a block. `None` behind the last page.
    fn span(&self, first: usize) -> Option<Span> {
        let byte = self.pages.get(first)?.load(Relaxed);
        let state = *State::ALL.get(usize::from(byte >> 5))?;
        Some(Span { first, order: byte & 0x1f, state })
    }

    /// All there is from page `first` on, which is not inside a block.
    fn spans(&self, first: usize) -> impl Iterator<Item = Span> {
        iter::successors(self.span(first), |span| self.span(span.end()))
    }

    /// Whether invariant 2 holds.
    fn is_sound(&self) -> bool {
        let mut end = 0;
        (0..self.pages.len()).all(|number| {
            let Some(span) = self.span(number) else { return false };
            if span.state == State::Free {
                return span.order == 0;
            }
            let is_inside = number < mem::replace(&mut end, span.end());
            let is_in_place = number.checked_rem(pages_of(span.order)) == Some(0);
            !is_inside && is_in_place && end <= self.pages.len()
        })
    }

    /// Finds the lowest pages that are free and in place for a block of `order`; returns the first.
    fn find(&mut self, order: u8) -> Option<usize> {
        let pages = pages_of(order);
        let lowest = self.spans(self.lowest).find(|span| span.state == State::Free)?.first;
        // INVARIANT: 3. what was skipped is not free.
        self.lowest = lowest;
        // Where a block can start after the last page that is not free.
        let mut start = lowest.checked_next_multiple_of(pages)?;
        for span in self.spans(lowest) {
            if span.state != State::Free {
                start = span.end().checked_next_multiple_of(pages)?;
            } else if span.end().checked_sub(start) == Some(pages) {
                return Some(start);
            }
        }
        None
    }

    /// Makes, changes or frees a block, in one store. A kexec that finds it done finds all that was
    /// written to memory before, and one that does not finds nothing that is written after.
    fn set(&self, first: usize, byte: u8) {
        let Some(page) = self.pages.get(first) else { return };
        compiler_fence(SeqCst);
        page.store(byte, Relaxed);
        compiler_fence(SeqCst);
    }

    /// Turns the block at `addr` from one state into another: if there is a block of this very size
    /// at this very address, and in this very state. That is all there is to believing a chain.
    fn turn(&mut self, addr: u64, size: usize, from: State, to: State) -> Option<()> {
        let order = order_of(size)?;
        let first = usize::try_from(addr.checked_div(PAGE_SIZE as u64)?).ok()?;
        let byte = self.pages.get(first)?.load(Relaxed);
        if addr_of(first) != addr || byte != from.byte(order) {
            return None;
        }
        // INVARIANT: 2. one state of a block for another, or without the block.
        self.set(first, to.byte(order));
        if to == State::Free {
            // INVARIANT: 3. the page was a block's first.
            self.lowest = self.lowest.min(first);
        }
        Some(())
    }
}

// SAFETY:
// 1. *Valid.* A block is of pages of the machine's memory, mapped for good where `reach` says
//    (`create`, duty 1). Memory is initialised from power-on, moves with no value, and is not given
//    up with one: dropping `Pages` does nothing.
// 2. *Exclusive.* A block is lent only when `find` has found all its pages free, or `turn` finds it
//    incoming; its state changes before the lock is given back. Blocks do not overlap (`Table`, 2),
//    whenever the previous kernel ended, and the kernel's own pages and the table's are reserved.
// 3. *Aligned.* The page number is a multiple of the block's pages (`Table`, 2), and so is its
//    address of its size; the pointer too, since `UPPER` is a multiple of any size there is memory
//    for. All pages are below `REGION`, and nothing overflows there.
// 4. *Zeroed.* By `alloc_preserve`, whatever the pages held, and before the block is there.
// 5. *Once.* `turn` makes `Claimed` of `Incoming`, which `adopt` made of what the previous kernel
//    had, and `unrestore` of what is lent no more. It asks for the order and the first page.
// 6. *Total.* An address is looked up in the table, and followed only if the table knows it.
// 7. *Found again.* The address is the physical one, the table passes on in place, and from `adopt`
//    to the claim nobody writes to a block.
// 8. *Calm.* Nothing here panics, and a panic would not unwind.
// 9. *Same.* A machine has one `Pages`, and references to it.
// 10. *Fit at every instant.* A block is there or not by the one byte that `set` stores, in its place
//     among all other accesses to memory. What `adopt` has come to or not is a block either way, and
//     it makes each of them incoming, to be lent once.
// 11. *Claims at a kexec.* What is claimed is there for the kernel after, as the file says above.
unsafe impl PreservedAllocator for Pages {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let order = order_of(size).ok_or(AllocError)?;
        let mut table = self.0.lock();
        let first = table.find(order).ok_or(AllocError)?;
        let addr = PhysAddr::new(addr_of(first)).ok_or(AllocError)?;
        let ptr = reach(addr.get());
        // SAFETY: the pages are mapped, and no one's as long as the table is locked.
        unsafe { ptr.write_bytes(0, size) };
        // INVARIANT: 2. by `find`. 3. the block is not below `lowest`.
        table.set(first, State::Outgoing.byte(order));
        Ok(PreservedBlock { ptr, addr })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        // A block that is not outgoing is left alone: better lost than freed under its owner.
        let _ = self.0.lock().turn(physical(ptr), size, State::Outgoing, State::Free);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        self.0.lock().turn(addr.get(), size, State::Incoming, State::Claimed)?;
        Some(reach(addr.get()))
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        let _ = self.0.lock().turn(physical(ptr), size, State::Claimed, State::Incoming);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        let _ = self.0.lock().turn(physical(ptr), size, State::Claimed, State::Free);
    }
}
