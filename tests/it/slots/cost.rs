//! What operations on a table cost, in calls of the allocator and in requests for heap: exactly these.
//!
//! How often memory is looked at is shown by `tests/interrupt/looks.rs`.

use kho_block::mock::{Calls, Mock};
use kho_block::{IncomingSlots, Key, MAX_BLOCKS, OutgoingSlots, PhysAddr};

use super::{BLOCK_SIZE, Table, Taken};
use crate::cost::{NOTHING, allocates, calls, claims, frees, frees_claimed, gives_back};
use crate::heap::{self, sheltered};

/// Numbers of slots on both sides of where another block is needed.
#[cfg(miri)]
const BOUNDARIES: [usize; 4] = [0, 1, 3, 7];
#[cfg(not(miri))]
const BOUNDARIES: [usize; 8] = [0, 1, 2, 3, 4, 6, 9, 10];

fn filled(mem: &Mock, slots: usize) -> Table<'_> {
    let mut table = Table::new(mem);
    for entry in (1..).take(slots) {
        table.insert(entry).unwrap();
    }
    table
}

/// A machine in which the previous kernel left so many slots, and the head of their chain.
fn left(slots: usize) -> (Mock, Option<PhysAddr>) {
    let mut mem = Mock::new();
    let head = filled(&mem, slots).seal().leave();
    mem.reboot();
    (mem, head)
}

/// Asserts that some work calls no allocator, and asks for no heap.
fn costs_nothing<R>(mem: &Mock, work: impl FnOnce() -> R) -> R {
    let before = mem.calls();
    let (asked, result) = heap::counting(work);
    assert_eq!((asked, mem.calls()), (0, before));
    result
}

#[test]
fn a_table_that_is_never_used_costs_nothing() {
    let mem = Mock::new();
    costs_nothing(&mem, || drop(Table::new(&mem)));
    costs_nothing(&mem, || Table::new(&mem).destroy());
    costs_nothing(&mem, || Table::new(&mem).shrink(0));
    costs_nothing(&mem, || Table::new(&mem).grow(0).unwrap());
    costs_nothing(&mem, || Table::new(&mem).clear());
    costs_nothing(&mem, || Table::new(&mem).take());
    costs_nothing(&mem, || Table::new(&mem).seal().unseal());
    costs_nothing(&mem, || Table::new(&mem).seal().leave());
    costs_nothing(&mem, || Taken::restore(&mem, None).unwrap().adopt().unwrap());
}

#[test]
fn inserting_and_removing_cost_nothing_while_a_slot_is_free() {
    const SLOTS: &[usize] = if cfg!(miri) { &[1, 65] } else { &[1, 3, 10, 64, 65, 200] };
    for &slots in SLOTS {
        let mem = Mock::new();
        let mut table = filled(&mem, slots);
        costs_nothing(&mem, || {
            for slot in (0..u32::try_from(slots).unwrap()).step_by(2) {
                let key = table.key_at(slot).unwrap();
                assert!(table.remove(key).is_some());
            }
            for slot in (0..u32::try_from(slots).unwrap()).step_by(2) {
                assert_eq!(table.insert(7).unwrap(), Key { slot, life: 3 });
            }
            table.retain(|key, _| key.slot % 3 == 0);
            table.clear();
            for slot in 0..u32::try_from(slots).unwrap() {
                assert_eq!(table.insert(7).unwrap().slot, slot);
            }
        });
    }
}

#[test]
fn an_insert_allocates_when_no_slot_is_free_and_then_once() {
    let mem = Mock::new();
    let mut table = Table::new(&mem);
    for number in 0..=9 {
        let expected = allocates(usize::from(number % 3 == 0));
        assert_eq!(calls(&mem, || table.insert(7).unwrap()), expected, "entry {number}");
    }
    table.insert(7).unwrap();
    table.insert(7).unwrap();
    mem.refuse_after(0);
    let insert = || table.insert(7).unwrap_err();
    assert_eq!(calls(&mem, insert), allocates(1), "asks once, if in vain");
}

#[test]
fn growing_allocates_the_blocks_that_are_missing_and_shrinking_frees_what_was_never_used() {
    let mem = Mock::new();
    for first in BOUNDARIES {
        for second in BOUNDARIES {
            let mut table = Table::new(&mem);
            let blocks = |slots: usize| slots.div_ceil(3);
            assert_eq!(calls(&mem, || table.grow(first).unwrap()), allocates(blocks(first)));
            let missing = blocks(second).saturating_sub(blocks(first));
            assert_eq!(calls(&mem, || table.grow(second).unwrap()), allocates(missing));
            let all = blocks(first.max(second));
            assert_eq!(calls(&mem, || table.shrink(first)), frees(all - blocks(first)));

            let mut table = filled(&mem, first);
            costs_nothing(&mem, || table.clear());
            assert_eq!(calls(&mem, || table.shrink(0)), NOTHING, "all are used");
            table.grow(first + 7).unwrap();
            let spare = table.block_count() - blocks(first);
            let mut sealed = None;
            assert_eq!(calls(&mem, || sealed = Some(table.seal())), frees(spare));
            let table = costs_nothing(&mem, || sealed.unwrap().unseal());
            assert_eq!(calls(&mem, || drop(table)), frees(blocks(first)));
        }
    }
    mem.assert_clean();
}

