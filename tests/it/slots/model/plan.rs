//! What is done to a table, chosen at random and told apart from what it is done to.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::plan::{At, Finish, Step, at, finish, step};

/// A key to try.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// So many of 255 parts of those whose entries are there.
    Live(u8),
    /// So many of 255 parts of those that were ever given.
    Given(u8),
    /// One that was perhaps never given.
    Forged(u32, u32),
}

fn which() -> impl Strategy<Value = Which> + Clone {
    let small = || prop_oneof![8 => 0..12_u32, 1 => any::<u32>()];
    prop_oneof![
        4 => any::<u8>().prop_map(Which::Live),
        2 => any::<u8>().prop_map(Which::Given),
        1 => (small(), small()).prop_map(|(slot, life)| Which::Forged(slot, life)),
    ]
}

/// What can be done to any table.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Remove(Which),
    Write(Which),
    /// Keeps entries whose number, divided by the first one, leaves less than the second one.
    Retain(usize, usize),
    All {
        back: bool,
    },
    Clear,
    Destroy,
    Read(Vec<Step>, Finish),
}

pub(super) fn change() -> impl Strategy<Value = Change> + Clone {
    prop_oneof![
        8 => which().prop_map(Change::Remove),
        2 => which().prop_map(Change::Write),
        2 => (1..5_usize, 0..5_usize).prop_map(|(of, keep)| Change::Retain(of, keep)),
        1 => any::<bool>().prop_map(|back| Change::All { back }),
        1 => Just(Change::Clear),
        1 => Just(Change::Destroy),
        4 => (vec(step(), 0..8), finish()).prop_map(|(steps, end)| Change::Read(steps, end)),
    ]
}

/// What can be done to a table of this kernel.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Change(Change),
    Insert(usize),
    /// Inserts until no slot is free, and then once more in vain.
    Fill,
    Grow(At),
    Shrink(At),
    /// Seals the table for a jump, which fails.
    Seal,
    /// Takes the table away, uses the one left in its place, and brings it back.
    Take,
}

fn work() -> impl Strategy<Value = Work> + Clone {
    prop_oneof![
        5 => change().prop_map(Work::Change),
        6 => (1..6_usize).prop_map(Work::Insert),
        1 => Just(Work::Fill),
        2 => at().prop_map(Work::Grow),
        2 => at().prop_map(Work::Shrink),
        1 => Just(Work::Seal),
        1 => Just(Work::Take),
    ]
}

/// How a kernel ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// It seals the table and leaves it.
    Leave,
    /// A kexec that nobody has prepared.
    Die,
    /// It drops the table: one that it has adopted is left then.
    Drop,
}

fn end() -> impl Strategy<Value = End> + Clone {
    prop_oneof![3 => Just(End::Leave), 2 => Just(End::Die), 1 => Just(End::Drop)]
}

/// What one kernel does.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// The slots, in 255 parts of all, which have but one life left when this kernel comes, if they
    /// are free.
    pub(super) old: Vec<u8>,
    /// What is done to the table as it is found, in turns.
    pub(super) found: Vec<Vec<Change>>,
    pub(super) works: Vec<Work>,
    pub(super) end: End,
}

pub(super) fn kernels() -> impl Strategy<Value = Vec<Kernel>> {
    let found = || vec(vec(change(), 0..4), 0..3);
    let kernel =
        (vec(any::<u8>(), 0..3), found(), vec(work(), 0..if cfg!(miri) { 5 } else { 16 }), end());
    let kernel = kernel.prop_map(|(old, found, works, end)| Kernel { old, found, works, end });
    vec(kernel, if cfg!(miri) { 2..3 } else { 3..6 })
}
