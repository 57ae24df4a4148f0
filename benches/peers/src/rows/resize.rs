//! Blocks come and go: growing, clearing, and destroying.

use std::hint::black_box;
use std::ptr::NonNull;
use std::time::Duration;

use kho_block::{AllocError, BlockSet, IncomingSet, PhysAddr, PreservedAllocator, PreservedBlock};

use super::{
    ALL_BLOCKS, BLOCK_SIZE, BYTES, PER_BLOCK, Pools, Record, enter_c, filled, filled_c, records,
};
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::incumbent::{Build, CSet};
use crate::pool::Pool;

pub fn run(report: &mut Report) {
    grow(report);
    clear(report);
    destroy(report);
}

fn grow(report: &mut Report) {
    const WHAT: &str = "grow, for each block";
    if !report.wants(WHAT) {
        return;
    }
    let mut pools = Pools::new(ALL_BLOCKS, BLOCK_SIZE);
    let zeroed = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, ALL_BLOCKS);

    let mut set = BlockSet::<Record, _>::new(&pools.ours);
    contest.enter(OURS, move || {
        set.destroy();
        time(|| set.grow(ALL_BLOCKS * PER_BLOCK))
    });
    enter_c!(contest, pools, grow_c());
    contest.enter("zeroing", move || time(|| zeroed.zero_all()));
    contest.at_most(1.05, "zeroing");
    report.run(contest);
}

fn grow_c<'p, B: Build + 'p>(pool: &'p mut Pool) -> impl FnMut() -> Duration + use<'p, B> {
    let mut set = CSet::<B, Record>::new(pool, BLOCK_SIZE);
    move || {
        set.destroy();
        time(|| set.grow(ALL_BLOCKS * PER_BLOCK))
    }
}

fn clear(report: &mut Report) {
    const WHAT: &str = "clear, for each entry";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(ALL_BLOCKS);
    let pool = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
    let zeroed = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, source.len());

    let mut set = filled(&pool, source);
    contest.enter(OURS, move || {
        let spent = time(|| set.clear());
        set.writer().extend_from_slice(source).expect("it was full before");
        spent
    });
    contest.enter("zeroing", move || time(|| zeroed.zero_all()));
    report.run(contest);
}

/// A pool whose blocks can be claimed again once they are freed. Freeing costs next to nothing.
struct Lending<'p>(&'p Pool);

impl Lending<'_> {
    #[inline(never)]
    fn free(&self, ptr: NonNull<u8>) {
        self.0.unclaim(ptr);
    }
}

// SAFETY, by duty. 4, 7: it allocates nothing. The others: the pool pays them, and a freed block may
// be lent again.
unsafe impl PreservedAllocator for Lending<'_> {
    fn alloc_preserve(&self, _size: usize) -> Result<PreservedBlock, AllocError> {
        Err(AllocError)
    }

    unsafe fn unpreserve_free(&self, _ptr: NonNull<u8>, _size: usize) {}

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        self.0.restore(addr, size)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, _size: usize) {
        self.free(ptr);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, _size: usize) {
        self.free(ptr);
    }
}

/// What the calls of the allocator cost is taken off every time.
fn destroy(report: &mut Report) {
    const WHAT: &str = "destroy, for each block";
    if !report.wants(WHAT) {
        return;
    }
    let source = &records(ALL_BLOCKS);
    let mut pools = Pools::new(ALL_BLOCKS, BLOCK_SIZE);
    let other = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(WHAT, BYTES, ALL_BLOCKS, ALL_BLOCKS);

    let lending = Lending(&other);
    let blocks: Vec<NonNull<u8>> = (0..ALL_BLOCKS)
        .map(|_| other.alloc_preserve(BLOCK_SIZE).expect("the pool has as many blocks").ptr)
        .collect();

    let head = filled(&pools.ours, source).into_head();
    pools.ours.reboot();
    let pool = &mut pools.ours;
    contest.enter(OURS, move || {
        let lending = Lending(&*pool);
        let mut set = IncomingSet::<Record, _>::restore(&lending, head).expect("a valid chain");
        let second = set.phys_addr(PER_BLOCK).and_then(|entry| PhysAddr::new(entry.get() - 16));
        let spent = time(|| set.destroy());
        drop(set);
        // Destroying has cut the chain behind its head.
        pool.set_header(head, second, PER_BLOCK);
        spent
    });
    enter_c!(contest, pools, destroy_c(source));
    contest.enter("allocator", move || {
        time(|| blocks.iter().rev().for_each(|&block| black_box(&lending).free(block)))
    });
    contest.without("allocator");
    contest.at_most(0.1, "C");
    report.run(contest);
}

fn destroy_c<'p, B: Build + 'p>(
    pool: &'p mut Pool,
    source: &[Record],
) -> impl FnMut() -> Duration + use<'p, B> {
    let head = filled_c::<B>(pool, source).into_head();
    pool.reboot();
    let pool = &*pool;
    move || {
        let mut set = CSet::<B, Record>::new(pool, BLOCK_SIZE);
        assert!(set.restore(head), "a valid chain");
        set.lend();
        time(|| set.destroy())
    }
}
