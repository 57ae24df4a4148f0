//! What operations cost, in calls of the allocator: exactly these, and no more.

use kho_block::mock::{Calls, Mock};
use kho_block::{
    BlockSet, Descriptor, GrowErrorKind, IncomingSet, MAX_BLOCKS, Outgoing, PhysAddr,
    RestoreChecks, RestoreErrorKind,
};

mod looks;

const BLOCK_SIZE: usize = 64;
const CAPACITY: usize = 6;
/// Numbers of entries on both sides of where another block is needed.
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
const NOTHING: Calls =
    Calls { alloc_preserve: 0, unpreserve_free: 0, restore: 0, unrestore: 0, restore_free: 0 };

type Set<'a> = BlockSet<u64, &'a Mock, Outgoing, BLOCK_SIZE>;
type Restored<A> = IncomingSet<u64, A, BLOCK_SIZE>;

/// The calls that some work makes.
fn calls<R>(mem: &Mock, work: impl FnOnce() -> R) -> Calls {
    let before = mem.calls();
    work();
    let after = mem.calls();
    Calls {
        alloc_preserve: after.alloc_preserve - before.alloc_preserve,
        unpreserve_free: after.unpreserve_free - before.unpreserve_free,
        restore: after.restore - before.restore,
        unrestore: after.unrestore - before.unrestore,
        restore_free: after.restore_free - before.restore_free,
    }
}

fn allocates(n: usize) -> Calls {
    Calls { alloc_preserve: n, ..NOTHING }
}

fn frees(n: usize) -> Calls {
    Calls { unpreserve_free: n, ..NOTHING }
}

fn claims(n: usize) -> Calls {
    Calls { restore: n, ..NOTHING }
}

fn frees_claimed(n: usize) -> Calls {
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
    assert_eq!(calls(&mem, || Set::new(&mem).publish()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).into_head()), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).descriptor(0)), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).grow(0)), NOTHING);
    assert_eq!(calls(&mem, || Set::new(&mem).extend_from_slice(&[])), NOTHING);
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
fn the_limit_of_blocks_is_checked_before_the_first_allocation() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    let limit = MAX_BLOCKS * CAPACITY;
    for count in [limit + 1, usize::MAX] {
        let grow = || assert_eq!(set.grow(count).unwrap_err().kind, GrowErrorKind::TooManyBlocks);
        assert_eq!(calls(&mem, grow), NOTHING);
    }
    assert_eq!(calls(&mem, || set.grow(limit).unwrap()), allocates(MAX_BLOCKS));
    assert_eq!(calls(&mem, || set.grow(limit + 1).unwrap_err()), NOTHING);
    assert_eq!(calls(&mem, || set.writer().extend(0..)), NOTHING);
    assert_eq!(set.len(), limit);
    assert_eq!(calls(&mem, || set.push(7).unwrap_err()), NOTHING);
    assert_eq!(calls(&mem, || set.extend_from_slice(&[7]).unwrap_err()), NOTHING);
    assert_eq!(calls(&mem, || drop(set)), frees(MAX_BLOCKS));
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
    }
}

#[test]
fn extending_from_a_slice_allocates_the_blocks_that_it_needs() {
    let mem = Mock::new();
    for before in BOUNDARIES {
        for more in BOUNDARIES {
            let mut set = filled(&mem, before);
            let needed = blocks_for(before + more) - blocks_for(before);
            let extend = || set.extend_from_slice(&numbers(more)).unwrap();
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
        while writer.prev().is_some() {}
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
            assert_eq!(calls(&mem, || set.clear()), NOTHING);
            assert_eq!(calls(&mem, || set.pop()), NOTHING);
            assert_eq!(set.block_count(), blocks_for(entries));
        }
    }
}

#[test]
fn shrinking_and_publishing_free_each_block_that_is_not_needed_once() {
    let mem = Mock::new();
    for used in BOUNDARIES {
        for wanted in BOUNDARIES {
            let mut set = filled(&mem, used);
            set.grow(5 * CAPACITY).unwrap();
            let kept = blocks_for(used.max(wanted));
            assert_eq!(calls(&mem, || set.shrink(wanted)), frees(5 - kept), "{used}, {wanted}");
            assert_eq!(calls(&mem, || set.shrink(wanted)), NOTHING);
            let empty = kept - blocks_for(used);
            assert_eq!(calls(&mem, || set.publish()), frees(empty), "{used}, {wanted}");
            assert_eq!(calls(&mem, || set.publish()), NOTHING);
            assert_eq!(calls(&mem, || set.descriptor(0)), NOTHING, "it was published");
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
        };
        assert_eq!(calls(&mem, read), NOTHING);
    }
}

