//! Files of every kind: what can be read is, what cannot is refused by name.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::image::Memory;
use crate::{file, inspect, json, only_finding, root};

const IMAGE: &str = "tests/golden/linux/sessions-102-refused-duplicate.core";

/// What is said of a file that cannot be looked at.
#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let output = inspect(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(output.stdout, b"");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    refused(&["nowhere.core"], &["nowhere.core", "No such file"]);
    refused(&["tests"], &["tests", "directory"]);
    refused(&[&file("empty.core", b"")], &["has no bytes"]);
    refused(&[&file("text.core", b"Some text, and no image.")], &["not an ELF core", "--raw"]);
    let mut kdump = b"KDUMP   ".to_vec();
    kdump.resize(65536, 0);
    refused(
        &[&file("kdump.core", &kdump)],
        &["compressed kdump", "makedumpfile", "dump-guest-memory"],
    );
    let mut flat = b"makedumpfile\0\0\0\0".to_vec();
    flat.resize(65536, 0);
    refused(&[&file("flat.core", &flat)], &["flattened kdump", "makedumpfile -R NEW <"]);
    let mut program = fs::read(root().join(IMAGE)).unwrap();
    program[16] = 2;
    refused(&[&file("program.core", &program)], &["type 2", "not a core"]);
    program[16] = 4;
    program[5] ^= 3;
    refused(&[&file("endian.core", &program)], &["other byte order"]);
}

#[test]
fn a_truncated_core_says_so_and_shows_what_is_left() {
    let (first, whole) = Memory::golden("sessions-102-refused-duplicate").elf();
    for length in (0..whole.len()).step_by(509).chain(first.saturating_sub(3)..first + 3) {
        let path = file("truncated.core", &whole[..length]);
        if length <= first {
            let output = inspect(&[&path]).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{length}");
            let error = String::from_utf8_lossy(&output.stderr);
            let words = ["truncated", "damaged ELF", "has no bytes", "not an ELF core"];
            assert!(words.iter().any(|word| error.contains(word)), "{length}: {error}");
        } else {
            let (status, report) = json(&[&path]);
            assert_eq!(status, 1, "{length}");
            let finding = &report["findings"][0];
            assert_eq!(finding["rule"], "truncated");
            let missing = format!("{} bytes", whole.len() - length);
            assert!(finding["text"].as_str().unwrap().contains(&missing), "{length}: {finding}");
            let ranges = format!("in {} of the ranges", (whole.len() - length).div_ceil(4096));
            assert!(finding["text"].as_str().unwrap().contains(&ranges), "{length}: {finding}");
        }
    }
    refused(&[&file("headers.core", &whole[..first])], &["ends before the first byte of memory"]);
    let mut memory = Memory::new();
    memory.note = Some(0x1000);
    refused(&[&memory.file("no-memory.core")], &["an ELF core without memory"]);
}

#[test]
fn a_range_may_be_all_of_the_file() {
    let mut memory = Memory::new();
    memory.put(0x1000, b"nothing");
    let (_, mut bytes) = memory.elf();
    let size = u64::try_from(bytes.len()).unwrap();
    for (field, value) in [(8, 0), (32, size), (40, size)] {
        bytes[64 + field..][..8].copy_from_slice(&value.to_ne_bytes());
    }
    let (status, report) = json(&[&file("whole.core", &bytes)]);
    assert_eq!((status, &report["image"]["memory_bytes"]), (2, &json!(size)));
}

#[test]
fn a_note_is_of_kho_by_its_name_and_its_type() {
    let (_, whole) = Memory::golden("sessions-102-exactly-full").elf();
    let note = whole.windows(4).position(|bytes| bytes == b"KHO\0").unwrap() - 12;
    for (offset, named) in [(None, true), (Some(8), false), (Some(12), false)] {
        let mut bytes = whole.clone();
        if let Some(offset) = offset {
            bytes[note + offset] ^= 2;
        }
        let (status, report) = json(&[&file("note-name.core", &bytes)]);
        assert_eq!((status, &report["handovers"][0]["named_by_note"]), (0, &json!(named)));
    }
}

#[test]
fn what_a_core_leaves_out_is_told_and_no_damage() {
    let (_, mut bytes) = Memory::golden("sessions-102-exactly-full").elf();
    // The memory size of the first range, whose header is the second.
    bytes[64 + 56 + 40..][..8].copy_from_slice(&(4096_u64 * 100).to_ne_bytes());
    let path = file("left-out.core", &bytes);
    let (status, report) = json(&[&path]);
    assert_eq!((status, &report["image"]["left_out_bytes"]), (0, &json!(4096 * 99)));
    let output = inspect(&[&path]).output().unwrap().stdout;
    assert!(String::from_utf8(output).unwrap().contains("396 KiB more are named and left out"));
}

