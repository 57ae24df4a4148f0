//! The images that the C original wrote: every entry as the manifest has it, every damage where it is.

use std::fs;

use serde_json::{Value, json};

use crate::{json, only_finding, root};

/// What is damaged in which image: the rule, and where the value is.
const DAMAGED: [(&str, &str, u64); 8] = [
    ("count-max", "count", 0x1_0000_0008),
    ("count-one-too-many", "count", 0x1_0000_2008),
    ("link-max", "outside", 0x1_0000_0000),
    ("link-misaligned", "alignment", 0x1_0000_0000),
    ("link-outside", "outside", 0x1_0000_2000),
    ("loop-to-head", "cycle", 0x1_0000_4000),
    ("loop-to-middle", "cycle", 0x1_0000_4000),
    ("self-loop", "cycle", 0x1_0000_0000),
];

/// Byte `j` of entry `i`.
fn byte(i: u64, j: u64) -> u8 {
    u8::try_from((i * 31 + j * 7 + 3) % 256).unwrap()
}

fn entry(i: u64, size: u64) -> String {
    let bytes: Vec<_> = (0..size).map(|j| format!("{:02x}", byte(i, j))).collect();
    bytes.chunks(8).map(<[String]>::concat).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_image_of_the_c_original_is_shown_as_its_manifest_has_it() {
    let manifest = fs::read(root().join("tests/golden/manifest.json")).unwrap();
    let manifest: Vec<Value> = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest.len(), 21);
    let mut sound = 0;
    for image in &manifest {
        let name = image["name"].as_str().unwrap();
        let number = |key: &str| image[key].as_u64().unwrap();
        let path = format!("tests/golden/{name}.img");
        let [base, head, entry_size, block_size] =
            ["base", "head", "entry_size", "block_size"].map(|key| number(key).to_string());
        let (status, report) = json(&[
            &path,
            "--raw",
            "--all",
            "--base",
            &base,
            "chain",
            &head,
            "--entry-size",
            &entry_size,
            "--block-size",
            &block_size,
        ]);
        if let Some((_, rule, at)) = DAMAGED.iter().find(|(damaged, ..)| *damaged == name) {
            let finding = only_finding(&report);
            let found = (status, &finding["rule"], &finding["at"]);
            assert_eq!(found, (1, &json!(rule), &json!(format!("{at:#x}"))), "{name}");
            continue;
        }
        if name == "truncated" || name == "link-not-preserved" {
            // Nothing in these images says so: see the manifest.
            continue;
        }
        assert_eq!(status, 0, "{name}: {:#}", report["findings"]);
        let entries: Vec<u64> = image["entries"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|range| {
                let end = |end: usize| range[end].as_u64().unwrap();
                end(0)..end(1)
            })
            .collect();
        let shown = report["entries"].as_array().unwrap();
        assert_eq!(shown.len(), entries.len(), "{name}");
        for (shown, &i) in shown.iter().zip(&entries) {
            assert_eq!(shown["fields"][0], entry(i, number("entry_size")), "{name}");
        }
        sound += 1;
    }
    assert_eq!(sound, 11);
}
