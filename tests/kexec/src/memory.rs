//! The memory that outlives the kernel: one `Region`, in two calls, and what is free in it.
//!
//! Unsafe is open here to take charge of the region's memory, and to look at what is free.

#![expect(unsafe_code, reason = "vouches for memory, and poisons what is free of it")]

use core::iter;
use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use kho_block::zerocopy::FromBytes;
use kho_block::{PhysAddr, Region, RegionError};
use spin::Once;

use crate::boot::{POISON, RAM, REGION, reach};

/// Bytes of a page, and of the smallest block.
const PAGE_SIZE: usize = 4096;

/// Where the region is.
const BASE: PhysAddr = PhysAddr::new(REGION).expect("it is not at 0");

/// Bytes in use of a region without blocks: its header, and its books, a byte for each page.
pub(crate) const EMPTY: u64 = {
    let pages = (RAM - REGION) / PAGE_SIZE as u64;
    PAGE_SIZE as u64 + pages.next_multiple_of(PAGE_SIZE as u64)
};

/// The region of this kernel.
static MEMORY: Once<Region> = Once::new();

/// Takes charge of the region that the previous kernel left, or makes one, which the second value
/// tells. There need not be a heap.
///
/// # Errors
///
/// If the memory is neither blank nor a region's.
///
/// # Safety
///
/// 1. Nobody else uses the memory from [`REGION`] to [`RAM`], nor will.
/// 2. It is the kernel's first call of this function.
pub(crate) unsafe fn take_charge() -> Result<(&'static Region, bool), RegionError> {
    let memory = NonNull::slice_from_raw_parts(reach(REGION), (RAM - REGION) as usize);
    // SAFETY: 1. `boot.s` has mapped it. 2. `reach` says so. 3. by the caller's word.
    let (region, is_new) = match unsafe { Region::open(BASE, memory) } {
        // SAFETY: as above.
        Err(RegionError::Blank) => (unsafe { Region::create(BASE, memory) }?, true),
        opened => (opened?, false),
    };
    Ok((MEMORY.call_once(|| region), is_new))
}

/// The size of the block that `len` bytes take.
pub(crate) fn block_for(len: usize) -> usize {
    len.next_power_of_two().max(PAGE_SIZE)
}

/// Bytes of the region that the next kernel would find in use.
pub(crate) fn in_use(region: &Region) -> u64 {
    region.preserved().map(|range| range.end.get() - range.start.get()).sum()
}

/// Bytes of all blocks that previous kernels left, and that this one has never claimed.
pub(crate) fn never_claimed(region: &Region) -> u64 {
    let blocks = region.unclaimed().filter(|block| !block.given_back);
    blocks.map(|block| block.size as u64).sum()
}

/// The free ranges of the region, as large as they can be.
pub(crate) fn holes(region: &Region) -> impl Iterator<Item = Range<u64>> {
    let mut ranges = region.preserved();
    let mut start = ranges.next().map_or(RAM, |range| range.end.get());
    iter::from_fn(move || {
        let range = ranges.next();
        let hole = start..range.as_ref().map_or(RAM, |range| range.start.get());
        start = range.map_or(RAM, |range| range.end.get());
        (hole.start < RAM).then_some(hole)
    })
}

/// Fills all that is free in the region with poison.
///
/// # Safety
///
/// Nothing is allocated or freed in the region any more: it keeps notes in what is free.
pub(crate) unsafe fn poison_free(region: &Region) {
    for hole in holes(region) {
        let words = (hole.end - hole.start) as usize / size_of::<u64>();
        // SAFETY: the memory is mapped, and nobody's by the region's books; nor does the region use
        // it, by the caller's word.
        unsafe { slice::from_raw_parts_mut(reach(hole.start).cast().as_ptr(), words) }.fill(POISON);
    }
}

/// Whether all that is free is poison, but for what the region noted there since it was opened.
///
/// # Safety
///
/// Nothing has been allocated or freed in the region.
pub(crate) unsafe fn free_is_poisoned(region: &Region) -> bool {
    const NOTE: usize = 3;
    let is_poison = |words: &[u64]| words.iter().all(|&word| word == POISON);
    holes(region).all(|hole| {
        let pages = (hole.end - hole.start) as usize / PAGE_SIZE;
        let start = reach(hole.start).cast::<[u64; PAGE_SIZE / 8]>().as_ptr();
        // SAFETY: the memory is mapped, initialised as memory is, and nobody writes to it, by the
        // caller's word.
        let free = unsafe { slice::from_raw_parts(start, pages) };
        let notes = free.iter().filter(|page| !is_poison(&page[..NOTE])).count();
        // A note is at the start of a block, and a range is no more than two of each size.
        notes <= 2 * (pages.ilog2() as usize + 1)
            && free.iter().all(|page| is_poison(&page[NOTE..]))
    })
}

/// What is at an address, if that is in the region.
///
/// # Safety
///
/// Nobody writes there meanwhile, as before a block was lent.
pub(crate) unsafe fn read<T: FromBytes>(region: &Region, addr: PhysAddr) -> Option<T> {
    let offset = addr.get().checked_sub(region.base().get())? as usize;
    if offset > region.size() - size_of::<T>() {
        return None;
    }
    // SAFETY: it lies in the region, which is mapped and initialised, and any bytes are a value; by
    // the caller's word nobody writes to it.
    Some(unsafe { reach(addr.get()).cast().read_unaligned() })
}
