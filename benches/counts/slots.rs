//! Instructions of a table of slots, counted as in `counts.rs`, and in a program of its own: what both
//! call, the compiler would inline into neither.

#[path = "../pool.rs"]
mod pool;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig};
use kho_block::{DEFAULT_BLOCK_SIZE, Incoming, IncomingSlots, Key, PhysAddr, Slots};

use crate::pool::{Pool, shuffled};

/// As `recorded.rs`, of 10 blocks of 8 KiB with 1130 records of 64 bytes, or of the 565 that fill the
/// holes in them.
mod recorded {
    pub(crate) const INSERT: u64 = 114_801;
    pub(crate) const INSERT_INTO_HOLES: u64 = 75_748;
    pub(crate) const LOOK_UP: u64 = 32_033;
    pub(crate) const ITERATE: u64 = 42_438;
    pub(crate) const REMOVE: u64 = 102_352;
    pub(crate) const TAKE_OVER: u64 = 35_634;
}

type Record = [u64; 8];

const BLOCKS: usize = 10;

/// Fails above `instructions`.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// Each benchmark is a process of its own, so nothing is lost by leaking.
fn pool() -> &'static mut Pool {
    Box::leak(Box::new(Pool::new(BLOCKS, DEFAULT_BLOCK_SIZE)))
}

fn sum(total: u64, record: &Record) -> u64 {
    total.wrapping_add(record[0])
}

type Table = Slots<Record, &'static Pool>;

/// As many as the blocks have room for.
const ENTRIES: usize = BLOCKS * Table::SLOTS_PER_BLOCK;

fn entries(count: usize) -> Vec<Record> {
    (0..count as u64).map(|i| [i; 8]).collect()
}

fn grown() -> (Table, Vec<Record>) {
    let mut table = Table::new(pool());
    table.grow(ENTRIES).expect("the pool has as many blocks");
    (table, entries(ENTRIES))
}

fn filled() -> (Table, Vec<Key>) {
    let (mut table, entries) = grown();
    let keys = entries.into_iter().map(|entry| table.insert(entry).expect("there is room"));
    let keys: Vec<_> = keys.collect();
    (table, keys)
}

/// The keys in an order that is none.
fn filled_and_order() -> (Table, Vec<Key>) {
    let (table, keys) = filled();
    let order = shuffled(ENTRIES).into_iter().map(|index| keys[index as usize]).collect();
    (table, order)
}

/// With a hole in place of every second entry, and an entry for each.
fn holes() -> (Table, Vec<Record>) {
    let (mut table, keys) = filled();
    for &key in keys.iter().step_by(2) {
        table.remove(key).expect("the entry is there");
    }
    (table, entries(ENTRIES / 2))
}

fn left() -> (&'static Pool, Option<PhysAddr>) {
    let pool = pool();
    let mut table = Slots::<Record, _>::new(&*pool);
    for entry in entries(ENTRIES) {
        table.insert(entry).expect("the pool has as many blocks");
    }
    let head = table.seal().leave();
    pool.reboot();
    (pool, head)
}

fn insert_all((mut table, entries): (Table, Vec<Record>)) -> Table {
    for &entry in &entries {
        if table.insert(entry).is_err() {
            break;
        }
    }
    table
}

#[library_benchmark]
#[bench::records(setup = grown, config = at_most(recorded::INSERT))]
fn insert(work: (Table, Vec<Record>)) -> Table {
    insert_all(work)
}

#[library_benchmark]
#[bench::records(setup = holes, config = at_most(recorded::INSERT_INTO_HOLES))]
fn insert_into_holes(work: (Table, Vec<Record>)) -> Table {
    insert_all(work)
}

#[library_benchmark]
#[bench::records(setup = filled_and_order, config = at_most(recorded::LOOK_UP))]
fn look_up((table, keys): (Table, Vec<Key>)) -> (u64, Table) {
    (keys.iter().filter_map(|&key| table.get(key)).fold(0, sum), table)
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::ITERATE))]
fn iterate((table, _): (Table, Vec<Key>)) -> (u64, Table) {
    (table.iter().map(|(_, record)| record).fold(0, sum), table)
}

#[library_benchmark]
#[bench::records(setup = filled_and_order, config = at_most(recorded::REMOVE))]
fn remove((mut table, keys): (Table, Vec<Key>)) -> (u64, Table) {
    let mut total = 0;
    for &key in &keys {
        total = table.remove(key).map_or(total, |record| sum(total, &record));
    }
    (total, table)
}

#[library_benchmark]
#[bench::records(setup = left, config = at_most(recorded::TAKE_OVER))]
fn take_over(
    (pool, head): (&'static Pool, Option<PhysAddr>),
) -> Option<Slots<Record, &'static Pool, Incoming>> {
    IncomingSlots::restore(pool, head).ok()
}

library_benchmark_group!(
    name = slots_of_records,
    benchmarks = [insert, insert_into_holes, look_up, iterate, remove, take_over]
);

main!(library_benchmark_groups = slots_of_records);
