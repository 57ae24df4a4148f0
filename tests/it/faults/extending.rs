//! Extending from an iterator while memory is refused: what fits is kept, and nothing is lost.

use kho_block::GrowErrorKind;
use kho_block::mock::Mock;

use super::{By, Set, assert_refused};
use crate::heap::{self, sheltered};

/// Extends a set of `before` entries by `new` ones, with all but the first `n` requests refused, for
/// every `n` until it succeeds. Returns how many of the new entries were appended each time.
fn refused(by: By, before: u64, new: u64) -> Vec<u64> {
    let mut appended = Vec::with_capacity(64);
    for n in 0.. {
        let mem = Mock::new();
        let held = heap::held();
        let mut set = Set::new(sheltered(&mem));
        set.extend_from_slice(&(0..before).collect::<Vec<_>>()).unwrap();
        let mut entries = before..before + new;

        let result = match by {
            By::Heap => heap::refusing(n, || set.try_extend(&mut entries)),
            By::Mock => {
                mem.refuse_after(n);
                set.try_extend(&mut entries)
            }
        };
        mem.refuse_none();
        set.audit().unwrap();
        let len = u64::try_from(set.len()).unwrap();
        assert!(set.iter().copied().eq(0..len), "refusal {n} by the {by:?}");
        appended.push(len - before);
        let Err(error) = result else {
            assert_eq!((len, entries.next()), (before + new, None));
            return appended;
        };

        // The error has the next entry, the iterator all behind it; no block is left over.
        assert_eq!((error.entry, error.errno()), (len, 12), "refusal {n} by the {by:?}");
        assert_eq!(entries, len + 1..before + new);
        assert_refused(error.cause, 1, 0);
        assert_eq!((set.capacity(), mem.live()), (set.len(), set.block_count()));

        // So the save goes on elsewhere, or here once there is memory again.
        set.push(error.entry).unwrap();
        assert!(set.try_extend(entries).is_ok());
        assert!(set.iter().copied().eq(0..before + new));
        drop(set);
        mem.assert_clean();
        assert_eq!(heap::held(), held, "refusal {n} by the {by:?} leaked heap");
    }
    unreachable!("there is an end to every operation")
}

#[test]
fn entries_are_appended_until_the_first_block_that_is_refused() {
    assert_eq!(refused(By::Mock, 0, 1), [0, 1]);
    assert_eq!(refused(By::Mock, 0, 7), [0, 2, 4, 6, 7]);
    assert_eq!(refused(By::Mock, 3, 6), [1, 3, 5, 6]);
    assert_eq!(refused(By::Mock, 4, 4), [0, 2, 4]);
    // Where there is room nobody is asked.
    assert_eq!(refused(By::Mock, 3, 1), [1]);
    assert_eq!(refused(By::Mock, 4, 0), [0]);
}

#[test]
fn entries_are_appended_until_the_index_is_refused() {
    const NEW: u64 = if cfg!(miri) { 20 } else { 40 };
    for (before, new) in [(0, NEW), (7, NEW)] {
        let appended = refused(By::Heap, before, new);
        assert!(
            appended.len() >= if cfg!(miri) { 3 } else { 4 },
            "the index grows several times: {appended:?}"
        );
        assert!(appended.is_sorted_by(|a, b| a < b), "{appended:?}");
        assert_eq!((appended.first(), appended.last()), (Some(&(before % 2)), Some(&new)));
    }
}

#[test]
fn an_iterator_that_knows_no_end_is_asked_for_one_entry_more_than_there_is_room_for() {
    let mem = Mock::refusing(3);
    let mut set = Set::new(sheltered(&mem));
    let mut asked = 0;
    let counting = core::iter::from_fn(|| {
        asked += 1;
        Some(asked)
    });
    let error = set.try_extend(counting).unwrap_err();
    assert_eq!((error.entry, error.cause.kind), (7, GrowErrorKind::OutOfMemory));
    assert_eq!(asked, 7);
    assert!(set.iter().copied().eq(1..=6));
}
