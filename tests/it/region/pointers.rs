//! A pointer to an entry in a region: good while other blocks come and go, and while others ask.

use kho_block::{OutgoingSet, OutgoingSlots, PreservedAllocator, Region};

use crate::device::{TURNS, while_it_counts};
use crate::region::{Memory, UNIT, unpreserve_free};

/// Six entries to a block, which has a page of its own.
type Set<'m> = OutgoingSet<u64, &'m Region, 64>;

/// All that a region does, but for its one block of 64 bytes.
fn work_beside_the_set(region: &Region, set: &Set<'_>) {
    let before: Vec<_> = region.preserved().collect();
    region.set_root(Some(&set.descriptor(7)));
    let mut sizes: Vec<_> = [32, 64, UNIT, 4 * UNIT].into();
    sizes.extend([64; 3]);
    let lent = sizes.iter().map(|&size| region.alloc_preserve(size).unwrap());
    let lent: Vec<_> = lent.zip(&sizes).collect();
    assert_eq!(region.root().unwrap().head(), set.head());
    for (block, &size) in lent.into_iter().rev() {
        unpreserve_free(region, block.ptr, size);
    }
    let mut table = OutgoingSlots::<u64, _, 64>::new(region);
    table.grow(20).unwrap();
    let key = table.insert(3).unwrap();
    assert_eq!(table.remove(key), Some(3));
    drop(table);
    assert_eq!((region.unclaimed().count(), region.sweep()), (0, 0));
    let addr = set.head().unwrap();
    assert_eq!((region.restore(addr, 64), region.restore(addr, 4096)), (None, None));
    assert!(region.preserved().eq(before));
    region.alloc_preserve(1 << 30).unwrap_err();
    region.set_root(None);
}

#[test]
fn a_device_may_write_through_it_while_a_region_is_used() {
    let memory = Memory::new(0x10_0000, 32);
    let region = memory.create().unwrap();
    let mut set = Set::new(&region);
    set.extend_from_slice(&[0, 20, 30]).unwrap();
    let first = set.entry_ptr(0).unwrap();
    let (times, ()) = while_it_counts(first, || {
        (0..TURNS).for_each(|_| work_beside_the_set(&region, &set));
    });
    assert_eq!(set.get(0), Some(&times), "no count is lost");
    region.set_root(Some(&set.descriptor(7)));
    let _ = set.into_head();
}
