//! The operations of a region. They know no type of entry.

use core::fmt::{self, Write};

use kho_block::{
    BookFault, CarryAllocator, PreservedAllocator, PreservedBlock, PreservedRanges, Region,
    RegionError, RegionImage, Unclaimed, UnclaimedBlock,
};

use super::*;

operations! {
    create(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Region, RegionError> {
        // SAFETY: nobody calls this.
        unsafe { Region::create(base, memory) }
    }
    create_over(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Region, RegionError> {
        // SAFETY: nobody calls this.
        unsafe { Region::create_over(base, memory) }
    }
    open(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Region, RegionError> {
        // SAFETY: nobody calls this.
        unsafe { Region::open(base, memory) }
    }
    place(region: &Region) -> (PhysAddr, usize) { (region.base(), region.size()) }
    root(region: &Region) -> Option<Descriptor> { region.root() }
    set_root(region: &Region, root: Option<&Descriptor>) { region.set_root(root) }
    sweep(region: &Region) -> usize { region.sweep() }
    unclaimed(unclaimed: &mut Unclaimed<'_>) -> Option<UnclaimedBlock> { unclaimed.next() }
    preserved(ranges: &mut PreservedRanges<'_>) -> Option<core::ops::Range<PhysAddr>> {
        ranges.next()
    }
    of_region(region: &Region) -> (Option<UnclaimedBlock>, usize) {
        (region.unclaimed().last(), region.preserved().count())
    }
    image<'m>(base: PhysAddr, memory: &'m [u8]) -> Result<RegionImage<'m>, RegionError> {
        RegionImage::read(base, memory)
    }
    of_image(image: &RegionImage<'_>) -> (PhysAddr, usize, usize, Option<Descriptor>) {
        (image.base(), image.size(), image.overhead(), image.root())
    }
    block_of_image(image: &RegionImage<'_>, addr: PhysAddr) -> Option<u64> { image.block_at(addr) }
    blocks_of_image(image: &RegionImage<'_>) -> Option<(PhysAddr, u64)> { image.blocks().last() }
    debug_image(image: &RegionImage<'_>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{image:?}")
    }
    alloc_preserve(region: &Region, size: usize) -> Result<PreservedBlock, AllocError> {
        region.alloc_preserve(size)
    }
    unpreserve_free(region: &Region, ptr: NonNull<u8>, size: usize) {
        // SAFETY: nobody calls this.
        unsafe { region.unpreserve_free(ptr, size) }
    }
    restore(region: &Region, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        region.restore(addr, size)
    }
    unrestore(region: &Region, ptr: NonNull<u8>, size: usize) {
        // SAFETY: nobody calls this.
        unsafe { region.unrestore(ptr, size) }
    }
    restore_free(region: &Region, ptr: NonNull<u8>, size: usize) {
        // SAFETY: nobody calls this.
        unsafe { region.restore_free(ptr, size) }
    }
    preserve(region: &Region, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        // SAFETY: nobody calls this.
        unsafe { region.preserve(ptr, size) }
    }
    unpreserve(region: &Region, ptr: NonNull<u8>, size: usize) {
        // SAFETY: nobody calls this.
        unsafe { region.unpreserve(ptr, size) }
    }
    errno(error: &RegionError) -> i32 { error.errno() }
    print_error(error: &RegionError, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{error} {error:?}")
    }
    print_fault(fault: &BookFault, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{fault} {fault:?}")
    }
    debug(region: &Region, to: &mut dyn Write) -> fmt::Result { write!(to, "{region:?}") }
    debug_unclaimed(unclaimed: &Unclaimed<'_>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{unclaimed:?}")
    }
    debug_preserved(ranges: &PreservedRanges<'_>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{ranges:?}")
    }
}