#[test]
fn ranges_that_share_bytes_of_the_file_are_refused_and_such_that_share_memory_are_not() {
    let (first, mut bytes) = Memory::golden("sessions-102-exactly-full").elf();
    let whole = u64::try_from(bytes.len() - first).unwrap();
    for header in bytes[64 + 56..64 + 56 * 5].chunks_mut(56) {
        header[32..40].copy_from_slice(&whole.to_ne_bytes());
    }
    bytes[64 + 56 + 8..][..8].copy_from_slice(&4096_u64.to_ne_bytes());
    refused(&[&file("shared.core", &bytes)], &["share bytes of the file"]);
    // The first page twice, at one address, the second time in place of one that nobody needs.
    let mut memory = Memory::golden("sessions-102-exactly-full");
    memory.put(0x50_0000, b"nobody's");
    let (first, mut bytes) = memory.elf();
    let last = 64 + 56 * 11;
    assert_eq!(bytes[last + 24..last + 32], 0x50_0000_u64.to_ne_bytes());
    bytes.copy_within(64 + 56 + 24..64 + 56 + 32, last + 24);
    let page = bytes.len() - 4096;
    bytes.copy_within(first..first + 4096, page);
    let (status, report) = json(&[&file("twice.core", &bytes)]);
    assert_eq!((status, &report["image"]["memory_bytes"]), (0, &json!(4096 * 10)), "{report:#}");
}

#[test]
fn raw_memory_is_searched_from_its_base() {
    let memory = Memory::golden("sessions-102-refused-duplicate");
    let (mut raw, mut shared) = (Vec::new(), vec![0; 4096]);
    shared[..8].copy_from_slice(&1_u64.to_ne_bytes()); // one page, no object
    for page in 0x234..0x3f4_u64 {
        let addr = page * 4096;
        let has = (0x234..0x23b).contains(&page) || [0x3bd, 0x3d7, 0x3eb, 0x3f3].contains(&page);
        raw.extend(match page {
            0x3c6 => shared.clone(),
            _ if has => memory.page(addr).to_vec(),
            _ => vec![0; 4096],
        });
    }
    let path = file("memory.raw", &raw);
    let (status, report) = json(&[&path, "--raw", "--base", "0x234000"]);
    assert_eq!((status, &report["image"]["format"]), (1, &json!("raw")));
    let finding = only_finding(&report);
    assert_eq!((&finding["rule"], &finding["at"]), (&json!("empty-block"), &json!("0x3f3008")));
    assert_eq!(report["handovers"][0]["named_by_note"], false);
    assert_eq!(report["handovers"][0]["reason"], "the only one");
    // At another base the tree is found, and its map is not where it says.
    let (status, report) = json(&[&path, "--raw", "--base", "0x100000000"]);
    assert_eq!(status, 1);
    assert_eq!(report["handovers"][0]["tree"], "0x100001000");
    assert_eq!(report["findings"][0]["rule"], "map-unreadable");
}

#[test]
fn memory_within_the_last_page_of_all_begins_no_page() {
    let path = file("last.raw", &[1; 100]);
    let (status, report) = json(&[&path, "--raw", "--base", "0xffffffffffffff00"]);
    assert_eq!((status, &only_finding(&report)["rule"]), (2, &json!("nothing")));
}

#[test]
fn the_holes_of_a_sparse_file_are_skipped() {
    let path = file("sparse.raw", b"");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let memory = Memory::golden("sessions-102-refused-duplicate");
    use std::os::unix::fs::FileExt;
    file.write_all_at(&1_u64.to_ne_bytes(), 0x3c_6000).unwrap(); // shared objects: one page
    for page in (0x234..0x23b).chain([0x3bd, 0x3d7, 0x3eb, 0x3f3]) {
        file.write_all_at(memory.page(page * 4096), page * 4096).unwrap();
    }
    drop(file);
    let (status, report) = json(&[&path, "--raw"]);
    assert_eq!((status, &only_finding(&report)["rule"]), (1, &json!("empty-block")));
    let sparse = report["image"]["sparse_bytes"].as_u64().unwrap();
    assert!(sparse > (1 << 40) - (1 << 20), "a terabyte less a few pages is {sparse}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn an_image_without_a_handover_says_so() {
    let mut memory = Memory::new();
    memory.put(0x1000, b"nothing");
    // A device tree that is none of KHO's.
    memory.put(0x2000, &[0xd0, 0x0d, 0xfe, 0xed]);
    let (status, report) = json(&[&memory.file("nothing.core")]);
    assert_eq!((status, &only_finding(&report)["rule"]), (2, &json!("nothing")));
    let output = inspect(&[&memory.file("nothing.core")]).output().unwrap().stdout;
    assert!(String::from_utf8(output).unwrap().contains("nothing was handed over here"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("kho-inspect"))
        .current_dir(root())
        .args(["tests/golden/linux/sessions-2000-files-300.core", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_report_that_cannot_be_written_is_an_error() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin("kho-inspect"))
        .current_dir(root())
        .arg(IMAGE)
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("standard output: No space left"), "{error}");
}

#[test]
fn a_pipe_is_no_image() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("kho-inspect"))
        .arg("/dev/stdin")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended by then: nothing is read from a pipe.
    let _ = child.stdin.take().unwrap().write_all(b"\x7fELF");
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("nothing that can be mapped"), "{error}");
}
