//! Each field damaged in its turn: the finding says where, what is there, and which rule it breaks.

mod map;

use serde_json::{Value, json};

use crate::image::Memory;
use crate::{json, only_finding};

/// Where things are in the image with two blocks of sessions.
const MAP: u64 = 0x23_4000;
const TREE: u64 = 0x23_5000;
const BITMAP: u64 = 0x23_a000;
const STATE: u64 = 0x3c_e000;

fn sound() -> Memory {
    Memory::golden("sessions-102-exactly-full")
}

/// The status and the only finding of memory that was changed.
#[track_caller]
fn damaged(name: &str, memory: &Memory) -> (i32, Value) {
    let (status, report) = json(&[&memory.file(&format!("damage-{name}.core"))]);
    (status, only_finding(&report).clone())
}

/// Holds a finding to the rule, where the value is, and what that is.
#[track_caller]
fn expect(finding: &Value, rule: &str, at: u64, found: &str) {
    assert_eq!(finding["rule"], rule, "{finding:#}");
    assert_eq!(finding["at"], format!("{at:#x}"), "{finding:#}");
    assert_eq!(finding["found"], found, "{finding:#}");
    assert!(finding["expected"].is_string(), "{finding:#}");
}

/// The finding about this.
#[track_caller]
fn of<'r>(report: &'r Value, what: &str) -> &'r Value {
    let findings = report["findings"].as_array().unwrap();
    let about = findings.iter().find(|finding| finding["what"] == what);
    about.unwrap_or_else(|| panic!("nothing about {what} in {findings:#?}"))
}

fn first_block(memory: &Memory) -> u64 {
    memory.word(STATE + 16)
}

#[test]
fn the_image_is_sound_before_it_is_damaged() {
    let (status, report) = json(&[&sound().file("sound.core")]);
    assert_eq!(status, 0);
    assert_eq!(report["handovers"][0]["standing"], "whole");
    assert_eq!(report["handovers"][0]["luo"]["sessions"].as_array().unwrap().len(), 102);
}

#[test]
fn a_link_is_judged_by_where_it_leads() {
    let head = first_block(&sound());
    for (link, rule) in [
        (0x3d_f008, "alignment"),
        (0x3d_0000, "not-preserved"),
        (0x1_4000_0000, "not-preserved"),
        (0xffff_ffff_ffff_f000, "not-preserved"),
        (0x8000_0000_0000_0000, "not-preserved"),
        (head, "cycle"),
    ] {
        let mut memory = sound();
        memory.put_word(head, link);
        let (status, finding) = damaged("link", &memory);
        assert_eq!((status, &finding["block"]), (1, &json!(1)));
        expect(&finding, rule, head, &format!("{link:#x}"));
        assert_eq!((&finding["offset"], &finding["field"]), (&json!(0), &json!("next")));
        // Linux notices a loop, and nothing else.
        let faults =
            finding["consequence"].as_str().is_some_and(|so| so.contains("Linux 7.3 faults"));
        assert_eq!(faults, rule != "cycle", "{finding:#}");

        let mut memory = sound();
        memory.put_word(STATE + 16, link);
        if rule == "cycle" {
            continue;
        }
        let (status, finding) = damaged("head", &memory);
        assert_eq!((status, &finding["block"]), (1, &json!(0)));
        expect(&finding, rule, STATE + 16, &format!("{link:#x}"));
        assert_eq!((&finding["offset"], &finding["field"]), (&json!(16), &json!("sessions_pa")));
    }
}

#[test]
fn a_link_to_a_preserved_page_that_the_image_lacks_is_no_damage() {
    let mut memory = sound();
    let head = first_block(&memory);
    memory.remove_page(memory.word(head));
    let (status, finding) = damaged("missing", &memory);
    assert_eq!((status, &finding["severity"]), (2, &json!("missing")));
    expect(&finding, "not-in-image", head, &format!("{:#x}", memory.word(head)));
}

#[test]
fn a_count_is_at_most_what_fits_and_for_linux_at_least_one() {
    let head = first_block(&sound());
    for (count, rule, found) in [
        (52, "count", "52 (0x34)"),
        (u64::MAX, "count", "18446744073709551615 (0xffffffffffffffff)"),
        (0, "empty-block", "0"),
    ] {
        let mut memory = sound();
        memory.put_word(head + 8, count);
        let (status, finding) = damaged("count", &memory);
        assert_eq!((status, &finding["block"]), (1, &json!(0)));
        expect(&finding, rule, head + 8, found);
        assert_eq!((&finding["offset"], &finding["field"]), (&json!(8), &json!("count")));
    }
}

