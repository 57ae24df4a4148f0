//! Reading back: forwards, backwards, with a cursor, and at random.

use std::hint::black_box;
use std::time::Duration;

use kho_block::{BlockSet, PreservedAllocator};
use orx_split_vec::{Collection, PinnedVec, SplitVec};
use segvec::{Linear, SegVec};

use super::{
    ALL_BLOCKS, BLOCK_SIZE, BYTES, IN_CACHE, PER_BLOCK, Pools, Record, enter_c, filled, filled_c,
    records, sum,
};
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::incumbent::Build;
use crate::pool::{Pool, shuffled};

pub fn run(report: &mut Report) {
    fold(report);
    plain_loop(report);
    kernel_loop(report);
    fold_back(report);
    loop_back(report);
    cursor(report);
    cursor_back(report);
    random(report, "get(i) at random, in cache", IN_CACHE);
    random(report, "get(i) at random, all blocks", ALL_BLOCKS);
}

/// A vector of each crate with copies of `source`.
fn split_vec(source: &[Record]) -> SplitVec<Record, orx_split_vec::Linear> {
    let mut vec = SplitVec::with_linear_growth(7);
    vec.extend_from_slice(source);
    vec
}

fn fold(report: &mut Report) {
    const WHAT: &str = "iter().fold";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let set = filled(&pools.ours, source);
    contest.enter(OURS, move || time(|| set.iter().fold(0, sum)));
    enter_c!(contest, pools, forwards_c(source));
    let vec = source.clone();
    contest.enter("Vec", move || time(|| vec.iter().fold(0, sum)));
    let vec = split_vec(source);
    contest.enter("orx-split-vec", move || time(|| vec.iter().fold(0, sum)));
    let vec: boxcar::Vec<Record> = source.iter().copied().collect();
    contest.enter("boxcar", move || {
        time(|| vec.iter().fold(0, |total, (_, record)| sum(total, record)))
    });
    let vec: SegVec<Record, Linear<128>> = source.iter().copied().collect();
    contest.enter("segvec", move || time(|| vec.iter().fold(0, sum)));
    contest.at_most(1.05, "Vec");
    report.run(contest);
}

fn plain_loop(report: &mut Report) {
    const WHAT: &str = "for x in &set";
    if !report.wants(WHAT) {
        return;
    }
    /// The loop that people write.
    macro_rules! total {
        ($records:expr) => {
            time(|| {
                let mut total = 0;
                for record in $records {
                    total = sum(total, record);
                }
                total
            })
        };
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let set = filled(&pools.ours, source);
    contest.enter(OURS, move || total!(&set));
    enter_c!(contest, pools, forwards_c(source));
    let vec = source.clone();
    contest.enter("Vec", move || total!(&vec));
    let vec = split_vec(source);
    contest.enter("orx-split-vec", move || total!(vec.iter()));
    let vec: boxcar::Vec<Record> = source.iter().copied().collect();
    contest.enter("boxcar", move || total!(vec.iter().map(|(_, record)| record)));
    let vec: SegVec<Record, Linear<128>> = source.iter().copied().collect();
    contest.enter("segvec", move || total!(vec.iter()));
    contest.at_most(0.4, "C");
    contest.at_most(1.6, "Vec");
    report.run(contest);
}

/// The loop in a crate that is built at opt-level 2, as C is.
fn kernel_loop(report: &mut Report) {
    const WHAT: &str = "for x in &set, opt-level 2";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let mut set = BlockSet::new(&pools.ours as &dyn PreservedAllocator);
    set.extend_from_slice(source).expect("the pool has as many blocks");
    contest.enter(OURS, move || time(|| kho_block_loops::total(&set)));
    enter_c!(contest, pools, forwards_c(source));
    let vec = source.clone();
    contest.enter("Vec", move || time(|| kho_block_loops::total_of_slice(&vec)));
    contest.at_most(0.35, "C");
    report.run(contest);
}

fn fold_back(report: &mut Report) {
    const WHAT: &str = "iter().rev().fold";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let set = filled(&pools.ours, source);
    contest.enter(OURS, move || time(|| set.iter().rev().fold(0, sum)));
    enter_c!(contest, pools, backwards_c(source));
    let vec = source.clone();
    contest.enter("Vec", move || time(|| vec.iter().rev().fold(0, sum)));
    contest.at_most(1.05, "Vec");
    report.run(contest);
}

fn loop_back(report: &mut Report) {
    const WHAT: &str = "for x in set.iter().rev()";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let set = filled(&pools.ours, source);
    contest.enter(OURS, move || {
        time(|| {
            let mut total = 0;
            for record in set.iter().rev() {
                total = sum(total, record);
            }
            total
        })
    });
    enter_c!(contest, pools, backwards_c(source));
    let vec = source.clone();
    contest.enter("Vec", move || {
        time(|| {
            let mut total = 0;
            for record in vec.iter().rev() {
                total = sum(total, record);
            }
            total
        })
    });
    contest.at_most(0.4, "C");
    contest.at_most(1.6, "Vec");
    report.run(contest);
}

fn cursor(report: &mut Report) {
    const WHAT: &str = "Cursor, forwards and back";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, 2 * source.len());

    let set = filled(&pools.ours, source);
    contest.enter(OURS, move || {
        time(|| {
            let mut total = 0;
            let mut cursor = set.cursor();
            for record in cursor.by_ref() {
                total = sum(total, record);
            }
            while let Some(record) = cursor.prev() {
                total = sum(total, record);
            }
            total
        })
    });
    enter_c!(contest, pools, there_and_back_c(source));
    contest.at_most(0.5, "C");
    report.run(contest);
}

