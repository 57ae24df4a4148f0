//! `get` of every entry, in an order without a pattern.

use core::time::Duration;

use criterion::Criterion;

use crate::pool::shuffled;
use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Get>(bench);
}

struct Get;

impl Theme for Get {
    const NAME: &'static str = "random access";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let order = shuffled(set.len());
        let each = |_| {
            time(|| {
                let entries = order.iter().filter_map(|&index| set.get(index as usize));
                entries.fold(0, |sum: u64, entry| sum.wrapping_add(entry.word()))
            })
        };
        (0..iterations).map(each).sum()
    }
}
