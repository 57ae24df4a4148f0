//! `grow` from no block to all, beside the zeroing of the blocks that is in it.

use core::time::Duration;

use criterion::Criterion;
use kho_block::BlockSet;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Grow>(bench);
    run::<Zeroing>(bench);
}

struct Grow;

impl Theme for Grow {
    const NAME: &'static str = "grow";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let mut set = BlockSet::<T, _>::new(&shape.pool);
        let each = |_| {
            set.destroy();
            time(|| set.grow(shape.source.len()))
        };
        (0..iterations).map(each).sum()
    }
}

struct Zeroing;

impl Theme for Zeroing {
    const NAME: &'static str = "grow, zeroing alone";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        (0..iterations).map(|_| time(|| shape.pool.zero_all())).sum()
    }
}
