//! What is printed: by the errors, and by a map.

use kho_block::PhysAddr;
use kho_block::linux::{LuoState, MapError, NameError, PreservedMap};

#[test]
fn an_error_says_what_is_wrong_and_where_in_one_line() {
    let table = PhysAddr::new(0x23_6000).unwrap();
    let (level, key) = (3, 0x10_0000_0000_0000);
    for (error, says) in [
        (
            MapError::Misaligned { level, key, table: PhysAddr::new(0x23_6001).unwrap() },
            "level 3, key 0x10000000000000: the table at 0x236001 is not aligned",
        ),
        (
            MapError::Unreadable { level, key, addr: table },
            "level 3, key 0x10000000000000: the word at 0x236000 cannot be read",
        ),
        (
            MapError::Loop { level, key, table, first: 1 },
            "level 3, key 0x10000000000000: the table at 0x236000 is that of level 1",
        ),
        (MapError::NoSuchBlock { key: 1 }, "key 0x1: no block has it"),
        (
            MapError::Overlap { addr: table, size: 8192 },
            "block of 8192 bytes at 0x236000: begins within another",
        ),
        (MapError::TooManyTables { max: 7 }, "the map exceeds 7 tables"),
    ] {
        assert_eq!((error.to_string().as_str(), error.errno()), (says, 22));
    }
    for (error, says) in [
        (NameError::Endless { size: 64 }, "name without an end in 64 bytes"),
        (
            NameError::TooLong { len: 64, size: 64 },
            "name of 64 bytes for a field of 64 with a zero byte at its end",
        ),
        (NameError::ZeroByte { offset: 3 }, "name with a zero byte at offset 3"),
    ] {
        assert_eq!((error.to_string().as_str(), error.errno()), (says, 22));
    }
    let mut state = LuoState::new(0, None, None);
    state.compatible = kho_block::linux::Name::new(b"luo-v4").unwrap();
    let error = state.check().unwrap_err();
    let says = "compatible \"luo-v4\" is not \"luo-v5\"";
    assert_eq!((error.to_string().as_str(), error.errno()), (says, 22));
}

#[test]
fn a_map_is_printed_without_being_read() {
    let map = PreservedMap::new(PhysAddr::new(0x1000).unwrap(), |_| panic!("it is read"));
    let map = map.with_max_tables(7);
    let says = "PreservedMap { root: PhysAddr(0x1000), max_tables: 7, .. }";
    assert_eq!(format!("{map:?}"), says);
    let says = format!("MapBlocks {{ map: {says}, stage: New, .. }}");
    assert_eq!(format!("{:?}", map.blocks()), says);
}
