//! What operations cost, in calls of the allocator: exactly these, and no more.
//!
//! How often memory is looked at is shown by `tests/interrupt/looks.rs`.

use kho_block::mock::{Calls, Mock};
use kho_block::{BlockSet, IncomingSet, Outgoing, PhysAddr};

mod restoring;

const BLOCK_SIZE: usize = 64;
const CAPACITY: usize = 6;
/// Numbers of entries on both sides of where another block is needed.
#[cfg(miri)]
const BOUNDARIES: [usize; 4] = [0, 1, CAPACITY, 2 * CAPACITY + 1];
#[cfg(not(miri))]
const BOUNDARIES: [usize; 9] = [
    0,
    1,
    CAPACITY - 1,
    CAPACITY,
    CAPACITY + 1,
    2 * CAPACITY,
    3 * CAPACITY - 1,
    3 * CAPACITY,
    3 * CAPACITY + 1,
];
pub(crate) const NOTHING: Calls = Calls {
    alloc_preserve: 0,
    unpreserve_free: 0,
    restore: 0,
    unrestore: 0,
    restore_free: 0,
    preserve: 0,
    unpreserve: 0,
};

type Set<'a> = BlockSet<u64, &'a Mock, Outgoing, BLOCK_SIZE>;
type Restored<A> = IncomingSet<u64, A, BLOCK_SIZE>;

/// The calls that some work makes.
pub(crate) fn calls<R>(mem: &Mock, work: impl FnOnce() -> R) -> Calls {
    let before = mem.calls();
    work();
    let after = mem.calls();
    Calls {
        alloc_preserve: after.alloc_preserve - before.alloc_preserve,
        unpreserve_free: after.unpreserve_free - before.unpreserve_free,
        restore: after.restore - before.restore,
        unrestore: after.unrestore - before.unrestore,
        restore_free: after.restore_free - before.restore_free,
        preserve: after.preserve - before.preserve,
        unpreserve: after.unpreserve - before.unpreserve,
    }
}

pub(crate) fn allocates(n: usize) -> Calls {
    Calls { alloc_preserve: n, ..NOTHING }
}

pub(crate) fn frees(n: usize) -> Calls {
    Calls { unpreserve_free: n, ..NOTHING }
}

pub(crate) fn claims(n: usize) -> Calls {
    Calls { restore: n, ..NOTHING }
}

pub(crate) fn gives_back(n: usize) -> Calls {
    Calls { unrestore: n, ..NOTHING }
}

pub(crate) fn frees_claimed(n: usize) -> Calls {
    Calls { restore_free: n, ..NOTHING }
}

/// Blocks that hold so many entries.
fn blocks_for(entries: usize) -> usize {
    entries.div_ceil(CAPACITY)
}

fn numbers(entries: usize) -> Vec<u64> {
    (1..).take(entries).collect()
}

fn filled(mem: &Mock, entries: usize) -> Set<'_> {
    let mut set = Set::new(mem);
    set.extend_from_slice(&numbers(entries)).unwrap();
    set
}

/// A machine in which the previous kernel left so many entries, and the head of their chain.
fn left(entries: usize) -> (Mock, Option<PhysAddr>) {
    let mut mem = Mock::new();
    let head = filled(&mem, entries).into_head();
    mem.reboot();
    (mem, head)
}

#[test]
fn a_set_that_is_never_used_costs_nothing() {
    let mem = Mock::new();
    assert_eq!(calls(&mem, || drop(Set::new(&mem))), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).destroy()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).shrink(0)), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).seal().unseal()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).seal().leave()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).into_head()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).descriptor(0)), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).grow(0)), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).extend_from_slice(&[])), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).try_extend([])), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).take()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).retain(|_| false)), NOTHING);
}

#[test]
fn a_push_allocates_when_every_block_is_full_and_then_once() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    for number in 0..=3 * CAPACITY {
        let expected = allocates(usize::from(number % CAPACITY == 0));
        assert_eq!(calls(&mem, || set.push(7).unwrap()), expected, "entry {number}");
    }
    mem.refuse_after(0);
    set.truncate(3 * CAPACITY);
    assert_eq!(calls(&mem, || set.push(7).unwrap()), NOTHING, "a slot was free");
    set.extend_from_slice(&[7; CAPACITY - 1]).unwrap();
    assert_eq!(calls(&mem, || set.push(7).unwrap_err()), allocates(1), "asks once, if in vain");
}

