//! What has no type of entry.

use super::*;

operations! {
    layout() -> [usize; 3] {
        [
            Set::<T, Incoming, SIZE>::LAYOUT.capacity(),
            Set::<T, Incoming, SIZE>::CAPACITY_PER_BLOCK,
            Set::<T, Incoming, SIZE>::MAX_BLOCKS,
        ]
    }
    layout_new(entry_size: usize, block_size: usize) -> Option<ChainLayout> {
        ChainLayout::new(entry_size, block_size)
    }
    layout_sizes(layout: ChainLayout) -> [usize; 3] {
        [layout.entry_size(), layout.block_size(), layout.capacity()]
    }
    per_block(block_size: usize, entry_size: usize) -> usize {
        entries_per_block(block_size, entry_size)
    }

    block_addrs_clone<'s>(addrs: &BlockAddrs<'s>) -> BlockAddrs<'s> { addrs.clone() }
    block_addrs_next(addrs: &mut BlockAddrs<'_>) -> Option<PhysAddr> { addrs.next() }
    block_addrs_next_back(addrs: &mut BlockAddrs<'_>) -> Option<PhysAddr> { addrs.next_back() }
    block_addrs_nth(addrs: &mut BlockAddrs<'_>, n: usize) -> Option<PhysAddr> { addrs.nth(n) }
    block_addrs_nth_back(addrs: &mut BlockAddrs<'_>, n: usize) -> Option<PhysAddr> {
        addrs.nth_back(n)
    }
    block_addrs_len(addrs: &BlockAddrs<'_>) -> usize { addrs.len() }
    block_addrs_fold(addrs: BlockAddrs<'_>, see: fn(PhysAddr)) { addrs.for_each(see) }

    addr_new(addr: u64) -> Option<PhysAddr> { PhysAddr::new(addr) }
    addr_get(addr: PhysAddr) -> u64 { addr.get() }
    addr_to_wire(addr: Option<PhysAddr>) -> u64 { PhysAddr::to_wire(addr) }
    addr_is_aligned_to(addr: PhysAddr, align: u64) -> bool { addr.is_aligned_to(align) }
    addr_checked_add(addr: PhysAddr, offset: u64) -> Option<PhysAddr> {
        addr.checked_add(offset)
    }
    addr_from(addr: NonZeroU64) -> PhysAddr { addr.into() }
    addr_into(addr: PhysAddr) -> NonZeroU64 { addr.into() }
    addr_into_number(addr: PhysAddr) -> u64 { addr.into() }

    descriptor_head(descriptor: &Descriptor) -> Option<PhysAddr> { descriptor.head() }
    descriptor_check(descriptor: &Descriptor, layout: ChainLayout, tag: u64)
        -> Result<RestoreChecks, DescriptorError> { descriptor.check(layout, tag) }
    descriptor_read(root: &[u8]) -> Option<Descriptor> {
        Some(Descriptor::read_from_prefix(root).ok()?.0)
    }
    descriptor_write(descriptor: &Descriptor, root: &mut [u8]) -> bool {
        descriptor.write_to_prefix(root).is_ok()
    }

    alloc_errno(error: &AllocError) -> i32 { error.errno() }
    grow_errno(error: &GrowError) -> i32 { error.errno() }
    capacity_errno(error: &CapacityError) -> i32 { error.errno() }
    restore_errno(error: &RestoreError) -> i32 { error.errno() }
    descriptor_errno(error: &DescriptorError) -> i32 { error.errno() }
    restore_from_errno(error: &RestoreFromError) -> i32 { error.errno() }
    restore_from_descriptor(error: DescriptorError) -> RestoreFromError { error.into() }
    restore_from_chain(error: RestoreError) -> RestoreFromError { error.into() }
    restore_from_source(error: &RestoreFromError) -> bool {
        core::error::Error::source(error).is_some()
    }
}
