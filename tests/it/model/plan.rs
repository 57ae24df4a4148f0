//! What is done to a set, chosen at random and told apart from what it is done to.

use proptest::collection::vec;
use proptest::prelude::*;

/// A number of entries, as likely as not at an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    /// So many entries off so many full blocks.
    Block(usize, isize),
    /// So many entries off all there are.
    End(isize),
    /// So many of 255 parts of all there are.
    Part(u8),
}

impl At {
    pub(crate) fn of(self, all: usize, capacity: usize) -> usize {
        match self {
            Self::Block(blocks, offset) => (blocks * capacity).saturating_add_signed(offset),
            Self::End(offset) => all.saturating_add_signed(offset),
            Self::Part(parts) => all * usize::from(parts) / 255,
        }
    }
}

pub(crate) fn at() -> impl Strategy<Value = At> + Clone {
    prop_oneof![
        (0..3_usize, -1..=1_isize).prop_map(|(blocks, offset)| At::Block(blocks, offset)),
        (-1..=1_isize).prop_map(At::End),
        any::<u8>().prop_map(At::Part),
    ]
}

/// What can be done to any set.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Pop,
    SwapRemove(At),
    Truncate(At),
    Clear,
    Shrink(At),
    Destroy,
    One(At),
    Last,
    All,
    Blocks { back: bool },
    Read(Vec<Step>, Finish),
    Walk { back: bool, moves: Vec<Move> },
}

pub(super) fn change() -> impl Strategy<Value = Change> + Clone {
    let steps = || vec(step(), 0..8);
    prop_oneof![
        4 => Just(Change::Pop),
        4 => at().prop_map(Change::SwapRemove),
        4 => at().prop_map(Change::Truncate),
        1 => Just(Change::Clear),
        2 => at().prop_map(Change::Shrink),
        1 => Just(Change::Destroy),
        2 => at().prop_map(Change::One),
        1 => Just(Change::Last),
        1 => Just(Change::All),
        1 => any::<bool>().prop_map(|back| Change::Blocks { back }),
        6 => (steps(), finish()).prop_map(|(steps, finish)| Change::Read(steps, finish)),
        6 => (any::<bool>(), vec(a_move(), 0..12))
            .prop_map(|(back, moves)| Change::Walk { back, moves }),
    ]
}

/// What can be done to a set of this kernel.
#[derive(Clone, Debug)]
pub(super) enum Save {
    Change(Change),
    Push(usize),
    Extend(At),
    /// Extends from an iterator, with no more than so many blocks to be had.
    TryExtend(At, usize),
    Grow(At),
    /// Keeps entries whose number, divided by the first one, leaves less than the second one.
    Retain(usize, usize),
    /// Seals the set for a jump, which fails.
    Seal,
    /// Takes the set away, uses the one left in its place, and brings it back.
    Take,
    Write(Vec<Write>),
}

pub(super) fn save() -> impl Strategy<Value = Save> + Clone {
    prop_oneof![
        6 => change().prop_map(Save::Change),
        3 => (0..5_usize).prop_map(Save::Push),
        3 => at().prop_map(Save::Extend),
        3 => (at(), 0..4_usize).prop_map(|(at, blocks)| Save::TryExtend(at, blocks)),
        2 => at().prop_map(Save::Grow),
        2 => (1..5_usize, 0..5_usize).prop_map(|(of, keep)| Save::Retain(of, keep)),
        1 => Just(Save::Seal),
        1 => Just(Save::Take),
        4 => vec(write(), 0..5).prop_map(Save::Write),
    ]
}

/// What can be done with a write cursor.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Push,
    Zeroed,
    Slice(At),
    Extend(At),
    Pop,
}

pub(super) fn write() -> impl Strategy<Value = Write> + Clone {
    prop_oneof![
        Just(Write::Push),
        Just(Write::Zeroed),
        at().prop_map(Write::Slice),
        at().prop_map(Write::Extend),
        Just(Write::Pop),
    ]
}

/// What can be done with an iterator that has two ends.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Next,
    NextBack,
    Nth(At),
    NthBack(At),
}

pub(crate) fn step() -> impl Strategy<Value = Step> + Clone {
    prop_oneof![
        Just(Step::Next),
        Just(Step::NextBack),
        at().prop_map(Step::Nth),
        at().prop_map(Step::NthBack),
    ]
}

/// What an iterator can end with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish {
    Drain,
    Count,
    Last,
    Fold,
    Rfold,
    Rev,
}

pub(crate) fn finish() -> impl Strategy<Value = Finish> + Clone {
    prop_oneof![
        Just(Finish::Drain),
        Just(Finish::Count),
        Just(Finish::Last),
        Just(Finish::Fold),
        Just(Finish::Rfold),
        Just(Finish::Rev),
    ]
}

/// What can be done with a read cursor.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Next,
    Prev,
    Seek(At),
    Nth(At),
}

pub(super) fn a_move() -> impl Strategy<Value = Move> + Clone {
    prop_oneof![
        Just(Move::Next),
        Just(Move::Prev),
        at().prop_map(Move::Seek),
        at().prop_map(Move::Nth)
    ]
}