#[test]
fn growing_allocates_the_blocks_that_are_missing() {
    let mem = Mock::new();
    for first in BOUNDARIES {
        for second in BOUNDARIES {
            let mut set = Set::new(&mem);
            assert_eq!(calls(&mem, || set.grow(first).unwrap()), allocates(blocks_for(first)));
            let missing = blocks_for(second).saturating_sub(blocks_for(first));
            assert_eq!(calls(&mem, || set.grow(second).unwrap()), allocates(missing));
            assert_eq!(set.block_count(), blocks_for(first.max(second)));
        }
    }
}

#[test]
fn a_refused_grow_asks_once_more_than_it_obtains_and_frees_what_it_obtained() {
    for obtained in 0..3 {
        let mem = Mock::new();
        let mut set = filled(&mem, CAPACITY);
        let refused = Calls { alloc_preserve: obtained + 1, ..frees(obtained) };
        mem.refuse_after(obtained);
        assert_eq!(calls(&mem, || set.grow(4 * CAPACITY).unwrap_err()), refused);
        mem.refuse_after(obtained);
        let extend = || set.extend_from_slice(&[7; 3 * CAPACITY]).unwrap_err();
        assert_eq!(calls(&mem, extend), refused);
        // One by one, what is obtained is used and kept.
        mem.refuse_after(obtained);
        let extend = || set.try_extend(0..).unwrap_err();
        assert_eq!(calls(&mem, extend), allocates(obtained + 1));
        assert_eq!(set.block_count(), obtained + 1);
    }
}

#[test]
fn extending_allocates_the_blocks_that_it_needs() {
    let mem = Mock::new();
    for before in BOUNDARIES {
        for more in BOUNDARIES {
            let mut set = filled(&mem, before);
            let needed = blocks_for(before + more) - blocks_for(before);
            let extend = || set.extend_from_slice(&numbers(more)).unwrap();
            assert_eq!(calls(&mem, extend), allocates(needed), "{before} and {more} entries");
            let mut set = filled(&mem, before);
            let extend = || set.try_extend(numbers(more)).unwrap();
            assert_eq!(calls(&mem, extend), allocates(needed), "{before} and {more} entries");
        }
    }
}

#[test]
fn a_writer_never_calls_the_allocator() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.grow(2 * CAPACITY).unwrap();
    let write = || {
        let mut writer = set.writer();
        writer.push(7).unwrap();
        *writer.push_zeroed().unwrap() = 7;
        writer.extend_from_slice(&[7; CAPACITY]).unwrap();
        writer.extend_from_slice(&[7; CAPACITY]).unwrap_err();
        assert_eq!(writer.extend(0..), CAPACITY - 2);
        writer.push(7).unwrap_err();
        assert_eq!(writer.push_zeroed(), None);
        while writer.pop().is_some() {}
    };
    assert_eq!(calls(&mem, write), NOTHING);
    assert_eq!(set.block_count(), 2);
}

#[test]
fn removing_entries_frees_nothing() {
    let mem = Mock::new();
    for entries in BOUNDARIES {
        for len in BOUNDARIES {
            let mut set = filled(&mem, entries);
            assert_eq!(calls(&mem, || set.truncate(len)), NOTHING);
            assert_eq!(calls(&mem, || set.pop()), NOTHING);
            assert_eq!(calls(&mem, || set.swap_remove(0)), NOTHING);
            assert_eq!(calls(&mem, || set.retain(|entry| entry % 2 == 0)), NOTHING);
            assert_eq!(calls(&mem, || set.clear()), NOTHING);
            assert_eq!(calls(&mem, || set.pop()), NOTHING);
            assert_eq!(set.block_count(), blocks_for(entries));
        }
    }
}

#[test]
fn shrinking_frees_each_block_that_is_not_needed_once() {
    let mem = Mock::new();
    for used in BOUNDARIES {
        for wanted in BOUNDARIES {
            let mut set = filled(&mem, used);
            set.grow(5 * CAPACITY).unwrap();
            let kept = blocks_for(used.max(wanted));
            assert_eq!(calls(&mem, || set.shrink(wanted)), frees(5 - kept), "{used}, {wanted}");
            assert_eq!(calls(&mem, || set.shrink(wanted)), NOTHING);
            let empty = kept - blocks_for(used);
            assert_eq!(calls(&mem, || set.descriptor(0)), NOTHING, "it frees nothing");
            assert_eq!(calls(&mem, || set.shrink(0)), frees(empty), "{used}, {wanted}");
            assert_eq!(calls(&mem, || set.shrink(0)), NOTHING);
            assert_eq!(calls(&mem, || set.descriptor(0)), NOTHING);
        }
    }
}

