//! Chains of kho-block that nothing but a descriptor, or the command line, tells of.

use kho_block::zerocopy::IntoBytes;
use kho_block::{Descriptor, MAX_BLOCKS};
use serde_json::{Value, json};

use crate::image::Memory;
use crate::{json, only_finding};

const HEAD: u64 = 0x1_0000;
const ROOT: u64 = 0x5000;

/// A chain of blocks of 32 bytes, with these counts of entries, of which two fit.
fn chain(counts: &[u64]) -> Memory {
    let mut memory = Memory::new();
    for (&count, addr) in counts.iter().zip((HEAD..).step_by(32)) {
        let is_last = addr == HEAD + 32 * (u64::try_from(counts.len()).unwrap() - 1);
        memory.put_word(addr, if is_last { 0 } else { addr + 32 });
        memory.put_word(addr + 8, count);
    }
    memory
}

/// The same, with a descriptor, and what the tool says of it.
fn described(name: &str, counts: &[u64], flags: u32) -> (i32, Value) {
    let (entries, tag) = (counts.iter().sum(), 7);
    let (magic, version) = (Descriptor::MAGIC, Descriptor::VERSION);
    let (entry_size, block_size, head) = (8, 32, HEAD);
    let root = Descriptor { magic, version, flags, entry_size, block_size, head, entries, tag };
    let mut memory = chain(counts);
    memory.put(ROOT, root.as_bytes());
    json(&[&memory.file(name), "descriptor", "0x5000"])
}

#[test]
fn an_empty_block_is_damage_if_there_should_be_none_and_else_a_note() {
    let (note, damage) = ((0, "note"), (1, "damaged"));
    for (counts, flags, block, (status, severity)) in [
        (&[0, 2][..], 0, 0, note),
        (&[0, 2], 2, 0, damage),
        (&[2, 0], 0, 1, note),
        (&[2, 0], 2, 1, damage),
        (&[2, 0, 1], 0, 1, note),
        (&[2, 0, 1], 2, 1, damage),
    ] {
        let (ended, report) = described("empty-block.core", counts, flags);
        let finding = &report["findings"][0];
        let found = (ended, &finding["rule"], &finding["severity"], &finding["block"]);
        let expected = (status, &json!("empty-block"), &json!(severity), &json!(block));
        assert_eq!(found, expected, "{counts:?}, {flags}: {report:#}");
        let blocks = report["chain"]["blocks"].as_array().unwrap();
        let damaged: Vec<_> = blocks.iter().map(|block| block["damaged"] == true).collect();
        let expected: Vec<_> = (0..counts.len()).map(|n| status == 1 && n == block).collect();
        assert_eq!(damaged, expected, "{report:#}");
    }
    // A set that has a block, and no entry yet.
    let (status, report) = described("empty-block.core", &[0], 2);
    assert_eq!((status, &report["findings"]), (0, &json!([])));
}

#[test]
fn a_block_that_is_not_full_is_damage_before_the_last_of_a_dense_chain() {
    for (counts, flags, block) in [
        (&[1, 2, 1][..], 1, Some(0)),
        (&[2, 1, 1], 1, Some(1)),
        (&[2, 2, 1], 1, None),
        (&[2, 2, 2], 1, None),
        (&[1, 2, 1], 0, None),
    ] {
        let (status, report) = described("not-full.core", counts, flags);
        let findings = report["findings"].as_array().unwrap();
        assert_eq!((status, findings.len()), block.map_or((0, 0), |_| (1, 1)), "{report:#}");
        for finding in findings {
            let found = (&finding["rule"], &finding["block"], &finding["expected"]);
            assert_eq!(found, (&json!("not-full"), &json!(block), &json!("2 entries")));
        }
    }
}

#[test]
fn a_chain_has_an_end_before_it_has_too_many_blocks() {
    for (blocks, rule) in [(MAX_BLOCKS, None), (MAX_BLOCKS + 1, Some("max-blocks"))] {
        let path = chain(&vec![2; blocks]).file("long.core");
        let arguments = [&*path, "chain", "0x10000", "--entry-size", "8", "--block-size", "32"];
        let (status, report) = json(&arguments);
        assert_eq!(status, i32::from(rule.is_some()), "{blocks}");
        if let Some(rule) = rule {
            let finding = only_finding(&report);
            let last = HEAD + 32 * u64::try_from(MAX_BLOCKS - 1).unwrap();
            assert_eq!(finding["rule"], rule);
            assert_eq!(
                (&finding["block"], &finding["at"]),
                (&json!(blocks - 1), &json!(format!("{last:#x}")))
            );
            assert_eq!(finding["expected"], format!("at most {MAX_BLOCKS} blocks"));
        }
    }
}

#[test]
fn a_block_of_two_pages_is_in_the_image_with_both_or_not_at_all() {
    let mut memory = Memory::new();
    memory.put_word(HEAD, 0);
    memory.put_word(HEAD + 8, 3);
    memory.put_word(HEAD + 4096, 0);
    let ask = |memory: &Memory| {
        let path = memory.file("pages.core");
        json(&[&*path, "chain", "0x10000", "--entry-size", "8", "--block-size", "8192"])
    };
    let (status, report) = ask(&memory);
    assert_eq!((status, &report["chain"]["entries"]), (0, &json!(3)));
    memory.remove_page(HEAD + 4096);
    let (status, report) = ask(&memory);
    assert_eq!((status, &only_finding(&report)["rule"]), (1, &json!("outside")));
}

#[test]
fn the_fields_of_a_record_have_the_sizes_of_their_names() {
    let mut memory = Memory::new();
    memory.put_word(HEAD + 8, 1);
    let entry: Vec<u8> = (1..=33).collect();
    memory.put(HEAD + 16, &entry);
    let path = memory.file("records.core");
    let fields = "u8,u16,u32,u64,addr,bytes:3,skip:1,bytes:6";
    let (status, report) =
        json(&[&*path, "chain", "0x10000", "--block-size", "64", "--records", fields]);
    assert_eq!(status, 0);
    let number = |range: core::ops::Range<usize>| {
        let mut bytes = entry[range].to_vec();
        if cfg!(target_endian = "little") {
            bytes.reverse();
        }
        bytes.iter().fold(0_u64, |sum, &byte| sum * 256 + u64::from(byte))
    };
    let numbers = [number(0..1), number(1..3), number(3..7), number(7..15)];
    let mut expected: Vec<_> = numbers.iter().map(u64::to_string).collect();
    expected.push(format!("{:#x}", number(15..23)));
    expected.extend(["18191a".to_owned(), "1c1d1e1f2021".to_owned()]);
    assert_eq!(report["entries"][0]["fields"], json!(expected));
}
