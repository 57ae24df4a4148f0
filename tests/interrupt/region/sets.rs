//! A set of the previous kernel that goes on in a region: after every instruction, a new kernel opens
//! a copy of the memory, restores the set by the root that lies there, and goes on with it.

use core::mem;
use core::ptr::NonNull;
use std::io::stdin;

use kho_block::{IncomingSet, OutgoingSet, Region};

use super::kernels::{BYTES, create_over, open, watch};
use crate::memory::BLOCK_SIZE;
use crate::strict::{When, restore};
use crate::{Entry, TAG, entries, entry, memory, stepper};

type Set<'r> = OutgoingSet<Entry, &'r Region, BLOCK_SIZE>;
type Taken<'r> = IncomingSet<Entry, &'r Region, BLOCK_SIZE>;

/// The first kernel: six entries in two blocks. It leaves two spare ones, too.
fn leave(memory: NonNull<u8>) {
    let region = create_over(memory);
    let mut set = Set::new(&region);
    set.grow(16).unwrap();
    region.set_root(Some(&set.descriptor(TAG)));
    set.extend_from_slice(&entries(0..6)).unwrap();
    // A kexec comes before it is sealed.
    mem::forget(set);
}

/// The second one, which is stopped: takes the set over, and works in it.
fn work(region: &Region) {
    let taken = Taken::restore_from(region, &region.root().unwrap(), TAG).unwrap();
    assert_eq!(region.sweep(), 2);
    let mut set = taken.adopt().map_err(|error| error.into_kind()).unwrap();
    set.grow(20).unwrap();
    set.push(entry(6)).unwrap();
    set.extend_from_slice(&entries(7..10)).unwrap();
    assert_eq!((set.pop(), set.pop()), (Some(entry(9)), Some(entry(8))));
    set.shrink(0);
    set.try_extend((8..11).map(entry)).unwrap();
    set.truncate(3);
    set.grow(20).unwrap();
    let mut set = set.seal().unseal();
    set.extend_from_slice(&entries(3..5)).unwrap();
    assert_eq!(set.into_head(), region.root().unwrap().head());
}

/// The same, but it takes entries out before it adopts the set, so that a block without any stays in
/// the chain until then; and it ends the set.
fn end(region: &Region) {
    let root = region.root().unwrap();
    let mut taken = Taken::restore_from(region, &root, TAG).unwrap();
    // Without a promise: that of the kernel before does not hold of such a chain.
    region.set_root(Some(&taken.descriptor(TAG)));
    assert_eq!((taken.pop(), taken.pop()), (Some(entry(5)), Some(entry(4))));
    let mut set = taken.adopt().map_err(|error| error.into_kind()).unwrap();
    region.set_root(Some(&set.descriptor(TAG)));
    assert_eq!((set.block_count(), region.sweep()), (2, 2));
    set.push(entry(4)).unwrap();
    set.clear();
    set.push(entry(0)).unwrap();
    region.set_root(None);
    set.destroy();
}

/// What a new kernel finds in `memory`, and goes on with: how many entries. `None` without a root.
fn look(memory: NonNull<u8>, when: When) -> Option<usize> {
    let region = open(memory).unwrap();
    let root = region.root()?;
    let set = restore::<Entry, _, BLOCK_SIZE>(&region, &root, TAG, when).unwrap();
    let found = set.len();
    assert!(set.iter().copied().eq((0..found).map(entry)));

    let mut set = set.adopt().map_err(|error| error.into_kind()).unwrap();
    region.sweep();
    set.audit().unwrap();
    let more = (found..).take_while(|&i| set.push(entry(i)).is_ok()).count();
    set.audit().unwrap();
    // Of 18 units two are the region's own, and in all others there are four entries.
    assert_eq!((set.len(), more), (16 * 4, 64_usize.saturating_sub(found)));
    assert!(set.iter().copied().eq((0..set.len()).map(entry)));
    Some(found)
}

/// Lets the second kernel `work` on what the first one left, stops it after every instruction, and
/// compares what new kernels find with `expected`. `test` is the name of the test in this file.
fn interrupted(test: &str, work: impl FnOnce(&Region), expected: &[Option<usize>]) {
    if stepper::is_child() {
        let memory = memory::map(stdin(), BYTES);
        leave(memory);
        return stepper::be_stepped(|| work(&open(memory).unwrap()));
    }

    assert_eq!(watch(&format!("region::sets::{test}"), look), expected);
}

#[test]
fn an_adopted_set_goes_on_in_its_region() {
    let lengths = [6, 7, 8, 10, 9, 8, 9, 11, 8, 4, 3, 4, 5].map(Some);
    interrupted("an_adopted_set_goes_on_in_its_region", work, &lengths);
}

#[test]
fn an_adopted_set_is_emptied_and_ended_in_its_region() {
    let lengths = [Some(6), Some(5), Some(4), Some(5), Some(4), Some(0), Some(1), None];
    interrupted("an_adopted_set_is_emptied_and_ended_in_its_region", end, &lengths);
}
