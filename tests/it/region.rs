//! The allocator that is simply there, from the kernel that creates it to the last that opens it.
//!
//! Unsafe is open here to be a kernel: to vouch for memory, and to give blocks back.

#![expect(unsafe_code, reason = "vouches for memory, and calls the allocator as a set does")]
#![expect(clippy::as_conversions, reason = "the numbers of a test are small")]

mod books;
mod exhaustive;
mod header;
mod life;
mod model;
mod pointers;
mod saying;
mod sizes;
mod tables;
mod threads;

use core::alloc::Layout;
use core::ptr::NonNull;
use core::slice;
use std::alloc::{alloc, dealloc};

use kho_block::{PhysAddr, PreservedAllocator, PreservedBlock, Region, RegionError, RegionImage};

const UNIT: usize = 4096;

/// In every byte that was never written.
const POISON: u8 = 0xdb;

/// Physical memory at an address, mapped somewhere.
struct Memory {
    base: u64,
    units: usize,
    at: NonNull<u8>,
}

impl Memory {
    fn layout(units: usize) -> Layout {
        Layout::from_size_align(units * UNIT, UNIT).unwrap()
    }

    /// Memory of this many units, never written, at a physical address.
    fn new(base: u64, units: usize) -> Self {
        // SAFETY: there is at least a unit.
        let at = NonNull::new(unsafe { alloc(Self::layout(units)) }).unwrap();
        // SAFETY: it is as long.
        unsafe { at.write_bytes(POISON, units * UNIT) };
        Self { base, units, at }
    }

    fn base(&self) -> PhysAddr {
        PhysAddr::new(self.base).unwrap()
    }

    fn mapping(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.at, self.units * UNIT)
    }

    /// The bytes, while no region is used.
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped and initialised, and no one else uses it, by the comment above.
        unsafe { slice::from_raw_parts_mut(self.at.as_ptr(), self.units * UNIT) }
    }

    /// # Errors
    ///
    /// If there is a region.
    fn create(&self) -> Result<Region, RegionError> {
        // SAFETY: 1. Tests drop the memory last. 2. So it is called. 3. Tests use one region at a time.
        unsafe { Region::create(self.base(), self.mapping()) }
    }

    /// # Errors
    ///
    /// Never.
    fn create_over(&self) -> Result<Region, RegionError> {
        // SAFETY: as above.
        unsafe { Region::create_over(self.base(), self.mapping()) }
    }

    /// Opens the region, of which its image has said the same before.
    ///
    /// # Errors
    ///
    /// What is wrong.
    fn open(&self) -> Result<Region, RegionError> {
        // SAFETY: mapped and initialised; nobody writes before the image is read.
        let bytes = unsafe { slice::from_raw_parts(self.at.as_ptr(), self.units * UNIT) };
        let image = RegionImage::read(self.base(), bytes);
        let image = image.map(|image| {
            let named = |&(addr, size): &(PhysAddr, u64)| image.block_at(addr) == Some(size);
            assert!(image.blocks().all(|block| named(&block)));
            let units = (self.base..).step_by(UNIT).take(self.units).filter_map(PhysAddr::new);
            let starts = units.filter(|&addr| image.block_at(addr).is_some());
            assert_eq!(starts.count(), image.blocks().count());
            (image.size(), image.root(), image.blocks().collect())
        });
        // SAFETY: as above.
        let region = unsafe { Region::open(self.base(), self.mapping()) };
        let opened = region.as_ref().map_err(|&error| error).map(|region| {
            let left = region.unclaimed().map(|block| (block.addr, block.size as u64));
            (region.size(), region.root(), left.collect::<Vec<_>>())
        });
        match opened {
            // What the memory is, rather than what it says.
            Err(RegionError::Length { .. } | RegionError::Size { .. }) => {}
            opened => assert_eq!(image, opened),
        }
        region
    }

    /// The same physical memory, mapped somewhere else: what the next kernel has.
    fn remapped(&self) -> Self {
        let other = Self::new(self.base, self.units);
        // SAFETY: both are as long, and apart.
        unsafe { other.at.copy_from_nonoverlapping(self.at, self.units * UNIT) };
        other
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and used no more.
        unsafe { dealloc(self.at.as_ptr(), Self::layout(self.units)) }
    }
}

/// Every byte of a lent block.
fn fill(block: PreservedBlock, size: usize, byte: u8) {
    // SAFETY: the block is lent to the test, and is as long.
    unsafe { block.ptr.write_bytes(byte, size) };
}

/// The bytes of a lent block.
fn bytes<'a>(ptr: NonNull<u8>, size: usize) -> &'a [u8] {
    // SAFETY: the block is lent to the test, is as long, and is not written while this is used.
    unsafe { slice::from_raw_parts(ptr.as_ptr(), size) }
}

fn unpreserve_free(region: &Region, ptr: NonNull<u8>, size: usize) {
    // SAFETY: the books are asked about the block, and one that they do not know is left alone.
    unsafe { region.unpreserve_free(ptr, size) }
}

fn unrestore(region: &Region, ptr: NonNull<u8>, size: usize) {
    // SAFETY: as above.
    unsafe { region.unrestore(ptr, size) }
}

fn restore_free(region: &Region, ptr: NonNull<u8>, size: usize) {
    // SAFETY: as above.
    unsafe { region.restore_free(ptr, size) }
}

/// Allocates all that is free, and restores all that is left, of every size; checks that every block
/// is in place and that none overlap. Returns the bytes of the blocks, in units each, allocated and
/// restored.
fn lend_everything(region: &Region) -> (usize, usize) {
    let base = region.base().get();
    let units = region.size() / UNIT;
    let mut lent = vec![false; units];
    let mut lend = |addr: PhysAddr, ptr: NonNull<u8>, size: usize| {
        assert!(addr.is_aligned_to(size as u64), "{addr} is no place for {size} bytes");
        assert_eq!(ptr.addr().get() % size.min(UNIT), 0);
        let first = usize::try_from(addr.get() - base).unwrap() / UNIT;
        for (unit, lent) in lent.iter_mut().enumerate().skip(first).take(size.div_ceil(UNIT)) {
            assert!(!core::mem::replace(lent, true), "unit {unit} is lent twice");
        }
        size.div_ceil(UNIT)
    };
    let (mut allocated, mut restored) = (0, 0);
    for log2 in (5..usize::BITS.min(48)).rev() {
        while let Ok(PreservedBlock { ptr, addr }) = region.alloc_preserve(1 << log2) {
            assert!(*bytes(ptr, 1 << log2) == *vec![0; 1 << log2]);
            allocated += lend(addr, ptr, 1 << log2);
        }
    }
    for log2 in 5..usize::BITS {
        for unit in 0..units {
            let addr = PhysAddr::new(base + (unit * UNIT) as u64).unwrap();
            if let Some(ptr) = region.restore(addr, 1 << log2) {
                restored += lend(addr, ptr, 1 << log2);
            }
        }
    }
    (allocated, restored)
}
