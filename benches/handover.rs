//! From entries in the memory of the old kernel to every entry read in the new one.

use core::time::Duration;

use criterion::Criterion;
use kho_block::IncomingSet;

use crate::shapes::{Record, Shape, Theme, run, time};

pub(crate) fn bench(bench: &mut Criterion) {
    run::<Handover>(bench);
}

struct Handover;

impl Theme for Handover {
    const NAME: &'static str = "save and restore";

    fn run<T: Record>(shape: &mut Shape<T>, iterations: u64) -> Duration {
        let each = |_| {
            let mut head = None;
            let mut set = shape.grown();
            let save = time(|| {
                set.writer().extend(shape.source.iter().copied());
                head = set.into_head();
            });
            shape.pool.reboot();
            let mut restored = None;
            let restore = time(|| {
                let set = IncomingSet::<T, _>::restore(&shape.pool, head).expect("a valid chain");
                let sum = set.iter().fold(0, |sum: u64, entry| sum.wrapping_add(entry.word()));
                restored = Some(set);
                sum
            });
            restored.iter_mut().for_each(IncomingSet::destroy);
            save + restore
        };
        (0..iterations).map(each).sum()
    }
}
