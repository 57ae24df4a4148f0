//! What a set promises when its user forgets, panics, or asks for nothing.

#![expect(clippy::forget_non_drop, reason = "what may be forgotten without harm is what is tested")]

mod keeping;
mod limits;
mod machine;
mod pointers;
mod printing;
mod references;
mod shared;
mod threads;
mod values;

use core::iter::from_fn;
use core::mem::forget;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use kho_block::mock::{Calls, Mock};
use kho_block::zerocopy::IntoBytes;
use kho_block::{BlockHeader, BlockSet, IncomingSet, Origin, Outgoing, PhysAddr, RestoreChecks};

/// Two entries to a block.
type Set<'m> = BlockSet<u64, &'m Mock, Outgoing, 32>;

#[test]
fn a_set_dropped_half_written_leaves_nothing() {
    for written in 0..=7 {
        let mem = Mock::new();
        let mut set = Set::new(&mem);
        set.grow(6).unwrap();
        assert_eq!(set.writer().extend(0..written), usize::try_from(written.min(6)).unwrap());
        drop(set);
        mem.assert_clean();
        assert_eq!(mem.calls().alloc_preserve, 3);
    }
}

#[test]
fn a_writer_forgotten_at_any_point_loses_no_entry() {
    for written in 0..=6 {
        let mem = Mock::new();
        let mut set = Set::new(&mem);
        set.grow(6).unwrap();
        let mut writer = set.writer();
        for entry in 0..written {
            writer.push(entry).unwrap();
        }
        forget(writer);
        set.audit().unwrap();
        assert!(set.iter().copied().eq(0..written));

        // Nor does one that was forgotten on the way back.
        let mut writer = set.writer();
        assert_eq!(writer.pop(), written.checked_sub(1));
        forget(writer);
        set.audit().unwrap();
        assert!(set.iter().copied().eq(0..written.saturating_sub(1)));
        set.push(77).unwrap();
        assert_eq!(set.iter().last(), Some(&77));
    }
}

#[test]
fn readers_may_be_forgotten() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[0, 1, 2, 3, 4]).unwrap();
    let mut cursor = set.cursor();
    cursor.next();
    forget(cursor);
    let mut iter = set.iter();
    iter.next_back();
    forget(iter);
    forget(set.blocks());
    let mut iter = set.iter_mut();
    iter.nth(2);
    forget(iter);
    let mut blocks = set.blocks_mut();
    blocks.next();
    forget(blocks);
    let mut addrs = set.block_addrs();
    addrs.next_back();
    forget(addrs);
    set.audit().unwrap();
    assert!(set.iter().copied().eq(0..5));
    drop(set);
    mem.assert_clean();
}

#[test]
fn an_iterator_dropped_halfway_has_changed_what_it_was_told_to_and_taken_nothing() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[0, 1, 2, 3, 4]).unwrap();
    let mut iter = set.iter_mut();
    *iter.next().unwrap() += 10;
    *iter.next_back().unwrap() += 10;
    drop(iter);
    let mut blocks = set.blocks_mut();
    blocks.nth(1).unwrap()[1] += 10;
    drop(blocks);
    drop(set.block_addrs());
    drop(set.writer());
    set.audit().unwrap();
    assert!(set.iter().eq(&[10, 1, 2, 13, 14]));

    // What an iterator has left when a save is done with it, it still has.
    let mut entries = 20..30;
    set.try_extend(entries.by_ref().take(4)).unwrap();
    assert_eq!((set.len(), entries), (9, 24..30));
    assert!(set.iter().skip(5).copied().eq(20..24));
}

#[test]
fn a_forgotten_set_is_left_to_the_next_kernel() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[0, 1, 2]).unwrap();
    let head = set.head();
    forget(set);
    assert_eq!(mem.live(), 2);
    mem.reboot();
    let set = IncomingSet::<u64, _, 32>::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().copied().eq(0..3));
}

