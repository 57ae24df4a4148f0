//! Pictures of what no image of Linux has: many blocks, damaged ones, and many ranges.

use std::fs;

use kho_block::Descriptor;
use kho_block::zerocopy::IntoBytes;

use crate::expected::compare;
use crate::image::Memory;
use crate::regions::region_of_gaps;
use crate::{file, inspect};

const HEAD: u64 = 0x1_0000;
const ROOT: u64 = 0x5000;

/// What is drawn of an image, by the name that a file has in every folder.
fn picture(path: &str, question: &[&str], status: i32) -> String {
    let svg = format!("{path}.svg");
    let mut arguments = vec![path, "--svg", &svg];
    arguments.extend(question);
    inspect(&arguments).assert().code(status);
    let name = path.rsplit('/').next().unwrap();
    fs::read_to_string(&svg).unwrap().replace(path, name)
}

/// A chain of so many blocks of 64 bytes, in any order in memory, with 1 to 6 entries, but for two
/// without; behind it is a link to nowhere.
fn scattered(blocks: u64) -> Memory {
    let addr = |number: u64| HEAD + 64 * (number * 37 % 1009);
    let mut memory = Memory::new();
    for number in 0..blocks {
        let last = number == blocks - 1;
        memory.put_word(addr(number), if last { 0xffff_ffff_ffff_ffc0 } else { addr(number + 1) });
        let empty = [40, 117].contains(&number);
        memory.put_word(addr(number) + 8, if empty { 0 } else { 1 + number * 5 % 6 });
    }
    memory
}

/// Draws a chain that should have no empty block, by its descriptor.
fn draw(name: &str, memory: &mut Memory) -> String {
    let (magic, version) = (Descriptor::MAGIC, Descriptor::VERSION);
    let (flags, entry_size, block_size, head, entries, tag) = (2, 8, 64, HEAD, 0, 7);
    let root = Descriptor { magic, version, flags, entry_size, block_size, head, entries, tag };
    memory.put(ROOT, root.as_bytes());
    picture(&memory.file(name), &["descriptor", "0x5000"], 1)
}

#[test]
fn many_blocks_are_drawn_in_cells_and_by_address() {
    compare("scattered.svg", &draw("scattered.core", &mut scattered(230)));
    // From a thousand on there are several in a cell.
    let picture = draw("scattered.core", &mut scattered(1002));
    assert!(picture.contains("each cell is 2 blocks,"));
    assert!(picture.contains("<title>blocks 1000 to 1001: 5 of 12 entries</title>"));
}

#[test]
fn a_damaged_chain_is_drawn_before_longer_ones() {
    let position = |memory: &Memory, status: i32, title: &str| {
        let picture = picture(&memory.file("order.core"), &[], status);
        picture.find(&format!(">{title}: ")).unwrap_or_else(|| panic!("no {title} in {picture}"))
    };
    let sound = Memory::golden("sessions-120-files-210");
    let (sessions, files) = ("the sessions", "the files of session 1");
    assert!(position(&sound, 0, sessions) < position(&sound, 0, files));
    let second = sound.word(0x3c_5000 + 16) + 16 + 80;
    let head = sound.word(second + 64);
    // By a link to nowhere, and by a block without an entry.
    for (offset, word) in [(0, 0x7000_0000), (8, 0)] {
        let mut memory = sound.clone();
        memory.put_word(head + offset, word);
        assert!(position(&memory, 1, files) < position(&memory, 1, sessions), "{offset}");
    }
}

#[test]
fn damage_behind_the_last_block_is_not_in_the_picture_of_memory() {
    // The second block counts more entries than fit: it is none.
    let mut memory = Memory::new();
    memory.put_word(HEAD, HEAD + 64);
    memory.put_word(HEAD + 8, 1);
    memory.put_word(HEAD + 64 + 8, 7);
    let picture = draw("behind.core", &mut memory);
    assert!(picture.contains(">damaged: its chain, block 1 at 0x10040: counts 7"), "{picture}");
    assert!(!picture.contains(">damaged</text>"), "{picture}");
}

#[test]
fn ranges_that_are_too_many_to_draw_are_counted() {
    const LEFT_OUT: &str = "more preserved ranges, above the last that is shown, are left out";
    let mut memory = Memory::golden("sessions-102-exactly-full");
    assert!(!picture(&memory.file("ranges.core"), &[], 0).contains(LEFT_OUT));
    // Every second page of the upper half of what the map's bitmap is about.
    let bitmap = 0x23_a000;
    (256..512).for_each(|word| memory.put_word(bitmap + 8 * word, 0x5555_5555_5555_5555));
    let of_linux = picture(&memory.file("ranges.core"), &[], 0);
    assert!(of_linux.contains(LEFT_OUT), "{of_linux}");
    for (blocks, left_out) in [(4090, false), (4100, true)] {
        let path = file("ranges.raw", &region_of_gaps(blocks));
        let of_region = picture(&path, &["--raw", "--base", "0x100000000"], 0);
        assert_eq!(of_region.contains(LEFT_OUT), left_out, "{of_region}");
    }
}
