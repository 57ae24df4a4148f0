//! Several handovers in one image: which is the last, and why the others are stale.

use serde_json::{Value, json};

use crate::image::Memory;
use crate::json;

const STATE: u64 = 0x3c_e000;
const TREE: u64 = 0x23_5000;

/// A second handover, a copy of one 16 MiB further on, with all its addresses moved.
fn moved(memory: &Memory, by: u64) -> Memory {
    let mut copy = Memory::new();
    copy.add(memory, by);
    // The map: the root, four tables below it, the bitmap, whose place tells of 128 MiB.
    for table in [0x23_4010, 0x23_6000, 0x23_7000, 0x23_8000] {
        let word = memory.word(table);
        copy.put_word(table + by, word + by);
    }
    // The bitmap for the pages 128 MiB further on is the next word of the last table.
    assert_eq!(by, 128 << 20);
    let bitmap = memory.word(0x23_9000);
    copy.put_word(0x23_9000 + by, 0);
    copy.put_word(0x23_9008 + by, bitmap + by);
    // The tree: the map, LUO's state, the other subsystem's data.
    for offset in [0x60, 0x90, 0xd0] {
        let old = memory.page(TREE)[offset..offset + 8].try_into().map(u64::from_ne_bytes).unwrap();
        copy.put_word(TREE + by + u64::try_from(offset).unwrap(), old + by);
    }
    for field in [16, 24] {
        let old = memory.word(STATE + field);
        copy.put_word(STATE + by + field, old + by);
    }
    let head = memory.word(STATE + 16);
    let second = memory.word(head);
    copy.put_word(head + by, second + by);
    copy
}

const BY: u64 = 128 << 20;

/// Two handovers, neither of which a note names.
fn two() -> Memory {
    let mut memory = Memory::golden("sessions-102-exactly-full");
    memory.note = None;
    let copy = moved(&memory, BY);
    memory.add(&copy, 0);
    memory
}

fn standings(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let handovers = report["handovers"].as_array().unwrap();
    handovers.iter().map(|one| (text(&one["tree"]), text(&one["standing"]))).collect()
}

#[test]
fn the_later_live_update_is_the_last_one() {
    let mut memory = two();
    memory.put_word(STATE + BY + 8, 2);
    let (status, report) = json(&[&memory.file("generations.core")]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    let expected = [("0x8235000", "whole"), ("0x235000", "stale")];
    assert_eq!(standings(&report), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let reason = "it is of live update 1, the one at 0x8235000 of live update 2";
    assert_eq!(report["handovers"][1]["reason"], reason);
    assert_eq!(report["handovers"][0]["reason"], "what speaks for the others is less");
    memory.put_word(STATE + 8, 3);
    let (_, report) = json(&[&memory.file("generations.core")]);
    assert_eq!(report["handovers"][0]["tree"], "0x235000");
}

#[test]
fn one_whose_map_was_overwritten_is_stale_and_its_damage_counts_for_nothing() {
    let mut memory = two();
    memory.put_word(STATE + BY + 8, 2);
    memory.put(0x23_4000 + BY, &[0x5a; 4096]);
    let (status, report) = json(&[&memory.file("overwritten.core")]);
    assert_eq!(status, 0);
    let expected = [("0x235000", "whole"), ("0x8235000", "stale")];
    assert_eq!(standings(&report), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let reason = report["handovers"][1]["reason"].as_str().unwrap();
    assert!(reason.starts_with("its memory has been used since: the map"), "{reason}");
    let stale: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| &f["stale"]).collect();
    assert!(stale.contains(&&json!(true)));
}

#[test]
fn the_note_decides() {
    let mut memory = two();
    memory.note = Some(TREE);
    let number = memory.word(STATE + 8);
    for other in [number, number + 1] {
        memory.put_word(STATE + BY + 8, other);
        let (status, report) = json(&[&memory.file("note.core")]);
        assert_eq!(status, 0);
        let expected = [("0x235000", "whole"), ("0x8235000", "stale")];
        assert_eq!(standings(&report), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(report["handovers"][0]["reason"], "named by the note");
        assert_eq!(report["handovers"][1]["reason"], "the note names the one at 0x235000");
    }
}

#[test]
fn two_that_nothing_tells_apart_are_both_shown() {
    let (status, report) = json(&[&two().file("equal.core")]);
    assert_eq!(status, 0);
    assert!(standings(&report).iter().all(|(_, standing)| standing == "whole"));
    assert_eq!(report["handovers"][0]["reason"], "one of several that nothing tells apart");
}

#[test]
fn a_tree_can_be_named() {
    let mut memory = two();
    memory.put_word(STATE + BY + 8, 2);
    let path = memory.file("named.core");
    let (status, report) = json(&[&path, "--tree", "0x235000"]);
    assert_eq!(status, 0);
    assert_eq!(standings(&report), [("0x235000".to_owned(), "whole".to_owned())]);
    let (status, report) = json(&[&path, "--tree", "0x70000000"]);
    let finding = &report["findings"][0];
    assert_eq!((status, &finding["rule"]), (2, &json!("tree")));
    assert_eq!(finding["severity"], "missing");
    let (status, report) = json(&[&path, "--tree", "0x236000"]);
    assert_eq!((status, &report["findings"][0]["rule"]), (1, &json!("tree-magic")));
}