#[test]
fn what_an_iterator_yields_before_it_panics_is_kept() {
    for yielded in 0..=6 {
        let mem = Mock::new();
        let mut set = Set::new(&mem);
        set.grow(8).unwrap();
        set.push(100).unwrap();
        let mut entries = 0..yielded;
        let panicking = from_fn(|| Some(entries.next().expect("the save goes wrong here")));
        let mut writer = set.writer();
        let caught = catch_unwind(AssertUnwindSafe(|| writer.extend(panicking)));
        assert!(caught.is_err());

        // The writer goes on where the panic stopped it.
        writer.push(200).unwrap();
        set.audit().unwrap();
        assert!(set.iter().copied().eq([100].into_iter().chain(0..yielded).chain([200])));
        drop(set);
        mem.assert_clean();
    }
}

#[test]
fn a_writer_goes_on_behind_what_its_iterator_yielded_before_it_panicked() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    set.grow(10).unwrap();
    let mut writer = set.writer();
    let entries = (1..=3).map(|n| if n == 3 { panic!("as planned") } else { n });
    assert!(catch_unwind(AssertUnwindSafe(|| writer.extend(entries))).is_err());
    writer.push(9).unwrap();
    assert!(set.iter().eq(&[1, 2, 9]));
    set.audit().unwrap();
}

#[test]
fn a_panic_between_two_pushes_loses_and_leaks_nothing() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        set.push(1).unwrap();
        set.push(2).unwrap();
        set.push(3).unwrap();
        panic!("the save goes wrong here");
    }));
    assert!(caught.is_err());
    set.audit().unwrap();
    assert!(set.iter().eq(&[1, 2, 3]));

    // The set itself may be what the panic drops.
    let caught = catch_unwind(AssertUnwindSafe(move || {
        set.push(4).unwrap();
        panic!("and here");
    }));
    assert!(caught.is_err());
    mem.assert_clean();
}

#[test]
fn a_panic_while_entries_are_changed_keeps_the_rest() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[1, 2, 3, 4]).unwrap();
    let change = |entry: &mut u64| {
        assert!(*entry < 3, "the change goes wrong here");
        *entry += 100;
    };
    assert!(catch_unwind(AssertUnwindSafe(|| set.iter_mut().for_each(change))).is_err());
    set.audit().unwrap();
    assert!(set.iter().eq(&[101, 102, 3, 4]));
}

#[test]
fn a_set_shrunk_to_more_blocks_than_are_in_use_goes_on_where_it_ended() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.grow(10).unwrap();
    assert_eq!(set.writer().extend([1, 2, 3]), 3);
    set.shrink(6);
    set.audit().unwrap();
    set.push(4).unwrap();
    assert!(set.blocks().eq([&[1, 2][..], &[3, 4], &[]]));
}

/// Everything that can be done to a set without entries, short of adding one.
fn use_without_entries<O: Origin>(set: &mut BlockSet<u64, &Mock, O, 32>) {
    assert_eq!((set.len(), set.is_empty()), (0, true));
    for index in [0, 1, usize::MAX] {
        assert_eq!((set.get(index), set.phys_addr(index)), (None, None));
        assert_eq!(set.get_mut(index), None);
        set.truncate(index);
        assert_eq!((set.iter().nth(index), set.cursor().nth(index)), (None, None));
        assert_eq!(set.iter_mut().nth(index), None);
        assert_eq!(set.iter().nth_back(index), None);
        assert_eq!(set.cursor().seek(index), index == 0);
    }
    assert_eq!((set.pop(), set.swap_remove(0), set.swap_remove(usize::MAX)), (None, None, None));
    assert_eq!((set.first(), set.last(), set.head()), (None, None, None));
    assert_eq!(set.entry_ptr(0), None);
    assert_eq!(set.last_mut(), None);
    assert_eq!(set.block_addrs().len(), set.block_count());
    assert_eq!(set.descriptor(7).head(), set.first_block());
    set.clear();
    assert_eq!((set.iter().len(), set.iter().next(), set.iter().next_back()), (0, None, None));
    assert_eq!((set.iter_mut().len(), set.iter_mut().last()), (0, None));
    assert!(set.blocks().all(<[u64]>::is_empty));
    assert!(set.blocks_mut().all(|block| block.is_empty()));
    for mut cursor in [set.cursor(), set.cursor_back()] {
        assert_eq!((cursor.next(), cursor.prev(), cursor.position()), (None, None, 0));
        assert_eq!((cursor.peek_next(), cursor.peek_prev(), cursor.len()), (None, None, 0));
    }
    set.audit().unwrap();
}