/// From the last entry of as many blocks as there may be to the first, after as many the other way.
fn cursor_back(report: &mut Report) {
    const WHAT: &str = "cursor.prev(), all blocks";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(ALL_BLOCKS);
    let mut pools = Pools::new(ALL_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, source.len());

    let set = filled(&pools.ours, source);
    contest.enter(OURS, move || {
        let mut cursor = set.cursor();
        black_box(cursor.by_ref().fold(0, sum));
        time(|| {
            let mut total = 0;
            while let Some(record) = cursor.prev() {
                total = sum(total, record);
            }
            total
        })
    });
    enter_c!(contest, pools, backwards_c(source));
    // Memory in one piece: how fast it can be had backwards.
    let vec = source.clone();
    contest.enter("Vec", move || {
        black_box(vec.iter().fold(0, sum));
        time(|| vec.iter().rev().fold(0, sum))
    });
    contest.at_most(0.8, "C");
    report.run(contest);
}

fn random(report: &mut Report, what: &'static str, blocks: usize) {
    if !report.wants(what) {
        return;
    }
    let source = &records(blocks);
    let order: &Vec<usize> = &shuffled(source.len()).into_iter().map(|i| i as usize).collect();
    let pool = Pool::new(blocks, BLOCK_SIZE);
    let mut contest = Contest::new(what, BYTES, blocks, source.len());
    /// The sum over all entries in random order.
    macro_rules! total {
        ($vec:ident) => {
            time(|| order.iter().fold(0, |total, &i| $vec.get(i).map_or(total, |r| sum(total, r))))
        };
    }

    let set = filled(&pool, source);
    contest.enter(OURS, move || total!(set));
    let vec = source.clone();
    contest.enter("Vec", move || total!(vec));
    // A division and a table: what no structure of blocks goes without.
    let blocks: Vec<Box<[Record]>> = source.chunks(PER_BLOCK).map(Box::from).collect();
    contest.enter("blocks alone", move || {
        time(|| {
            order.iter().fold(0, |total, &i| {
                let record = blocks.get(i / PER_BLOCK).and_then(|block| block.get(i % PER_BLOCK));
                record.map_or(total, |record| sum(total, record))
            })
        })
    });
    let vec = split_vec(source);
    contest.enter("orx-split-vec", move || total!(vec));
    let vec: boxcar::Vec<Record> = source.iter().copied().collect();
    contest.enter("boxcar", move || total!(vec));
    let vec: SegVec<Record, Linear<128>> = source.iter().copied().collect();
    contest.enter("segvec", move || total!(vec));
    contest.at_most(1.6, "Vec");
    report.run(contest);
}

fn forwards_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &[Record],
) -> impl FnMut() -> Duration + use<'p, B> {
    let mut set = filled_c::<B>(pool, source);
    move || {
        time(|| {
            let mut total = 0;
            let mut cursor = set.cursor();
            while let Some(record) = cursor.next() {
                total = sum(total, record);
            }
            total
        })
    }
}

fn backwards_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &[Record],
) -> impl FnMut() -> Duration + use<'p, B> {
    let mut set = filled_c::<B>(pool, source);
    move || {
        let mut cursor = set.cursor();
        let mut total = 0;
        while let Some(record) = cursor.next() {
            total = sum(total, record);
        }
        time(|| {
            while let Some(record) = cursor.prev() {
                total = sum(total, record);
            }
            total
        })
    }
}

fn there_and_back_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &[Record],
) -> impl FnMut() -> Duration + use<'p, B> {
    let mut set = filled_c::<B>(pool, source);
    move || {
        time(|| {
            let mut total = 0;
            let mut cursor = set.cursor();
            while let Some(record) = cursor.next() {
                total = sum(total, record);
            }
            while let Some(record) = cursor.prev() {
                total = sum(total, record);
            }
            total
        })
    }
}
