//! A kexec at any instant of a table: after every instruction, a new kernel restores it from a copy
//! of memory as it stands, by a descriptor that was written ahead of time.
//!
//! It finds whole entries, each under its own key alone, and then goes on with the table: no key is
//! given out that was another entry's. The entries, without repetitions, are the list that each test
//! gives.

#[path = "slots/kernels.rs"]
pub(crate) mod kernels;
#[path = "slots/worn.rs"]
mod worn;

use core::mem;
use std::collections::BTreeSet;
use std::io::stdin;

use kho_block::{Descriptor, Key, PhysAddr, RestoreError, RestoreErrorKind, RestoreFromError};

use self::kernels::{Rows, States, Taken, entry_of, fill, found, go_on, holes, insert};
use crate::memory::{BLOCKS, Memory};
use crate::ram::Ram;
use crate::strict::When;
use crate::{TAG, entry, stepper};

type Table = kernels::Table<Ram<'static>>;

/// What the root of `memory` says, which is true at every instant.
fn root(memory: &Memory) -> Descriptor {
    let promise = kernels::Table::new(memory.ram()).descriptor(TAG);
    Descriptor { head: PhysAddr::to_wire(memory.root()), ..promise }
}

/// What a new kernel finds in `copy`; `None` if its root names a block that is not preserved any
/// more, and nor is another.
fn look(copy: &Memory, when: When) -> Option<Rows> {
    match found(copy.ram(), &root(copy), when) {
        Ok(rows) => Some(rows),
        Err(RestoreFromError::Chain(RestoreError {
            kind: RestoreErrorKind::NotPreserved { .. },
            ..
        })) if copy.is_empty() => None,
        Err(error) => panic!("{error}"),
    }
}

