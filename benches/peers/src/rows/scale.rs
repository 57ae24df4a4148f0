//! What happens with more: more processors, more blocks.

use std::hint::black_box;
use std::sync::Mutex;
use std::{iter, thread};

use super::{ALL_BLOCKS, BLOCK_SIZE, BYTES, Record, filled, records, sum};
use crate::Report;
use crate::contest::{Contest, OURS, time, wall_time};
use crate::pool::{Pool, shuffled};

/// The processors that share the work.
const THREADS: usize = 4;

/// Blocks of the smaller of two sets.
const FEW_BLOCKS: usize = ALL_BLOCKS / 10;

pub fn run(report: &mut Report) {
    threads(report);
    append_growth(report);
    fold_growth(report);
    random_growth(report);
}

/// Fills a record with numbers that take time to compute and none to store.
fn compute(seed: u64) -> Record {
    let mut state = seed | 1;
    core::array::from_fn(|_| {
        for _ in 0..32 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        state
    })
}

fn fill(block: &mut [Record]) {
    for (seed, record) in (1..).zip(block) {
        *record = compute(seed);
    }
}

fn threads(report: &mut Report) {
    const WHAT: &str = "blocks_mut() on 4 threads";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(ALL_BLOCKS);
    let (pool, other) = (Pool::new(ALL_BLOCKS, BLOCK_SIZE), Pool::new(ALL_BLOCKS, BLOCK_SIZE));
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, source.len());

    let mut set = filled(&pool, source);
    contest.enter(OURS, move || {
        wall_time(|| {
            // Whoever has filled a block takes the next one.
            let blocks = Mutex::new(set.blocks_mut());
            let take = || blocks.lock().expect("no thread panics").next();
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| iter::from_fn(take).for_each(fill));
                }
            });
        })
    });
    let mut set = filled(&other, source);
    contest.enter("one thread", move || wall_time(|| set.blocks_mut().for_each(fill)));
    contest.at_most(1.0 / 3.5, "one thread");
    report.run(contest);
}

/// Ten times the blocks, in a tenth of the time: what an entry costs then, as a multiple.
fn append_growth(report: &mut Report) {
    const WHAT: &str = "growth of extend_from_slice";
    if !report.wants(WHAT) {
        return;
    }
    let (few, all) = (&records(FEW_BLOCKS), &records(ALL_BLOCKS));
    let pools = (Pool::new(FEW_BLOCKS, BLOCK_SIZE), Pool::new(ALL_BLOCKS, BLOCK_SIZE));
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, 1);
    for (pool, source, share) in [(&pools.0, few, 1), (&pools.1, all, 10)] {
        let mut set = filled(pool, source);
        contest.enter(OURS, move || {
            set.clear();
            time(|| set.writer().extend_from_slice(source)) / share
        });
    }
    for (source, share) in [(few, 1), (all, 10)] {
        let mut vec = source.clone();
        contest.enter("Vec", move || {
            vec.fill([0; 8]);
            vec.clear();
            time(|| vec.extend_from_slice(source)) / share
        });
    }
    contest.at_most(1.05, "Vec");
    report.run_growth(contest);
}

fn fold_growth(report: &mut Report) {
    const WHAT: &str = "growth of iter().fold";
    if !report.wants(WHAT) {
        return;
    }
    let (few, all) = (&records(FEW_BLOCKS), &records(ALL_BLOCKS));
    let pools = (Pool::new(FEW_BLOCKS, BLOCK_SIZE), Pool::new(ALL_BLOCKS, BLOCK_SIZE));
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, 1);
    for (pool, source, share) in [(&pools.0, few, 1), (&pools.1, all, 10)] {
        let set = filled(pool, source);
        contest.enter(OURS, move || time(|| set.iter().fold(0, sum)) / share);
    }
    for (source, share) in [(few, 1), (all, 10)] {
        let vec = source.clone();
        contest.enter("Vec", move || time(|| black_box(&vec).iter().fold(0, sum)) / share);
    }
    contest.at_most(1.0, "Vec");
    report.run_growth(contest);
}

fn random_growth(report: &mut Report) {
    const WHAT: &str = "growth of get(i) at random";
    if !report.wants(WHAT) {
        return;
    }
    let (few, all) = (&records(FEW_BLOCKS), &records(ALL_BLOCKS));
    let orders = (&shuffled(few.len()), &shuffled(all.len()));
    let pools = (Pool::new(FEW_BLOCKS, BLOCK_SIZE), Pool::new(ALL_BLOCKS, BLOCK_SIZE));
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, 1);
    /// The sum over all entries in random order.
    macro_rules! total {
        ($vec:ident, $order:ident) => {
            time(|| {
                $order.iter().fold(0, |total, &i| {
                    $vec.get(i as usize).map_or(total, |record| sum(total, record))
                })
            })
        };
    }
    for (pool, source, order, share) in
        [(&pools.0, few, orders.0, 1), (&pools.1, all, orders.1, 10)]
    {
        let set = filled(pool, source);
        contest.enter(OURS, move || total!(set, order) / share);
    }
    for (source, order, share) in [(few, orders.0, 1), (all, orders.1, 10)] {
        let vec = source.clone();
        contest.enter("Vec", move || total!(vec, order) / share);
    }
    contest.at_most(1.0, "Vec");
    report.run_growth(contest);
}