#[test]
fn leaving_a_set_to_the_next_kernel_frees_its_empty_blocks_only() {
    for used in BOUNDARIES {
        let mem = Mock::new();
        let mut set = filled(&mem, used);
        set.grow(5 * CAPACITY).unwrap();
        assert_eq!(calls(&mem, || set.into_head()), frees(5 - blocks_for(used)));
        assert_eq!(mem.live(), blocks_for(used));
    }
}

#[test]
fn sealing_frees_the_empty_blocks_once_and_nothing_else_of_it_costs_anything() {
    let mem = Mock::new();
    let mut live = 0;
    for used in BOUNDARIES {
        let (mut sealed, mut set) = (None, Some(filled(&mem, used)));
        set.as_mut().unwrap().grow(5 * CAPACITY).unwrap();
        let blocks = blocks_for(used);
        assert_eq!(
            calls(&mem, || sealed = set.take().map(Set::seal)),
            frees(5 - blocks),
            "{used} entries"
        );
        let read = || {
            let sealed = sealed.as_ref().unwrap();
            assert_eq!(sealed.descriptor(7).head(), sealed.head());
            assert_eq!(sealed.iter().count(), used);
        };
        assert_eq!(calls(&mem, read), NOTHING);
        let unseal = || set = sealed.take().map(kho_block::Sealed::unseal);
        assert_eq!(calls(&mem, unseal), NOTHING);
        assert_eq!(calls(&mem, || sealed = set.take().map(Set::seal)), NOTHING, "none is spare");
        let taken = sealed.take().unwrap().unseal().take();
        assert_eq!(calls(&mem, || taken.seal().leave()), NOTHING);
        live += blocks;
        assert_eq!(mem.live(), live);
        let sealed = filled(&mem, used).seal();
        assert_eq!(calls(&mem, || drop(sealed)), NOTHING, "dropped, it is left");
        live += blocks;
        assert_eq!(mem.live(), live);
    }
}

#[test]
fn to_take_a_set_costs_nothing_and_each_block_is_freed_with_what_has_it() {
    let mem = Mock::new();
    for entries in BOUNDARIES {
        let mut set = filled(&mem, entries);
        let mut taken = None;
        assert_eq!(calls(&mem, || taken = Some(set.take())), NOTHING);
        assert_eq!(calls(&mem, || drop(set)), NOTHING);
        assert_eq!(calls(&mem, || drop(taken)), frees(blocks_for(entries)));
    }
    mem.assert_clean();
}

#[test]
fn destroying_and_dropping_free_each_block_once() {
    let mem = Mock::new();
    for entries in BOUNDARIES {
        let mut set = filled(&mem, entries);
        assert_eq!(calls(&mem, || set.destroy()), frees(blocks_for(entries)));
        assert_eq!(calls(&mem, || set.destroy()), NOTHING);
        set.extend_from_slice(&numbers(entries)).unwrap();
        assert_eq!(calls(&mem, || drop(set)), frees(blocks_for(entries)));
    }
    mem.assert_clean();
}

#[test]
fn reading_costs_nothing() {
    for entries in BOUNDARIES {
        let (mem, head) = left(entries);
        let mut set = Restored::restore(&mem, head).unwrap();
        let read = || {
            assert_eq!(set.iter().count(), entries);
            assert_eq!(set.iter().rev().fold(0, |n, _| n + 1), entries);
            assert_eq!(set.blocks().map(<[u64]>::len).sum::<usize>(), entries);
            assert_eq!(set.cursor().fold(0, |n, _| n + 1), entries);
            let mut cursor = set.cursor_back();
            while cursor.prev().is_some() {}
            assert_eq!(set.get(entries), None);
            assert_eq!(set.phys_addr(entries), None);
            assert_eq!((set.len(), set.is_empty(), set.head()), (entries, entries == 0, head));
            assert_eq!(set.capacity(), blocks_for(entries) * CAPACITY);
            assert!(format!("{set:?}{}", set.dump()).len() > entries);
            set.audit().unwrap();
            set.iter_mut().for_each(|entry| *entry += 1);
            set.blocks_mut().for_each(|block| block.fill(7));
            assert_eq!(set.get_mut(entries), None);
            assert_eq!((set.first().is_some(), set.last().is_some()), (entries > 0, entries > 0));
            assert_eq!((set.entry_ptr(entries), set.last_mut().is_some()), (None, entries > 0));
            assert_eq!(set.block_addrs().rev().count(), blocks_for(entries));
            assert_eq!((set.first_block(), set.descriptor(7).head()), (head, head));
            assert_eq!(set.allocator().live(), blocks_for(entries));
        };
        assert_eq!(calls(&mem, read), NOTHING);
    }
}
