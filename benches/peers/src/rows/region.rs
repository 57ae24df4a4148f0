//! A region beside the allocators that people use: blocks of 8 KiB come and go, zeroed, with half of
//! the memory in use, and with nearly all of it.
//!
//! Each is behind a lock, as a region is; only the region keeps books that the next kernel finds.
//! Unsafe is open here to own memory, and to give it to allocators and back.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::time::Duration;

use kho_block::{PhysAddr, PreservedAllocator, Region};
use talc::DefaultBinning;
use talc::source::Manual;

use super::BLOCK_SIZE;
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::pool::shuffled;

/// Blocks that the memory has room for, without what an allocator keeps for itself.
const BLOCKS: usize = 8192;

/// Blocks that a pass allocates, and then frees in another order.
const BATCH: usize = 128;

pub fn run(report: &mut Report) {
    run_row(report, "Region: alloc + free, half full", 50);
    run_row(report, "Region: alloc + free, 95 % full", 95);
}

fn run_row(report: &mut Report, what: &'static str, percent: usize) {
    if !report.wants(what) {
        return;
    }
    let mut contest = Contest::new(what, BLOCK_SIZE, BLOCKS, BATCH);
    contest.enter(OURS, pass(region, percent));
    contest.enter("buddy_system", pass(buddy, percent));
    contest.enter("linked_list", pass(linked_list, percent));
    contest.enter("talc unaligned", pass(talc, percent));
    let memory = Memory::new();
    let blocks: Vec<_> = shuffled(BLOCKS).into_iter().take(BATCH).map(|i| i as usize).collect();
    contest.enter("zeroing", move || time(|| blocks.iter().for_each(|&i| zero(memory.block(i)))));
    report.run(contest);
}

/// Memory for one allocator.
///
/// # Invariants
///
/// `start` has as many initialised bytes as `LAYOUT` says, until this is dropped.
struct Memory {
    start: NonNull<u8>,
}

impl Memory {
    const LAYOUT: Layout = match Layout::from_size_align(BLOCKS * BLOCK_SIZE, BLOCK_SIZE) {
        Ok(layout) => layout,
        Err(_) => panic!("blocks have a power of two of bytes"),
    };

    /// All pages are present.
    fn new() -> Self {
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(Self::LAYOUT) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(Self::LAYOUT));
        // INVARIANT: as just allocated.
        let memory = Self { start };
        (0..BLOCKS).for_each(|i| zero(memory.block(i)));
        memory
    }

    fn block(&self, i: usize) -> NonNull<u8> {
        assert!(i < BLOCKS, "the memory has as many blocks");
        // SAFETY: the block lies within the memory.
        unsafe { self.start.add(i * BLOCK_SIZE) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and whoever allocates from it is gone.
        unsafe { dealloc(self.start.as_ptr(), Self::LAYOUT) }
    }
}

/// Zeroes a block, which is the caller's own.
fn zero(block: NonNull<u8>) {
    // SAFETY: every block here has as many bytes, and one owner.
    unsafe { block.write_bytes(0, BLOCK_SIZE) }
}

/// What all of them can do.
trait Blocks {
    /// A block of zeros.
    fn take(&self) -> Option<NonNull<u8>>;

    /// Takes back what `take` gave.
    fn put(&self, block: NonNull<u8>);
}

impl Blocks for Region {
    #[inline(never)]
    fn take(&self) -> Option<NonNull<u8>> {
        Some(self.alloc_preserve(BLOCK_SIZE).ok()?.ptr)
    }

    #[inline(never)]
    fn put(&self, block: NonNull<u8>) {
        // SAFETY: `take` has it from there, with this size, and nobody uses it any more.
        unsafe { self.unpreserve_free(block, BLOCK_SIZE) }
    }
}

