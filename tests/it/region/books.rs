//! Every byte of the books, in every value: refused by name, or lent by what it says.

use kho_block::{BookFault, PhysAddr, PreservedAllocator, RegionError};

use crate::region::{Memory, UNIT, fill, lend_everything};

/// Units of the header and the books.
pub(super) const FIRST: usize = 2;

const UNITS: usize = 24;

/// What the format says of a byte of the books: a second reading of it.
///
/// # Errors
///
/// What is wrong with the byte, if none before it is.
pub(super) fn judge(base: u64, books: &[u8], unit: usize) -> Result<(), BookFault> {
    let addr = |unit: usize| base + (unit * UNIT) as u64;
    let units = |byte: u8| (1_usize << (byte & 63)).div_ceil(UNIT).max(1);
    let (byte, log2) = (books[unit], books[unit] & 63);
    if unit < FIRST {
        return if byte == 0 { Ok(()) } else { Err(BookFault::Reserved) };
    }
    let before = (FIRST..unit).filter(|&first| books[first] & 63 != 0);
    if let Some(first) = before.into_iter().find(|&first| first + units(books[first]) > unit) {
        let block = PhysAddr::new(addr(first)).unwrap();
        return if byte == 0 { Ok(()) } else { Err(BookFault::Inside { block }) };
    }
    let size = 1_u64 << log2;
    match byte {
        0 | 0x40 => Ok(()),
        _ if log2 < 5 => Err(BookFault::NoSize),
        _ if addr(unit) % size.max(4096) != 0 => Err(BookFault::Misaligned { size }),
        _ if size > ((books.len() - unit) * UNIT) as u64 => Err(BookFault::TooLong { size }),
        _ => Ok(()),
    }
}

/// Miri takes minutes for all values: it tries some, of each kind.
const STEP: usize = if cfg!(miri) { 64 } else { 1 };

/// Every single byte of the books of a region with blocks of these sizes, in every value.
fn every_byte(base: u64, sizes: &[usize]) {
    let mut memory = Memory::new(base, UNITS);
    let region = memory.create().unwrap();
    for &size in sizes {
        fill(region.alloc_preserve(size).unwrap(), size, 1);
    }
    let image = memory.bytes().to_vec();
    let (mut accepted, mut refused) = (0, 0);
    for unit in (0..UNITS).step_by(if cfg!(miri) { 5 } else { 1 }) {
        for value in (0..=255).step_by(STEP) {
            memory.bytes().copy_from_slice(&image);
            memory.bytes()[UNIT + unit] = value;
            let books = memory.bytes()[UNIT..UNIT + UNITS].to_vec();
            // The first byte that is wrong, in order: the changed one may make a later one so.
            let faults = (0..UNITS).map(|unit| (unit, judge(base, &books, unit)));
            let first = faults.filter_map(|(unit, fault)| Some((unit, fault.err()?))).next();
            let before = memory.bytes().to_vec();
            match (memory.open(), first) {
                (Ok(region), None) => {
                    accepted += 1;
                    let (free, left) = lend_everything(&region);
                    assert_eq!(free + left, UNITS - FIRST, "unit {unit}, {value:#x}");
                }
                (Err(error), Some((wrong, fault))) => {
                    refused += 1;
                    let offset = (UNIT + wrong) as u64;
                    let addr = PhysAddr::new(base + (wrong * UNIT) as u64).unwrap();
                    let found = books[wrong];
                    assert_eq!(error, RegionError::Book { offset, addr, found, fault });
                    assert!(memory.bytes() == before, "a refused region was written to");
                }
                (result, fault) => panic!("unit {unit}, {value:#x}: {result:?}, not {fault:?}"),
            }
        }
    }
    assert!(
        accepted > 0 && refused > 0 && (cfg!(miri) || accepted > UNITS && refused > 200 * UNITS),
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn what_a_kernel_was_about_to_make_a_block_is_free_to_the_next_and_to_all_after_it() {
    let mut memory = Memory::new(0x10_0000, UNITS);
    memory.create().unwrap();
    let about = UNIT + FIRST + 3;
    memory.bytes()[about] = 0x40;
    memory.open().unwrap();
    assert_eq!(memory.bytes()[about], 0);
}

#[test]
fn every_byte_of_the_books_is_refused_or_lends_what_it_says() {
    // Each takes Miri half a minute.
    if !cfg!(miri) {
        every_byte(0x10_0000, &[]);
        every_byte(0x10_0000, &[4096, 32, 8192, 32768]);
    }
    every_byte(0x10_3000, &[2048, 16384, 4096]);
}

#[test]
fn a_full_region_is_judged_byte_by_byte() {
    every_byte(0x10_2000, &[32; UNITS - FIRST]);
}

#[test]
fn a_byte_behind_the_books_is_refused() {
    let mut memory = Memory::new(0x10_0000, UNITS);
    memory.create().unwrap();
    for unit in (UNITS..UNIT).step_by(if cfg!(miri) { 3001 } else { 1 }) {
        for found in [1, 12, 0x40, 0xff] {
            memory.bytes()[UNIT + unit] = found;
            let (offset, fault) = ((UNIT + unit) as u64, BookFault::Beyond);
            let addr = PhysAddr::new(0x10_0000 + (unit * UNIT) as u64).unwrap();
            let expected = RegionError::Book { offset, addr, found, fault };
            assert_eq!(memory.open().unwrap_err(), expected);
        }
        memory.bytes()[UNIT + unit] = 0;
    }
}
