//! A kexec at any instant: an old kernel is stopped after every single instruction, and each time a
//! new one restores the chain from a copy of memory as it stands.
//!
//! The old kernel is a child process, which works on a chain in shared memory; the test single-steps
//! it with ptrace, so this needs Linux, and a container that allows ptrace. At every stop the chain
//! must be sound, and its entries the first so many of what was pushed, each of them whole. How many
//! they are, from the first stop to the last, is the list that each test gives. `slots.rs` does the
//! same to `Slots`, `region.rs` to a `Region`, and `world.rs` to two sets and a table in one region,
//! with work that is drawn at random, too.
//!
//! ```text
//! cargo test --test interrupt -- --nocapture
//! cargo test --release --test interrupt -- --nocapture
//! ```

#![cfg(target_os = "linux")]
#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test panics when it fails"
)]

#[cfg(target_arch = "x86_64")]
#[path = "interrupt/looks.rs"]
mod looks;
#[path = "interrupt/memory.rs"]
mod memory;
#[path = "it/ram.rs"]
mod ram;
#[path = "interrupt/region.rs"]
mod region;
#[path = "interrupt/slots.rs"]
mod slots;
#[path = "interrupt/stepper.rs"]
mod stepper;
#[path = "interrupt/strict.rs"]
mod strict;
#[path = "interrupt/world.rs"]
mod world;

use core::mem;
use core::panic::AssertUnwindSafe;
use std::io::stdin;
use std::panic::{catch_unwind, resume_unwind};

use kho_block::{
    Descriptor, IncomingSet, OutgoingSet, PhysAddr, RestoreError, RestoreErrorKind,
    RestoreFromError,
};

use crate::memory::{BLOCK_SIZE, BLOCKS, Memory};
use crate::ram::Ram;
use crate::strict::{When, restore};

/// Four of them fit into a block, and 16 bytes are left over.
type Entry = [u64; 3];
type Set = OutgoingSet<Entry, Ram<'static>, BLOCK_SIZE>;

/// Entry `i`: every word tells the index and its own place, and none is zero.
fn entry(i: usize) -> Entry {
    let seed = u64::try_from(i).unwrap().wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [seed, seed.rotate_left(21) ^ 0x55, !seed.rotate_left(42)]
}

fn entries(range: core::ops::Range<usize>) -> Vec<Entry> {
    range.map(entry).collect()
}

/// In a list of lengths: the root names a block that is not preserved any more, and nor is another.
const DANGLING: usize = usize::MAX;

/// What the entries are, in the descriptor of a set, which is true at every instant.
const TAG: u64 = 7;

/// What a new kernel finds in `copy`: how many entries.
///
/// # Panics
///
/// If the chain is damaged, has a block that is neither full nor the last, or one without entries
/// (but for the only block of a set without any), if its entries are not the first ones that were
/// pushed, or if what is unused is not zero and no call is under way.
fn found(copy: &Memory, when: When) -> usize {
    let promise = OutgoingSet::<Entry, _, BLOCK_SIZE>::new(copy.ram()).descriptor(TAG);
    let root = Descriptor { head: PhysAddr::to_wire(copy.root()), ..promise };
    match restore::<Entry, _, BLOCK_SIZE>(copy.ram(), &root, TAG, when) {
        Ok(set) => {
            for (i, found) in set.iter().enumerate() {
                assert_eq!(*found, entry(i), "entry {i} of {}", set.len());
            }
            set.len()
        }
        Err(RestoreFromError::Chain(RestoreError {
            kind: RestoreErrorKind::NotPreserved { .. },
            ..
        })) if copy.is_empty() => DANGLING,
        Err(error) => panic!("{error}"),
    }
}