fn region(memory: &Memory) -> impl Blocks + use<> {
    let base = PhysAddr::new(1 << 40).expect("the address is not zero");
    let bytes = NonNull::slice_from_raw_parts(memory.start, Memory::LAYOUT.size());
    // SAFETY: 1 and 2. the pass keeps the memory, which has no other address. 3. It is no one else's.
    unsafe { Region::create_over(base, bytes) }.expect("the memory suits")
}

/// Implements [`Blocks`] for a lock around an allocator: by the layout of a block, and by its two
/// functions.
macro_rules! blocks {
    ($heap:ty, $align:expr, $heap_of:ident: $take:expr, $block:ident, $layout:ident: $put:expr) => {
        impl Blocks for Mutex<$heap> {
            #[inline(never)]
            fn take(&self) -> Option<NonNull<u8>> {
                let $layout = Layout::from_size_align(BLOCK_SIZE, $align).ok()?;
                let mut $heap_of = self.lock().ok()?;
                let block = $take?;
                drop($heap_of);
                zero(block);
                Some(block)
            }

            #[inline(never)]
            fn put(&self, $block: NonNull<u8>) {
                let Ok($layout) = Layout::from_size_align(BLOCK_SIZE, $align) else { return };
                let Ok(mut $heap_of) = self.lock() else { return };
                // SAFETY: `take` has it from there, with this layout, and nobody uses it any more.
                unsafe { $put }
            }
        }
    };
}

type Buddy = buddy_system_allocator::Heap<32>;

blocks!(Buddy, BLOCK_SIZE, heap: heap.alloc(layout).ok(), block, layout: heap.dealloc(block, layout));

fn buddy(memory: &Memory) -> impl Blocks + use<> {
    let mut heap = Buddy::new();
    let start = memory.start.as_ptr().expose_provenance();
    // SAFETY: the pass keeps the memory, which is no one else's.
    unsafe { heap.init(start, Memory::LAYOUT.size()) };
    Mutex::new(heap)
}

type List = linked_list_allocator::Heap;

blocks!(List, BLOCK_SIZE, heap: heap.allocate_first_fit(layout).ok(), block, layout:
    heap.deallocate(block, layout));

fn linked_list(memory: &Memory) -> impl Blocks + use<> {
    // SAFETY: the pass keeps the memory, which is no one else's.
    Mutex::new(unsafe { List::new(memory.start.as_ptr(), Memory::LAYOUT.size()) })
}

type Talc = talc::base::Talc<Manual, DefaultBinning>;

// It writes a tag beside each block: aligned to their size, blocks would take twice the memory.
// SAFETY: a block has bytes.
blocks!(Talc, align_of::<u128>(), heap: unsafe { heap.allocate(layout) }, block, layout:
    heap.deallocate(block.as_ptr(), layout));

fn talc(memory: &Memory) -> impl Blocks + use<> {
    let mut heap = Talc::new(Manual);
    // SAFETY: the pass keeps the memory, which is no one else's.
    let claimed = unsafe { heap.claim(memory.start.as_ptr(), Memory::LAYOUT.size()) };
    claimed.expect("the memory is large enough");
    Mutex::new(heap)
}

/// Fills the memory, and frees blocks at random until so many of a hundred are in use; a pass then
/// allocates some and frees them in another order.
fn pass<B: Blocks>(of: impl FnOnce(&Memory) -> B, percent: usize) -> impl FnMut() -> Duration {
    let memory = Memory::new();
    let heap = of(&memory);
    let mut all = Vec::new();
    while let Some(block) = heap.take() {
        all.push(block);
    }
    let used = all.len() * percent / 100;
    assert!(used + BATCH <= all.len(), "the pass has room");
    for i in shuffled(all.len()).into_iter().skip(used) {
        heap.put(all[i as usize]);
    }
    let order = shuffled(BATCH);
    move || {
        let _memory = &memory;
        let mut blocks = Vec::with_capacity(BATCH);
        time(|| {
            blocks.extend((0..BATCH).map_while(|_| heap.take()));
            order.iter().for_each(|&i| heap.put(black_box(blocks[i as usize])));
        })
    }
}
