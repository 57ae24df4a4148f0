//! The map of preserved blocks, against a model that reads it in the plainest way.

mod model;

use core::cell::Cell;

use kho_block::PhysAddr;
use kho_block::linux::{MapError, PreservedMap};
use proptest::prelude::*;

use self::model::{Model, Tree};
use super::wire;

fn addr(addr: u64) -> PhysAddr {
    PhysAddr::new(addr).unwrap()
}

/// All that a map yields, and the error behind it.
fn read(tree: &Tree) -> (Vec<(u64, u64)>, Option<MapError>) {
    let map = PreservedMap::new(addr(Tree::ROOT), |addr| tree.word(addr.get()));
    let (mut blocks, mut error) = (Vec::new(), None);
    for block in map.blocks() {
        assert_eq!(error, None, "something comes after an error");
        match block {
            Ok((addr, size)) => blocks.push((addr.get(), size)),
            Err(fault) => error = Some(fault),
        }
    }
    (blocks, error)
}

/// Compares the library's reading of a tree with the model's; whether it is refused.
fn compare(tree: &Tree, what: &str) -> bool {
    let model = Model::of(tree).unwrap();
    let (blocks, error) = read(tree);
    match error {
        None => {
            assert!(model.errors.is_empty(), "{what}: overlooked {:?}", model.errors);
            assert_eq!(blocks, model.blocks, "{what}");
        }
        Some(error) => {
            assert!(model.errors.contains(&error), "{what}: {error:?}, not {:?}", model.errors);
            assert!(model.blocks.starts_with(&blocks), "{what}: {blocks:x?} before {error:?}");
        }
    }
    let map = PreservedMap::new(addr(Tree::ROOT), |addr| tree.word(addr.get()));
    for (at, size) in model.questions() {
        assert_eq!(
            map.contains(addr(at), size),
            tree.contains(at, size),
            "{what}: {at:#x}, {size:#x}"
        );
    }
    error.is_some()
}

/// A sound map has exactly the tables that the model counts.
fn compare_limits(tree: &Tree) {
    let model = Model::of(tree).unwrap();
    for (max, expected) in [(model.tables, model.blocks.len()), (model.tables - 1, usize::MAX)] {
        let map = PreservedMap::new(addr(Tree::ROOT), |addr| tree.word(addr.get()));
        let map = map.with_max_tables(max);
        match map.blocks().last() {
            Some(Err(error)) => assert_eq!(error, MapError::TooManyTables { max }),
            _ => assert_eq!(map.blocks().count(), expected),
        }
    }
}

/// Blocks of several sizes, some of which have their bitmap in common.
const BLOCKS: [(u64, u64); 8] = [
    (0x1000, 0x1000),
    (0x3d_6000, 0x1000),
    (0x400_0000, 0x20_0000),
    (0x800_0000, 0x1000),
    (0x10_0000_0000, 0x4000_0000),
    (1 << 62, 1 << 62),
    (1 << 63, 1 << 62),
    (0xffff_ffff_ffff_e000, 0x1000),
];

#[test]
#[cfg_attr(miri, ignore = "it takes minutes, and any few blocks are read too")]
fn blocks_of_all_sizes_are_found_by_address() {
    let mut tree = Tree::new();
    assert_eq!(read(&tree), (vec![], None));
    for &(addr, size) in BLOCKS.iter().rev() {
        tree.insert(addr, size);
        compare(&tree, "a few");
        compare_limits(&tree);
    }
    assert_eq!(read(&tree), (BLOCKS.to_vec(), None));

    // One of each size, behind the one of half its size.
    let mut tree = Tree::new();
    let sizes = (12..64).map(|bits| (1 << bits, 1 << bits));
    sizes.clone().for_each(|(addr, size)| tree.insert(addr, size));
    assert_eq!(read(&tree), (sizes.collect(), None));
    compare(&tree, "every size");
    compare_limits(&tree);
}