/// Lets a kernel `ready` a table, stops its `work` after every instruction, and compares what new
/// kernels find with `states`. `test` is the name of the test in this file.
fn interrupted(
    test: &str,
    ready: impl FnOnce(&mut Table),
    states: States,
    work: impl FnOnce(&'static Memory, &mut Table),
) {
    stepped(test, ready, states, work, |ram, root, rows, gone| go_on(ram, root, rows, gone));
}

/// As [`interrupted`], of work that ends all keys: new kernels may give them out again.
fn ended(
    test: &str,
    ready: impl FnOnce(&mut Table),
    states: States,
    work: impl FnOnce(&'static Memory, &mut Table),
) {
    stepped(test, ready, states, work, |_, _, _, _| {});
}

fn stepped(
    test: &str,
    ready: impl FnOnce(&mut Table),
    states: States,
    work: impl FnOnce(&'static Memory, &mut Table),
    next: impl Fn(Ram<'_>, &Descriptor, &Rows, &BTreeSet<Key>),
) {
    if stepper::is_child() {
        let memory = Memory::shared(stdin());
        memory.poison();
        let mut table = Table::new(memory.ram());
        table.grow(1).unwrap();
        memory.set_root(table.first_block());
        ready(&mut table);
        stepper::be_stepped(|| work(memory, &mut table));
        return mem::forget(table);
    }

    let file = Memory::create();
    let shared = Memory::shared(&file);
    let (copy, later) = (Box::new(Memory::new()), Box::new(Memory::new()));
    let (mut changes, mut seen, mut keys) = (0_usize, Vec::new(), BTreeSet::new());
    let stops = stepper::step(&format!("slots::{test}"), file, || {
        if !copy.follow(shared) {
            return;
        }
        changes = changes.saturating_add(1);
        later.follow(&copy);
        later.reboot();
        let when = if changes == 1 { When::AtRest } else { When::Any };
        let rows = look(&later, when);
        if let Some(rows) = &rows {
            let there: BTreeSet<_> =
                rows.iter().map(|(&slot, &(life, _))| Key { slot, life }).collect();
            let gone = keys.difference(&there).copied().collect();
            next(later.ram(), &root(&later), rows, &gone);
            keys.extend(there);
        }
        if seen.last() != Some(&rows) {
            seen.push(rows);
        }
    });
    copy.reboot();
    assert_eq!(seen.last(), Some(&look(&copy, When::AtRest)));
    assert_eq!(States(seen), states);
    println!("slots::{test}: {stops} stops, {changes} states of memory");
}

/// Removes entry `i`, which is there as that life of that slot.
fn remove(table: &mut Table, [slot, life]: [u32; 2], i: usize) {
    assert_eq!(table.remove(Key { slot, life }), Some(entry(i)));
}

/// Seven entries in three blocks, of which two are removed again.
fn with_holes(table: &mut Table) {
    fill(table, 7);
    remove(table, [4, 1], 4);
    remove(table, [1, 1], 1);
}

#[test]
fn an_insert_adds_a_whole_entry_or_none() {
    let states = (0..7).fold(States::filled(0), |states, i| states.with(i, 1, entry_of(i)));
    interrupted(
        "an_insert_adds_a_whole_entry_or_none",
        |_| {},
        states,
        |_, table| {
            fill(table, 7);
        },
    );
}

#[test]
fn an_insert_into_a_hole_adds_a_whole_entry_or_none() {
    let states = holes().with(1, 3, 7).with(4, 3, 8).with(7, 1, 9);
    let test = "an_insert_into_a_hole_adds_a_whole_entry_or_none";
    interrupted(test, with_holes, states, |_, table| {
        insert(table, [1, 3], 7);
        insert(table, [4, 3], 8);
        insert(table, [7, 1], 9);
    });
}

#[test]
fn a_removal_takes_a_whole_entry_or_none() {
    // The only one of its block, the last one of a block, all of a block, and the rest.
    let order = [6, 2, 3, 5, 4, 0, 1];
    let states = States::filled(7).without(order);
    let test = "a_removal_takes_a_whole_entry_or_none";
    interrupted(
        test,
        |table| fill(table, 7),
        states,
        |_, table| {
            for slot in order {
                remove(table, [slot, 1], entry_of(slot));
            }
            assert_eq!((table.len(), table.slot_count()), (0, 7));
        },
    );
}

#[test]
fn a_slot_is_used_again_under_another_key() {
    let lives = [[1, 3], [3, 5], [5, 7]];
    let states = lives.iter().fold(States::filled(4), |states, &[_, life]| {
        states.without([2]).with(2, life, entry_of(life))
    });
    let test = "a_slot_is_used_again_under_another_key";
    interrupted(
        test,
        |table| fill(table, 4),
        states,
        |_, table| {
            let mut i = 2;
            for [before, life] in lives {
                remove(table, [2, before], i);
                i = entry_of(life);
                insert(table, [2, life], i);
                assert_eq!(table.get(Key { slot: 2, life: before }), None);
            }
        },
    );
}

#[test]
fn looking_up_changes_nothing() {
    interrupted("looking_up_changes_nothing", with_holes, holes(), |_, table| {
        for slot in 0..9 {
            let there = ![1, 4, 7, 8].contains(&slot);
            let key = Key { slot, life: 1 };
            assert_eq!(table.get(key).copied(), there.then(|| entry(entry_of(slot))));
            assert_eq!((table.contains(key), table.key_at(slot).is_some()), (there, there));
            assert_eq!(table.remove(Key { slot, life: 2 }), None);
            assert_eq!(table.get_mut(Key { slot, life: 3 }), None);
        }
        assert_eq!(table.iter().rev().count(), 5);
    });
}

#[test]
fn growing_and_shrinking_keep_every_entry() {
    interrupted("growing_and_shrinking_keep_every_entry", with_holes, holes(), |_, table| {
        table.grow(20).unwrap();
        table.shrink(12);
        table.grow(16).unwrap();
        table.shrink(0);
        assert_eq!(table.block_count(), 3);
    });
}

#[test]
fn shrinking_keeps_every_slot_that_was_used() {
    let states = States::filled(7).without([6, 5, 4, 3]).with(3, 3, 7);
    let test = "shrinking_keeps_every_slot_that_was_used";
    interrupted(
        test,
        |table| fill(table, 7),
        states,
        |_, table| {
            for slot in [6, 5, 4, 3] {
                remove(table, [slot, 1], entry_of(slot));
            }
            table.shrink(0);
            assert_eq!(table.block_count(), 3);
            insert(table, [3, 3], 7);
        },
    );
}

#[test]
fn a_refused_growth_keeps_every_entry() {
    interrupted("a_refused_growth_keeps_every_entry", with_holes, holes(), |_, table| {
        let error = table.grow(BLOCKS.saturating_mul(3).saturating_add(1)).unwrap_err();
        assert_eq!(error.obtained, BLOCKS.saturating_sub(3));
    });
}

#[test]
fn sealing_and_unsealing_keep_every_entry() {
    let states = holes().with(1, 3, 7).with(4, 3, 8).with(7, 1, 9);
    let test = "sealing_and_unsealing_keep_every_entry";
    interrupted(test, with_holes, states, |memory, table| {
        table.grow(20).unwrap();
        let sealed = table.take().seal();
        assert_eq!((sealed.head(), sealed.block_count()), (memory.root(), 3));
        *table = sealed.unseal();
        insert(table, [1, 3], 7);
        insert(table, [4, 3], 8);
        insert(table, [7, 1], 9);
        assert_eq!(table.take().seal().leave(), memory.root());
    });
}

#[test]
fn a_sealed_table_that_is_dropped_stays() {
    interrupted("a_sealed_table_that_is_dropped_stays", with_holes, holes(), |_, table| {
        drop(table.take().seal());
    });
}

#[test]
fn what_is_not_retained_goes_one_entry_after_the_other() {
    let states = holes().without([0, 2, 6]).with(0, 3, 7);
    let test = "what_is_not_retained_goes_one_entry_after_the_other";
    interrupted(test, with_holes, states, |_, table| {
        table.retain(|key, found| {
            assert_eq!(*found, entry(entry_of(key.slot)));
            key.slot & 1 == 1
        });
        insert(table, [0, 3], 7);
    });
}

#[test]
fn a_table_is_cleared_and_refilled_under_other_keys() {
    let states = States::filled(4).without(0..4);
    let states = (0..4).fold(states, |states, slot| states.with(slot, 3, entry_of(slot)));
    let states = states.with(4, 1, 4).without(0..5);
    let test = "a_table_is_cleared_and_refilled_under_other_keys";
    interrupted(
        test,
        |table| fill(table, 4),
        states,
        |_, table| {
            table.clear();
            assert_eq!(table.slot_count(), 4);
            for slot in 0..4 {
                insert(table, [slot, 3], entry_of(slot));
            }
            insert(table, [4, 1], 4);
            table.clear();
        },
    );
}

#[test]
fn an_adopted_table_goes_on_and_is_left_where_it_is() {
    let states = holes().without([5]).with(1, 3, 7).with(4, 3, 8).with(5, 3, 9);
    let states = states.with(7, 1, 10).with(8, 1, 11).with(9, 1, 12).without([9, 0]);
    let test = "an_adopted_table_goes_on_and_is_left_where_it_is";
    interrupted(test, with_holes, states, |memory, table| {
        let root = table.descriptor(TAG);
        assert_eq!(table.take().seal().leave(), memory.root());
        memory.reboot();
        let mut taken = Taken::restore_from(memory.ram(), &root, TAG).unwrap();
        assert_eq!(taken.remove(Key { slot: 5, life: 1 }), Some(entry(5)));
        let mut adopted = taken.adopt().unwrap();
        insert(&mut adopted, [1, 3], 7);
        insert(&mut adopted, [4, 3], 8);
        insert(&mut adopted, [5, 3], 9);
        adopted.grow(20).unwrap();
        for slot in 7..10 {
            insert(&mut adopted, [slot, 1], entry_of(slot).saturating_add(3));
        }
        remove(&mut adopted, [9, 1], 12);
        remove(&mut adopted, [0, 1], 0);
        drop(adopted);
    });
}

#[test]
fn a_destroyed_table_is_empty_until_its_head_is_freed() {
    let States(mut states) = States::filled(7).without([6, 5, 4, 3]);
    states.drain(1..4);
    states.extend([Some(Rows::new()), None]);
    let test = "a_destroyed_table_is_empty_until_its_head_is_freed";
    ended(test, |table| fill(table, 7), States(states), |_, table| table.destroy());
}

#[test]
fn a_destroyed_table_starts_anew() {
    let States(mut states) = States::filled(0).with(0, 1, 7).with(1, 1, 8);
    states.splice(0..0, States::filled(7).0);
    let test = "a_destroyed_table_starts_anew";
    ended(
        test,
        |table| fill(table, 7),
        States(states),
        |memory, table| {
            memory.set_root(None);
            table.destroy();
            table.grow(1).unwrap();
            memory.set_root(table.first_block());
            insert(table, [0, 1], 7);
            insert(table, [1, 1], 8);
        },
    );
}
