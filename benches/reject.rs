//! The time it takes to refuse a chain whose last block leads back to the first.

use core::time::Duration;

use criterion::Criterion;
use kho_block::IncomingSet;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Reject>(bench);
}

struct Reject;

impl Theme for Reject {
    const NAME: &'static str = "reject damage";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let per_block = set.len() / set.block_count();
        let head = set.into_head();
        shape.pool.close(head, per_block);
        shape.pool.reboot();
        let each = |_| {
            shape.pool.chill_headers();
            time(|| assert!(IncomingSet::<T, _>::restore(&shape.pool, head).is_err(), "a cycle"))
        };
        let spent = (0..iterations).map(each).sum();
        shape.pool.discard();
        spent
    }
}