#[test]
#[cfg_attr(miri, ignore = "it takes minutes, and any few blocks are damaged too")]
fn every_word_of_a_map_changed_to_whatever_matters_is_an_error_or_another_map() {
    // Every word of a map of single pages; of one of two sizes those near what is there.
    let (mut changed, mut refused) = (0, 0);
    for (blocks, every) in [
        (&[(0x1000, 0x1000), (0x3d_6000, 0x1000)][..], true),
        (&[(0x1000, 0x1000), (0x3d_6000, 0x1000), (0x4000, 0x4000)], false),
    ] {
        let mut sound = Tree::new();
        blocks.iter().for_each(|&(addr, size)| sound.insert(addr, size));
        let tables: Vec<u64> = sound.tables().collect();
        for word in tables.iter().flat_map(|table| (0..512).map(move |index| table + 8 * index)) {
            let before = sound.word(word).unwrap();
            let near = before != 0 || sound.word(word - 8).is_some_and(|word| word != 0);
            let wrong =
                [1, 8, 0xfff, 0x7000_0000, 1 << 63, u64::MAX, u64::MAX - 0xfff, 0xdead << 48];
            let all = tables.iter().copied().chain(wrong);
            let all = all.chain([0, before << 1, before | 1 << 12]).filter(|_| near);
            let one = [Tree::ROOT, tables[tables.len() - 1], 1];
            let one = one[usize::try_from(word / 8 % 3).unwrap()];
            for value in all.chain([one].into_iter().filter(|_| every)) {
                let mut tree = sound.clone();
                tree.set(word, value);
                changed += 1;
                refused += usize::from(compare(&tree, &format!("{value:#x} at {word:#x}")));
            }
        }
    }
    assert!(changed > 3000 && refused > changed / 2, "{refused} of {changed}");
}

/// So many blocks are drawn at most.
const MOST: usize = if cfg!(miri) { 4 } else { 40 };

proptest! {
    #[test]
    fn any_blocks_are_read_as_the_model_reads_them(
        blocks in proptest::collection::vec((0_u32..52, any::<u64>(), 0_usize..4), 0..MOST),
        damage in proptest::collection::vec((any::<usize>(), 0_u64..512, any::<usize>()), 0..3),
    ) {
        let mut tree = Tree::new();
        for (order, place, spread) in blocks {
            // Near each other, most of them, so that some overlap, and some have tables in common.
            let place = place >> [0, 20, 34, 44][spread];
            let size = 1_u64 << (12 + order);
            tree.insert(place & !(size - 1), size);
        }
        let tables: Vec<u64> = tree.tables().collect();
        for (table, index, other) in damage {
            tree.set(tables[table % tables.len()] + 8 * index, tables[other % tables.len()]);
        }
        if !compare(&tree, "any blocks") {
            compare_limits(&tree);
        }
    }
}

#[test]
fn a_question_takes_six_reads_at_most_and_none_if_there_is_no_such_block() {
    let mut tree = Tree::new();
    BLOCKS.iter().for_each(|&(addr, size)| tree.insert(addr, size));
    let reads = Cell::new(0);
    let map = PreservedMap::new(addr(Tree::ROOT), |addr| {
        reads.set(reads.get() + 1);
        tree.word(addr.get())
    });
    for (at, size, expected, cost) in [
        (0x3d_6000, 0x1000, true, 6),
        (0x3d_7000, 0x1000, false, 6),
        (0x3d_6000, 0x2000, false, 1),
        (0x3d_6000, 0x800, false, 0),
        (0x3d_6000, 0x1800, false, 0),
        (0x3d_6000, 0, false, 0),
        (0x3d_6800, 0x1000, false, 0),
        (0x3d_6000, 0x4000, false, 0),
        (1 << 62, 1 << 62, true, 6),
        (1 << 63, 1 << 63, false, 6),
    ] {
        reads.set(0);
        assert_eq!(map.contains(addr(at), size), Ok(expected), "{at:#x}, {size:#x}");
        assert_eq!(reads.get(), cost, "{at:#x}, {size:#x}");
    }
    // However few tables the blocks may be in.
    let map = PreservedMap::new(addr(Tree::ROOT), |addr| tree.word(addr.get()));
    assert_eq!(map.with_max_tables(0).contains(addr(0x1000), 0x1000), Ok(true));
}

#[test]
fn a_sound_map_is_read_about_once() {
    let mut tree = Tree::new();
    let blocks = if cfg!(miri) { 20 } else { 20_000 };
    (0..blocks).for_each(|i| tree.insert(0x1_0000_0000 + i * 0x9000, 0x1000));
    let reads = Cell::new(0);
    let map = PreservedMap::new(addr(Tree::ROOT), |addr| {
        reads.set(reads.get() + 1);
        tree.word(addr.get())
    });
    assert_eq!(wire(map.blocks().filter(Result::is_ok).count()), blocks);
    let tables = wire(tree.tables().count());
    let most = 512 * tables + 6 * (blocks + tables) + 400;
    assert!(reads.get() <= most, "{} reads, not {most}", reads.get());
}

