//! Every operation, timed: a file for each theme, and in each the same nine shapes.
//!
//! Times differ from machine to machine and from day to day; `peers` compares within one run, and
//! `counts` counts instructions.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a benchmark that is wrong may panic, and its numbers are its own"
)]

mod clear;
mod destroy;
mod extend;
mod grow;
mod handover;
mod pool;
mod push;
mod random;
mod read;
mod reject;
mod restore;
mod reverse;
mod shapes;
mod shrink;
mod writer;

use core::time::Duration;

use criterion::Criterion;

fn main() {
    let mut bench = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    push::bench(&mut bench);
    writer::bench(&mut bench);
    extend::bench(&mut bench);
    read::bench(&mut bench);
    reverse::bench(&mut bench);
    random::bench(&mut bench);
    grow::bench(&mut bench);
    shrink::bench(&mut bench);
    clear::bench(&mut bench);
    restore::bench(&mut bench);
    destroy::bench(&mut bench);
    reject::bench(&mut bench);
    handover::bench(&mut bench);
    bench.final_summary();
}
