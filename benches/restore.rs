//! `restore` of a full set, whose headers no cache knows.

use core::time::Duration;

use criterion::Criterion;
use kho_block::IncomingSet;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Restore>(bench);
}

struct Restore;

impl Theme for Restore {
    const NAME: &'static str = "restore";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let head = shape.filled().into_head();
        shape.pool.reboot();
        let each = |_| {
            shape.pool.chill_headers();
            let mut restored = None;
            let spent = time(|| restored = IncomingSet::<T, _>::restore(&shape.pool, head).ok());
            restored.map(IncomingSet::release);
            spent
        };
        let spent = (0..iterations).map(each).sum();
        IncomingSet::<T, _>::restore(&shape.pool, head).expect("a valid chain").destroy();
        spent
    }
}
