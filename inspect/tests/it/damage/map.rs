//! The map of what Linux preserved, damaged.

use serde_json::json;

use super::{BITMAP, MAP, STATE, TREE, damaged, expect, first_block, of, sound};
use crate::image::Memory;
use crate::json;

#[test]
fn the_map_is_walked_to_where_it_is_damaged() {
    let root_word = MAP + 2 * 8;
    let level_1 = sound().word(root_word);
    for (at, word, rule) in [
        (root_word, level_1 + 8, "map-alignment"),
        (root_word, MAP, "map-loop"),
        (root_word, 0x7000_0000, "map-unreadable"),
        (level_1, MAP, "map-loop"),
        (level_1, 1, "map-alignment"),
    ] {
        let place = if at == root_word { [2, 0] } else { [0, 1] };
        let place = format!("word {} of a table of level {}", place[0], place[1]);
        let mut memory = sound();
        memory.put_word(at, word);
        let (status, report) = json(&[&memory.file("damage-map.core")]);
        assert_eq!(status, 1, "{rule}");
        assert_eq!(report["handovers"][0]["map"]["sound"], false);
        let findings = report["findings"].as_array().unwrap();
        let of_rule = findings.iter().find(|finding| finding["rule"] == rule);
        let finding = of_rule.unwrap_or_else(|| panic!("{rule} is not in {findings:#?}"));
        expect(finding, rule, at, &format!("{word:#x}"));
        assert_eq!(finding["field"], place);
    }
    // A page that is taken out of the map.
    let head = first_block(&sound());
    let page = head / 4096;
    let mut memory = sound();
    let word = memory.word(BITMAP + page / 64 * 8);
    memory.put_word(BITMAP + page / 64 * 8, word & !(1 << (page % 64)));
    let (status, finding) = damaged("map-without", &memory);
    assert_eq!(status, 1);
    expect(&finding, "not-preserved", STATE + 16, &format!("{head:#x}"));
}

#[test]
fn a_root_of_the_map_that_is_misaligned_is_the_trees_fault() {
    let mut memory = sound();
    memory.put_word(TREE + 0x60, MAP + 8);
    let (status, report) = json(&[&memory.file("damage-root.core")]);
    let finding = of(&report, "the map");
    assert_eq!((status, &finding["rule"]), (1, &json!("map-alignment")));
    assert_eq!(finding["field"], "preserved-memory-map");
    assert_eq!(finding["found"], format!("{:#x}", MAP + 8));
}

/// Puts a block into the map, in tables of its own.
fn preserve(memory: &mut Memory, addr: u64, bytes: u64) {
    let bits = bytes.trailing_zeros();
    let key = 1 << (64 - bits) | addr >> bits;
    let mut table = MAP;
    for (open_bits, next) in [51, 42, 33, 24, 15].into_iter().zip((0x60_0000..).step_by(4096)) {
        memory.put_word(table + (key >> open_bits & 511) * 8, next);
        memory.put_word(next, 0);
        table = next;
    }
    memory.put_word(table + key % 32768 / 64 * 8, 1 << (key % 64));
}

#[test]
fn what_no_map_has_is_a_finding_about_the_map() {
    let head = first_block(&sound());
    let pair = head & !0x1fff;
    let mut memory = sound();
    preserve(&mut memory, pair, 8192);
    let (status, report) = json(&[&memory.file("damage-overlap.core")]);
    let finding = of(&report, "the map");
    assert_eq!((status, &finding["rule"]), (1, &json!("map-overlap")));
    let second = finding["addr"].as_str().unwrap();
    assert!([pair, head].contains(&u64::from_str_radix(&second[2..], 16).unwrap()), "{finding:#}");

    let mut memory = sound();
    memory.put_word(MAP + 4 * 8, 0x5000);
    let (status, report) = json(&[&memory.file("damage-key.core")]);
    assert_eq!((status, &of(&report, "the map")["rule"]), (1, &json!("map-key")));

    // A map that leads to the same tables again and again, while the image has so many pages.
    let mut memory = sound();
    let pages = json(&[&memory.file("damage-pages.core")]).1["image"]["memory_bytes"].clone();
    let pages = pages.as_u64().unwrap() / 4096;
    let [mut table, mut next] = [MAP, memory.word(MAP + 2 * 8)];
    for level in 0..5 {
        let words = if level == 0 { 4 } else { 512 };
        let below = memory.word(next);
        (0..words).for_each(|word| memory.put_word(table + 8 * word, next));
        (table, next) = (next, below);
    }
    memory.put(table, &[0; 4096]);
    let (status, report) = json(&[&memory.file("damage-tables.core")]);
    let finding = of(&report, "the map");
    assert_eq!((status, &finding["rule"]), (1, &json!("map-tables")), "{finding:#}");
    let text = finding["text"].as_str().unwrap();
    assert!(text.ends_with(&format!("the map exceeds {} tables", pages + 64)), "{text}");
}
