//! `Writer::extend` from an iterator, and `extend_from_slice`, into blocks that are there.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Iterator>(bench);
    run::<Slice>(bench);
}

struct Iterator;

impl Theme for Iterator {
    const NAME: &'static str = "extend, iterator";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let mut set = shape.grown();
        let each = |_| {
            set.clear();
            time(|| set.writer().extend(shape.source.iter().copied()))
        };
        (0..iterations).map(each).sum()
    }
}

struct Slice;

impl Theme for Slice {
    const NAME: &'static str = "extend, slice";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let mut set = shape.grown();
        let each = |_| {
            set.clear();
            time(|| set.writer().extend_from_slice(&shape.source))
        };
        (0..iterations).map(each).sum()
    }
}