#[test]
fn a_block_belongs_to_one_chain() {
    let mut memory = Memory::golden("sessions-120-files-210");
    let sessions = memory.word(0x3c_5000 + 16);
    let (first, second) = (sessions + 16, sessions + 16 + 80);
    let shared = memory.word(first + 64);
    memory.put_word(second + 64, shared);
    let (status, finding) = damaged("shared", &memory);
    assert_eq!(status, 1);
    expect(&finding, "shared-block", second + 64, &format!("{shared:#x}"));
    let text = finding["text"].as_str().unwrap();
    assert!(text.contains("the files of session 0"), "{text}");
    assert_eq!(finding["consequence"], Value::Null);
}

#[test]
fn a_session_says_how_many_files_it_has() {
    let golden = || Memory::golden("sessions-120-files-210");
    let record = golden().word(0x3c_5000 + 16) + 16;
    for (count, rule, expected) in
        [(69, "link-count", "70"), (71, "link-count", "70"), (0, "link-half", "at least 1")]
    {
        let mut memory = golden();
        memory.put_word(record + 72, count);
        let (status, finding) = damaged("files", &memory);
        assert_eq!((status, &finding["expected"]), (1, &json!(expected)));
        expect(&finding, rule, record + 72, &count.to_string());
    }
    let mut memory = golden();
    memory.put_word(record + 64, 0);
    let (status, finding) = damaged("files", &memory);
    assert_eq!((status, &finding["rule"]), (1, &json!("link-half")));
    assert_eq!(finding["expected"], "0");
}

#[test]
fn a_name_has_an_end_and_is_printed_without_what_a_terminal_obeys() {
    let mut memory = Memory::golden("sessions-120-files-210");
    let record = memory.word(0x3c_5000 + 16) + 16;
    memory.put(record, b"a\x1b[2J\0");
    let (status, report) = json(&[&memory.file("name.core")]);
    assert_eq!(status, 0);
    assert_eq!(report["handovers"][0]["luo"]["sessions"][0]["name"], r"a\x1b[2J");
    memory.put(record, &[b'x'; 64]);
    let (status, finding) = damaged("name", &memory);
    assert_eq!(status, 1);
    expect(&finding, "name", record, &format!("\"{}\"...", "x".repeat(64)));
    let mut memory = Memory::golden("sessions-120-files-210");
    let file = memory.word(record + 64) + 16 + 64 * 5;
    memory.put(file, &[b'y'; 48]);
    let (status, finding) = damaged("name", &memory);
    assert_eq!((status, &finding["what"]), (1, &json!("file 5 of session 0")));
    expect(&finding, "name", file, &format!("\"{}\"...", "y".repeat(48)));
}

#[test]
fn a_state_of_another_version_is_not_followed() {
    let mut memory = sound();
    memory.put(STATE, b"luo-v6");
    memory.put_word(STATE + 16, 0xdead_beef);
    let (status, finding) = damaged("luo", &memory);
    assert_eq!(status, 1);
    expect(&finding, "luo-compatible", STATE, "\"luo-v6\"");
    assert_eq!(finding["expected"], "\"luo-v5\"");
}

#[test]
fn shared_objects_are_counted_and_preserved() {
    let golden = Memory::golden("sessions-102-exactly-full");
    let page = golden.word(STATE + 24);
    let with = |pages: u64, count: u64| {
        let mut memory = golden.clone();
        memory.put_word(page, pages);
        memory.put_word(page + 8, count);
        memory.put(page + 16, b"iommu-v1\0");
        memory.put_word(page + 16 + 48, 0x123_4000);
        memory.put_word(page + 16 + 56, 3);
        memory
    };
    let (status, report) = json(&[&with(1, 1).file("shared-objects.core")]);
    assert_eq!(status, 0);
    let objects = &report["handovers"][0]["luo"]["shared_objects"]["objects"];
    assert_eq!(objects, &json!([{"name": "iommu-v1", "data": "0x1234000", "count": 3}]));
    // As many as fit, and one more.
    assert_eq!(json(&[&with(1, 63).file("shared-objects.core")]).0, 0);
    let (status, finding) = damaged("shared-objects", &with(1, 64));
    assert_eq!(status, 1);
    expect(&finding, "count", page + 8, "64");
    assert_eq!(finding["expected"], "at most 63");
    // What is not believed: no list of objects that goes on through all of memory.
    for pages in [0, 2, u64::MAX] {
        let (status, finding) = damaged("shared-objects", &with(pages, u64::MAX));
        assert_eq!(status, 1);
        expect(&finding, "pages", page, &pages.to_string());
    }
    let mut memory = golden;
    memory.put_word(STATE + 24, page + 8);
    let (_, finding) = damaged("shared-objects", &memory);
    expect(&finding, "alignment", STATE + 24, &format!("{:#x}", page + 8));
    memory.put_word(STATE + 24, 0x50_0000);
    let (status, finding) = damaged("shared-objects", &memory);
    assert_eq!((status, &finding["rule"]), (1, &json!("shared-objects")));
}

