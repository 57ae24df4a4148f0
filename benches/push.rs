//! `BlockSet::push`, which grows when it has to: from no block to a full set.

use core::time::Duration;

use criterion::Criterion;
use kho_block::BlockSet;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Push>(bench);
}

struct Push;

impl Theme for Push {
    const NAME: &'static str = "push";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let each = || {
            let mut set = BlockSet::<T, _>::new(&shape.pool);
            time(|| shape.source.iter().all(|&entry| set.push(entry).is_ok()))
        };
        (0..iterations).map(|_| each()).sum()
    }
}
