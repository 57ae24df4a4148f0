//! `Writer::push`: the save itself, into blocks that are there.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Push>(bench);
}

struct Push;

impl Theme for Push {
    const NAME: &'static str = "writer";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let mut set = shape.grown();
        let each = |_| {
            set.clear();
            let mut writer = set.writer();
            time(|| shape.source.iter().all(|&entry| writer.push(entry).is_ok()))
        };
        (0..iterations).map(each).sum()
    }
}
