//! Saving: appending records one by one, from an iterator, and from a slice. The blocks are there.

use std::time::Duration;

use kho_block::{BlockSet, FullError, PushError};
use orx_split_vec::{PinnedVec, SplitVec};
use segvec::{Linear, SegVec};

use super::{ALL_BLOCKS, BLOCK_SIZE, BYTES, IN_CACHE, Pools, Record, enter_c, records};
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::incumbent::{Build, CSet};
use crate::pool::Pool;

pub fn run(report: &mut Report) {
    push(report);
    set_push(report);
    extend(report);
    extend_from_slice(report, "extend_from_slice, in cache", IN_CACHE);
    extend_from_slice(report, "extend_from_slice, all blocks", ALL_BLOCKS);
}

/// A set with room for `count` records.
fn grown(pool: &Pool, count: usize) -> BlockSet<Record, &Pool> {
    let mut set = BlockSet::new(pool);
    set.grow(count).expect("the pool has as many blocks");
    set
}

fn push(report: &mut Report) {
    const WHAT: &str = "Writer::push";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let mut set = grown(&pools.ours, source.len());
    contest.enter(OURS, move || {
        set.clear();
        time(|| {
            let mut writer = set.writer();
            for &record in source {
                let _ = writer.push(record);
            }
        })
    });
    enter_c!(contest, pools, push_c(source));
    let mut vec = Vec::with_capacity(source.len());
    contest.enter("Vec", move || {
        vec.clear();
        time(|| source.iter().for_each(|&record| vec.push(record)))
    });
    let mut vec = SplitVec::with_linear_growth(7);
    contest.enter("orx-split-vec", move || {
        vec.clear();
        time(|| source.iter().for_each(|&record| vec.push(record)))
    });
    let mut vec = boxcar::Vec::new();
    contest.enter("boxcar", move || {
        vec.clear();
        time(|| {
            for &record in source {
                vec.push(record);
            }
        })
    });
    let mut vec = SegVec::<Record, Linear<128>>::new();
    contest.enter("segvec", move || {
        vec.truncate(0);
        time(|| source.iter().for_each(|&record| vec.push(record)))
    });
    contest.at_most(0.7, "C");
    report.run(contest);
}

/// The push that grows the set when it has to, which it has not; in a function, as people write it.
/// In a closure that brings its source with it the compiler cannot see that making room leaves the
/// source alone, and copies each record to the stack first.
fn set_push(report: &mut Report) {
    const WHAT: &str = "set.push()";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let others = [(); 2].map(|()| Pool::new(IN_CACHE, BLOCK_SIZE));
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let mut set = grown(&pools.ours, source.len());
    contest.enter(OURS, move || {
        set.clear();
        time(|| save(&mut set, source))
    });
    let mut set = grown(&others[0], source.len());
    contest.enter("Writer::push", move || {
        set.clear();
        time(|| write(&mut set, source))
    });
    let mut set = grown(&others[1], source.len());
    contest.enter("in a closure", move || {
        set.clear();
        time(|| {
            for &record in source {
                let _ = set.push(record);
            }
        })
    });
    enter_c!(contest, pools, push_c(source));
    let mut vec = Vec::with_capacity(source.len());
    contest.enter("Vec", move || {
        vec.clear();
        time(|| source.iter().for_each(|&record| vec.push(record)))
    });
    contest.at_most(0.75, "C");
    contest.at_most(1.2, "Writer::push");
    report.run(contest);
}

#[inline(never)]
fn save(set: &mut BlockSet<Record, &Pool>, source: &[Record]) -> Result<(), PushError<Record>> {
    for &record in source {
        set.push(record)?;
    }
    Ok(())
}

#[inline(never)]
fn write(set: &mut BlockSet<Record, &Pool>, source: &[Record]) -> Result<(), FullError<Record>> {
    let mut writer = set.writer();
    for &record in source {
        writer.push(record)?;
    }
    Ok(())
}

fn extend(report: &mut Report) {
    const WHAT: &str = "Writer::extend, from an iterator";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(IN_CACHE);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, source.len());

    let mut set = grown(&pools.ours, source.len());
    contest.enter(OURS, move || {
        set.clear();
        time(|| set.writer().extend(source.iter().copied()))
    });
    enter_c!(contest, pools, push_c(source));
    let mut vec = Vec::with_capacity(source.len());
    contest.enter("Vec", move || {
        vec.clear();
        time(|| vec.extend(source.iter().copied()))
    });
    contest.enter("memcpy", copy(source));
    contest.at_most(0.4, "C");
    contest.at_most(1.3, "memcpy");
    report.run(contest);
}

fn extend_from_slice(report: &mut Report, what: &'static str, blocks: usize) {
    if !report.wants(what) {
        return;
    }
    let source = &records(blocks);
    let mut pools = Pools::new(blocks, BLOCK_SIZE);
    let mut contest = Contest::new(what, BYTES, blocks, source.len());

    let mut set = grown(&pools.ours, source.len());
    contest.enter(OURS, move || {
        set.clear();
        time(|| set.writer().extend_from_slice(source))
    });
    enter_c!(contest, pools, push_c(source));
    let mut vec = Vec::with_capacity(source.len());
    contest.enter("Vec", move || {
        vec.clear();
        time(|| vec.extend_from_slice(source))
    });
    contest.enter("memcpy", copy(source));
    contest.at_most(1.1, "memcpy");
    report.run(contest);
}

/// A call for each entry, as there is no other way in C.
pub fn push_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &'p [Record],
) -> impl FnMut() -> Duration + 'p {
    let mut set = CSet::<B, Record>::new(pool, BLOCK_SIZE);
    set.grow(source.len());
    move || time(|| set.save(source))
}

/// One `memcpy` of everything into memory that is there.
fn copy(source: &[Record]) -> impl FnMut() -> Duration {
    let mut target = source.to_vec();
    move || {
        // What the sets do before they are filled: the target is as warm as theirs.
        target.fill([0; 8]);
        time(|| target.copy_from_slice(source))
    }
}