#[test]
fn nothing_can_be_asked_of_a_set_without_entries() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    assert_eq!(set.writer().push(7).unwrap_err().entry, 7);
    assert_eq!(set.writer().push_zeroed(), None);
    for blocks in [0, 1, 3] {
        set.grow(0).unwrap();
        set.grow(blocks * 2).unwrap();
        set.extend_from_slice(&[]).unwrap();
        set.writer().extend_from_slice(&[]).unwrap();
        assert_eq!(set.writer().extend([]), 0);
        set.try_extend([]).unwrap();
        set.retain(|_| panic!("there is nothing to choose from"));
        assert_eq!(set.writer().pop(), None);
        use_without_entries(&mut set);
        assert_eq!(set.block_count(), blocks);
    }
    set.shrink(usize::MAX);
    assert_eq!(set.block_count(), 3);
    set.shrink(0);
    assert_eq!((set.block_count(), set.first_block(), set.descriptor(7).head), (0, None, 0));
    set.destroy();
    set.destroy();
    assert_eq!(set.into_head(), None);

    mem.reboot();
    let mut set = IncomingSet::<u64, _, 32>::restore(&mem, None).unwrap();
    use_without_entries(&mut set);
    set.shrink(0);
    set.shrink(usize::MAX);
    set.destroy();
    use_without_entries(&mut set);
    assert_eq!((set.head(), set.release()), (None, None));
    let descriptor = Set::new(&mem).descriptor(7);
    assert!(IncomingSet::<u64, _, 32>::restore_from(&mem, &descriptor, 7).unwrap().is_empty());
    assert_eq!(mem.calls(), Calls { alloc_preserve: 3, unpreserve_free: 3, ..Calls::default() });
    mem.assert_clean();
}

#[test]
fn a_chain_of_empty_blocks_is_a_set_without_entries() {
    // This crate never writes one, but others do.
    let mut mem = Mock::new();
    for (addr, next) in [(0x2000, 0x4000), (0x4000, 0x3000), (0x3000, 0)] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(BlockHeader { next, count: 0 }.as_bytes());
        mem.leave(addr, &bytes);
    }
    let head = PhysAddr::new(0x2000);
    let mut set = IncomingSet::<u64, _, 32>::restore(&mem, head).unwrap();
    assert_eq!(set.block_count(), 3);
    use_without_entries(&mut set);
    set.shrink(3);
    assert_eq!((set.block_count(), set.first_block(), set.head()), (2, head, None));
    assert_eq!(set.release(), head);
    let mut set = IncomingSet::<u64, _, 32>::restore(&mem, head).unwrap();
    assert_eq!(set.block_count(), 2, "the chain was cut where it was shrunk");
    set.shrink(0);
    assert_eq!((set.block_count(), set.first_block(), set.head()), (0, None, None));
    drop(set);
    mem.assert_clean();
}

#[test]
fn of_a_set_that_was_never_filled_its_first_block_is_found_and_is_empty() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.grow(6).unwrap();
    let first = set.first_block();
    assert_eq!((first.is_some(), set.head()), (true, None));
    forget(set);
    mem.reboot();
    let mut set = IncomingSet::<u64, _, 32>::restore(&mem, first).unwrap();
    assert_eq!(set.block_count(), 1, "spare blocks are not in the chain");
    use_without_entries(&mut set);
    set.destroy();
    assert_eq!((mem.live(), mem.unclaimed()), (0, 2), "and are named by nobody");
}

#[test]
fn a_destroyed_set_can_be_used_again() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    for turn in 0..3 {
        set.extend_from_slice(&[turn; 5]).unwrap();
        set.audit().unwrap();
        assert!(set.iter().eq(&[turn; 5]));
        set.destroy();
        assert_eq!((set.len(), set.block_count(), set.head(), mem.live()), (0, 0, None, 0));
    }
}
