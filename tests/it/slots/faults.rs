//! Memory refused to a table: every operation that allocates, at its first request, its second, until
//! it succeeds.

#![expect(clippy::result_large_err, reason = "a table comes back with its error")]

use kho_block::mock::Mock;
use kho_block::{
    AdoptErrorKind, GrowError, GrowErrorKind, IncomingSlots, Key, MAX_BLOCKS, OutgoingSlots,
    RestoreErrorKind,
};

use super::BLOCK_SIZE;
use crate::faults::{By, assert_refused};
use crate::heap::{self, Sheltered, sheltered};

type Table<'m> = OutgoingSlots<u64, Sheltered<'m>, BLOCK_SIZE>;
type Taken<'m> = IncomingSlots<u64, Sheltered<'m>, BLOCK_SIZE>;

/// A table in which each of so many slots is used, and its number the entry.
fn filled(mem: &Mock, slots: u64) -> Table<'_> {
    let mut table = Table::new(sheltered(mem));
    for number in 0..slots {
        table.insert(number).unwrap();
    }
    table
}

/// Runs `op` on a table of so many slots, with all but the first `n` requests refused, for every `n`
/// until it succeeds. Each time but the last the table must be as it was, `check` gets the error, and
/// `op` must then succeed. Returns how often it was refused.
fn refused<E>(
    by: By,
    slots: u64,
    op: impl Fn(&mut Table<'_>) -> Result<(), E>,
    check: impl Fn(usize, E),
) -> usize {
    for n in 0.. {
        let mem = Mock::new();
        let held = heap::held();
        let mut table = filled(&mem, slots);
        let shape = |table: &Table<'_>| {
            (table.len(), table.slot_count(), table.block_count(), table.first_block(), mem.live())
        };
        let before = shape(&table);

        let result = match by {
            By::Heap => heap::refusing(n, || op(&mut table)),
            By::Mock => {
                mem.refuse_after(n);
                op(&mut table)
            }
        };
        mem.refuse_none();
        table.audit().unwrap();
        let Err(error) = result else { return n };

        assert_eq!(shape(&table), before, "refusal {n} by the {by:?}");
        let entries = table.iter().map(|(key, &entry)| (key.slot, key.life, entry));
        assert!(entries.eq((0..slots).map(|i| (u32::try_from(i).unwrap(), 1, i))));
        check(n, error);

        assert!(op(&mut table).is_ok(), "there is memory again");
        table.audit().unwrap();
        drop(table);
        mem.assert_clean();
        assert_eq!(heap::held(), held, "refusal {n} by the {by:?} leaked heap");
    }
    unreachable!("there is an end to every operation")
}

