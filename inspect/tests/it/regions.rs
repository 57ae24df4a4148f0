//! Regions in images, found by their magic, and their damage.
//!
//! Unsafe is open here to be the kernel that makes a region.

#![expect(unsafe_code, reason = "vouches for the memory of a region")]

use core::ptr::NonNull;

use kho_block::zerocopy::IntoBytes;
use kho_block::{Descriptor, OutgoingSet, PhysAddr, PreservedAllocator, Region};
use serde_json::{Value, json};

use crate::image::Memory;
use crate::{file, inspect, json, only_finding};

const BASE: u64 = 0x1_0000_0000;

#[repr(align(4096))]
struct Ground([u8; 64 * 4096]);

/// The bytes of a region with a chain of 1000 words in blocks of 8 KiB, which its root names.
fn region() -> (Vec<u8>, Descriptor) {
    region_with(|root| root)
}

/// The same, with another root.
fn region_with(change: impl Fn(Descriptor) -> Descriptor) -> (Vec<u8>, Descriptor) {
    let mut ground = Box::new(Ground([0; 64 * 4096]));
    let base = PhysAddr::new(BASE).unwrap();
    // SAFETY: the memory outlives the region, and nobody else uses it.
    let region = unsafe { Region::create(base, NonNull::from(&mut ground.0[..])) }.unwrap();
    let mut set = OutgoingSet::<u64, _>::new(&region);
    set.try_extend(0..2500).unwrap();
    let sealed = set.seal();
    let root = change(sealed.descriptor(0x5e55));
    region.set_root(Some(&root));
    sealed.leave();
    (ground.0.to_vec(), root)
}

fn at_base(bytes: &[u8], name: &str, more: &[&str]) -> (i32, Value) {
    let path = file(name, bytes);
    let mut arguments = vec![&*path, "--raw", "--base", "0x100000000"];
    arguments.extend(more);
    json(&arguments)
}

/// A region with so many blocks of a page, none beside another.
pub(crate) fn region_of_gaps(blocks: usize) -> Vec<u8> {
    let bytes = (2 * blocks + 64).next_multiple_of(64) * 4096;
    let mut memory = vec![0_u8; bytes + 4096];
    let lead = memory.as_ptr().align_offset(4096);
    let ground = NonNull::from(&mut memory[lead..lead + bytes]);
    let base = PhysAddr::new(BASE).unwrap();
    // SAFETY: as above.
    let region = unsafe { Region::create(base, ground) }.unwrap();
    let pages: Vec<_> = (0..2 * blocks).map(|_| region.alloc_preserve(4096).unwrap()).collect();
    for page in pages.chunks(2).map(|pair| pair[usize::from(pair[0].addr < pair[1].addr)]) {
        // SAFETY: it is preserved, of that size, and nobody uses it.
        unsafe { region.unpreserve_free(page.ptr, 4096) };
    }
    memory[lead..lead + bytes].to_vec()
}

#[test]
fn a_region_is_found_and_its_root_followed() {
    let (bytes, root) = region();
    let mut memory = Memory::new();
    memory.put(0x20_0000, b"something else");
    memory.put(BASE, &bytes);
    let (status, report) = json(&[&memory.file("region.core")]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    let region = &report["regions"][0];
    assert_eq!((&region["sound"], &region["blocks"]), (&json!(true), &json!(3)));
    assert_eq!(region["root"]["tag"], "0x5e55");
    assert_eq!(region["root"]["head"], format!("{:#x}", root.head));
    assert_eq!(region["chain"]["entries"], 2500);
    let more = ["region", "0x100000000", "--records", "u64"];
    let (status, report) = at_base(&bytes, "region.raw", &more);
    assert_eq!((status, &report["entries"][999]["fields"]), (0, &json!(["999"])));
    let output = inspect(&[&memory.file("region.core")]).output().unwrap().stdout;
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("Region at 0x100000000: sound"), "{text}");
    assert!(text.contains("2500 in 3 blocks of 8192 bytes"), "{text}");
    let first = format!("version 1, tag 0x5e55, first block at {:#x}; flags: DENSE", root.head);
    assert!(text.contains(&first), "{text}");
    assert!(text.contains("8 bytes to an entry, 8192 to a block, says 2500 entries"), "{text}");
}