/// Runs `work` on a set of `filled` entries, stops it after every instruction, and compares the
/// numbers of entries that new kernels find, without repetitions, with `lengths`. `test` is the name
/// of the test, by which the child finds its way back here.
fn interrupted(
    test: &str,
    filled: usize,
    lengths: impl IntoIterator<Item = usize>,
    work: impl FnOnce(&'static Memory, &mut Set),
) {
    if stepper::is_child() {
        let memory = Memory::shared(stdin());
        memory.poison();
        let mut set = Set::new(memory.ram());
        set.extend_from_slice(&entries(0..filled)).unwrap();
        memory.set_root(set.first_block());
        stepper::be_stepped(|| work(memory, &mut set));
        return mem::forget(set);
    }

    let file = Memory::create();
    let shared = Memory::shared(&file);
    let copy = Box::new(Memory::new());
    let (mut changes, mut seen) = (0_usize, Vec::new());
    let stops = stepper::step(test, file, || {
        if copy.follow(shared) {
            changes = changes.saturating_add(1);
            copy.reboot();
            let when = if changes == 1 { When::AtRest } else { When::Any };
            let length = found(&copy, when);
            if seen.last() != Some(&length) {
                seen.push(length);
            }
        }
    });
    assert_eq!(seen, lengths.into_iter().collect::<Vec<_>>());
    copy.reboot();
    assert_eq!(seen.last(), Some(&found(&copy, When::AtRest)));
    println!("{test}: {stops} stops, {changes} states of memory");
}

#[test]
fn a_push_adds_a_whole_entry_or_none() {
    interrupted("a_push_adds_a_whole_entry_or_none", 0, 0..=9, |memory, set| {
        for i in 0..9 {
            set.push(entry(i)).unwrap();
            memory.set_root(set.first_block());
        }
    });
}

#[test]
fn a_writer_adds_a_whole_entry_or_none() {
    interrupted("a_writer_adds_a_whole_entry_or_none", 0, 0..=9, |memory, set| {
        set.grow(9).unwrap();
        memory.set_root(set.first_block());
        let mut writer = set.writer();
        for i in 0..9 {
            writer.push(entry(i)).unwrap();
        }
    });
}

#[test]
fn a_rollback_takes_back_one_entry_after_the_other() {
    let lengths = [3, 4, 5, 6, 5, 4, 3];
    interrupted("a_rollback_takes_back_one_entry_after_the_other", 3, lengths, |_, set| {
        set.grow(6).unwrap();
        let mut writer = set.writer();
        for i in 3..6 {
            writer.push(entry(i)).unwrap();
        }
        for i in (3..6).rev() {
            assert_eq!(writer.pop(), Some(entry(i)));
        }
    });
}

#[test]
fn an_iterator_adds_the_first_entry_of_a_block_and_then_the_others_at_once() {
    let lengths = [3, 4, 5, 8, 9];
    interrupted(
        "an_iterator_adds_the_first_entry_of_a_block_and_then_the_others_at_once",
        3,
        lengths,
        |_, set| {
            set.grow(9).unwrap();
            assert_eq!(set.writer().extend((3..9).map(entry)), 6);
        },
    );
}

#[test]
fn an_iterator_that_panics_adds_what_it_yielded() {
    let lengths = [3, 4, 5, 6];
    interrupted("an_iterator_that_panics_adds_what_it_yielded", 3, lengths, |_, set| {
        set.grow(9).unwrap();
        let until_6 = (3..9).map(|i| if i < 6 { entry(i) } else { resume_unwind(Box::new(())) });
        let mut writer = set.writer();
        catch_unwind(AssertUnwindSafe(|| writer.extend(until_6))).unwrap_err();
    });
}

#[test]
fn a_slice_is_added_a_block_at_a_time() {
    let lengths = [3, 4, 8, 10];
    interrupted("a_slice_is_added_a_block_at_a_time", 3, lengths, |_, set| {
        set.extend_from_slice(&entries(3..10)).unwrap();
    });
}

#[test]
fn a_writer_adds_a_slice_a_block_at_a_time() {
    let lengths = [3, 4, 8, 10];
    interrupted("a_writer_adds_a_slice_a_block_at_a_time", 3, lengths, |_, set| {
        set.grow(10).unwrap();
        set.writer().extend_from_slice(&entries(3..10)).unwrap();
    });
}

#[test]
fn reading_changes_nothing() {
    interrupted("reading_changes_nothing", 6, [6], |_, set| {
        assert!(set.iter().copied().eq((0..6).map(entry)));
        assert_eq!(set.cursor_back().prev(), Some(&entry(5)));
    });
}

#[test]
fn growing_and_shrinking_keep_every_entry() {
    interrupted("growing_and_shrinking_keep_every_entry", 5, [5], |_, set| {
        set.grow(20).unwrap();
        set.shrink(12);
        set.grow(16).unwrap();
        set.shrink(0);
    });
}

#[test]
fn a_refused_growth_keeps_every_entry() {
    interrupted("a_refused_growth_keeps_every_entry", 5, [5], |_, set| {
        let error = set.grow(BLOCKS.saturating_mul(4).saturating_add(1)).unwrap_err();
        assert_eq!(error.obtained, BLOCKS.saturating_sub(2));
    });
}

#[test]
fn sealing_and_unsealing_keep_every_entry() {
    interrupted("sealing_and_unsealing_keep_every_entry", 5, [5], |memory, set| {
        set.grow(20).unwrap();
        let sealed = set.take().seal();
        assert_eq!(sealed.head(), memory.root());
        *set = sealed.unseal();
        set.grow(20).unwrap();
        assert_eq!(set.take().into_head(), memory.root());
    });
}

#[test]
fn a_sealed_set_that_is_dropped_stays() {
    interrupted("a_sealed_set_that_is_dropped_stays", 5, [5], |_, set| drop(set.take().seal()));
}

#[test]
fn blocks_come_and_go_with_their_first_and_last_entry() {
    let lengths = [3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 7];
    interrupted("blocks_come_and_go_with_their_first_and_last_entry", 3, lengths, |_, set| {
        set.grow(12).unwrap();
        set.extend_from_slice(&entries(3..4)).unwrap();
        set.push(entry(4)).unwrap();
        assert_eq!(set.pop(), Some(entry(4)));
        let mut writer = set.writer();
        for i in 4..9 {
            writer.push(entry(i)).unwrap();
        }
        assert_eq!(writer.pop(), Some(entry(8)));
        assert_eq!(writer.pop(), Some(entry(7)));
    });
}

#[test]
fn truncation_across_blocks_leaves_them_spare() {
    let lengths = [15, 12, 8, 5, 6, 7, 8, 9];
    interrupted("truncation_across_blocks_leaves_them_spare", 15, lengths, |_, set| {
        set.grow(24).unwrap();
        set.truncate(5);
        for i in 5..9 {
            set.push(entry(i)).unwrap();
        }
        assert_eq!(set.block_count(), 6);
    });
}

#[test]
fn spare_blocks_are_added_and_freed_beside_the_chain() {
    interrupted("spare_blocks_are_added_and_freed_beside_the_chain", 8, [8, 9], |_, set| {
        set.grow(16).unwrap();
        set.grow(24).unwrap();
        set.shrink(20);
        set.shrink(9);
        set.grow(20).unwrap();
        set.push(entry(8)).unwrap();
        set.shrink(0);
    });
}

#[test]
fn a_set_is_cleared_and_refilled_under_a_root_that_names_its_first_block() {
    let test = "a_set_is_cleared_and_refilled_under_a_root_that_names_its_first_block";
    interrupted(test, 9, [9, 8, 4, 0, 1, 4, 5, 6, 4, 0, 1], |memory, set| {
        set.clear();
        assert_eq!((set.head(), set.first_block()), (None, memory.root()));
        set.push(entry(0)).unwrap();
        set.try_extend((1..6).map(entry)).unwrap();
        set.clear();
        set.grow(12).unwrap();
        set.push(entry(0)).unwrap();
    });
}

#[test]
fn a_pop_removes_a_whole_entry_or_none() {
    interrupted("a_pop_removes_a_whole_entry_or_none", 9, (0..=9).rev(), |_, set| {
        for i in (0..9).rev() {
            assert_eq!(set.pop(), Some(entry(i)));
        }
    });
}

#[test]
fn truncation_removes_the_last_block_first() {
    interrupted("truncation_removes_the_last_block_first", 11, [11, 8, 4, 2], |_, set| {
        set.truncate(2);
    });
}

#[test]
fn clearing_removes_the_last_block_first() {
    interrupted("clearing_removes_the_last_block_first", 6, [6, 4, 0], |_, set| set.clear());
}

#[test]
fn slots_and_blocks_are_used_again_as_if_new() {
    let lengths = [9, 8, 4, 1, 2, 3, 4, 5, 6];
    interrupted("slots_and_blocks_are_used_again_as_if_new", 9, lengths, |_, set| {
        set.truncate(1);
        set.shrink(0);
        for i in 1..6 {
            set.push(entry(i)).unwrap();
        }
    });
}

#[test]
fn a_destroyed_set_starts_anew() {
    interrupted("a_destroyed_set_starts_anew", 9, [9, 0, 1, 2, 3, 4, 5, 6], |memory, set| {
        memory.set_root(None);
        set.destroy();
        for i in 0..6 {
            set.push(entry(i)).unwrap();
            memory.set_root(set.first_block());
        }
    });
}

#[test]
fn a_dropped_chain_is_empty_until_its_head_is_freed() {
    let lengths = [9, 4, 0, DANGLING];
    interrupted("a_dropped_chain_is_empty_until_its_head_is_freed", 9, lengths, |memory, set| {
        drop(mem::replace(set, Set::new(memory.ram())));
    });
}

#[test]
fn an_adopted_set_goes_on_and_is_left_where_it_is() {
    let lengths = [6, 7, 8, 9, 8, 7];
    interrupted("an_adopted_set_goes_on_and_is_left_where_it_is", 6, lengths, |memory, set| {
        let head = set.take().into_head();
        memory.reboot();
        let taken = IncomingSet::<Entry, _, BLOCK_SIZE>::restore(memory.ram(), head).unwrap();
        let mut adopted = taken.adopt().unwrap();
        adopted.grow(12).unwrap();
        for i in 6..9 {
            adopted.push(entry(i)).unwrap();
        }
        assert_eq!((adopted.pop(), adopted.pop()), (Some(entry(8)), Some(entry(7))));
        drop(adopted);
    });
}

#[test]
fn a_destroyed_chain_is_empty_until_its_head_is_freed() {
    let lengths = [9, 4, 0, DANGLING];
    interrupted("a_destroyed_chain_is_empty_until_its_head_is_freed", 9, lengths, |_, set| {
        set.destroy();
    });
}
