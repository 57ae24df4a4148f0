//! Copies of a slice, wherever it starts in a page.
//!
//! Records lie 16 bytes into a block, and a block of them is 64 bytes short of two pages: where the
//! slice starts `16 + 64 * i` bytes into a page, the records of block `i` lie at the same offset in
//! both. Some processors copy slowly then, and a library that knows takes other instructions.

use std::array;
use std::cell::RefCell;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Duration;

use kho_block::{BlockHeader, BlockSet};

use super::append::push_c;
use super::{BLOCK_SIZE, BYTES, IN_CACHE, PER_BLOCK, Pools, Record, enter_c, filled};
use crate::Report;
use crate::contest::{Contest, Figure, OURS, Outcome, Spread, Target, time};
use crate::pool::Pool;

const PAGE: usize = 4096;

/// From one offset to the next.
const STEP: usize = 16;

const OFFSETS: usize = PAGE / STEP;

/// How often each contestant has its turn at each offset, and how many passes a turn is.
const ROUNDS: usize = 25;
const PASSES: usize = 40;

/// Records that are copied.
const COUNT: usize = IN_CACHE * PER_BLOCK;

/// The name, in the table, of whichever copies fastest.
const BEST: &str = "best copy";

/// Our time as a multiple of that.
const AT_MOST: f64 = 1.1;

/// Above this multiple of its median a copy is slow.
const SLOW: f64 = 1.2;

pub fn run(report: &mut Report) {
    at_a_page(report);
    at_every_offset(report);
}

/// Words to copy or to be copied to, from a page's start on.
struct Words {
    words: Vec<u64>,
    start: usize,
}

impl Words {
    fn new() -> Self {
        let words: Vec<u64> = (0..((COUNT * BYTES + 2 * PAGE) / 8) as u64).collect();
        let start = words.as_ptr().align_offset(PAGE);
        Self { words, start }
    }

    /// The records from so many bytes into the first page on.
    fn at(&self, offset: usize) -> &[Record] {
        &self.words[self.start + offset / 8..].as_chunks().0[..COUNT]
    }

    fn at_mut(&mut self, offset: usize) -> &mut [Record] {
        &mut self.words[self.start + offset / 8..].as_chunks_mut().0[..COUNT]
    }
}

/// Copies a block's records.
type Copy = fn(&mut [Record], &[Record]);

fn memcpy(to: &mut [Record], from: &[Record]) {
    to.copy_from_slice(from);
}

/// A record at a time, in the moves that the compiler may take.
#[inline(always)]
fn copy_each(to: &mut [Record], from: &[Record]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
        // Else the compiler calls `memcpy` for all of them.
        compiler_fence(Ordering::SeqCst);
    }
}

#[inline(never)]
fn moves(to: &mut [Record], from: &[Record]) {
    copy_each(to, from);
}

/// # Safety
///
/// The processor has AVX.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[inline(never)]
fn wide_moves(to: &mut [Record], from: &[Record]) {
    copy_each(to, from);
}

/// The ways of copying a block.
fn copies() -> Vec<(&'static str, Copy)> {
    let mut copies: Vec<(_, Copy)> = vec![("memcpy, blocks", memcpy), ("moves", moves)];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx") {
        // SAFETY: the processor has what the function takes.
        copies.push(("32-byte moves", |to, from| unsafe { wide_moves(to, from) }));
    }
    copies
}

/// Copies a slice; the time is that of a pass.
type Pass<'a> = Box<dyn FnMut(&[Record]) -> Duration + 'a>;

/// The pass of a set, and those of the copies beside it: into the same blocks, since it depends on
/// their addresses, too, how fast they are written.
fn passes<'a>(
    shared: &'a RefCell<BlockSet<Record, &Pool>>,
) -> impl Iterator<Item = (&'static str, Pass<'a>)> {
    let ours: Pass<'a> = Box::new(|source| {
        let set = &mut *shared.borrow_mut();
        set.clear();
        time(|| set.writer().extend_from_slice(source))
    });
    let mut target = Words::new();
    let whole: Pass<'a> = Box::new(move |source| {
        let target = target.at_mut(size_of::<BlockHeader>());
        // What the set does before it is filled: the target is as warm.
        target.fill([0; 8]);
        time(|| target.copy_from_slice(source))
    });
    let by_block = move |copy: Copy| -> Pass<'a> {
        Box::new(move |source| {
            let set = &mut *shared.borrow_mut();
            set.blocks_mut().for_each(|block| block.fill([0; 8]));
            let mut blocks: Vec<_> = set.blocks_mut().collect();
            time(|| {
                for (block, records) in blocks.iter_mut().zip(source.chunks(PER_BLOCK)) {
                    copy(block, records);
                }
            })
        })
    };
    let by_block = copies().into_iter().map(move |(name, copy)| (name, by_block(copy)));
    [(OURS, ours), ("memcpy", whole)].into_iter().chain(by_block)
}

