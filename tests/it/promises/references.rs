//! References to entries: as many as one likes to read, and to each entry one to change it.

use kho_block::OutgoingSet;
use kho_block::mock::Mock;

/// Six entries to a block.
type Set<'m> = OutgoingSet<u64, &'m Mock, 64>;

/// The entries 0 to 19, in four blocks.
fn filled(mem: &Mock) -> Set<'_> {
    let mut set = Set::new(mem);
    set.try_extend(0..20).unwrap();
    set
}

#[test]
fn every_reader_lends_entries_that_are_read_while_the_others_go_on() {
    let mem = Mock::new();
    let set = filled(&mem);
    let all: Vec<_> = set.iter().collect();
    let back: Vec<_> = set.iter().rev().collect();
    let blocks: Vec<_> = set.blocks().collect();
    let by_index: Vec<_> = (0..20).map(|index| set.get(index).unwrap()).collect();
    let (mut cursor, mut end) = (set.cursor(), set.cursor_back());
    let ahead: Vec<_> = core::iter::from_fn(|| cursor.next()).collect();
    let behind: Vec<_> = core::iter::from_fn(|| end.prev()).collect();
    let peeked = [cursor.peek_prev(), cursor.clone().prev(), end.peek_next(), set.first()];
    let entry = set.entry_ptr(3).unwrap();
    assert!(set.dump().to_string().starts_with("20 entries"));
    set.audit().unwrap();

    for kept in [&all, &by_index, &ahead] {
        assert!(kept.iter().copied().eq(&set));
    }
    for kept in [&back, &behind] {
        assert!(kept.iter().rev().copied().eq(&set));
    }
    assert_eq!(blocks.concat(), (0..20).collect::<Vec<_>>());
    assert_eq!(peeked, [Some(&19), Some(&19), Some(&0), Some(&0)]);
    assert_eq!(core::ptr::from_ref(all[3]), entry.as_ptr().cast_const());
}

#[test]
fn every_entry_is_lent_at_once_to_be_changed() {
    let mem = Mock::new();
    let mut set = filled(&mem);
    let mut iter = set.iter_mut();
    let mut all = Vec::new();
    while let Some(entry) = iter.next() {
        all.push(entry);
        all.extend(iter.next_back());
    }
    for entry in all.iter_mut().rev() {
        **entry += 100;
    }
    assert_eq!(all.into_iter().map(|entry| *entry).sum::<u64>(), 20 * 100 + 190);

    let mut blocks: Vec<_> = set.blocks_mut().collect();
    assert_eq!(blocks.len(), 4);
    for _ in 0..2 {
        // The entries of each block in turn, then once more.
        for slot in 0..6 {
            for entry in blocks.iter_mut().filter_map(|block| block.get_mut(slot)) {
                *entry += 1000;
            }
        }
    }
    drop(blocks);
    assert!(set.iter().copied().eq((0..20).map(|entry| entry + 2100)));
    set.audit().unwrap();
}
