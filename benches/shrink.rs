//! `shrink` from all blocks to half of them, all without entries.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Shrink>(bench);
}

struct Shrink;

impl Theme for Shrink {
    const NAME: &'static str = "shrink";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let mut set = shape.grown();
        let each = |_| {
            let spent = time(|| set.shrink(shape.source.len() / 2));
            set.grow(shape.source.len()).expect("the pool has as many blocks");
            spent
        };
        (0..iterations).map(each).sum()
    }
}