#[test]
fn each_field_of_a_region_is_judged() {
    let (whole, _) = region();
    for (offset, rule, field) in [
        (0, "region-magic", "magic"),
        (4, "region-magic", "magic"),
        (8, "region-version", "version"),
        (12, "region-byte-order", "byte order"),
        (16, "region-checksum", "checksum"),
        (24, "region-checksum", "checksum"),
        (32, "region-checksum", "checksum"),
        (40, "region-checksum", "checksum"),
        (4096, "region-book", "the byte of the books for 0x100000000"),
        (4096 + 63, "region-book", "the byte of the books for 0x10003f000"),
        (4096 + 64, "region-book", "the byte of the books for 0x100040000"),
    ] {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x15;
        for more in [&["region", "0x100000000"][..], &[]] {
            if offset == 16 && more.is_empty() {
                continue;
            }
            let (status, report) = at_base(&bytes, "region-damaged.raw", more);
            let finding = only_finding(&report);
            let found = (status, &finding["rule"], &finding["field"]);
            assert_eq!(found, (1, &json!(rule), &json!(field)), "offset {offset}: {finding:#}");
            assert_eq!(report["regions"][0]["sound"], false);
        }
    }
    let mut bytes = whole.clone();
    bytes[64..192].fill(1);
    let (_, report) = at_base(&bytes, "region-damaged.raw", &[]);
    assert_eq!(only_finding(&report)["rule"], "region-root");
    let path = file("region-moved.raw", &whole);
    let (status, report) = json(&[&path, "--raw", "--base", "0x200000000"]);
    assert_eq!((status, &only_finding(&report)["rule"]), (1, &json!("region-moved")));
    let (_, report) = at_base(&whole[..4096], "region-cut.raw", &[]);
    assert_eq!(only_finding(&report)["rule"], "region-size");
}

#[test]
fn a_block_of_the_roots_chain_is_preserved_in_the_region() {
    let (mut bytes, root) = region();
    let unit = usize::try_from((root.head - BASE) / 4096).unwrap();
    bytes[4096 + unit] = 0;
    let (status, report) = at_base(&bytes, "region-freed.raw", &[]);
    let finding = only_finding(&report);
    assert_eq!((status, &finding["rule"]), (1, &json!("not-preserved")));
    assert_eq!(finding["text"], format!("the block at {:#x} is not preserved", root.head));
    // The second half of a block is none.
    let half = |root: Descriptor| Descriptor { head: root.head + 4096, block_size: 4096, ..root };
    let (bytes, root) = region_with(half);
    let (status, report) = at_base(&bytes, "region-half.raw", &[]);
    let finding = only_finding(&report);
    assert_eq!((status, &finding["rule"]), (1, &json!("not-preserved")));
    let (start, half) = (root.head - 4096, root.head);
    let lies = format!("it lies in another one, of 8192 bytes at {start:#x}");
    assert_eq!(finding["text"], format!("the block at {half:#x} is not preserved: {lies}"));
}

