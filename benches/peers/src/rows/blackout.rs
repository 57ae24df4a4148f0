//! The blackout: what the new kernel does before it can go on, and the whole of saving and
//! restoring, beside what people serialise with.

use std::hint::black_box;
use std::time::Duration;

use kho_block::{BlockSet, IncomingSet};

use super::{
    ALL_BLOCKS, BLOCK_SIZE, BYTES, IN_CACHE, PER_BLOCK, Pools, Record, enter_c, filled, filled_c,
    records, sum,
};
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::incumbent::{Build, CSet};
use crate::pool::Pool;

/// Blocks of the rows that handle every byte.
const SOME_BLOCKS: usize = 1000;

/// Chains that are restored one after the other where a single one takes no longer than looking at the
/// clock. The second-level cache has room for all their headers.
const CHAINS: usize = 8;

pub fn run(report: &mut Report) {
    restore(report, "restore, headers cold", 1, ALL_BLOCKS, true);
    restore(report, "restore, headers warm", 1, ALL_BLOCKS, false);
    restore(report, "restore, in cache", CHAINS, IN_CACHE, false);
    reject(report);
    save_and_restore(report);
}

/// Restores each of some chains of as many blocks; the time is that for a block.
fn restore(report: &mut Report, what: &'static str, chains: usize, blocks: usize, cold: bool) {
    if !report.wants(what) {
        return;
    }
    let source = &records(blocks);
    let mut pools = Pools::new(chains * blocks, BLOCK_SIZE);
    let heads: Vec<_> = (0..chains).map(|_| filled(&pools.ours, source).into_head()).collect();
    pools.ours.reboot();
    let (heads, pool) = (&heads, &pools.ours);
    let mut contest = Contest::new(what, BYTES, blocks, chains * blocks);

    contest.enter(OURS, move || {
        if cold {
            pool.chill_headers();
        }
        let mut restored = Vec::with_capacity(chains);
        let spent = time(|| {
            for &head in heads {
                let set = IncomingSet::<Record, _>::restore(pool, head);
                restored.push(set.expect("the chain is valid"));
            }
        });
        for set in restored {
            set.release();
        }
        spent
    });
    enter_c!(contest, pools, restore_c(source, chains, cold));
    // One cache miss a block, each waiting for the one before: what no walk of the chain can beat.
    contest.enter("links alone", move || {
        if cold {
            pool.chill_headers();
        }
        time(|| {
            for &head in heads {
                black_box(pool.follow(head));
            }
        })
    });
    if cold {
        contest.at_most(1.05, "links alone");
    } else if blocks == IN_CACHE {
        contest.at_most(0.7, "C");
    } else {
        // A flat buffer is valid once its length is.
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(source).expect("there is memory");
        contest.enter("rkyv, access", move || {
            time(|| {
                let all = rkyv::access::<rkyv::Archived<Vec<Record>>, rkyv::rancor::Error>(&bytes);
                all.map(|all| all.len())
            })
        });
    }
    report.run(contest);
}

fn restore_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &[Record],
    chains: usize,
    cold: bool,
) -> impl FnMut() -> Duration + use<'p, B> {
    let heads: Vec<_> = (0..chains).map(|_| filled_c::<B>(pool, source).into_head()).collect();
    pool.reboot();
    let pool = &*pool;
    move || {
        if cold {
            pool.chill_headers();
        }
        let sets = heads.iter().map(|_| CSet::<B, Record>::new(pool, BLOCK_SIZE));
        let mut sets: Vec<_> = sets.collect();
        let spent = time(|| {
            for (set, &head) in sets.iter_mut().zip(&heads) {
                assert!(set.restore(head), "the chain is valid");
            }
        });
        sets.into_iter().for_each(CSet::release);
        spent
    }
}

