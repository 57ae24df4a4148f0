//! Every byte of the header and the roots, in every value; memory that is blank, foreign, moved or cut.

use core::ptr::NonNull;

use kho_block::zerocopy::FromZeros;
use kho_block::{Descriptor, OutgoingSet, PhysAddr, PreservedAllocator, Region, RegionError};

use crate::region::{Memory, UNIT, fill, lend_everything};

const BASE: u64 = 0x10_0000;
const UNITS: usize = 8;

/// A root that tells `number`.
fn root(number: u64) -> Descriptor {
    Descriptor { tag: number, ..Descriptor::new_zeroed() }
}

/// Memory with a region that has had two roots, the second of which stands, and a block.
fn created() -> Memory {
    let memory = Memory::new(BASE, UNITS);
    let region = memory.create().unwrap();
    fill(region.alloc_preserve(4096).unwrap(), 4096, 9);
    region.set_root(Some(&root(1)));
    region.set_root(Some(&root(2)));
    memory
}

/// Opens `memory` with every byte of `range` in every other value.
fn every_byte(range: core::ops::Range<usize>, mut check: impl FnMut(usize, u8, &Memory)) {
    let mut memory = created();
    let image = memory.bytes().to_vec();
    // Under Miri, which opens two regions in a second, one bit of a byte in so many differs.
    for offset in range.step_by(if cfg!(miri) { 13 } else { 1 }) {
        let changed = |value: u8| value ^ image[offset];
        let some = |value: u8| changed(value) == 1 << (offset % 8);
        let values = (0..=255).filter(|&value| changed(value) != 0);
        for value in values.filter(|&value| !cfg!(miri) || some(value)) {
            memory.bytes().copy_from_slice(&image);
            memory.bytes()[offset] = value;
            let before = memory.bytes().to_vec();
            check(offset, value, &memory);
            if memory.open().is_err() {
                assert!(memory.bytes() == before, "a refused region was written to");
            }
        }
    }
}

#[test]
fn every_byte_of_the_header_is_refused_by_name() {
    every_byte(0..48, |offset, value, memory| {
        let error = memory.open().unwrap_err();
        let is_named = match offset {
            0..8 => matches!(error, RegionError::Magic { .. }),
            8..12 => matches!(error, RegionError::Version { .. }),
            12..16 => matches!(error, RegionError::ByteOrder { .. }),
            _ => matches!(error, RegionError::Checksum { .. }),
        };
        assert!(is_named, "offset {offset}, {value:#x}: {error}");
        // Nor does a kernel get there that mistakes damage for nothing.
        assert_eq!(memory.create().unwrap_err(), RegionError::Exists);
        assert_eq!(error.errno(), 22);
    });
}

#[test]
fn one_damaged_copy_of_the_root_leaves_the_other() {
    // The third root is in the first place: create, 1, 2.
    let mut seen = [false; 2];
    every_byte(64..128, |_, _, memory| {
        let found = memory.open().unwrap().root();
        assert_eq!(found, Some(root(1)));
        seen[0] = true;
    });
    every_byte(128..192, |_, _, memory| {
        assert_eq!(memory.open().unwrap().root(), Some(root(2)));
        seen[1] = true;
    });
    assert_eq!(seen, [true; 2]);
}

#[test]
fn two_damaged_copies_of_the_root_are_an_error() {
    every_byte(64..128, |offset, value, memory| {
        let mut memory = memory.remapped();
        let place = 64 + offset;
        memory.bytes()[place] ^= value | 1;
        let error = memory.open().unwrap_err();
        assert!(matches!(error, RegionError::Root { .. }), "{error}");
    });
    let mut memory = created();
    let copy = memory.bytes()[64..128].to_vec();
    memory.bytes()[128..192].copy_from_slice(&copy);
    let error = memory.open().unwrap_err();
    assert!(matches!(error, RegionError::Root { .. }), "two that are the newer one: {error}");
    memory.bytes()[64..192].fill(0);
    let error = memory.open().unwrap_err();
    assert!(matches!(error, RegionError::Root { .. }), "two that were never written: {error}");
    assert!(error.to_string().starts_with("offsets 64 and 128: no copy of the root is sound"));
}

#[test]
fn what_is_behind_the_roots_is_not_looked_at() {
    every_byte(48..64, |_, _, memory| assert_eq!(memory.open().unwrap().root(), Some(root(2))));
    every_byte(192..200, |_, _, memory| assert_eq!(memory.open().unwrap().root(), Some(root(2))));
}

#[test]
fn memory_that_is_zero_or_half_created_is_blank() {
    let mut memory = Memory::new(BASE, UNITS);
    memory.bytes().fill(0);
    let error = memory.open().unwrap_err();
    assert_eq!((error, error.errno()), (RegionError::Blank, 2));
    assert_eq!(error.to_string(), "no region has been created here yet");
    for offset in (0..UNIT).step_by(if cfg!(miri) { 2003 } else { 1 }) {
        memory.bytes()[offset] = 1;
        let error = memory.open().unwrap_err();
        assert!(matches!(error, RegionError::Magic { .. }), "offset {offset}: {error}");
        memory.bytes()[offset] = 0;
    }
    memory.bytes()[UNIT..].fill(0xff);
    assert_eq!(memory.open().unwrap_err(), RegionError::Blank);
    memory.create().unwrap();
    memory.bytes()[4..8].copy_from_slice(b"form");
    assert_eq!(memory.open().unwrap_err(), RegionError::Blank);
    assert_eq!(lend_everything(&memory.create().unwrap()), (UNITS - 2, 0));
}

