//! Any map of preserved blocks: an error that is there, or exactly the blocks that the bits say.

#[path = "../../tests/it/linux/map/model.rs"]
mod model;

use kho_block::PhysAddr;
use kho_block::linux::{MapError, PreservedMap};

use self::model::{Model, Tree};
use crate::input::Input;

/// Blocks of any size anywhere, and words of the tables overwritten; then all is read.
pub(crate) fn run(mut input: Input<'_>) {
    let mut tree = Tree::new();
    for _ in 0..64 {
        let Some(choice) = input.next() else { break };
        let tables: Vec<u64> = tree.tables().collect();
        let table = |byte: u8| tables[usize::from(byte) % tables.len()];
        let [first, low, high, second] = input.bytes();
        let word = table(first) + 8 * (u64::from(u16::from_le_bytes([low, high])) % 512);
        match choice % 8 {
            // Low addresses, so that blocks have tables in common or overlap.
            0..4 => {
                let order = choice / 8 % 12;
                let page = u64::from(u16::from_le_bytes([low, high]));
                tree.insert(page << 12 >> (12 + order) << (12 + order), 4096 << order);
            }
            4 => tree.set_key(u64::from_le_bytes(input.bytes()) >> (choice / 8) >> 7),
            5 => tree.set(word, table(second)),
            6 => tree.set(word, u64::from_le_bytes(input.bytes())),
            _ => tree.set(word, tree.word(word).expect("a word of a table") ^ 1 << (second % 64)),
        }
    }
    compare(&tree);
}

fn compare(tree: &Tree) {
    let root = PhysAddr::new(Tree::ROOT).expect("not zero");
    let read = |addr: PhysAddr| tree.word(addr.get());
    let max = Model::MAX_TABLES;
    let map = PreservedMap::new(root, read).with_max_tables(max);
    let model = Model::of(tree);
    let (mut blocks, mut error, mut end) = (Vec::new(), None, 0);
    for block in map.blocks() {
        assert_eq!(error, None, "something comes after an error");
        match block {
            Ok((addr, size)) => {
                assert!(u128::from(addr.get()) >= end, "{addr} comes after what is behind it");
                end = u128::from(addr.get()) + u128::from(size);
                blocks.push((addr.get(), size));
            }
            Err(fault) => error = Some(fault),
        }
    }
    let Some(model) = model else {
        assert!(error.is_some(), "there are more tables than that");
        return;
    };
    match error {
        None => {
            assert!(model.errors.is_empty(), "overlooked {:?}", model.errors);
            assert_eq!(blocks, model.blocks);
            let max = model.tables - 1;
            let last = PreservedMap::new(root, read).with_max_tables(max).blocks().last();
            assert_eq!(last, Some(Err(MapError::TooManyTables { max })));
        }
        Some(error) => {
            assert!(model.errors.contains(&error), "{error:?}, not {:?}", model.errors);
            assert!(model.blocks.starts_with(&blocks), "{blocks:x?} before {error:?}");
        }
    }
    for (addr, size) in model.questions() {
        let block = PhysAddr::new(addr).expect("not zero");
        assert_eq!(map.contains(block, size), tree.contains(addr, size), "{addr:#x}, {size:#x}");
    }
}
