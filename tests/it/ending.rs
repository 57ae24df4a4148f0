//! How a set ends, and what is there afterwards: nothing is lost by accident.

use core::mem::forget;

use kho_block::mock::{Calls, Mock};
use kho_block::{
    Descriptor, IncomingSet, OutgoingSet, PhysAddr, RestoreChecks, RestoreError, RestoreErrorKind,
};

/// Two entries to a block.
const BLOCK_SIZE: usize = 32;

type Set<'m> = OutgoingSet<u64, &'m Mock, BLOCK_SIZE>;
type Taken<'m> = IncomingSet<u64, &'m Mock, BLOCK_SIZE>;

fn saved(mem: &Mock, entries: &[u64]) -> Option<PhysAddr> {
    let mut set = Set::new(mem);
    set.extend_from_slice(entries).unwrap();
    set.into_head()
}

/// The entries of two chains; whatever was claimed ends with this call.
///
/// # Errors
///
/// That of the first chain that is damaged.
fn both(
    mem: &Mock,
    a: Option<PhysAddr>,
    b: Option<PhysAddr>,
) -> Result<(Vec<u64>, Vec<u64>), RestoreError> {
    let a = Taken::restore(mem, a)?;
    let b = Taken::restore(mem, b)?;
    Ok((a.iter().copied().collect(), b.iter().copied().collect()))
}

#[test]
fn what_was_restored_before_an_error_can_be_restored_again() {
    let mut mem = Mock::new();
    let (a, b) = (saved(&mem, &[1, 2, 3]), saved(&mem, &[4, 5, 6]));
    mem.reboot();
    let count = b.unwrap().get() + 8;
    mem.write(count, &3_u64.to_ne_bytes());

    let refused = both(&mem, a, b).unwrap_err();
    assert_eq!(refused.kind, RestoreErrorKind::CountTooLarge { count: 3, capacity: 2 });
    assert_eq!((mem.live(), mem.unclaimed()), (0, 4), "both chains are there");

    mem.write(count, &2_u64.to_ne_bytes());
    assert_eq!(both(&mem, a, b), Ok((vec![1, 2, 3], vec![4, 5, 6])));
}

#[test]
fn a_panic_while_records_are_taken_over_loses_none() {
    let mut mem = Mock::new();
    let head = saved(&mem, &[1, 2, 3]);
    mem.reboot();
    let mem = &mem;
    let panicked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        let set = Taken::restore(mem, head).unwrap();
        assert_eq!(set.get(1), Some(&7), "a bug in the kernel");
    }));
    assert!(panicked.is_err());
    assert!(Taken::restore(mem, head).unwrap().iter().eq(&[1, 2, 3]));
}

#[test]
fn a_descriptor_stays_true_while_the_set_is_filled() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.push(1).unwrap();
    let descriptor = set.descriptor(7);
    set.extend_from_slice(&[2, 3]).unwrap();
    forget(set);
    mem.reboot();

    let set = Taken::restore_from(&mem, &descriptor, 7).unwrap();
    assert!(set.iter().eq(&[1, 2, 3]));
}

#[test]
fn asking_for_a_descriptor_gives_no_room_away() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.grow(6).unwrap();
    let _ = set.descriptor(7);
    assert_eq!(set.capacity(), 6);
    set.push(1).unwrap();
    let _ = set.descriptor(7);
    assert_eq!(set.capacity(), 6);
}

/// A set of five entries in three blocks, and two more blocks.
fn filled(mem: &Mock) -> Set<'_> {
    let mut set = Set::new(mem);
    set.grow(10).unwrap();
    set.extend_from_slice(&[1, 2, 3, 4, 5]).unwrap();
    set
}

/// A machine in which the previous kernel left five entries in three blocks, and their head.
fn left() -> (Mock, Option<PhysAddr>) {
    let mut mem = Mock::new();
    let head = saved(&mem, &[1, 2, 3, 4, 5]);
    mem.reboot();
    (mem, head)
}

#[test]
fn a_set_of_this_kernel_is_freed_when_it_is_dropped() {
    let mem = Mock::new();
    let set = filled(&mem);
    assert_eq!(mem.live(), 5);
    drop(set);
    assert_eq!(mem.calls(), Calls { alloc_preserve: 5, unpreserve_free: 5, ..Calls::default() });
    mem.assert_clean();
}