fn at_a_page(report: &mut Report) {
    const WHAT: &str = "extend_from_slice, from a page on";
    if !report.wants(WHAT) {
        return;
    }
    let words = Words::new();
    let source = words.at(0);
    let mut pools = Pools::new(IN_CACHE, BLOCK_SIZE);
    let set = RefCell::new(filled(&pools.ours, source));
    let mut contest = Contest::new(WHAT, BYTES, IN_CACHE, COUNT);
    for (name, mut pass) in passes(&set) {
        contest.enter(name, move || pass(source));
        if name != OURS {
            contest.at_most(AT_MOST, name);
        }
    }
    enter_c!(contest, pools, push_c(source));
    report.run(contest);
}

/// Nanoseconds of a contestant at an offset, in rounds.
type Times = Vec<f64>;

fn at_every_offset(report: &mut Report) {
    const WHAT: &str = "extend_from_slice, every offset";
    if !report.wants(WHAT) {
        return;
    }
    let words = Words::new();
    let pool = Pool::new(IN_CACHE, BLOCK_SIZE);
    let set = RefCell::new(filled(&pool, words.at(0)));
    let mut passes: Vec<_> = passes(&set).collect();
    let (rounds, turn) = if report.once { (1, 1) } else { (ROUNDS, PASSES) };

    let mut offsets: [Vec<Times>; OFFSETS] =
        array::from_fn(|_| passes.iter().map(|_| Times::new()).collect());
    for round in 0..rounds {
        for (offset, times) in offsets.iter_mut().enumerate() {
            let source = words.at(offset * STEP);
            for who in 0..passes.len() {
                let who = (who + round) % passes.len();
                let pass = &mut passes[who].1;
                let spent = (0..turn).map(|_| pass(source).as_nanos() as f64);
                times[who].push(Spread::of(spent).median);
            }
        }
    }
    let names: Vec<_> = passes.iter().map(|&(name, _)| name).collect();
    report.add(over_all(WHAT, &names, &offsets));
    report.add(at_worst(&names, &offsets));
    say_where_slow(&names, &offsets);
}

fn median(times: &Times) -> f64 {
    Spread::of(times.iter().copied()).median
}

/// Our time as a multiple of a peer's, round by round.
fn ratio(times: &[Times], peer: usize) -> Spread {
    Spread::of(times[0].iter().zip(&times[peer]).map(|(ours, peer)| ours / peer))
}

/// Whoever copies fastest at an offset.
fn best(times: &[Times]) -> usize {
    let peers = 1..times.len();
    let best = peers.min_by(|&a, &b| median(&times[a]).total_cmp(&median(&times[b])));
    best.expect("there are peers")
}

fn outcome(what: String, figures: Vec<Figure>) -> Outcome {
    let targets = vec![Target { peer: BEST, at_most: AT_MOST }];
    Outcome { what, entry: BYTES, blocks: IN_CACHE, figures, targets }
}

/// Medians at every offset, and how they spread over the offsets.
fn over_all(what: &str, names: &[&'static str], offsets: &[Vec<Times>]) -> Outcome {
    let figure = |name, peer: &dyn Fn(&[Times]) -> usize| Figure {
        name,
        ns: Spread::of(offsets.iter().map(|times| median(&times[peer(times)]) / COUNT as f64)),
        ratio: Spread::of(offsets.iter().map(|times| ratio(times, peer(times)).median)),
    };
    let each = names.iter().enumerate().map(|(who, &name)| figure(name, &|_| who));
    let figures = each.chain([figure(BEST, &best)]).collect();
    outcome(what.to_owned(), figures)
}

/// The offset at which we are furthest behind the best copy.
fn at_worst(names: &[&'static str], offsets: &[Vec<Times>]) -> Outcome {
    let behind = |times: &[Times]| ratio(times, best(times)).median;
    let all = offsets.iter().enumerate();
    let worst = all.max_by(|(_, a), (_, b)| behind(a).total_cmp(&behind(b)));
    let (offset, times) = worst.expect("there are offsets");
    let figure = |name, who: usize| Figure {
        name,
        ns: Spread::of(times[who].iter().map(|ns| ns / COUNT as f64)),
        ratio: ratio(times, who),
    };
    let each = names.iter().enumerate().map(|(who, &name)| figure(name, who));
    let figures = each.chain([figure(BEST, best(times))]).collect();
    outcome(format!("extend_from_slice, worst at {}", offset * STEP), figures)
}

/// Prints at which offsets each contestant is slower than it mostly is.
fn say_where_slow(names: &[&'static str], offsets: &[Vec<Times>]) {
    for (who, name) in names.iter().enumerate() {
        let at: Vec<f64> = offsets.iter().map(|times| median(&times[who])).collect();
        let limit = SLOW * Spread::of(at.iter().copied()).median;
        let slow: Vec<bool> = at.iter().map(|&ns| ns > limit).collect();
        let mut ranges = Vec::new();
        let mut first = 0;
        for run in slow.chunk_by(|a, b| a == b) {
            let end = first + run.len();
            if run[0] {
                ranges.push(match run.len() {
                    1 => format!("{}", first * STEP),
                    _ => format!("{} to {}", first * STEP, (end - 1) * STEP),
                });
            }
            first = end;
        }
        let slow = if ranges.is_empty() { "nowhere".to_owned() } else { ranges.join(", ") };
        println!("    {name}: above {SLOW} times its median at {slow}");
    }
}
