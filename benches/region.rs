//! What a [`Region`] of a million units takes for a block, at every degree of fullness.
//!
//! ```text
//! cargo bench --locked -p kho-block-benches --bench region
//! KHO_REGION_UNITS=100000 cargo bench --locked -p kho-block-benches --bench region
//! ```
//!
//! It takes four GiB of memory for a million. Figures are nanoseconds. "Cold" is the mean of the
//! allocations that fill the last five percent up to there, out of memory that was freed in random
//! order; "warm" that of allocations of what was freed just before, and "free" that of freeing it. The
//! last column is wall-clock time for each call, of both kinds, with four threads at them. Blocks have
//! 32 bytes, so that zeroing them is not what is timed, but where it says otherwise.
//!
//! Unsafe is open here to vouch for memory, and to give blocks back.

#![expect(unsafe_code, reason = "vouches for memory, and gives blocks back")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a benchmark that is wrong may panic, and its numbers are its own"
)]

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, handle_alloc_error};
use std::time::Instant;
use std::{env, thread};

use kho_block::{PhysAddr, PreservedAllocator, PreservedBlock, Region};

const UNIT: usize = 4096;

/// Allocations that are timed at once.
const BATCH: usize = 4096;

/// Numbers without a pattern (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Memory that stays until the process ends.
fn memory(units: usize) -> NonNull<[u8]> {
    let layout = Layout::from_size_align(units * UNIT, UNIT).unwrap();
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
    // Every page is there before anything is timed.
    for unit in 0..units {
        // SAFETY: the byte lies in the memory.
        let byte = unsafe { memory.add(unit * UNIT) };
        // SAFETY: nobody else uses it yet.
        unsafe { byte.write_volatile(0) };
    }
    NonNull::slice_from_raw_parts(memory, units * UNIT)
}

fn base() -> PhysAddr {
    PhysAddr::new(1 << 40).unwrap()
}

fn free(region: &Region, ptr: NonNull<u8>, size: usize) {
    // SAFETY: the callers have it from `alloc_preserve`, with this size, and use it no more.
    unsafe { region.unpreserve_free(ptr, size) }
}

/// Allocates until so many units are in use, of sizes from `size`; returns the blocks.
fn fill(
    region: &Region,
    blocks: &mut Vec<(PreservedBlock, usize)>,
    units: usize,
    mut size: impl FnMut() -> usize,
) {
    let mut used: usize = blocks.iter().map(|(_, size)| size.div_ceil(UNIT)).sum();
    while used < units {
        let size = size();
        let Ok(block) = region.alloc_preserve(size) else { break };
        used += size.div_ceil(UNIT);
        blocks.push((block, size));
    }
}

/// The time of an allocation and of a freeing, in nanoseconds, with what is in use now; and how many
/// of a hundred were refused.
fn time(region: &Region, rounds: usize, mut size: impl FnMut() -> usize) -> (f64, f64, f64) {
    let (mut allocating, mut freeing, mut refused) = (0.0, 0.0, 0);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        let sizes: Vec<usize> = (0..BATCH).map(|_| size()).collect();
        let mut blocks = Vec::with_capacity(BATCH);
        let start = Instant::now();
        for &size in &sizes {
            match region.alloc_preserve(size) {
                Ok(block) => blocks.push((block.ptr, size)),
                Err(_) => refused += 1,
            }
        }
        allocating += start.elapsed().as_secs_f64();
        numbers.shuffle(&mut blocks);
        let start = Instant::now();
        for &(ptr, size) in &blocks {
            free(region, ptr, size);
        }
        freeing += start.elapsed().as_secs_f64();
    }
    let calls = (rounds * BATCH) as f64;
    (allocating * 1e9 / calls, freeing * 1e9 / calls, f64::from(refused) * 100.0 / calls)
}

fn main() {
    let units = env::var("KHO_REGION_UNITS").map_or(1_000_000, |units| units.parse().unwrap());
    let memory = memory(units);
    for (name, sizes) in [
        ("32 bytes", [32; 4]),
        ("4096 bytes", [4096; 4]),
        ("mixed: 32, 8K, 16K, 64K", [32, 8192, 16384, 65536]),
    ] {
        println!(
            "\n{name}, {units} units\n  full     cold     warm     free  refused  four threads"
        );
        // SAFETY: 1 and 2. the memory stays, and has no other address. 3. One after the other.
        let region = unsafe { Region::create_over(base(), memory) }.unwrap();
        let mut numbers = Numbers(88_172_645_463_325_252);
        let mut blocks = Vec::with_capacity(units);
        let mut choose = Numbers(362_436_069);
        fill(&region, &mut blocks, units / 100 * 95, || sizes[choose.below(4)]);
        // What is free is scattered over all of the region, and in no cache.
        numbers.shuffle(&mut blocks);
        for (block, size) in blocks.drain(blocks.len() / 20..) {
            free(&region, block.ptr, size);
        }
        for percent in [10, 50, 90, 95] {
            fill(&region, &mut blocks, units / 100 * (percent - 5), || sizes[choose.below(4)]);
            let before = blocks.len();
            let start = Instant::now();
            fill(&region, &mut blocks, units / 100 * percent, || sizes[choose.below(4)]);
            let cold = start.elapsed().as_secs_f64() * 1e9 / (blocks.len() - before).max(1) as f64;
            let mut choose = Numbers(521_288_629);
            let (allocate, freed, refused) = time(&region, 50, || sizes[choose.below(4)]);
            let region = &region;
            let start = Instant::now();
            thread::scope(|scope| {
                for seed in [1, 2, 3, 4] {
                    scope.spawn(move || {
                        let mut choose = Numbers(seed * 521_288_629);
                        time(region, 25, || sizes[choose.below(4)])
                    });
                }
            });
            let calls = (4 * 2 * 25 * BATCH) as f64;
            let wall = start.elapsed().as_secs_f64() * 1e9 / calls;
            println!(
                "  {percent:3} %  {cold:7.1}  {allocate:7.1}  {freed:7.1}  {refused:6.1} %  {wall:7.1}"
            );
        }
        let start = Instant::now();
        // SAFETY: as above; the region before is used no more.
        let region = unsafe { Region::open(base(), memory) }.unwrap();
        let opened = start.elapsed();
        let start = Instant::now();
        let swept = region.sweep();
        println!("  opened in {opened:?}; {swept} blocks swept in {:?}", start.elapsed());
    }
}