#[test]
#[cfg_attr(miri, ignore = "it takes minutes, and any map is held to its number of tables too")]
fn a_map_that_leads_to_the_same_tables_again_and_again_is_given_up() {
    // Each word of each table names the one table below it: 2^53 ways to an empty bitmap.
    let mut tree = Tree::new();
    let table = |level: u64| Tree::ROOT + 4096 * level;
    for level in 0..6 {
        tree.add(table(level));
        for word in 0..if level == 0 { 4 } else { 512 } {
            tree.set(table(level) + 8 * word, if level < 5 { table(level + 1) } else { 0 });
        }
    }
    for max in [0, 1, 5, 6, 7, 1000] {
        let reads = Cell::new(0);
        let map = PreservedMap::new(addr(Tree::ROOT), |addr| {
            reads.set(reads.get() + 1);
            tree.word(addr.get())
        });
        let map = map.with_max_tables(max);
        let error = MapError::TooManyTables { max };
        assert_eq!(map.blocks().collect::<Vec<_>>(), [Err(error)]);
        let most = 518 * wire(max) + 1000;
        assert!(reads.get() <= most, "{} reads, not {most}", reads.get());
    }

    // The same with a full bitmap: as many blocks as so many tables can have.
    for word in 0..512 {
        tree.set(table(5) + 8 * word, u64::MAX);
    }
    tree.set(table(0), 0);
    tree.set(table(0) + 8, 0);
    tree.set(table(5), u64::MAX - 1); // a block at 0 there is not
    let map = PreservedMap::new(addr(Tree::ROOT), |addr| tree.word(addr.get()));
    let map = map.with_max_tables(5 + 3);
    let blocks = map.blocks().filter(Result::is_ok).count();
    assert_eq!(blocks, 3 * 32767);
    assert_eq!(map.blocks().last(), Some(Err(MapError::TooManyTables { max: 8 })));
}

#[test]
fn what_no_block_can_have_as_its_key_is_refused() {
    for key in [0, 1, 1 << 52] {
        let mut tree = Tree::new();
        tree.insert(0x3d_6000, 0x1000);
        tree.set_key(key);
        assert_eq!(read(&tree), (vec![], Some(MapError::NoSuchBlock { key })));
        compare(&tree, "one more key");
    }
    for word in (4..512).step_by(if cfg!(miri) { 100 } else { 1 }) {
        let mut tree = Tree::new();
        tree.insert(0x3d_6000, 0x1000);
        tree.set(Tree::ROOT + 8 * word, 0x5000);
        let error = MapError::NoSuchBlock { key: word << 51 };
        assert_eq!(read(&tree), (vec![], Some(error)));
    }
}

#[test]
fn blocks_that_overlap_are_refused_at_the_second_one() {
    let all = [
        ([(0x2000, 0x1000), (0x2000, 0x2000)], (0x2000, 0x2000)),
        ([(0x2000, 0x2000), (0x3000, 0x1000)], (0x3000, 0x1000)),
        ([(0x4000_0000, 0x4000_0000), (0x7fff_f000, 0x1000)], (0x7fff_f000, 0x1000)),
        ([(1 << 63, 1 << 63), (u64::MAX - 4095, 4096)], (u64::MAX - 4095, 4096)),
    ];
    for (blocks, second) in all.into_iter().step_by(if cfg!(miri) { 3 } else { 1 }) {
        let mut tree = Tree::new();
        blocks.into_iter().for_each(|(addr, size)| tree.insert(addr, size));
        let error = MapError::Overlap { addr: addr(second.0), size: second.1 };
        assert_eq!(read(&tree), (vec![blocks[0]], Some(error)));
        compare(&tree, "overlapping");
    }
}

#[test]
fn the_root_is_not_believed_either() {
    let map = |root| PreservedMap::new(addr(root), |at| (at < addr(0x4000)).then_some(0));
    let block = addr(0x3d_6000);
    let misaligned = MapError::Misaligned { level: 0, key: 0, table: addr(0x2008) };
    assert_eq!(
        map(0x2008).contains(block, 4096),
        Err(MapError::Misaligned { level: 0, key: 0, table: addr(0x2008) })
    );
    assert_eq!(map(0x2008).blocks().collect::<Vec<_>>(), [Err(misaligned)]);
    let unreadable =
        |key| MapError::Unreadable { level: 0, key, addr: addr(0x4000 + (key >> 51) * 8) };
    assert_eq!(map(0x4000).contains(block, 4096), Err(unreadable(1 << 52)));
    assert_eq!(map(0x4000).blocks().collect::<Vec<_>>(), [Err(unreadable(0))]);
    assert_eq!(map(0x3000).contains(block, 4096), Ok(false));
    assert_eq!(map(0x3000).blocks().count(), 0);
    let last = u64::MAX - 4095;
    let map = PreservedMap::new(addr(last), |_| Some(0));
    assert_eq!((map.root().get(), map.blocks().count()), (last, 0));
}
