//! What is printed: of a table counts, and no entry; and why one is not adopted.

use kho_block::mock::Mock;
use kho_block::{AdoptErrorKind, OutgoingSlots};

const SECRET: u64 = 0x7777_7777_7777_7777;

#[test]
fn a_table_prints_where_it_is_and_how_much_is_in_it() {
    let mem = Mock::new();
    let mut table = OutgoingSlots::<u64, _, 64>::new(&mem);
    let first = table.insert(SECRET).unwrap();
    table.insert(SECRET).unwrap();
    table.insert(SECRET).unwrap();
    table.remove(first).unwrap();
    assert_eq!(
        format!("{table:?}"),
        "Slots { first_block: Some(PhysAddr(0x100000000)), len: 2, slot_count: 3, retired: 0, \
         block_count: 1, .. }"
    );
    assert!(!format!("{table:#?}").contains(&SECRET.to_string()));
    assert_eq!(format!("{:?}", table.iter()), "SlotsIter { remaining: 2, .. }");
    assert_eq!(format!("{:?}", table.iter_mut()), "SlotsIterMut { remaining: 2, .. }");
}

#[test]
fn why_a_chain_is_not_adopted_is_said_in_one_line() {
    for (kind, says) in [
        (AdoptErrorKind::Sparse { block: 3 }, "block 3 is not full, but not the last one in use"),
        (AdoptErrorKind::Refused { block: 3 }, "block 3 cannot be preserved again"),
        (AdoptErrorKind::OutOfMemory, "no memory for the index of free slots"),
    ] {
        assert_eq!(kind.to_string(), says);
    }
}
