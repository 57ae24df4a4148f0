//! Which memory suits, which sizes blocks have, and how full a region gets.

use core::iter;
use core::ptr::NonNull;

use kho_block::{PhysAddr, PreservedAllocator, PreservedBlock, Region, RegionError, RegionImage};

use crate::region::{Memory, UNIT, fill, lend_everything, unpreserve_free};

#[test]
fn blocks_of_every_size_are_naturally_aligned_wherever_the_region_is() {
    let bases = [0x1000, 0x3000, 0x4000, 0x7f_f000, 0xffff_ffff_f000, u64::MAX - 0xff_ffff];
    for base in bases.into_iter().skip(if cfg!(miri) { 5 } else { 0 }) {
        let base = base / UNIT as u64 * UNIT as u64;
        let memory = Memory::new(base, 200);
        let region = memory.create().unwrap();
        for log2 in 5..18 {
            let size = 1 << log2;
            let block = region.alloc_preserve(size).unwrap();
            fill(block, size, log2);
        }
        let (allocated, restored) = lend_everything(&region);
        assert_eq!((allocated, restored), (198 - 7 - (2 + 4 + 8 + 16 + 32) - 1, 0), "{base:#x}");
        let region = memory.open().unwrap();
        assert_eq!(lend_everything(&region), (0, 198), "{base:#x}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let memory = Memory::new(0x1000, 18);
    let region = memory.create().unwrap();
    for log2 in 17..usize::BITS {
        region.alloc_preserve(1 << log2).unwrap_err();
    }
    assert_eq!(lend_everything(&region), (16, 0));
}

#[test]
fn a_region_that_was_full_is_as_good_as_new_when_it_is_empty() {
    for base in [0x40_0000, 0x40_1000, 0x3f_7000].into_iter().skip(if cfg!(miri) { 2 } else { 0 }) {
        let memory = Memory::new(base, 130);
        let region = memory.create().unwrap();
        let largest = |region: &Region| {
            let sizes = (5..20).rev().map(|log2| 1 << log2);
            let found = sizes.filter_map(|size| Some((size, region.alloc_preserve(size).ok()?)));
            let (size, block) = found.into_iter().next().unwrap();
            unpreserve_free(region, block.ptr, size);
            size
        };
        let before = largest(&region);
        for shuffled in 0..4 {
            let size = 32 << (shuffled * 3);
            let mut blocks: Vec<PreservedBlock> =
                iter::from_fn(|| region.alloc_preserve(size).ok()).collect();
            assert!(blocks.len() >= 100 / size.div_ceil(UNIT));
            region.alloc_preserve(size).unwrap_err();
            for step in [7, 3, 1] {
                let mut rest = Vec::new();
                for (i, block) in blocks.into_iter().enumerate() {
                    if i % step == 0 {
                        unpreserve_free(&region, block.ptr, size);
                    } else {
                        rest.push(block);
                    }
                }
                blocks = rest;
            }
            assert_eq!(largest(&region), before, "{base:#x}");
        }
        assert_eq!(lend_everything(&region), (128, 0));
    }
}

#[test]
fn memory_that_does_not_suit_is_refused_by_name() {
    let memory = Memory::new(0x10_0000, 8);
    let base = PhysAddr::new(0x10_0000).unwrap();
    let all = memory.mapping();
    let part = |from: usize, bytes: usize| {
        // SAFETY: it stays within the memory.
        NonNull::slice_from_raw_parts(unsafe { all.cast::<u8>().add(from) }, bytes)
    };
    type Call = unsafe fn(PhysAddr, NonNull<[u8]>) -> Result<Region, RegionError>;
    for call in [Region::open as Call, Region::create, Region::create_over] {
        // SAFETY: 1 and 3. as in `Memory::create`. 2. It is what this test says, or is refused.
        let call = |base: PhysAddr, memory| unsafe { call(base, memory) }.map(drop).unwrap_err();
        let odd = base.checked_add(0x800).unwrap();
        assert_eq!(call(odd, all), RegionError::Misaligned { base: odd });
        let addr = memory.at.addr().get() + 8;
        assert_eq!(call(base, part(8, 3 * UNIT)), RegionError::MisalignedPointer { addr });
        for bytes in [0, 1, UNIT, 2 * UNIT, 3 * UNIT - 1, 3 * UNIT + 1] {
            assert_eq!(call(base, part(0, bytes)), RegionError::Size { bytes });
        }
        let last = PhysAddr::new(u64::MAX - 0xfff).unwrap();
        assert_eq!(call(last, all), RegionError::Size { bytes: 8 * UNIT });
    }
    let mut memory = memory;
    assert!(memory.bytes().iter().all(|&byte| byte == super::POISON), "no byte has changed");
    let three = part(0, 3 * UNIT);
    // SAFETY: as above.
    let region = unsafe { Region::create(base, three) }.unwrap();
    assert_eq!(lend_everything(&region), (1, 0));
}

#[test]
#[cfg_attr(miri, ignore = "thousands of units take minutes, and `region::books` has some")]
fn large_regions_have_as_many_units_of_books_as_it_takes() {
    for (units, books) in [(4096, 1), (4097, 2), (8192, 2), (8193, 3)] {
        let mut memory = Memory::new(0x1000, units);
        assert_eq!(lend_everything(&memory.create().unwrap()), (units - 1 - books, 0));
        let base = memory.base();
        let image = RegionImage::read(base, memory.bytes()).unwrap();
        assert_eq!(image.overhead(), (1 + books) * UNIT);
        assert!(memory.open().unwrap().sweep() > 0);
        assert_eq!(lend_everything(&memory.open().unwrap()), (units - 1 - books, 0));
    }
}
