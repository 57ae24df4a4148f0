//! The allocator: physical pages that outlive the kernel. This is the file to copy.
//!
//! Blocks are of 2^n pages and lie at multiples of their size. What makes a block outlive its
//! kernel is an entry in a table, one for each page of memory, that lies in preserved memory itself:
//! the next kernel adopts the table where it is, and finds in it which blocks were preserved, and of
//! which order. A chain can then say what it likes: only what stands in the table is believed.
//!
//! Pointers and physical addresses differ by the offset of the map of all memory, and in type.
//!
//! Unsafe is open here to implement the allocator's trait, and to reach the table.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` over raw memory")]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

use core::ptr::NonNull;
use core::slice;

use kho_block::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};
use spin::Mutex;

use crate::boot::{POOL, RAM, physical, reach};

/// Bytes of a page, and of the smallest block.
pub const PAGE_SIZE: usize = 4096;

/// Pages of memory.
const PAGES_OF_RAM: usize = RAM as usize / PAGE_SIZE;

/// Bytes of the table, which the first kernel puts at the start of the pool.
const TABLE_SIZE: usize = PAGES_OF_RAM * size_of::<Page>();

/// What the table says of a page.
#[derive(Clone, Copy, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Page {
    state: State,
    /// Of the block that starts here: it has `1 << order` pages.
    order: u8,
}

/// What a page is, or the block that starts with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(u8)]
pub enum State {
    /// Nobody's.
    Free,
    /// Never a block: the running kernel's own, or the table's, which passes from kernel to kernel.
    Reserved,
    /// In a block, but not its first page.
    Body,
    /// Allocated by this kernel and preserved for the next.
    Outgoing,
    /// Preserved by the previous kernel, and not claimed.
    Incoming,
    /// Preserved by the previous kernel, and claimed.
    Claimed,
}

const FREE: Page = Page { state: State::Free, order: 0 };
const BODY: Page = Page { state: State::Body, order: 0 };

/// The pages of this machine.
pub static PAGES: Pages = Pages::new();

/// All pages, of which every set takes its own: `&Pages` is the allocator that sets are made with.
pub struct Pages(Mutex<Table>);

/// # Invariants
///
/// 1. `pages` has an entry for each page of memory, or none before [`Pages::create`] or
///    [`Pages::adopt`].
/// 2. A block of order `n` is an entry of that order whose number is a multiple of `1 << n`, in one
///    of the three states that a block can be in, and `(1 << n) - 1` entries `BODY` after it.
/// 3. No page below `lowest` is free.
struct Table {
    pages: &'static mut [Page],
    lowest: usize,
}

impl Pages {
    /// A machine whose memory is not known yet: it has no blocks, and gives none.
    pub(crate) const fn new() -> Self {
        // INVARIANT: 1 to 3 hold of no pages.
        Self(Mutex::new(Table { pages: &mut [], lowest: 0 }))
    }

    /// Takes charge of all pages from [`POOL`] on, as the first kernel.
    ///
    /// # Safety
    ///
    /// 1. Memory up to [`RAM`] is mapped, [`reach`] says where, and stays so.
    /// 2. No one else uses the memory from `POOL` on.
    /// 3. It is the kernel's first call of `create` or `adopt`.
    pub unsafe fn create(&self) {
        // SAFETY: the caller's duties.
        let bytes = unsafe { table_at(POOL) };
        bytes.fill(0);
        let Ok(pages) = <[Page]>::try_mut_from_bytes(bytes) else { return };
        let reserved = (POOL as usize / PAGE_SIZE).saturating_add(TABLE_SIZE.div_ceil(PAGE_SIZE));
        pages.iter_mut().take(reserved).for_each(|page| page.state = State::Reserved);
        // INVARIANT: 1. `table_at` is as long as that. 2. no block yet. 3. all below is reserved.
        *self.0.lock() = Table { pages, lowest: reserved };
    }

    /// Takes charge of all pages as the previous kernel left them; returns how many blocks were
    /// preserved for that kernel, but neither freed nor preserved anew: they are free now. `None`
    /// if there is no table at `addr`.
    ///
    /// # Safety
    ///
    /// Those of [`create`](Self::create), and
    ///
    /// 4. The previous kernel's [`table`](Self::table) was at `addr`, and it changed nothing after.
    #[must_use]
    pub unsafe fn adopt(&self, addr: u64) -> Option<usize> {
        // SAFETY: the caller's duties. There is memory, whatever it holds.
        let bytes = unsafe { table_at(addr) };
        // INVARIANT: 1. `table_at` is as long as that. 2 by the previous kernel, 3 trivially.
        let mut table = Table { pages: <[Page]>::try_mut_from_bytes(bytes).ok()?, lowest: 0 };
        let mut lost = 0_usize;
        for number in 0..table.pages.len() {
            match table.pages.get_mut(number) {
                // INVARIANT: 2. one state of a block for another.
                Some(page) if page.state == State::Outgoing => page.state = State::Incoming,
                Some(&mut page) if matches!(page.state, State::Incoming | State::Claimed) => {
                    table.fill(number, page.order, FREE);
                    lost = lost.saturating_add(1);
                }
                _ => {}
            }
        }
        *self.0.lock() = table;
        Some(lost)
    }

