//! Every entry, from the first to the last: by `fold`, in a plain loop, and with a cursor.

use core::time::Duration;

use criterion::Criterion;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Fold>(bench);
    run::<Loop>(bench);
    run::<Cursor>(bench);
}

struct Fold;

impl Theme for Fold {
    const NAME: &'static str = "read, fold";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let each =
            |_| time(|| set.iter().fold(0, |sum: u64, entry| sum.wrapping_add(entry.word())));
        (0..iterations).map(each).sum()
    }
}

struct Loop;

impl Theme for Loop {
    const NAME: &'static str = "read, loop";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let each = |_| {
            time(|| {
                let mut sum: u64 = 0;
                for entry in &set {
                    sum = sum.wrapping_add(entry.word());
                }
                sum
            })
        };
        (0..iterations).map(each).sum()
    }
}

struct Cursor;

impl Theme for Cursor {
    const NAME: &'static str = "read, cursor";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let set = shape.filled();
        let each = |_| {
            time(|| {
                let mut sum: u64 = 0;
                for entry in set.cursor() {
                    sum = sum.wrapping_add(entry.word());
                }
                sum
            })
        };
        (0..iterations).map(each).sum()
    }
}
