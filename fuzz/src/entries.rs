//! What sets of either kernel do with the entries they have, and what a list does instead.

use core::fmt::Debug;
use core::ptr;

use kho_block::{BlockSet, Origin};

use crate::arena::Arena;
use crate::{List, Record, record};

/// Removes or rewrites entries, in one of six ways.
pub(crate) fn remove_or_rewrite<T: Record, O: Origin, const SIZE: usize>(
    set: &mut BlockSet<T, &Arena<SIZE>, O, SIZE>,
    list: &mut List<T>,
    way: u8,
    n: u8,
) {
    match way {
        0 => assert_eq!(set.pop(), list.pop()),
        1 => {
            set.truncate(n.into());
            list.truncate(n.into());
        }
        2 => {
            let (entry, in_list) = (set.get_mut(n.into()), list.get_mut(usize::from(n)));
            rewrite(entry, in_list, n);
        }
        3 => {
            let start = usize::from(n % 8);
            let forward = set.iter_mut().skip(start).zip(list.iter_mut().skip(start));
            forward.step_by(2).for_each(|(entry, in_list)| {
                (*entry, *in_list) = (record(n), record(n));
            });
            if let (Some([entry, ..]), Some(in_list)) = (set.blocks_mut().next(), list.first_mut())
            {
                (*entry, *in_list) = (record(!n), record(!n));
            }
        }
        4 => {
            // Two more than there are, so that one beyond the last is tried as well.
            let index = usize::from(n) % (list.len() + 2);
            let from_list = (index < list.len()).then(|| list.swap_remove(index));
            assert_eq!(set.swap_remove(index), from_list);
        }
        _ => {
            assert_eq!((set.first(), set.last()), (list.first(), list.last()));
            rewrite(set.last_mut(), list.last_mut(), n);
        }
    }
}

/// Rewrites an entry of a set and of its list, or finds that there is none in either.
fn rewrite<T: Record>(entry: Option<&mut T>, in_list: Option<&mut T>, n: u8) {
    assert_eq!(entry, in_list);
    if let (Some(entry), Some(in_list)) = (entry, in_list) {
        (*entry, *in_list) = (record(n), record(n));
    }
}

/// Reads all entries in every way, and compares them with a list.
pub(crate) fn compare<T: Record + Debug, O: Origin, const SIZE: usize>(
    set: &BlockSet<T, &Arena<SIZE>, O, SIZE>,
    list: &[T],
) {
    assert_eq!((set.len(), set.is_empty()), (list.len(), list.is_empty()));
    assert_eq!((set.iter().len(), set.cursor().len()), (list.len(), list.len()));
    assert!(set.iter().eq(list), "forward");
    assert!(set.iter().rev().eq(list.iter().rev()), "backward");
    assert!(set.blocks().flatten().eq(list), "block by block");
    assert!(set.cursor().eq(list), "by a cursor");
    let mut cursor = set.cursor_back();
    assert!(core::iter::from_fn(|| cursor.prev()).eq(list.iter().rev()), "by a cursor, backward");
    for (index, entry) in list.iter().enumerate() {
        let found = set.get(index);
        assert_eq!(found, Some(entry));
        let place = set.entry_ptr(index).map(|place| place.as_ptr().cast_const());
        assert_eq!(place, found.map(ptr::from_ref));
    }
    assert_eq!((set.first(), set.last()), (list.first(), list.last()));
    let beyond = list.len();
    assert_eq!((set.get(beyond), set.phys_addr(beyond), set.entry_ptr(beyond)), (None, None, None));
    assert_eq!(set.head(), set.first_block().filter(|_| !list.is_empty()));
}