    /// Where the table is, for the next kernel to [`adopt`](Self::adopt).
    #[must_use]
    pub fn table(&self) -> u64 {
        let table = self.0.lock();
        physical(NonNull::from(table.pages.as_bytes()).cast())
    }

    /// How many blocks are in `state`, or pages, if it is not one of a block.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.0.lock().pages.iter().filter(|page| page.state == state).count()
    }

    /// Calls `f` with every page that is nobody's.
    pub fn for_each_free(&self, mut f: impl FnMut(&mut [u64; PAGE_SIZE / 8])) {
        let table = self.0.lock();
        for (number, page) in table.pages.iter().enumerate() {
            if *page == FREE {
                let mut page = reach(addr_of(number)).cast();
                // SAFETY: the page is mapped, and no one's as long as the table is locked.
                f(unsafe { page.as_mut() });
            }
        }
    }
}

/// The memory of the table at `addr`.
///
/// # Safety
///
/// It is mapped, and no one else's.
unsafe fn table_at(addr: u64) -> &'static mut [u8] {
    // SAFETY: by the caller's word; memory is initialised, and there is enough for the table.
    unsafe { slice::from_raw_parts_mut(reach(addr).as_ptr(), TABLE_SIZE) }
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
    let pages = size.checked_div(PAGE_SIZE).filter(|pages| pages.is_power_of_two())?;
    u8::try_from(pages.trailing_zeros()).ok()
}

impl Table {
    /// Makes the pages from `number` on a block of `order` that starts with `first`, or, if that is
    /// `FREE`, free ones.
    fn fill(&mut self, number: usize, order: u8, first: Page) {
        let rest = if first == FREE { FREE } else { BODY };
        let pages = self.pages.iter_mut().skip(number).take(pages_of(order));
        // INVARIANT: 2 by the first page's order, which is `order`.
        pages.enumerate().for_each(|(n, page)| *page = if n == 0 { first } else { rest });
        if first == FREE {
            // INVARIANT: 3.
            self.lowest = self.lowest.min(number);
        }
    }

    /// Makes an outgoing block of the lowest pages that are free and in place; returns its first.
    fn alloc(&mut self, order: u8) -> Option<usize> {
        let pages = pages_of(order);
        // Where blocks of this order can lie: chunk `n` starts at page `n * pages`.
        let chunks = self.pages.chunks_exact(pages).enumerate();
        let lowest = self.lowest.checked_div(pages)?;
        let is_free = |(_, chunk): &(usize, &[Page])| chunk.iter().all(|page| *page == FREE);
        let (chunk, _) = chunks.skip(lowest).find(is_free)?;
        let number = chunk.checked_mul(pages)?;
        // INVARIANT: 2. at a multiple of its size.
        self.fill(number, order, Page { state: State::Outgoing, order });
        if number <= self.lowest {
            // INVARIANT: 3. no page was free below the block, and none is in it.
            self.lowest = number.checked_add(pages)?;
        }
        Some(number)
    }

    /// Turns the block at `addr` from one state into another: if there is a block of this very size
    /// at this very address, and in this very state. That is all there is to believing a chain.
    fn turn(&mut self, addr: u64, size: usize, from: State, to: State) -> Option<()> {
        let order = order_of(size)?;
        let number = usize::try_from(addr.checked_div(PAGE_SIZE as u64)?).ok()?;
        let page = self.pages.get(number)?;
        if addr_of(number) != addr || *page != (Page { state: from, order }) {
            return None;
        }
        let first = if to == State::Free { FREE } else { Page { state: to, order } };
        self.fill(number, order, first);
        Some(())
    }
}

// SAFETY:
// 1. *Valid.* A block is of pages of the machine's memory, mapped for good where `reach` says
//    (`create`, duty 1). Memory is initialised from power-on, and moves with no value.
// 2. *Exclusive.* A block is lent only when `alloc` finds all its pages free, or `turn` finds it
//    incoming; either changes its state under the lock. Blocks do not overlap (`Table`, 2), and the
//    kernel's own pages and the table's are reserved.
// 3. *Aligned.* The page number is a multiple of the block's pages (`Table`, 2), and so is its
//    address of its size. `UPPER` is a multiple of any size there is memory for.
// 4. *Zeroed.* By `alloc_preserve`, whatever the pages held.
// 5. *Once.* `turn` makes `Claimed` of `Incoming`, which only `adopt` made, of what was `Outgoing`
//    for the previous kernel, and asks for the order and the first page.
// 6. *Total.* An address is looked up in the table, and followed only if the table knows it.
// 7. *Found again.* The address is the physical one, the table passes on in place, and from `adopt`
//    to the claim nobody writes to a block.
// 8. *Calm.* Nothing here panics, and a panic would not unwind.
// 9. *Same.* A machine has one `Pages`, and references to it.
unsafe impl PreservedAllocator for Pages {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let order = order_of(size).ok_or(AllocError)?;
        let number = self.0.lock().alloc(order).ok_or(AllocError)?;
        let ptr = reach(addr_of(number));
        // SAFETY: the block is mapped, and lent to no one yet.
        unsafe { ptr.write_bytes(0, size) };
        let addr = PhysAddr::new(addr_of(number)).ok_or(AllocError)?;
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
