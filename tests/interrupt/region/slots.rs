//! A table of the previous kernel that goes on in a region: after every instruction, a new kernel
//! opens a copy of the memory, and restores the table by the root that lies there.

use core::mem;
use core::ptr::NonNull;
use std::collections::BTreeSet;
use std::io::stdin;

use kho_block::{Key, Region};

use super::kernels::{BYTES, create_over, open, watch};
use crate::slots::kernels::{Rows, States, Table, Taken, fill, found, go_on, holes, insert};
use crate::strict::When;
use crate::{TAG, entry, memory, stepper};

/// The first kernel: seven entries in three blocks, of which two are removed again. It leaves a spare
/// block too.
fn leave(memory: NonNull<u8>) {
    let region = create_over(memory);
    let mut table = Table::new(&region);
    table.grow(10).unwrap();
    region.set_root(Some(&table.descriptor(TAG)));
    fill(&mut table, 7);
    for (slot, i) in [(4, 4), (1, 1)] {
        assert_eq!(table.remove(Key { slot, life: 1 }), Some(entry(i)));
    }
    // A kexec comes before it is sealed.
    mem::forget(table);
}

/// The second one, which is stopped: takes the table over, and works in it.
fn work(region: &Region) {
    let taken = Taken::restore_from(region, &region.root().unwrap(), TAG).unwrap();
    assert_eq!(region.sweep(), 1);
    let mut table = taken.adopt().map_err(|error| error.into_kind()).unwrap();
    insert(&mut table, [1, 3], 7);
    assert_eq!(table.remove(Key { slot: 6, life: 1 }), Some(entry(6)));
    insert(&mut table, [4, 3], 8);
    insert(&mut table, [6, 3], 9);
    for (slot, i) in [(7, 10), (8, 11), (9, 12)] {
        insert(&mut table, [slot, 1], i);
    }
    assert_eq!(table.remove(Key { slot: 9, life: 1 }), Some(entry(12)));
    table.seal().leave();
}

/// What a new kernel finds in `memory`, which it then goes on with.
fn look(memory: NonNull<u8>, keys: &mut BTreeSet<Key>, when: When) -> Rows {
    let region = open(memory).unwrap();
    let root = region.root().unwrap();
    let rows = found(&region, &root, when).unwrap();
    let there: BTreeSet<_> = rows.iter().map(|(&slot, &(life, _))| Key { slot, life }).collect();
    let gone = keys.difference(&there).copied().collect();
    go_on(&region, &root, &rows, &gone);
    keys.extend(there);
    rows
}

#[test]
fn an_adopted_table_goes_on_in_its_region() {
    let test = "region::slots::an_adopted_table_goes_on_in_its_region";
    if stepper::is_child() {
        let memory = memory::map(stdin(), BYTES);
        leave(memory);
        return stepper::be_stepped(|| work(&open(memory).unwrap()));
    }

    let mut keys = BTreeSet::new();
    let seen = watch(test, |copy, when| Some(look(copy, &mut keys, when)));
    let states = holes().with(1, 3, 7).without([6]).with(4, 3, 8).with(6, 3, 9);
    let states = states.with(7, 1, 10).with(8, 1, 11).with(9, 1, 12).without([9]);
    assert_eq!(States(seen), states);
}