#[test]
fn restoring_claims_each_block_once_and_dropping_frees_it_once() {
    for entries in BOUNDARIES.into_iter().chain([MAX_BLOCKS * CAPACITY]) {
        let (mem, head) = left(entries);
        let blocks = blocks_for(entries);
        for checks in [RestoreChecks::empty(), RestoreChecks::all()] {
            let mut set = None;
            let restore = || set = Restored::restore_with(&mem, head, checks).ok();
            assert_eq!(calls(&mem, restore), claims(blocks), "{entries} entries");
            let release = || assert_eq!(set.unwrap().release(), head);
            let released = Calls { unrestore: blocks, ..NOTHING };
            assert_eq!(calls(&mem, release), released, "{entries} entries");
        }
        let set = Restored::restore(&mem, head).unwrap();
        assert_eq!(calls(&mem, || drop(set)), frees_claimed(blocks), "{entries} entries");
        mem.assert_clean();
    }
}

#[test]
fn a_restored_set_frees_as_one_of_this_kernel_does() {
    let (mem, head) = left(5 * CAPACITY);
    let mut set = Restored::restore(&mem, head).unwrap();
    assert_eq!(calls(&mem, || set.truncate(2 * CAPACITY)), NOTHING);
    assert_eq!(calls(&mem, || set.shrink(3 * CAPACITY)), frees_claimed(2));
    assert_eq!(calls(&mem, || set.shrink(0)), frees_claimed(1));
    assert_eq!(calls(&mem, || set.clear()), NOTHING);
    assert_eq!(calls(&mem, || set.destroy()), frees_claimed(2));
    assert_eq!(calls(&mem, || drop(set)), NOTHING);
    mem.assert_clean();
}

#[test]
fn a_failed_restore_claims_up_to_the_damage_and_gives_back_as_often() {
    const BLOCKS: usize = 4;
    for damaged in 0..BLOCKS {
        let (mut mem, head) = left(BLOCKS * CAPACITY);
        let addr = 0x1_0000_0000 + u64::try_from(damaged * BLOCK_SIZE).unwrap();
        let next = mem.read(addr, 8);
        let fails = |mem: &Mock, kind| {
            let restore = || {
                let error = Restored::restore(mem, head).unwrap_err();
                assert_eq!(error.kind, kind);
            };
            calls(mem, restore)
        };
        let claimed = damaged + 1;

        mem.write(addr, &1_u64.to_ne_bytes());
        let expected = Calls { unrestore: claimed, ..claims(claimed) };
        assert_eq!(fails(&mem, RestoreErrorKind::Misaligned), expected);
        mem.write(addr, &(1_u64 << 40).to_ne_bytes());
        let expected = Calls { unrestore: claimed, ..claims(claimed + 1) };
        assert_eq!(fails(&mem, RestoreErrorKind::NotPreserved), expected);
        mem.write(addr, &addr.to_ne_bytes());
        assert_eq!(fails(&mem, RestoreErrorKind::Cycle { first: damaged }), expected);
        mem.write(addr, &next);
        mem.write(addr + 8, &7_u64.to_ne_bytes());
        let expected = Calls { unrestore: claimed, ..claims(claimed) };
        let kind = RestoreErrorKind::CountTooLarge { count: 7, capacity: CAPACITY };
        assert_eq!(fails(&mem, kind), expected);
    }
}

#[test]
fn a_descriptor_that_does_not_fit_is_refused_before_the_first_claim_if_it_can_be() {
    let mut mem = Mock::new();
    let mut set = filled(&mem, 3 * CAPACITY);
    let good = set.descriptor(7);
    let _ = set.into_head();
    mem.reboot();

    let restore = |descriptor, tag| {
        let restore = || Restored::restore_from(&mem, &descriptor, tag).map(Restored::release);
        calls(&mem, restore)
    };
    assert_eq!(restore(Descriptor { magic: 0, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { version: 2, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { flags: 4, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { entry_size: 4, ..good }, 7), NOTHING);
    assert_eq!(restore(Descriptor { block_size: 32, ..good }, 7), NOTHING);
    assert_eq!(restore(good, 8), NOTHING);
    let all = Calls { unrestore: 3, ..claims(3) };
    assert_eq!(restore(Descriptor { entries: 17, ..good }, 7), all);
    assert_eq!(restore(good, 7), all, "restored, and released");
    assert_eq!(mem.unclaimed(), 3);
}
