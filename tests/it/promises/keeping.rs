//! What is kept when some entries go: all others, in their order, also if a panic comes between.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use kho_block::mock::Mock;
use kho_block::{IncomingSet, RestoreChecks};

use super::Set;

fn filled(mem: &Mock, entries: u64) -> Set<'_> {
    let mut set = Set::new(mem);
    set.extend_from_slice(&(0..entries).collect::<Vec<_>>()).unwrap();
    set
}

/// Entries that there are at the most: Miri takes a second for twenty choices.
const MOST: u64 = if cfg!(miri) { 3 } else { 7 };

#[test]
fn retain_keeps_every_choice_of_entries_in_their_order() {
    for entries in 0..=MOST {
        for choice in 0_u64..1 << entries {
            let mem = Mock::new();
            let mut set = filled(&mem, entries);
            let blocks = set.block_count();
            let mut shown = Vec::new();
            set.retain(|&entry| {
                shown.push(entry);
                choice >> entry & 1 == 1
            });
            set.audit().unwrap();
            assert!(shown.into_iter().eq(0..entries), "each is shown once, in order");
            assert!(set.iter().copied().eq((0..entries).filter(|entry| choice >> entry & 1 == 1)));
            assert_eq!(set.block_count(), blocks, "the blocks stay with the set");
            set.push(77).unwrap();
            assert_eq!(set.last(), Some(&77));
        }
    }
}

#[test]
fn a_panic_in_retain_loses_no_entry_that_was_kept_or_not_seen() {
    for entries in 1..=MOST {
        for panics_at in 0..entries {
            for choice in 0_u64..1 << panics_at {
                let mut mem = Mock::new();
                let mut set = filled(&mem, entries);
                let keep = |&entry: &u64| {
                    assert!(entry < panics_at, "the choice goes wrong here");
                    choice >> entry & 1 == 1
                };
                assert!(catch_unwind(AssertUnwindSafe(|| set.retain(keep))).is_err());
                set.audit().unwrap();
                let kept = (0..entries).filter(|&e| e >= panics_at || choice >> e & 1 == 1);
                let kept: Vec<_> = kept.collect();
                assert!(set.iter().eq(&kept), "{choice:b} of {entries}, a panic at {panics_at}");
                let head = set.into_head();
                mem.reboot();
                let all = RestoreChecks::all();
                let set = IncomingSet::<u64, _, 32>::restore_with(&mem, head, all).unwrap();
                assert!(set.iter().eq(&kept));
            }
        }
    }
}

#[test]
fn swap_remove_moves_the_last_entry_and_no_other() {
    for entries in 0..=MOST {
        for index in 0..=entries + 1 {
            let mem = Mock::new();
            let mut set = filled(&mem, entries);
            let mut list: Vec<u64> = (0..entries).collect();
            let at = usize::try_from(index).unwrap();
            let addrs: Vec<_> = (0..list.len()).map(|i| set.phys_addr(i)).collect();
            let expected = (index < entries).then(|| list.swap_remove(at));
            assert_eq!(set.swap_remove(at), expected);
            set.audit().unwrap();
            assert!(set.iter().eq(&list), "{index} of {entries}");
            assert!((0..list.len()).all(|i| set.phys_addr(i) == addrs[i]), "slots stay in place");
            assert_eq!(set.swap_remove(usize::MAX), None);
        }
    }
}

#[test]
fn what_try_extend_was_given_before_its_iterator_panicked_is_kept() {
    for yielded in 0..=7 {
        let mem = Mock::new();
        let mut set = filled(&mem, 1);
        let mut entries = 1..=yielded;
        let panicking =
            core::iter::from_fn(|| Some(entries.next().expect("the save goes wrong here")));
        assert!(catch_unwind(AssertUnwindSafe(|| set.try_extend(panicking))).is_err());
        set.audit().unwrap();
        assert!(set.iter().copied().eq(0..=yielded));
        set.push(77).unwrap();
        assert_eq!(set.last(), Some(&77));
        drop(set);
        mem.assert_clean();
    }
}

#[test]
fn try_extend_asks_an_iterator_nothing_more_once_it_has_ended() {
    for grown in [0, 2, 14] {
        let mem = Mock::new();
        let mut set = Set::new(&mem);
        set.grow(grown).unwrap();
        let mut asked = 0;
        // Ends after two entries, but would go on.
        set.try_extend(core::iter::from_fn(|| {
            asked += 1;
            (asked % 3 != 0 && asked < 12).then_some(asked)
        }))
        .unwrap();
        assert!(set.iter().eq(&[1, 2]), "with room for {grown}");
        assert_eq!(asked, 3, "with room for {grown}");
    }
}