/// The allocations that `op` asks the heap for, on a table of so many slots.
fn asked<E>(slots: u64, op: impl Fn(&mut Table<'_>) -> Result<(), E>) -> usize {
    let mem = Mock::new();
    let mut table = filled(&mem, slots);
    let (asked, result) = heap::counting(|| op(&mut table));
    assert!(result.is_ok());
    asked
}

#[test]
fn a_refused_grow_leaves_nothing_behind() {
    // From no blocks, from full ones, and from one that is not.
    const ALL: &[(u64, usize, usize)] =
        &[(0, 1, 1), (7, 14, 2), (0, 9, 3), (6, 7, 1), (12, 60, 16)];
    const TRIED: usize = if cfg!(miri) { 2 } else { ALL.len() };
    for &(slots, count, wanted) in &ALL[..TRIED] {
        let grow = |table: &mut Table<'_>| table.grow(count);
        let refusals = refused(By::Mock, slots, grow, |n, e| assert_refused(e, wanted, n));
        assert_eq!(refusals, wanted, "one for each block");
        let refusals = refused(By::Heap, slots, grow, |_, e| assert_refused(e, wanted, 0));
        assert_eq!(refusals, asked(slots, grow), "one for each allocation");
    }
}

#[test]
#[cfg_attr(miri, ignore = "thousands of slots take minutes, and a few are refused above")]
fn a_refused_grow_over_several_levels_of_the_index_leaves_nothing_behind() {
    // The index of free slots has a level more at 65 slots, and another at 4097.
    for (slots, count, levels) in [(0, 63, 1), (0, 66, 2), (0, 4095, 2), (0, 4098, 3)] {
        let wanted = count / 3;
        let grow = |table: &mut Table<'_>| table.grow(count);
        let refusals = refused(By::Heap, slots, grow, |_, e| assert_refused(e, wanted, 0));
        assert_eq!(refusals, levels + 1, "and the index of blocks: {count} slots");
    }
    for (slots, count) in [(63, 66_usize), (63, 4098), (66, 4098), (66, 20_000)] {
        let wanted = count.div_ceil(3) - usize::try_from(slots / 3).unwrap();
        let grow = |table: &mut Table<'_>| table.grow(count);
        let refusals = refused(By::Heap, slots, grow, |_, e| assert_refused(e, wanted, 0));
        assert_eq!(refusals, asked(slots, grow), "{slots} slots, then {count}");
        assert!(refusals > 0);
    }
}

#[test]
fn a_refused_insert_gives_its_entry_back() {
    let insert = |table: &mut Table<'_>| {
        table.insert(77).map(|_| ()).map_err(|error| {
            assert_eq!(error.errno(), 12);
            (error.entry, error.cause)
        })
    };
    let check = |_, (entry, cause): (u64, GrowError)| {
        assert_eq!(entry, 77);
        assert_refused(cause, 1, 0);
    };
    let mut most = 0;
    const SLOTS: &[u64] = if cfg!(miri) { &[0, 12] } else { &[0, 3, 9, 12, 24, 63, 255, 258] };
    for &slots in SLOTS {
        assert_eq!(refused(By::Mock, slots, insert, check), 1);
        let refusals = refused(By::Heap, slots, insert, check);
        assert_eq!(refusals, asked(slots, insert), "{slots} slots");
        most = most.max(refusals);
    }
    assert_eq!(most, 2, "the index of blocks and that of free slots begin together");
}

#[test]
fn what_never_allocates_cannot_be_refused() {
    let mem = Mock::new();
    let mut table = filled(&mem, 9);
    table.grow(20).unwrap();
    mem.refuse_after(0);
    let (asked, ()) = heap::counting(|| {
        let key = table.key_at(4).unwrap();
        assert_eq!((table.remove(key), table.get(key)), (Some(4), None));
        for slot in [4, 9, 10, 11, 12] {
            assert_eq!(table.insert(7).unwrap().slot, slot);
        }
        table.retain(|key, _| key.slot % 3 == 0);
        table.iter_mut().rev().for_each(|(_, entry)| *entry += 1);
        assert_eq!(table.iter().count(), 5);
        table.grow(0).unwrap();
        table.grow(21).unwrap();
        table.shrink(10);
        table.clear();
        let mut table = table.take().seal().unseal();
        assert_eq!(table.insert(8).unwrap(), Key { slot: 0, life: 3 });
        table.destroy();
    });
    assert_eq!(asked, 0);
}

#[test]
fn a_removal_after_a_refusal_makes_room() {
    let mem = Mock::new();
    let mut table = filled(&mem, 3);
    mem.refuse_after(0);
    assert_eq!(table.insert(77).unwrap_err().entry, 77);
    let key = table.key_at(1).unwrap();
    assert_eq!(table.remove(key), Some(1));
    assert_eq!(heap::refusing(0, || table.insert(77)).unwrap(), Key { slot: 1, life: 3 });
    table.audit().unwrap();
}