#[test]
fn restoring_claims_each_block_once_and_every_end_gives_each_back_once() {
    const MOST: usize = if cfg!(miri) { 20 } else { MAX_BLOCKS };
    for slots in BOUNDARIES.into_iter().chain([MOST * 3]) {
        let (mem, head) = left(slots);
        let blocks = slots.div_ceil(3);
        let mut table = None;
        let restore = || table = Taken::restore(&mem, head).ok();
        assert_eq!(calls(&mem, restore), claims(blocks), "{slots} slots");
        let release = || assert_eq!(table.unwrap().release(), head);
        assert_eq!(calls(&mem, release), gives_back(blocks), "{slots} slots");
        let table = Taken::restore(&mem, head).unwrap();
        assert_eq!(calls(&mem, || drop(table)), gives_back(blocks), "{slots} slots");
        let mut table = Taken::restore(&mem, head).unwrap();
        assert_eq!(calls(&mem, || table.destroy()), frees_claimed(blocks), "{slots} slots");
        drop(table);
        mem.assert_clean();
    }
}

#[test]
fn adopting_preserves_each_block_once_and_asks_for_a_bit_of_heap_for_each_slot() {
    const LARGE: &[usize] = if cfg!(miri) { &[63, 66] } else { &[63, 66, 4095, 4098] };
    for slots in BOUNDARIES.into_iter().chain(LARGE.iter().copied()) {
        let (mem, head) = left(slots);
        let blocks = slots.div_ceil(3);
        let table = IncomingSlots::<u64, _, BLOCK_SIZE>::restore(sheltered(&mem), head).unwrap();
        let before = mem.calls();
        let (asked, table) = heap::counting(|| table.adopt().unwrap());
        assert_eq!(mem.calls(), Calls { preserve: before.preserve + blocks, ..before });
        // One allocation for each level: of 64 slots, of 4096, and of 262144.
        let levels = [1, 65, 4097].iter().filter(|&&least| blocks * 3 >= least).count();
        assert_eq!(asked, levels, "{slots} slots");
        assert_eq!((table.len(), table.slot_count()), (slots, slots));
    }
}

#[test]
fn looking_costs_nothing() {
    for slots in BOUNDARIES {
        let (mem, head) = left(slots);
        let mut table = Taken::restore(&mem, head).unwrap();
        costs_nothing(&mem, || {
            assert_eq!((table.iter().count(), table.iter().rev().count()), (slots, slots));
            table.iter_mut().for_each(|(_, entry)| *entry += 1);
            let last = u32::try_from(slots).unwrap();
            for slot in 0..last {
                let key = table.key_at(slot).unwrap();
                assert_eq!(table.get(key), Some(&(u64::from(slot) + 2)));
                assert!(table.contains(key) && table.get_mut(key).is_some());
                assert!(table.entry_ptr(key).is_some() && table.phys_addr(key).is_some());
            }
            let none = Key { slot: last, life: 1 };
            assert_eq!((table.key_at(last), table.get(none)), (None, None));
            assert_eq!((table.len(), table.slot_count(), table.retired()), (slots, slots, 0));
            assert_eq!((table.head(), table.first_block(), table.capacity() % 3), (head, head, 0));
            assert_eq!(table.block_addrs().rev().count(), slots.div_ceil(3));
            assert_eq!(table.descriptor(7).head(), head);
            // On a table of the previous kernel too.
            table.retain(|key, _| key.slot % 2 == 0);
            table.clear();
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "the limit is 10 000 blocks, which take minutes")]
fn the_largest_table_finds_its_lowest_free_slot_and_takes_no_more() {
    // A slot to a block, so that few bytes make many blocks: as many as there may be.
    let mem = Mock::new();
    let mut table = OutgoingSlots::<u64, _, 32>::new(&mem);
    table.grow(MAX_BLOCKS).unwrap();
    for _ in 0..MAX_BLOCKS {
        table.insert(7).unwrap();
    }
    for slot in [9_999, 9_000, 4_096, 4_095, 64, 63, 1, 0] {
        let key = table.key_at(slot).unwrap();
        table.remove(key);
        assert_eq!(costs_nothing(&mem, || table.insert(8).unwrap()), Key { slot, life: 3 });
    }
    let insert = || table.insert(9).unwrap_err();
    assert_eq!(calls(&mem, insert), NOTHING, "the limit asks nobody");
}
