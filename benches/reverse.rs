//! Every entry, from the last to the first: by `fold`, and with a cursor.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Fold>(bench);
    run::<Cursor>(bench);
}

struct Fold;

impl Theme for Fold {
    const NAME: &'static str = "reverse, fold";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let add = |sum: u64, entry: &T| sum.wrapping_add(entry.word());
        (0..iterations).map(|_| time(|| set.iter().rev().fold(0, add))).sum()
    }
}

struct Cursor;

impl Theme for Cursor {
    const NAME: &'static str = "reverse, cursor";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let each = |_| {
            time(|| {
                let mut sum: u64 = 0;
                let mut cursor = set.cursor_back();
                while let Some(entry) = cursor.prev() {
                    sum = sum.wrapping_add(entry.word());
                }
                sum
            })
        };
        (0..iterations).map(each).sum()
    }
}