#[test]
fn memory_of_others_is_not_blank() {
    let error = Memory::new(BASE, UNITS).open().unwrap_err();
    let (found, expected) = ([0xdb; 8], *b"KHO-area");
    assert_eq!(error, RegionError::Magic { found, expected });
    assert_eq!(error.to_string(), "offset 0: magic 0xdbdbdbdbdbdbdbdb is not 0x4b484f2d61726561");
}

#[test]
fn a_region_of_the_other_byte_order_is_refused_and_not_created_over() {
    let mut memory = created();
    memory.bytes()[8..12].reverse();
    memory.bytes()[12..16].reverse();
    for field in [16, 24, 32, 40] {
        memory.bytes()[field..field + 8].reverse();
    }
    let expected = 0x0a0b_0c0d_u32;
    let found = expected.swap_bytes();
    assert_eq!(memory.open().unwrap_err(), RegionError::ByteOrder { found, expected });
    let error = memory.create().unwrap_err();
    assert_eq!((error, error.errno()), (RegionError::Exists, 17));
}

#[test]
fn a_region_that_is_moved_or_cut_is_refused() {
    let memory = created();
    let open = |base, units: usize| {
        let cut = NonNull::slice_from_raw_parts(memory.at, units * UNIT);
        // SAFETY: 1. It is a part of the memory. 2. So the test says. 3. It is refused.
        unsafe { Region::open(PhysAddr::new(base).unwrap(), cut) }.map(drop).unwrap_err()
    };
    let (found, expected) = (BASE, BASE + 0x1000);
    assert_eq!(open(expected, UNITS), RegionError::Moved { found, expected });
    for units in 3..UNITS {
        let (found, expected) = ((UNITS * UNIT) as u64, (units * UNIT) as u64);
        assert_eq!(open(BASE, units), RegionError::Length { found, expected });
    }
    assert_eq!(
        open(expected, UNITS).to_string(),
        "offset 16: created at 0x100000, found at 0x101000"
    );
    let mut larger = Memory::new(BASE, UNITS + 1);
    larger.bytes()[..UNITS * UNIT].copy_from_slice(memory.remapped().bytes());
    let error = larger.open().unwrap_err();
    assert!(matches!(error, RegionError::Length { .. }), "{error}");
}

/// FNV-1a, as published.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    sum.to_ne_bytes()
}

#[test]
fn the_bytes_are_as_the_documentation_says() {
    let mut memory = created();
    let bytes = memory.bytes();
    let mut header = Vec::new();
    header.extend(*b"KHO-area");
    header.extend(1_u32.to_ne_bytes());
    header.extend(0x0a0b_0c0d_u32.to_ne_bytes());
    for value in [BASE, (UNITS * UNIT) as u64, 4096] {
        header.extend(value.to_ne_bytes());
    }
    header.extend(checksum(&header));
    assert_eq!(bytes[..48], header);
    for (offset, sequence, tag) in [(64, 3_u32, 2_u64), (128, 2, 1)] {
        let mut copy = Vec::new();
        copy.extend(sequence.to_ne_bytes());
        copy.extend(1_u32.to_ne_bytes());
        copy.extend([0; 40]);
        copy.extend(tag.to_ne_bytes());
        copy.extend(checksum(&copy));
        assert_eq!(bytes[offset..offset + 64], copy);
    }
    assert!(bytes[48..64].iter().chain(&bytes[192..UNIT]).all(|&byte| byte == 0));
    let mut books = vec![0; UNIT];
    let block = bytes[UNIT..2 * UNIT].iter().position(|&byte| byte != 0).unwrap();
    books[block] = 0xc0 | 12;
    assert!(bytes[UNIT..2 * UNIT] == books);
    assert!(bytes[block * UNIT..][..UNIT].iter().all(|&byte| byte == 9));
}

#[test]
fn a_header_whose_checksum_is_right_is_still_checked() {
    for (field, value) in [(16, BASE + 0x1000), (24, 1 << 40), (32, 8192)] {
        let mut memory = created();
        let bytes = memory.bytes();
        bytes[field..field + 8].copy_from_slice(&value.to_ne_bytes());
        let sum = checksum(&bytes[..40]);
        bytes[40..48].copy_from_slice(&sum);
        let error = memory.open().unwrap_err();
        let expected = match field {
            16 => RegionError::Moved { found: value, expected: BASE },
            24 => RegionError::Length { found: value, expected: (UNITS * UNIT) as u64 },
            _ => RegionError::Books { found: value, expected: 4096 },
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn the_root_is_what_was_set_last_by_whichever_kernel() {
    let mut memory = Memory::new(BASE, UNITS);
    assert_eq!(memory.create().unwrap().root(), None);
    for number in 0..if cfg!(miri) { 4 } else { 20 } {
        memory = memory.remapped();
        let region = memory.open().unwrap();
        for number in [number, number + 100] {
            region.set_root(Some(&root(number)));
            assert_eq!(region.root(), Some(root(number)));
        }
        if number % 3 == 0 {
            region.set_root(None);
        }
        let expected = (number % 3 != 0).then(|| root(number + 100));
        assert_eq!(memory.open().unwrap().root(), expected);
    }
    let region = memory.open().unwrap();
    let set = OutgoingSet::<u64, _>::new(&region);
    region.set_root(Some(&set.descriptor(3)));
    assert_eq!(memory.open().unwrap().root(), Some(set.descriptor(3)));
}