#[test]
fn a_table_without_heap_to_be_adopted_comes_back_as_it_was() {
    // The index of free slots has a level more at 65 slots, and another at 4097.
    const ALL: &[(u64, usize)] = &[(1, 1), (66, 2), (63, 1), (4095, 2), (4098, 3)];
    const TRIED: usize = if cfg!(miri) { 2 } else { ALL.len() };
    for &(slots, levels) in &ALL[..TRIED] {
        let mut mem = Mock::new();
        let head = filled(&mem, slots).seal().leave();
        mem.reboot();
        let held = heap::held();
        let mut table = Taken::restore(sheltered(&mem), head).unwrap();
        table.remove(Key { slot: 0, life: 1 });
        for n in 0..levels {
            let error = heap::refusing(n, || table.adopt()).unwrap_err();
            assert_eq!(error.kind(), AdoptErrorKind::OutOfMemory);
            assert_eq!(error.errno(), 12);
            assert_eq!(mem.calls().preserve, 0, "nothing was begun");
            table = error.into_set();
            table.audit().unwrap();
            let entries = table.iter().map(|(_, &entry)| entry);
            assert!(entries.eq(1..slots));
        }
        let mut table = heap::refusing(levels, || table.adopt()).unwrap();
        table.audit().unwrap();
        assert_eq!(table.insert(7).unwrap(), Key { slot: 0, life: 3 });
        table.destroy();
        drop(table);
        mem.assert_clean();
        assert_eq!(heap::held(), held, "{slots} slots leaked heap");

        // Dropped with the error, it is there to be restored again.
        let head = filled(&mem, slots).seal().leave();
        mem.reboot();
        let held = heap::held();
        let table = Taken::restore(sheltered(&mem), head).unwrap();
        let kind = heap::refusing(0, || table.adopt()).map(drop).unwrap_err().into_kind();
        assert_eq!(kind, AdoptErrorKind::OutOfMemory);
        assert_eq!((mem.live(), heap::held()), (0, held));
        let table = Taken::restore(sheltered(&mem), head).unwrap();
        assert!(table.iter().map(|(_, &entry)| entry).eq(0..slots));
    }
}

#[test]
fn a_refused_restore_gives_every_claim_back() {
    let mut mem = Mock::new();
    let head = filled(&mem, 120).seal().leave();
    mem.reboot();
    let held = heap::held();
    let mut refusals = 0;
    let table = loop {
        match heap::refusing(refusals, || Taken::restore(sheltered(&mem), head)) {
            Ok(table) => break table,
            Err(error) => {
                assert_eq!((error.kind, error.errno()), (RestoreErrorKind::OutOfMemory, 12))
            }
        }
        assert_eq!((mem.live(), mem.unclaimed(), heap::held()), (0, 40, held));
        refusals += 1;
    };
    assert!(refusals >= 3, "the index grows several times: {refusals}");
    assert_eq!((table.len(), table.block_count()), (120, 40));
}

#[test]
#[cfg_attr(miri, ignore = "the limit is 10 000 blocks, which take minutes")]
fn what_exceeds_the_limit_asks_nobody() {
    let mem = Mock::new();
    let mut table = filled(&mem, 2);
    let calls = mem.calls();
    for count in [usize::MAX, usize::MAX - 1, MAX_BLOCKS * 3 + 1] {
        let (asked, result) = heap::counting(|| table.grow(count));
        let error = result.unwrap_err();
        assert_eq!((asked, mem.calls()), (0, calls));
        assert_eq!((error.kind, error.errno()), (GrowErrorKind::TooManyBlocks, 28));
        assert_eq!((error.wanted, error.obtained), (count.div_ceil(3) - 1, 0));
    }
    table.audit().unwrap();
    // As many as there may be are used to the last, and the next entry comes back.
    table.grow(MAX_BLOCKS * 3).unwrap();
    for number in 2..MAX_BLOCKS * 3 {
        assert_eq!(usize::try_from(table.insert(7).unwrap().slot).unwrap(), number);
    }
    let error = table.insert(77).unwrap_err();
    assert_eq!((error.entry, error.cause.kind), (77, GrowErrorKind::TooManyBlocks));
    let key = table.key_at(29_998).unwrap();
    table.remove(key);
    assert_eq!(table.insert(8).unwrap(), Key { slot: 29_998, life: 3 });
    table.audit().unwrap();
}
