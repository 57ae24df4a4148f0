//! A table beside the slot maps that people use: entries found, removed and put in at random.

use std::hint::black_box;
use std::mem;
use std::time::Duration;

use kho_block::{Key, OutgoingSlots};
use slab::Slab;
use slotmap::{DefaultKey, SlotMap};

use super::{BLOCK_SIZE, BYTES, Record, sum};
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::pool::{Pool, shuffled};

/// Entries in the table, half of which come and go.
const ENTRIES: usize = 100_000;

/// What finding an entry in blocks costs, without a stamp to look at.
type Blocks = Vec<Box<[Record; Ours::SLOTS_PER_BLOCK]>>;

/// A slab that leaves no bytes of what it removes behind.
struct Zeroing(Slab<Record>);

type Ours<'p> = OutgoingSlots<Record, &'p Pool>;

pub fn run(report: &mut Report) {
    run_row(report, "slots: get at random", Work::Get);
    run_row(report, "slots: remove at random", Work::Remove);
    run_row(report, "slots: insert into what is free", Work::Insert);
}

/// Which part of a pass is measured.
#[derive(Clone, Copy)]
enum Work {
    Get,
    Remove,
    Insert,
}

fn run_row(report: &mut Report, what: &'static str, work: Work) {
    if !report.wants(what) {
        return;
    }
    let blocks = ENTRIES.div_ceil(Ours::SLOTS_PER_BLOCK);
    let items = if matches!(work, Work::Get) { ENTRIES } else { ENTRIES / 2 };
    let pool = Pool::new(blocks, BLOCK_SIZE);
    let mut contest = Contest::new(what, BYTES, blocks, items);
    let mut ours = Ours::new(&pool);
    ours.grow(ENTRIES).expect("the pool has as many blocks");
    contest.enter(OURS, pass(ours, work));
    contest.enter("slotmap", pass(SlotMap::with_capacity(ENTRIES), work));
    contest.enter("slab", pass(Slab::with_capacity(ENTRIES), work));
    match work {
        Work::Get => contest.enter("blocks alone", pass((Blocks::new(), 0), work)),
        Work::Remove => {
            contest.enter("slab, zeroing", pass(Zeroing(Slab::with_capacity(ENTRIES)), work));
        }
        Work::Insert => {}
    }
    contest.at_most(1.3, "slotmap");
    contest.at_most(1.3, "slab");
    report.run(contest);
}

/// What all of them can do.
trait Table {
    type Key: Copy;

    fn insert(&mut self, record: Record) -> Self::Key;
    fn remove(&mut self, key: Self::Key) -> Option<Record>;
    fn get(&self, key: Self::Key) -> Option<&Record>;
}

impl Table for Ours<'_> {
    type Key = Key;

    fn insert(&mut self, record: Record) -> Key {
        Ours::insert(self, record).expect("there is room")
    }

    fn remove(&mut self, key: Key) -> Option<Record> {
        Ours::remove(self, key)
    }

    fn get(&self, key: Key) -> Option<&Record> {
        Ours::get(self, key)
    }
}

impl Table for SlotMap<DefaultKey, Record> {
    type Key = DefaultKey;

    fn insert(&mut self, record: Record) -> DefaultKey {
        SlotMap::insert(self, record)
    }

    fn remove(&mut self, key: DefaultKey) -> Option<Record> {
        SlotMap::remove(self, key)
    }

    fn get(&self, key: DefaultKey) -> Option<&Record> {
        SlotMap::get(self, key)
    }
}

impl Table for Slab<Record> {
    type Key = usize;

    fn insert(&mut self, record: Record) -> usize {
        Slab::insert(self, record)
    }

    fn remove(&mut self, key: usize) -> Option<Record> {
        self.try_remove(key)
    }

    fn get(&self, key: usize) -> Option<&Record> {
        Slab::get(self, key)
    }
}

impl Table for Zeroing {
    type Key = usize;

    fn insert(&mut self, record: Record) -> usize {
        self.0.insert(record)
    }

    fn remove(&mut self, key: usize) -> Option<Record> {
        let record = mem::take(self.0.get_mut(key)?);
        self.0.try_remove(key).map(|_| record)
    }

    fn get(&self, key: usize) -> Option<&Record> {
        self.0.get(key)
    }
}

impl Table for (Blocks, usize) {
    type Key = u32;

    fn insert(&mut self, record: Record) -> u32 {
        let (blocks, len) = self;
        let (block, slot) = (*len / Ours::SLOTS_PER_BLOCK, *len % Ours::SLOTS_PER_BLOCK);
        if slot == 0 {
            blocks.push(Box::new([Record::default(); Ours::SLOTS_PER_BLOCK]));
        }
        blocks[block][slot] = record;
        *len += 1;
        *len as u32 - 1
    }

    fn remove(&mut self, _: u32) -> Option<Record> {
        None
    }

    fn get(&self, key: u32) -> Option<&Record> {
        let (block, slot) =
            (key as usize / Ours::SLOTS_PER_BLOCK, key as usize % Ours::SLOTS_PER_BLOCK);
        Some(&self.0.get(block)?[slot])
    }
}

/// Fills a table; a pass then works on its entries in random order, half of them if it removes and
/// inserts.
fn pass(mut table: impl Table, work: Work) -> impl FnMut() -> Duration {
    let all: Vec<_> = (0..ENTRIES as u64).map(|i| table.insert([i; 8])).collect();
    let mut keys: Vec<_> = shuffled(ENTRIES).into_iter().map(|i| all[i as usize]).collect();
    // Those that have come last lie as each table likes it: they go in another order.
    let order = shuffled(ENTRIES / 2);
    move || {
        // The tables of the others have been in the cache meanwhile.
        let look = || keys.iter().filter_map(|&key| table.get(key)).fold(0, sum);
        for _ in 0..4 {
            black_box(look());
        }
        if let Work::Get = work {
            return time(look);
        }
        let going: Vec<_> = order.iter().map(|&i| keys[i as usize]).collect();
        let removed = time(|| going.iter().filter_map(|&key| table.remove(key)).fold(0, by_value));
        let inserted = time(|| {
            for (i, key) in keys[..ENTRIES / 2].iter_mut().enumerate() {
                *key = table.insert([i as u64; 8]);
            }
        });
        if let Work::Remove = work { removed } else { inserted }
    }
}

fn by_value(total: u64, record: Record) -> u64 {
    sum(total, &record)
}
