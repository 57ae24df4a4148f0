//! Whole lives: records that pass through several kernels, each of which has the memory elsewhere.

use kho_block::{
    BlockSet, IncomingSet, OutgoingSet, PhysAddr, PreservedAllocator, Region, RegionError,
    UnclaimedBlock,
};

use crate::region::{Memory, UNIT, bytes, fill, restore_free, unpreserve_free, unrestore};

const TAG: u64 = 0x5e55;

fn save(region: &Region, entries: core::ops::Range<u64>) {
    let mut set = OutgoingSet::<u64, _>::new(region);
    set.grow(usize::try_from(entries.end - entries.start).unwrap()).unwrap();
    set.writer().extend(entries);
    let sealed = set.seal();
    region.set_root(Some(&sealed.descriptor(TAG)));
    sealed.leave();
}

/// Records of several blocks.
const RECORDS: u64 = if cfg!(miri) { 1100 } else { 5000 };

#[test]
fn records_pass_from_kernel_to_kernel() {
    let memory = Memory::new(0x1_0000_0000, 64);
    save(&memory.create().unwrap(), 0..RECORDS);
    let mut memory = memory;
    for kernel in 1..if cfg!(miri) { 3 } else { 5 } {
        memory = memory.remapped();
        let region = memory.open().unwrap();
        let root = region.root().expect("the previous kernel has set it");
        let mut old = IncomingSet::<u64, _>::restore_from(&region, &root, TAG).unwrap();
        assert!(old.iter().copied().eq((0..RECORDS).map(|i| i + kernel - 1)));
        assert_eq!(region.sweep(), 0);
        save(&region, kernel..RECORDS + kernel);
        old.destroy();
        assert_eq!(region.unclaimed().count(), 0);
    }
    let region = memory.open().unwrap();
    region.set_root(None);
    assert_eq!(region.sweep(), if cfg!(miri) { 2 } else { 5 });
    assert_eq!(region.preserved().count(), 1, "of nothing but the header and the books");
    assert_eq!(memory.remapped().open().unwrap().root(), None);
}

#[test]
fn a_kernel_that_dies_while_it_restores_loses_nothing() {
    let memory = Memory::new(0x10_0000, 64);
    save(&memory.create().unwrap(), 0..RECORDS);
    let region = memory.open().unwrap();
    let root = region.root().unwrap();
    let set = IncomingSet::<u64, _>::restore_from(&region, &root, TAG).unwrap();
    let memory = memory.remapped(); // a kexec with all of it claimed
    drop(set);
    let region = memory.open().unwrap();
    assert_eq!(region.root(), Some(root));
    let set = IncomingSet::<u64, _>::restore_from(&region, &root, TAG).unwrap();
    assert!(set.iter().copied().eq(0..RECORDS));
}

#[test]
fn a_sweep_frees_what_was_never_claimed_and_spares_what_was() {
    let memory = Memory::new(0x7000, 64);
    let region = memory.create().unwrap();
    let sizes = [32, 4096, 8192, 512, 16384];
    let blocks = sizes.map(|size| region.alloc_preserve(size).unwrap());
    for (block, size) in blocks.iter().zip(sizes) {
        fill(*block, size, 7);
    }

    let memory = memory.remapped();
    let region = memory.open().unwrap();
    let [first, second, third, ..] = blocks;
    let claimed = region.restore(first.addr, 32).unwrap();
    let given_back = region.restore(second.addr, 4096).unwrap();
    unrestore(&region, given_back, 4096);
    let again = region.restore(second.addr, 4096).unwrap();
    assert_eq!(region.restore(second.addr, 4096), None);
    unrestore(&region, again, 4096);
    let own = region.alloc_preserve(2048).unwrap();
    let mut unclaimed: Vec<_> = region.unclaimed().collect();
    unclaimed.sort_by_key(|block| block.size);
    let expected = [(512, false), (4096, true), (8192, false), (16384, false)];
    assert!(unclaimed.iter().map(|block| (block.size, block.given_back)).eq(expected));

    assert_eq!(region.sweep(), 3);
    assert_eq!(region.sweep(), 0);
    assert_eq!(region.restore(third.addr, 8192), None);
    let left = UnclaimedBlock { addr: second.addr, size: 4096, given_back: true };
    assert!(region.unclaimed().eq([left]));
    let given_back = region.restore(second.addr, 4096).unwrap();
    assert!(bytes(given_back, 4096).iter().all(|&byte| byte == 7));
    restore_free(&region, given_back, 4096);
    restore_free(&region, claimed, 32);
    unpreserve_free(&region, own.ptr, 2048);
    assert_eq!(region.preserved().count(), 1);
}

