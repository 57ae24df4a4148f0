//! `clear` of a full set: a write to every byte.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Clear>(bench);
}

struct Clear;

impl Theme for Clear {
    const NAME: &'static str = "clear";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let mut set = shape.grown();
        let each = |_| {
            set.extend_from_slice(&shape.source).expect("the set has room for them");
            time(|| set.clear())
        };
        (0..iterations).map(each).sum()
    }
}
