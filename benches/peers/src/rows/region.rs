//! A region beside the allocators that people use: blocks of 8 KiB come and go, zeroed, with half of
//! the memory in use, and with nearly all of it. And what the next kernel does to open a large one.
//!
//! Each is behind a lock, as a region is; only the region keeps books that the next kernel finds.
//! Unsafe is open here to own memory, and to give it to allocators and back.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::hint::black_box;
use std::iter;
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
    open(report);
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
    let memory = Memory::new(BLOCKS);
    (0..BLOCKS).for_each(|i| zero(memory.block(i)));
    let blocks: Vec<_> = shuffled(BLOCKS).into_iter().take(BATCH).map(|i| i as usize).collect();
    contest.enter("zeroing", move || time(|| blocks.iter().for_each(|&i| zero(memory.block(i)))));
    report.run(contest);
}

/// Memory for one allocator.
///
/// # Invariants
///
/// `start` has as many initialised bytes as `layout` says, until this is dropped.
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn new(blocks: usize) -> Self {
        let layout = Layout::from_size_align(blocks * BLOCK_SIZE, BLOCK_SIZE);
        let layout = layout.expect("blocks have a power of two of bytes");
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        // INVARIANT: as just allocated.
        Self { start, layout }
    }

    fn block(&self, i: usize) -> NonNull<u8> {
        assert!(i < self.layout.size() / BLOCK_SIZE, "the memory has as many blocks");
        // SAFETY: the block lies within the memory.
        unsafe { self.start.add(i * BLOCK_SIZE) }
    }

    fn bytes(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.start, self.layout.size())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and whoever allocates from it is gone.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
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

fn base() -> PhysAddr {
    PhysAddr::new(1 << 40).expect("the address is not zero")
}

fn region(memory: &Memory) -> impl Blocks + use<> {
    // SAFETY: 1 and 2. the pass keeps the memory, which has no other address. 3. It is no one else's.
    unsafe { Region::create_over(base(), memory.bytes()) }.expect("the memory suits")
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
    unsafe { heap.init(start, memory.layout.size()) };
    Mutex::new(heap)
}

type List = linked_list_allocator::Heap;

blocks!(List, BLOCK_SIZE, heap: heap.allocate_first_fit(layout).ok(), block, layout:
    heap.deallocate(block, layout));

fn linked_list(memory: &Memory) -> impl Blocks + use<> {
    // SAFETY: the pass keeps the memory, which is no one else's.
    Mutex::new(unsafe { List::new(memory.start.as_ptr(), memory.layout.size()) })
}

type Talc = talc::base::Talc<Manual, DefaultBinning>;

// It writes a tag beside each block: aligned to their size, blocks would take twice the memory.
// SAFETY: a block has bytes.
blocks!(Talc, align_of::<u128>(), heap: unsafe { heap.allocate(layout) }, block, layout:
    heap.deallocate(block.as_ptr(), layout));

fn talc(memory: &Memory) -> impl Blocks + use<> {
    let mut heap = Talc::new(Manual);
    // SAFETY: the pass keeps the memory, which is no one else's.
    let claimed = unsafe { heap.claim(memory.start.as_ptr(), memory.layout.size()) };
    claimed.expect("the memory is large enough");
    Mutex::new(heap)
}

/// Fills the memory, and frees blocks at random until so many of a hundred are in use; returns those
/// that are free.
fn fill(heap: &impl Blocks, percent: usize) -> Vec<NonNull<u8>> {
    let all: Vec<_> = iter::from_fn(|| heap.take()).collect();
    let used = all.len() * percent / 100;
    let free = shuffled(all.len()).into_iter().skip(used).map(|i| all[i as usize]);
    free.inspect(|&block| heap.put(block)).collect()
}

/// A pass allocates some blocks and frees them in another order.
fn pass<B: Blocks>(of: impl FnOnce(&Memory) -> B, percent: usize) -> impl FnMut() -> Duration {
    let memory = Memory::new(BLOCKS);
    let heap = of(&memory);
    assert!(fill(&heap, percent).len() >= BATCH, "the pass has room");
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

/// A million units, which are four GiB, half of them in use. Every free block gets its links, so writing to each is the
/// least that it takes.
fn open(report: &mut Report) {
    const WHAT: &str = "Region::open, for each unit";
    if !report.wants(WHAT) {
        return;
    }
    let units = if report.once { 10_000 } else { 1_000_000 };
    let memory = &Memory::new(units / 2);
    let mut free = fill(&region(memory), 50);
    free.sort_unstable();
    let mut contest = Contest::new(WHAT, BLOCK_SIZE, units / 2, units);
    contest.enter(OURS, move || {
        // SAFETY: 1 and 2. as for `region`. 3. The region before is used no more.
        time(|| unsafe { Region::open(base(), memory.bytes()) }.expect("a region was left"))
    });
    contest.enter("free blocks alone", move || {
        time(|| {
            for block in &free {
                // SAFETY: a block of the memory, which no region uses between two passes.
                unsafe { block.cast::<[u64; 2]>().write([0; 2]) }
            }
        })
    });
    report.run(contest);
}