#[test]
fn nothing_is_lent_twice_or_by_another_name() {
    let memory = Memory::new(0x1000, 64);
    let region = memory.create().unwrap();
    let block = region.alloc_preserve(8192).unwrap();
    let region = memory.open().unwrap();
    let restore = |addr: u64, size| region.restore(PhysAddr::new(addr).unwrap(), size);
    let addr = block.addr.get();
    for size in (5..usize::BITS).map(|log2| 1 << log2).filter(|&size| size != 8192) {
        assert_eq!(restore(addr, size), None, "{size}");
    }
    for size in [0, 1, 16, 31, 33, 8191, 8193, usize::MAX] {
        assert_eq!(restore(addr, size), None, "{size}");
        region.alloc_preserve(size).unwrap_err();
    }
    for addr in [1, 0x1000, 0x2000, addr - 4096, addr + 1, addr + 4096, addr + 8192, u64::MAX] {
        assert_eq!(restore(addr, 8192), None, "{addr:#x}");
    }
    let ptr = restore(addr, 8192).unwrap();
    assert_eq!(restore(addr, 8192), None, "claimed");
    unpreserve_free(&region, ptr, 8192);
    restore_free(&region, ptr, 4096);
    assert!(region.preserved().any(|range| range.start == block.addr), "left alone");
    restore_free(&region, ptr, 8192);
    assert_eq!(restore(addr, 8192), None, "freed");
}

#[test]
fn ranges_in_use_are_told() {
    let memory = Memory::new(0x4000, 32);
    let region = memory.create().unwrap();
    let block = region.alloc_preserve(UNIT * 8).unwrap();
    let ranges: Vec<_> =
        region.preserved().map(|range| (range.start.get(), range.end.get())).collect();
    let start = block.addr.get();
    assert_eq!(ranges, [(0x4000, 0x6000), (start, start + 0x8000)]);
    for _ in 0..30 - 8 {
        region.alloc_preserve(32).unwrap();
    }
    region.alloc_preserve(32).unwrap_err();
    let all = PhysAddr::new(0x4000).unwrap()..PhysAddr::new(0x2_4000).unwrap();
    assert!(region.preserved().eq([all]), "neighbours are one range");
    assert_eq!((region.base().get(), region.size()), (0x4000, 32 * UNIT));
    assert_eq!(format!("{region:?}"), "Region { base: PhysAddr(0x4000), size: 131072, .. }");
}

#[test]
fn a_region_is_created_once() {
    let memory = Memory::new(0x4000, 32);
    memory.create().unwrap().alloc_preserve(32).unwrap();
    assert_eq!(memory.create().unwrap_err(), RegionError::Exists);
    assert_eq!(memory.open().unwrap().unclaimed().count(), 1);
    assert_eq!(memory.create_over().unwrap().unclaimed().count(), 0);
    assert_eq!(memory.open().unwrap().unclaimed().count(), 0);
}

#[test]
fn sets_with_blocks_of_every_size_are_handed_over() {
    fn check<const BLOCK_SIZE: usize>() {
        let memory = Memory::new(0x20_0000, 128);
        let mut set = BlockSet::<u64, _, _, BLOCK_SIZE>::new(memory.create().unwrap());
        set.extend_from_slice(&[2, 3, 5, 7, 11]).unwrap();
        let head = set.into_head();
        let memory = memory.remapped();
        let region = memory.open().unwrap();
        let mut set = IncomingSet::<u64, _, BLOCK_SIZE>::restore(&region, head).unwrap();
        assert!(set.iter().eq(&[2, 3, 5, 7, 11]));
        set.destroy();
        assert_eq!(region.preserved().count(), 1);
    }
    check::<32>();
    check::<64>();
    check::<2048>();
    check::<4096>();
    check::<65536>();
    if !cfg!(miri) {
        check::<262_144>();
    }
}

#[test]
fn a_region_keeps_every_duty_of_an_allocator() {
    use crate::conformance::every_duty;

    let memory = Memory::new(0x1_0000_3000, if cfg!(miri) { 60 } else { 2000 });
    let kexec = |previous: Option<Region>| match previous {
        None => memory.create_over().unwrap(),
        Some(_) => memory.open().unwrap(),
    };
    let declared = every_duty().claims_survive(true);
    declared.check(kexec).unwrap();
    declared.check_carry(kexec).unwrap();
}
