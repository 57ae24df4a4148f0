//! A kexec at any instant of the last life of a slot.

use std::io::stdin;

use kho_block::{Key, PhysAddr};

use super::kernels::{LAST_LIFE, States, Taken, fill, insert};
use super::{Table, interrupted, remove, root};
use crate::TAG;
use crate::memory::Memory;

/// Four entries, of which one has the last life of its slot; another slot is free, for one that will
/// have. A kernel that lives long enough comes to that by itself.
fn worn(memory: &Memory, table: &mut Table) {
    fill(table, 4);
    let stamp = |slot| {
        let entry = table.phys_addr(Key { slot, life: 1 }).unwrap().get();
        entry.checked_sub(8).and_then(PhysAddr::new).unwrap()
    };
    let (last, free) = (stamp(1), stamp(2));
    remove(table, [2, 1], 2);
    memory.write(last, LAST_LIFE.into());
    memory.write(free, u64::from(LAST_LIFE).saturating_sub(1));
}

#[test]
fn a_slot_that_loses_its_last_life_is_retired_in_one_go() {
    let rows = [(0, (1, 0)), (1, (LAST_LIFE, 1)), (3, (1, 3))];
    let states = States(vec![Some(rows.into())]).without([1]).with(2, LAST_LIFE, 7);
    let states = states.with(4, 1, 8).without([2]).with(5, 1, 9).with(6, 1, 10).without([6]);
    let test = "worn::a_slot_that_loses_its_last_life_is_retired_in_one_go";
    // In the same file, mapped once more.
    let ready = |table: &mut Table| worn(Memory::shared(stdin()), table);
    interrupted(test, ready, states, |memory, table| {
        remove(table, [1, LAST_LIFE], 1);
        assert_eq!((table.retired(), table.remove(Key { slot: 1, life: LAST_LIFE })), (1, None));
        insert(table, [2, LAST_LIFE], 7);
        insert(table, [4, 1], 8);
        remove(table, [2, LAST_LIFE], 7);
        insert(table, [5, 1], 9);
        assert_eq!((table.len(), table.slot_count(), table.retired()), (4, 6, 2));
        // So it is for a kernel that comes later.
        assert_eq!(table.take().seal().leave(), memory.root());
        memory.reboot();
        let taken = Taken::restore_from(memory.ram(), &root(memory), TAG).unwrap();
        *table = taken.adopt().unwrap();
        insert(table, [6, 1], 10);
        remove(table, [6, 1], 10);
        assert_eq!(table.retired(), 2);
    });
}