#[test]
fn a_set_of_the_previous_kernel_is_given_back_when_it_is_dropped_whatever_was_done_to_it() {
    type Change = fn(&mut Taken<'_>);
    let changes: [(Change, &[u64]); 7] = [
        (|_| {}, &[1, 2, 3, 4, 5]),
        (|set| *set.get_mut(1).unwrap() = 7, &[1, 7, 3, 4, 5]),
        (|set| set.iter_mut().for_each(|entry| *entry += 1), &[2, 3, 4, 5, 6]),
        (|set| assert_eq!((set.pop(), set.pop()), (Some(5), Some(4))), &[1, 2, 3]),
        (|set| assert_eq!(set.swap_remove(0), Some(1)), &[5, 2, 3, 4]),
        (|set| set.truncate(2), &[1, 2]),
        (|set| set.clear(), &[]),
    ];
    for (change, entries) in changes {
        let (mem, head) = left();
        let calls = mem.calls();
        let mut set = Taken::restore(&mem, head).unwrap();
        change(&mut set);
        set.audit().unwrap();
        drop(set);
        assert_eq!((mem.live(), mem.unclaimed()), (0, 3), "{entries:?}");
        assert_eq!(mem.calls(), Calls { restore: 3, unrestore: 3, ..calls });

        // The next attempt finds what was changed, in the same blocks.
        let mut set = Taken::restore(&mem, head).unwrap();
        assert!(set.iter().eq(entries), "{entries:?}");
        assert_eq!((set.block_count(), set.first_block()), (3, head));
        assert_eq!(set.head(), head.filter(|_| !entries.is_empty()));
        set.destroy();
        mem.assert_clean();
    }
}

#[test]
fn what_a_set_of_the_previous_kernel_frees_is_gone_and_the_rest_is_given_back() {
    let (mut mem, head) = left();
    let mut set = Taken::restore(&mem, head).unwrap();
    set.truncate(2);
    set.shrink(3);
    assert_eq!((set.block_count(), mem.calls().restore_free), (2, 1));
    drop(set);
    assert_eq!((mem.live(), mem.unclaimed()), (0, 2));
    mem.reboot();
    assert!(Taken::restore(&mem, head).is_err(), "claims end with their kernel");

    let (mem, head) = left();
    let mut set = Taken::restore(&mem, head).unwrap();
    set.destroy();
    assert_eq!((set.len(), set.block_count(), set.first_block()), (0, 0, None));
    drop(set);
    assert_eq!((mem.calls().restore_free, mem.calls().unrestore), (3, 0));
    mem.assert_clean();
    assert!(Taken::restore(&mem, head).is_err(), "it is freed");
}

#[test]
fn releasing_is_dropping_and_says_where_the_chain_starts() {
    let (mem, head) = left();
    let calls = mem.calls();
    let set = Taken::restore(&mem, head).unwrap();
    assert_eq!(set.release(), head);
    assert_eq!(mem.calls(), Calls { restore: 3, unrestore: 3, ..calls });
    let mut set = Taken::restore(&mem, head).unwrap();
    set.clear();
    assert_eq!((set.head(), set.release()), (None, head), "without entries, too");
    assert_eq!((mem.live(), mem.unclaimed()), (0, 3));
}

#[test]
fn what_is_sealed_is_left_when_it_is_dropped() {
    for leave in [true, false] {
        let mut mem = Mock::new();
        let sealed = filled(&mem).seal();
        let (head, root) = (sealed.head(), sealed.descriptor(7));
        assert_eq!((mem.live(), mem.calls().unpreserve_free), (3, 2), "spare blocks are freed");
        if leave {
            assert_eq!(sealed.leave(), head);
        } else {
            drop(sealed);
        }
        assert_eq!((mem.live(), mem.calls().unpreserve_free), (3, 2));
        mem.reboot();
        assert_eq!(mem.unclaimed(), 3);
        let mut set = Taken::restore_from(&mem, &root, 7).unwrap();
        assert!(set.iter().eq(&[1, 2, 3, 4, 5]));
        assert_eq!(set.head(), head);
        set.destroy();
        mem.assert_clean();
    }
}

#[test]
fn into_head_is_to_seal_and_to_leave() {
    let mut mem = Mock::new();
    let set = filled(&mem);
    let head = set.head();
    assert_eq!(set.into_head(), head);
    assert_eq!((mem.live(), mem.calls().unpreserve_free), (3, 2));
    mem.reboot();
    let set = Taken::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().eq(&[1, 2, 3, 4, 5]));
}

#[test]
fn what_is_sealed_is_read_as_before() {
    let mem = Mock::new();
    let set = filled(&mem);
    let first = set.first_block();
    let addrs: Vec<_> = set.block_addrs().take(3).collect();
    let sealed = set.seal();
    sealed.audit().unwrap();
    assert!(sealed.iter().eq(&[1, 2, 3, 4, 5]));
    assert_eq!((sealed.len(), sealed.capacity(), sealed.block_count()), (5, 6, 3));
    assert_eq!((sealed.head(), sealed.first_block()), (first, first));
    assert_eq!((sealed.get(2), sealed.last(), sealed.get(5)), (Some(&3), Some(&5), None));
    assert!(sealed.block_addrs().eq(addrs));
    let expected = Descriptor {
        magic: Descriptor::MAGIC,
        version: Descriptor::VERSION,
        flags: 0b111,
        entry_size: 8,
        block_size: 32,
        head: PhysAddr::to_wire(first),
        entries: 5,
        tag: 0x5e55,
    };
    assert_eq!(sealed.descriptor(0x5e55), expected);
    drop(sealed.unseal());
}

