//! All books of a region with four units of blocks: refused by name, or lent without overlap.
//!
//! The first byte that is wrong decides, so up to that one every byte takes every value, and the bytes
//! behind it take one of each sort. The few books of fewer values are judged each time, the others on
//! request:
//!
//! ```text
//! cargo test --release --test it region::exhaustive -- --ignored --nocapture
//! ```

use core::array;
use std::thread;
use std::time::Instant;

use kho_block::{BookFault, PhysAddr, RegionError};

use super::books::{FIRST, judge};
use super::{Memory, UNIT, lend_everything};

const UNITS: usize = FIRST + 4;

/// Where the first of the four units is in place for a block of all four and of twice as many, and
/// where it is for a block of one alone.
const BASES: [u64; 2] = [0x10_6000, 0x10_1000];

/// Books that were accepted, and those refused for what is inside a block, for no size, for one that is
/// out of place, and for one that is too long.
type Tally = [u64; 5];

/// The values of the books' bytes, and of those behind a wrong one.
struct Values {
    sound: Vec<u8>,
    behind: Vec<u8>,
}

/// The bytes with these logarithms, each with all that a kernel notes beside it.
fn noted(logarithms: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let notes = [0, 0x40, 0x80, 0xc0];
    logarithms.into_iter().flat_map(|log2| notes.map(|note| log2 | note)).collect()
}

/// Books at work, and memory that has them.
struct Judged<'v> {
    memory: Memory,
    books: [u8; UNITS],
    values: &'v Values,
    tally: Tally,
}

impl Judged<'_> {
    /// Judges all books that start as these, up to `unit`. The first byte that is wrong is known, if
    /// there is one.
    fn all_from(&mut self, unit: usize, wrong: Option<(usize, BookFault)>) {
        if unit == UNITS {
            let place = match wrong {
                None => self.accepted(),
                Some((unit, fault)) => self.refused(unit, fault),
            };
            self.tally[place] += 1;
            return;
        }
        let values = if wrong.is_some() { &self.values.behind } else { &self.values.sound };
        for &value in values {
            self.value(unit, value, wrong);
        }
    }

    /// Judges all books that start as these, and have this byte next.
    fn value(&mut self, unit: usize, value: u8, wrong: Option<(usize, BookFault)>) {
        self.books[unit] = value;
        let fault = || Some((unit, judge(self.memory.base, &self.books, unit).err()?));
        let wrong = wrong.or_else(fault);
        self.all_from(unit + 1, wrong);
    }

    fn write(&mut self) {
        let books = self.books;
        self.memory.bytes()[UNIT..UNIT + UNITS].copy_from_slice(&books);
    }

    /// Opens the region with these books, and lends all of it.
    fn accepted(&mut self) -> usize {
        self.write();
        let Self { memory, books, .. } = self;
        let region = memory.open().unwrap_or_else(|error| panic!("{books:x?}: {error}"));
        let named = (FIRST..UNITS).filter(|&unit| books[unit] & 63 != 0);
        let named = named.map(|unit| (memory.base + (unit * UNIT) as u64, 1 << (books[unit] & 63)));
        let left = region.unclaimed().map(|block| (block.addr.get(), block.size));
        assert!(left.eq(named.clone()), "{books:x?}");
        let units: usize = named.map(|(_, size): (u64, usize)| size.div_ceil(UNIT)).sum();
        assert_eq!(lend_everything(&region), (UNITS - FIRST - units, units), "{books:x?}");
        0
    }

    /// Opens the region with these books in vain.
    fn refused(&mut self, unit: usize, fault: BookFault) -> usize {
        self.write();
        let Self { memory, books, .. } = self;
        let addr = PhysAddr::new(memory.base + (unit * UNIT) as u64).unwrap();
        let offset = (UNIT + unit) as u64;
        let error = RegionError::Book { offset, addr, found: books[unit], fault };
        assert_eq!(memory.open().unwrap_err(), error, "{books:x?}");
        assert_eq!(memory.bytes()[UNIT..UNIT + UNITS], *books, "a refused region was written to");
        match fault {
            BookFault::Inside { .. } => 1,
            BookFault::NoSize => 2,
            BookFault::Misaligned { .. } => 3,
            BookFault::TooLong { .. } => 4,
            fault => panic!("{books:x?}: {fault:?}"),
        }
    }
}

/// Judges all books of these values in a region at `base`, on all processors.
fn judge_all(base: u64, values: &Values) -> Tally {
    let began = Instant::now();
    let threads = thread::available_parallelism().unwrap().get();
    let work = |thread: usize| {
        let memory = Memory::new(base, UNITS);
        memory.create().unwrap();
        let mut judged = Judged { memory, books: [0; UNITS], values, tally: [0; 5] };
        for &value in values.sound.iter().skip(thread).step_by(threads) {
            judged.value(FIRST, value, None);
        }
        judged.tally
    };
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|t| scope.spawn(move || work(t))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let tally: Tally = array::from_fn(|place| tallies.iter().map(|tally| tally[place]).sum());
    let [accepted, refused @ ..] = &tally;
    let (books, seconds) = (tally.iter().sum::<u64>(), began.elapsed().as_secs());
    println!("{books} books, {accepted} accepted, refused by fault: {refused:?}, in {seconds} s");
    tally
}

/// Books that are sound: each unit is free, maybe about to be a block, or a block of one of the sizes
/// up to that of a unit, of `alone` values; or two are a block, or all four, in place.
fn sound(base: u64, alone: u64, notes: u64) -> u64 {
    let two = alone * alone + notes;
    if base == BASES[0] { two * two + notes } else { alone * two * alone }
}

#[test]
#[cfg_attr(miri, ignore = "8 192 regions take minutes, and `region::books` opens some")]
fn books_of_a_few_values_are_refused_or_lend_what_they_say() {
    let few = vec![0, 0x40, 1, 0x85, 0xcc, 13, 0x4e, 15];
    let values = Values { sound: few.clone(), behind: few };
    for base in BASES {
        let tally = judge_all(base, &values);
        assert_eq!(tally[0], sound(base, 4, 1));
        assert_eq!(tally.iter().sum::<u64>(), 8_u64.pow(4));
        assert!(tally.iter().all(|&n| n > 0));
    }
}

#[test]
#[ignore = "71 million books: half a minute with --release"]
fn all_books_are_refused_or_lend_what_they_say() {
    // No block, no size, less than a unit, a unit, two, four, and more than there are.
    let behind = noted([0, 1, 5, 12, 13, 14, 15, 63]);
    let values = Values { sound: (0..=255).collect(), behind };
    for base in BASES {
        let tally = judge_all(base, &values);
        assert_eq!(tally[0], sound(base, 2 + 4 * 8, 4));
        assert!(tally.iter().all(|&n| n > 0));
    }
}
