//! Instructions, counted by valgrind: the same on every run, whatever else the machine does.
//!
//! What is counted is in `recorded`; a change that takes more fails.

#[path = "../pool.rs"]
mod pool;
mod recorded;

use std::hint::black_box;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig};
use kho_block::{BlockSet, Incoming, IncomingSet, PhysAddr};

use crate::pool::{Pool, shuffled};

/// The record that LUO keeps of a file.
type Record = [u64; 8];

type Set = BlockSet<Record, &'static Pool>;

const BLOCKS: usize = 10;
const BLOCK_SIZE: usize = kho_block::DEFAULT_BLOCK_SIZE;
const RECORDS: usize = BLOCKS * kho_block::entries_per_block(BLOCK_SIZE, size_of::<Record>());

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
    Box::leak(Box::new(Pool::new(BLOCKS, BLOCK_SIZE)))
}

fn source() -> Vec<Record> {
    (0..RECORDS as u64).map(|i| [i; 8]).collect()
}

fn empty() -> Set {
    BlockSet::new(pool())
}

fn grown() -> (Set, Vec<Record>) {
    let mut set = empty();
    set.grow(RECORDS).expect("the pool has as many blocks");
    (set, source())
}

fn filled() -> Set {
    let (mut set, source) = grown();
    set.extend_from_slice(&source).expect("the set has room for them");
    set
}

fn filled_and_order() -> (Set, Vec<u32>) {
    (filled(), shuffled(RECORDS))
}

fn left() -> (&'static Pool, Option<PhysAddr>) {
    let pool = pool();
    let mut set = BlockSet::<Record, _>::new(&*pool);
    set.extend_from_slice(&source()).expect("the pool has as many blocks");
    let head = set.into_head();
    pool.reboot();
    (pool, head)
}

fn sum(total: u64, record: &Record) -> u64 {
    total.wrapping_add(record[0])
}

#[library_benchmark]
#[bench::records(setup = grown, config = at_most(recorded::PUSH))]
fn push((mut set, source): (Set, Vec<Record>)) -> Set {
    let mut writer = set.writer();
    for &record in &source {
        if writer.push(record).is_err() {
            break;
        }
    }
    set
}

// The push that grows the set when it has to, which it has not.
#[library_benchmark]
#[bench::records(setup = grown, config = at_most(recorded::SET_PUSH))]
fn set_push((mut set, source): (Set, Vec<Record>)) -> Set {
    for &record in &source {
        if set.push(record).is_err() {
            break;
        }
    }
    set
}

#[library_benchmark]
#[bench::records(setup = grown, config = at_most(recorded::EXTEND))]
fn extend((mut set, source): (Set, Vec<Record>)) -> Set {
    black_box(set.writer().extend(source.iter().copied()));
    set
}

#[library_benchmark]
#[bench::records(setup = grown, config = at_most(recorded::EXTEND_FROM_SLICE))]
fn extend_from_slice((mut set, source): (Set, Vec<Record>)) -> Set {
    let _ = black_box(set.writer().extend_from_slice(&source));
    set
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::FOLD))]
fn fold(set: Set) -> (u64, Set) {
    (set.iter().fold(0, sum), set)
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::LOOP))]
fn plain_loop(set: Set) -> (u64, Set) {
    let mut total = 0;
    for record in &set {
        total = sum(total, record);
    }
    (total, set)
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::FOLD_BACK))]
fn fold_back(set: Set) -> (u64, Set) {
    (set.iter().rev().fold(0, sum), set)
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::CURSOR))]
fn cursor(set: Set) -> (u64, Set) {
    let mut total = 0;
    let mut cursor = set.cursor();
    for record in cursor.by_ref() {
        total = sum(total, record);
    }
    while let Some(record) = cursor.prev() {
        total = sum(total, record);
    }
    (total, set)
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::CURSOR_BACK))]
fn cursor_back(set: Set) -> (u64, Set) {
    let mut total = 0;
    let mut cursor = set.cursor_back();
    while let Some(record) = cursor.prev() {
        total = sum(total, record);
    }
    (total, set)
}

#[library_benchmark]
#[bench::records(setup = filled_and_order, config = at_most(recorded::GET))]
fn get((set, order): (Set, Vec<u32>)) -> (u64, Set) {
    let records = order.iter().filter_map(|&index| set.get(index as usize));
    (records.fold(0, sum), set)
}

#[library_benchmark]
#[bench::records(setup = empty, config = at_most(recorded::GROW))]
fn grow(mut set: Set) -> Set {
    let _ = black_box(set.grow(RECORDS));
    set
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::CLEAR))]
fn clear(mut set: Set) -> Set {
    set.clear();
    set
}

#[library_benchmark]
#[bench::records(setup = left, config = at_most(recorded::RESTORE))]
fn restore(
    (pool, head): (&'static Pool, Option<PhysAddr>),
) -> Option<BlockSet<Record, &'static Pool, Incoming>> {
    IncomingSet::restore(pool, head).ok()
}

#[library_benchmark]
#[bench::records(setup = filled, config = at_most(recorded::DESTROY))]
fn destroy(mut set: Set) -> Set {
    set.destroy();
    set
}

library_benchmark_group!(
    name = operations,
    benchmarks = [
        push,
        set_push,
        extend,
        extend_from_slice,
        fold,
        plain_loop,
        fold_back,
        cursor,
        cursor_back,
        get,
        grow,
        clear,
        restore,
        destroy
    ]
);

main!(library_benchmark_groups = operations);