/// A chain whose last block leads back to the first: the damage that takes longest to find.
fn reject(report: &mut Report) {
    const WHAT: &str = "refuse a chain with a cycle";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(ALL_BLOCKS);
    let mut pools = Pools::new(ALL_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, ALL_BLOCKS);

    let head = filled(&pools.ours, source).into_head();
    pools.ours.close(head, PER_BLOCK);
    pools.ours.reboot();
    let pool = &pools.ours;
    contest.enter(OURS, move || {
        pool.chill_headers();
        time(|| assert!(IncomingSet::<Record, _>::restore(pool, head).is_err(), "a cycle"))
    });
    enter_c!(contest, pools, reject_c(source));
    report.run(contest);
}

fn reject_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &[Record],
) -> impl FnMut() -> Duration + use<'p, B> {
    let head = filled_c::<B>(pool, source).into_head();
    pool.close(head, PER_BLOCK);
    pool.reboot();
    let pool = &*pool;
    move || {
        pool.chill_headers();
        let mut set = CSet::<B, Record>::new(pool, BLOCK_SIZE);
        time(|| assert!(!set.restore(head), "a cycle"))
    }
}

/// From records in the old kernel's memory to every record read in the new one. What can be had
/// before the blackout, memory above all, is there.
fn save_and_restore(report: &mut Report) {
    const WHAT: &str = "save, restore and read all";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(SOME_BLOCKS);
    let mut pools = Pools::new(SOME_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, SOME_BLOCKS, SOME_BLOCKS * PER_BLOCK);

    let pool = &mut pools.ours;
    contest.enter(OURS, move || {
        let mut head = None;
        let mut set = BlockSet::<Record, _>::new(&*pool);
        set.grow(source.len()).expect("the pool has as many blocks");
        let mut spent = time(|| {
            set.writer().extend(source.iter().copied());
            head = set.into_head();
        });
        pool.reboot();
        let mut restored = None;
        spent += time(|| {
            let set = IncomingSet::<Record, _>::restore(&*pool, head).expect("the chain is valid");
            let total = set.iter().fold(0, sum);
            restored = Some(set);
            total
        });
        restored.iter_mut().for_each(IncomingSet::destroy);
        spent
    });
    enter_c!(contest, pools, save_and_restore_c(source));
    let mut buffer = vec![0; source.len() * BYTES + 64];
    contest.enter("postcard", move || {
        let mut spent = time(|| postcard::to_slice(source, &mut buffer).map(|used| used.len()));
        spent += time(|| {
            let all: Vec<Record> = postcard::from_bytes(&buffer).expect("what was just written");
            all.iter().fold(0, sum)
        });
        spent
    });
    let mut buffer = rkyv::util::AlignedVec::<16>::with_capacity(source.len() * BYTES + 64);
    contest.enter("rkyv", move || {
        use rkyv::rancor::Error;
        buffer.clear();
        let mut spent = time(|| {
            rkyv::api::high::to_bytes_in::<_, Error>(source, &mut buffer).expect("it has room");
        });
        spent += time(|| {
            let all = rkyv::access::<rkyv::Archived<Vec<Record>>, Error>(&buffer);
            let all = all.expect("what was just written");
            all.iter().fold(0_u64, |total, record| total.wrapping_add(record[0].to_native()))
        });
        spent
    });
    let mut target = source.clone();
    contest.enter("memcpy", move || {
        let mut spent = time(|| target.copy_from_slice(source));
        spent += time(|| target.iter().fold(0, sum));
        spent
    });
    report.run(contest);
}

fn save_and_restore_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &'p [Record],
) -> impl FnMut() -> Duration + 'p {
    move || {
        let mut set = CSet::<B, Record>::new(pool, BLOCK_SIZE);
        set.grow(source.len());
        let mut spent = time(|| set.save(source));
        let head = set.into_head();
        pool.reboot();
        let mut set = CSet::<B, Record>::new(pool, BLOCK_SIZE);
        spent += time(|| {
            assert!(set.restore(head), "the chain is valid");
            let mut total = 0;
            let mut cursor = set.cursor();
            while let Some(record) = cursor.next() {
                total = sum(total, record);
            }
            total
        });
        spent
    }
}
