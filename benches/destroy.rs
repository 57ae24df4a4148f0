//! `destroy` of a full set, the allocator included.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Destroy>(bench);
}

struct Destroy;

impl Theme for Destroy {
    const NAME: &'static str = "destroy";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let each = |_| {
            let mut set = shape.filled();
            time(|| set.destroy())
        };
        (0..iterations).map(each).sum()
    }
}
