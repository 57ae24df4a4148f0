//! Regions in images, found by their magic, and their damage.
//!
//! Unsafe is open here to be the kernel that makes a region.

#![expect(unsafe_code, reason = "vouches for the memory of a region")]

use core::ptr::NonNull;

use kho_block::zerocopy::IntoBytes;
use kho_block::{Descriptor, OutgoingSet, PhysAddr, Region};
use serde_json::{Value, json};

use crate::image::Memory;
use crate::{file, inspect, json, only_finding};

const BASE: u64 = 0x1_0000_0000;

#[repr(align(4096))]
struct Ground([u8; 64 * 4096]);

/// The bytes of a region with a chain of 1000 words in blocks of 8 KiB, which its root names.
fn region() -> (Vec<u8>, Descriptor) {
    let mut ground = Box::new(Ground([0; 64 * 4096]));
    let base = PhysAddr::new(BASE).unwrap();
    // SAFETY: the memory outlives the region, and nobody else uses it.
    let region = unsafe { Region::create(base, NonNull::from(&mut ground.0[..])) }.unwrap();
    let mut set = OutgoingSet::<u64, _>::new(&region);
    set.try_extend(0..2500).unwrap();
    let sealed = set.seal();
    let root = sealed.descriptor(0x5e55);
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
    assert_eq!((status, &only_finding(&report)["rule"]), (1, &json!("not-preserved")));
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