#[test]
fn a_root_in_a_region_has_no_address_of_its_own() {
    let (bytes, _) = region_with(|root| Descriptor { entries: 2501, ..root });
    let (status, report) = at_base(&bytes, "region-root.raw", &[]);
    let finding = only_finding(&report);
    let found = (status, &finding["field"], &finding["found"], &finding["expected"]);
    assert_eq!(found, (1, &json!("entries"), &json!("2501"), &json!("2500")));
    assert_eq!((&finding["addr"], &finding["at"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_only_begins_like_a_region_is_none() {
    let (whole, _) = region();
    let ask = |bytes: &[u8]| {
        let (status, report) = at_base(bytes, "region-like.raw", &[]);
        (status, only_finding(&report)["rule"].clone())
    };
    let mut bytes = whole.clone();
    bytes[4..8].fill(0);
    assert_eq!(ask(&bytes), (1, json!("region-magic")));
    // Without any one of these it is something else.
    for offset in [12, 16, 32] {
        let mut bytes = bytes.clone();
        bytes[offset] ^= 1;
        assert_eq!(ask(&bytes), (2, json!("nothing")), "{offset}");
    }
    // Nor with one of these alone.
    for kept in [12..16, 16..24, 32..40] {
        let mut bytes = bytes.clone();
        bytes[8..kept.start].fill(0);
        bytes[kept.end..].fill(0);
        assert_eq!(ask(&bytes), (2, json!("nothing")), "{kept:?}");
    }
    let (status, report) = at_base(&[0; 8192], "region-blank.raw", &["region", "0x100000000"]);
    let finding = only_finding(&report);
    let found = (status, &finding["rule"], &finding["severity"]);
    assert_eq!(found, (2, &json!("region-blank"), &json!("missing")));
}

#[test]
fn the_place_of_the_books_is_judged_though_the_checksum_is_right() {
    let (mut bytes, _) = region();
    bytes[32..40].copy_from_slice(&8192_u64.to_ne_bytes());
    let sum = bytes[..40].iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    bytes[40..48].copy_from_slice(&sum.to_ne_bytes());
    let (status, report) = at_base(&bytes, "region-books.raw", &["region", "0x100000000"]);
    let finding = only_finding(&report);
    let found = (status, &finding["rule"], &finding["found"], &finding["expected"]);
    assert_eq!(found, (1, &json!("region-books"), &json!("0x2000"), &json!("0x1000")));
    assert_eq!(finding["at"], "0x100000020");
}

#[test]
fn so_many_regions_are_looked_into_and_others_are_counted() {
    let one_more = Some("1 more trees and regions were found");
    for (pages, magic, more) in [(64, b"KHO-", None), (65, b"KHO-", one_more), (65, b"OHK-", None)]
    {
        let bytes: Vec<u8> = (0..pages)
            .flat_map(|_| {
                let mut page = vec![0; 4096];
                page[..4].copy_from_slice(magic);
                page
            })
            .collect();
        let (status, report) = at_base(&bytes, "many.raw", &[]);
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["rule"] == "too-many");
        assert_eq!((status, found.is_some()), (2, more.is_some()), "{pages}");
        for (finding, more) in found.iter().zip(more) {
            assert!(finding["text"].as_str().unwrap().starts_with(more), "{finding:#}");
        }
    }
}

#[test]
fn each_field_of_a_descriptor_is_judged() {
    let (bytes, root) = region();
    let with = |root: Descriptor| {
        let mut memory = Memory::new();
        memory.put(BASE, &bytes);
        memory.put(0x5000, root.as_bytes());
        json(&[&memory.file("descriptor.core"), "descriptor", "0x5000", "--records", "u64"])
    };
    let (status, report) = with(root);
    assert_eq!((status, &report["descriptor"]["tag"]), (0, &json!("0x5e55")));
    assert_eq!(report["descriptor"]["flags"], json!(["DENSE", "NO_EMPTY_BLOCKS", "COUNTED"]));
    assert_eq!(report["entries"][7]["fields"], json!(["7"]));
    for (damaged, field, offset) in [
        (Descriptor { magic: 1, ..root }, "magic", 0),
        (Descriptor { version: 2, ..root }, "version", 8),
        (Descriptor { flags: 0x107, ..root }, "flags", 12),
        (Descriptor { entry_size: 0, ..root }, "block_size", 20),
        (Descriptor { block_size: 5000, ..root }, "block_size", 20),
        (Descriptor { version: 2, block_size: 5000, ..root }, "version", 8),
        (Descriptor { head: BASE + 8, ..root }, "head", 24),
        (Descriptor { entries: 2501, ..root }, "entries", 32),
    ] {
        let (status, report) = with(damaged);
        let finding = only_finding(&report);
        let found = (status, &finding["field"], &finding["offset"]);
        assert_eq!(found, (1, &json!(field), &json!(offset)), "{finding:#}");
        assert_eq!(finding["at"], format!("{:#x}", 0x5000 + offset));
    }
    // What is promised of the chain is looked at.
    let mut memory = Memory::new();
    memory.put(BASE, &bytes);
    memory.put_word(root.head + 8, 3);
    memory.put(0x5000, Descriptor { flags: 3, ..root }.as_bytes());
    let (status, report) = json(&[&memory.file("sparse.core"), "descriptor", "0x5000"]);
    assert_eq!((status, &only_finding(&report)["rule"]), (1, &json!("not-full")));
    let (status, report) = json(&[&memory.file("sparse.core"), "descriptor", "0x9000"]);
    assert_eq!((status, &only_finding(&report)["severity"]), (2, &json!("missing")));
}
