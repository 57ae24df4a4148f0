//! What a kernel does in its world: one operation after the other, as a seed has it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Operations of a sequence.
const LENGTH: usize = 60;

#[derive(Clone, Debug)]
pub(super) enum Op {
    First(Change),
    Second(Change),
    Table(Turn),
    /// The names of all anew, and the root.
    Publish,
    /// A block of this size that is in no set.
    Allocate(usize),
    /// One of these, counted round and round.
    Free(usize),
    /// What no one has claimed goes.
    Sweep,
    /// The next kernel takes over.
    Kexec {
        /// Whether the sets that have entries are sealed and left; or it comes as it comes.
        left: bool,
        /// A bit for each block that is in no set: whether the next kernel claims it.
        claimed: u8,
    },
}

/// What is done to a set. Entries are appended with the numbers of the operation.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Push,
    Pop,
    Slice(usize),
    /// By a writer, from an iterator, after growing.
    Write(usize),
    /// By `try_extend`.
    Extend(usize),
    Truncate(usize),
    Clear,
    /// The entries at whose places there is a bit, counted round and round.
    Retain(u32),
    SwapRemove(usize),
    Grow(usize),
    Shrink(usize),
    /// Taken, sealed, and unsealed.
    Seal,
    Destroy,
}

/// What is done to a table.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    Insert,
    /// One of its entries, counted round and round.
    Remove(usize),
    /// Those of the slots that have a bit, counted round and round.
    Retain(u32),
    Clear,
    Grow(usize),
    Shrink(usize),
    /// Taken, sealed, and unsealed.
    Seal,
}

/// Whether bit `place` is set, counted round and round.
pub(super) fn has(bits: u32, place: usize) -> bool {
    bits.rotate_right(u32::try_from(place & 31).unwrap()) & 1 == 1
}

/// The operations of a seed. Half of them are done after another kernel has taken over.
pub(super) fn draw(seed: u64) -> Vec<Op> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let half = || vec(op(), LENGTH.div_ceil(2));
    let plan = (half(), kexec(), half()).prop_map(|(mut before, kexec, after)| {
        before.push(kexec);
        before.extend(after);
        before.truncate(LENGTH);
        before
    });
    plan.new_tree(&mut runner).unwrap().current()
}

fn kexec() -> impl Strategy<Value = Op> {
    (any::<bool>(), any::<u8>()).prop_map(|(left, claimed)| Op::Kexec { left, claimed })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => change().prop_map(Op::First),
        8 => change().prop_map(Op::Second),
        8 => turn().prop_map(Op::Table),
        1 => Just(Op::Publish),
        1 => select(vec![64, 4096, 8192]).prop_map(Op::Allocate),
        1 => (0..4_usize).prop_map(Op::Free),
        1 => Just(Op::Sweep),
        1 => kexec(),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    use Change::{
        Clear, Destroy, Extend, Grow, Pop, Push, Retain, Seal, Shrink, Slice, SwapRemove, Truncate,
        Write,
    };
    prop_oneof![
        4 => Just(Push),
        3 => Just(Pop),
        2 => (0..10_usize).prop_map(Slice),
        2 => (0..10_usize).prop_map(Write),
        2 => (0..10_usize).prop_map(Extend),
        2 => (0..16_usize).prop_map(Truncate),
        1 => Just(Clear),
        2 => any::<u32>().prop_map(Retain),
        3 => (0..16_usize).prop_map(SwapRemove),
        2 => (0..24_usize).prop_map(Grow),
        2 => (0..16_usize).prop_map(Shrink),
        1 => Just(Seal),
        1 => Just(Destroy),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    use Turn::{Clear, Grow, Insert, Remove, Retain, Seal, Shrink};
    prop_oneof![
        8 => Just(Insert),
        5 => (0..16_usize).prop_map(Remove),
        1 => any::<u32>().prop_map(Retain),
        1 => Just(Clear),
        1 => (0..16_usize).prop_map(Grow),
        1 => (0..16_usize).prop_map(Shrink),
        1 => Just(Seal),
    ]
}