#[test]
fn the_state_of_luo_is_preserved_and_as_long_as_is_known() {
    let page = STATE / 4096;
    let mut memory = sound();
    let word = memory.word(BITMAP + page / 64 * 8);
    memory.put_word(BITMAP + page / 64 * 8, word & !(1 << (page % 64)));
    let (status, report) = json(&[&memory.file("damage-state.core")]);
    let finding = of(&report, "LUO's state");
    assert_eq!((status, &finding["rule"]), (1, &json!("not-preserved")));
    assert_eq!(finding["addr"], format!("{STATE:#x}"));

    let with = |bytes: u64| {
        let mut memory = sound();
        assert_eq!(memory.word(TREE + 0x7c), 32);
        memory.put_word(TREE + 0x7c, bytes);
        json(&[&memory.file("damage-blob.core")])
    };
    assert_eq!((with(32).0, with(33).0), (0, 0));
    let (status, report) = with(31);
    let finding = only_finding(&report);
    let found = (status, &finding["rule"], &finding["field"], &finding["found"]);
    assert_eq!(found, (1, &json!("luo-size"), &json!("blob-size"), &json!("31")));
    assert_eq!(
        (&finding["addr"], &finding["expected"]),
        (&json!(format!("{STATE:#x}")), &json!("32"))
    );
}

#[test]
fn the_tree_is_read_by_the_rules_of_device_trees() {
    for (offset, bytes, rule) in [
        (0, &[0xd0, 0x0d, 0xfe, 0xee][..], "tree-magic"),
        (4, &[0, 0x7f, 0, 0], "tree-size"),
        (24, &[0, 0, 0, 99], "tree"),
        (8, &[0xff; 4], "tree"),
        (36, &[0xff; 4], "tree"),
        (0x4c, b"kho-v5", "tree-compatible"),
        (0x5b, &[7], "tree-map"),
        (0x57, &[9], "tree"),
    ] {
        let mut memory = sound();
        memory.put(TREE + offset, bytes);
        let (status, finding) = damaged("tree", &memory);
        assert_eq!((status, &finding["rule"]), (1, &json!(rule)), "{offset}: {finding:#}");
        assert_eq!(finding["addr"], format!("{TREE:#x}"));
        let field = match rule {
            "tree-compatible" => Some("compatible"),
            "tree-map" => Some("preserved-memory-map"),
            "tree-magic" => Some("magic"),
            "tree-size" => Some("totalsize"),
            _ => None,
        };
        assert_eq!(finding["field"].as_str(), field);
        if rule == "tree-compatible" {
            assert_eq!(
                (&finding["found"], &finding["expected"]),
                (&json!("kho-v5"), &json!("kho-v4"))
            );
        }
    }
    // A tree may have a mebibyte, if the image holds it.
    for (size, status) in [(1_u32 << 20, 0), ((1 << 20) + 1, 1)] {
        let mut memory = sound();
        let pages = (TREE + 0x6000..=TREE + (1 << 20)).step_by(4096);
        pages.for_each(|page| memory.put(page, &[0]));
        memory.put(TREE + 4, &size.to_be_bytes());
        let (ended, report) = json(&[&memory.file("damage-size.core")]);
        assert_eq!(ended, status, "{size}: {:#}", report["findings"]);
        assert!(status == 0 || of(&report, "the device tree")["rule"] == "tree-size");
    }
    let mut memory = sound();
    memory.put_word(TREE + 0x60, 0);
    let (status, finding) = damaged("tree", &memory);
    assert_eq!((status, &finding["rule"]), (1, &json!("tree-map")));
}
