//! The shapes of the benchmarks: three records, and sets of three sizes.

use core::time::Duration;
use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use kho_block::{BlockSet, Entry, entries_per_block};

use crate::pool::Pool;

/// Bytes of a block.
const BLOCK_SIZE: usize = kho_block::DEFAULT_BLOCK_SIZE;

/// A set to be timed.
pub(crate) type Set<'p, T> = BlockSet<T, &'p Pool>;

/// A record of one of the sizes that Linux keeps: 8, 64 or 80 bytes.
pub(crate) trait Record: Entry + Copy {
    /// A record that is unlike others.
    fn number(number: u64) -> Self;

    /// What a benchmark reads of a record.
    fn word(&self) -> u64;
}

impl Record for u64 {
    fn number(number: u64) -> Self {
        number
    }

    fn word(&self) -> u64 {
        *self
    }
}

macro_rules! record {
    ($words:literal) => {
        impl Record for [u64; $words] {
            fn number(number: u64) -> Self {
                [number; $words]
            }

            fn word(&self) -> u64 {
                self[0]
            }
        }
    };
}

record!(8);
record!(10);

/// One size of set, with room for it and its entries.
pub(crate) struct Shape<T> {
    pub(crate) pool: Pool,
    pub(crate) source: Vec<T>,
}

impl<T: Record> Shape<T> {
    fn new(blocks: usize) -> Self {
        let entries = blocks * entries_per_block(BLOCK_SIZE, size_of::<T>());
        let source = (0..entries as u64).map(T::number).collect();
        Self { pool: Pool::new(blocks, BLOCK_SIZE), source }
    }

    /// A set with room for all entries.
    pub(crate) fn grown(&self) -> Set<'_, T> {
        let mut set = BlockSet::new(&self.pool);
        set.grow(self.source.len()).expect("the pool has as many blocks");
        set
    }

    /// A set with all entries.
    pub(crate) fn filled(&self) -> Set<'_, T> {
        let mut set = BlockSet::new(&self.pool);
        set.extend_from_slice(&self.source).expect("the pool has as many blocks");
        set
    }
}

/// A benchmark that is run once for each shape: does its work `iterations` times and returns how long
/// that took.
pub(crate) trait Theme {
    /// The name of the theme.
    const NAME: &'static str;

    /// Does the work.
    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration;
}

/// Runs a theme in every shape.
pub(crate) fn run<S: Theme>(bench: &mut Criterion) {
    let mut group = bench.benchmark_group(S::NAME);
    for blocks in [10, 1000, 10_000] {
        run_one::<S, u64>(&mut group, blocks);
        run_one::<S, [u64; 8]>(&mut group, blocks);
        run_one::<S, [u64; 10]>(&mut group, blocks);
    }
    group.finish();
}

fn run_one<S: Theme, T: Record>(group: &mut BenchmarkGroup<'_, WallTime>, blocks: usize) {
    let bytes = size_of::<T>();
    let entries = blocks * entries_per_block(BLOCK_SIZE, bytes);
    group.throughput(Throughput::ElementsAndBytes {
        elements: entries as u64,
        bytes: (entries * bytes) as u64,
    });
    let id = BenchmarkId::new(format!("{bytes} bytes"), format!("{blocks} blocks"));
    // Built when a filter lets the benchmark run, and not before.
    let mut shape = None;
    group.bench_function(id, |bencher| {
        let shape = shape.get_or_insert_with(|| Shape::<T>::new(blocks));
        bencher.iter_custom(|iterations| S::run(shape, iterations));
    });
}

/// The time that `work` takes.
pub(crate) fn time<R>(work: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    core::hint::black_box(work());
    start.elapsed()
}