#[test]
fn a_set_that_is_unsealed_goes_on_and_is_freed_again() {
    let mut mem = Mock::new();
    let mut set = filled(&mem);
    for turn in 6..10 {
        let before: Vec<u64> = set.iter().copied().collect();
        let (first, live) = (set.first_block(), set.len().div_ceil(2));
        let calls = mem.calls();
        let sealed = set.seal();
        assert_eq!(mem.live(), live);
        let spare = mem.calls().unpreserve_free;
        // The jump fails.
        set = sealed.unseal();
        assert_eq!((mem.live(), mem.calls()), (live, Calls { unpreserve_free: spare, ..calls }));
        set.audit().unwrap();
        assert!(set.iter().eq(&before), "every entry is as it was");
        assert_eq!((set.first_block(), set.block_count()), (first, live));
        // There is room again, as soon as it is grown.
        set.grow(set.len() + 5).unwrap();
        set.writer().push(turn).unwrap();
        set.audit().unwrap();
        assert_eq!(set.last(), Some(&turn));
    }
    drop(set);
    mem.assert_clean();

    // Sealed a second time it is left as it is then.
    let mut set = filled(&mem).seal().unseal();
    assert_eq!((set.pop(), set.pop(), set.pop()), (Some(5), Some(4), Some(3)));
    set.push(7).unwrap();
    let sealed = set.seal();
    let root = sealed.descriptor(7);
    assert_eq!((root.entries, mem.live()), (3, 2));
    sealed.leave();
    mem.reboot();
    let mut set = Taken::restore_from(&mem, &root, 7).unwrap();
    assert!(set.iter().eq(&[1, 2, 7]));
    set.destroy();
    mem.assert_clean();
}

#[test]
fn a_set_without_entries_has_no_block_once_it_is_sealed() {
    let mut mem = Mock::new();
    let mut emptied = filled(&mem);
    emptied.clear();
    let mut grown = Set::new(&mem);
    grown.grow(6).unwrap();
    assert!(grown.first_block().is_some() && emptied.first_block().is_some());
    for set in [Set::new(&mem), grown, emptied] {
        let sealed = set.seal();
        assert_eq!((sealed.len(), sealed.block_count()), (0, 0));
        assert_eq!((sealed.head(), sealed.first_block()), (None, None));
        let root = sealed.descriptor(7);
        assert_eq!((root.head(), root.entries, root.flags), (None, 0, 0b111));
        let mut set = sealed.unseal();
        set.push(1).unwrap();
        assert!(set.iter().eq(&[1]));
        set.clear();
        assert_eq!(set.seal().leave(), None);
    }
    mem.assert_clean();
    mem.reboot();
    mem.assert_clean();
}

#[test]
fn to_destroy_is_to_free_always() {
    let mut mem = Mock::new();
    let mut set = filled(&mem);
    set.destroy();
    assert_eq!((set.first_block(), mem.live(), mem.calls().unpreserve_free), (None, 0, 5));
    drop(set);
    let mut set = filled(&mem).seal().unseal();
    set.destroy();
    assert_eq!((mem.live(), mem.calls().unpreserve_free), (0, 10));
    set.push(1).unwrap();
    let head = set.into_head();
    mem.reboot();
    let mut set = Taken::restore(&mem, head).unwrap();
    set.destroy();
    set.destroy();
    assert_eq!((set.first_block(), mem.calls().restore_free), (None, 1));
    drop(set);
    mem.assert_clean();
}

#[test]
fn what_is_taken_ends_on_its_own() {
    let mut mem = Mock::new();
    let mut set = filled(&mem);
    let taken = set.take();
    assert_eq!((set.len(), set.block_count(), set.first_block()), (0, 0, None));
    assert!(taken.iter().eq(&[1, 2, 3, 4, 5]));
    set.push(7).unwrap();
    drop(taken);
    assert_eq!(mem.live(), 1, "what was taken is freed, and nothing else");
    assert!(set.iter().eq(&[7]));
    let head = set.take().into_head();
    drop(set);
    assert_eq!(mem.live(), 1, "what was left is left");
    mem.reboot();
    let mut set = Taken::restore(&mem, head).unwrap();
    assert!(set.iter().eq(&[7]));
    set.destroy();
    mem.assert_clean();
}
