//! A kexec at any instant of a whole world: two sets, a table and blocks that are in neither, all in
//! one [`Region`](kho_block::Region), where a set of descriptors names them.
//!
//! After every instruction a next kernel opens a copy of the memory, restores all with every check that
//! holds, and goes on with it. Whatever a call that has returned has stored is there. One test performs
//! a list of operations; the other draws such lists from a seed, for as long as it may:
//!
//! ```text
//! STEP_SECONDS=3600 cargo test --release --test interrupt world:: -- --nocapture
//! STEP_SEED=7 STEP_SECONDS=0 cargo test --test interrupt world::
//! ```
//!
//! Unsafe is open here to look at memory that two processes share.

#![expect(unsafe_code, reason = "maps and copies shared memory")]
#![expect(clippy::arithmetic_side_effects, reason = "the numbers of a test are small")]
#![expect(clippy::indexing_slicing, reason = "a test panics when it fails")]

#[path = "world/found.rs"]
mod found;
#[path = "world/kernel.rs"]
mod kernel;
#[path = "world/model.rs"]
mod model;
#[path = "world/plan.rs"]
mod plan;

use core::cell::Cell;
use core::fmt::Debug;
use core::hash::{BuildHasher, Hasher};
use core::mem;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicU64, compiler_fence};
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::env;
use std::io::stdin;
use std::thread;
use std::time::Instant;

use kho_block::{Entry as AnyEntry, PhysAddr, entries_per_block};

use self::found::found;
use self::kernel::Kernel;
use self::model::Model;
use self::plan::{Change, Op, Turn};
use crate::memory::{BLOCK_SIZE, file, map};
use crate::region::kernels::BYTES;
use crate::{Entry, stepper};

/// What the names tell.
const NAMES: u64 = 1;
const TABLE: u64 = 4;

/// Five names to a block.
const NAMES_SIZE: usize = 256;

/// Bytes that are filled of a block that is in no set.
const FILLED: usize = 64;

/// Five of them fit into a block, and 12 bytes are left over.
type Other = [u32; 5];

/// A block that is in no set.
#[derive(Clone, Copy)]
struct Raw {
    addr: PhysAddr,
    size: usize,
    /// What each byte is, of those that are filled.
    fill: u8,
    /// Whether the kernel that runs has not claimed it.
    left: bool,
}

/// What the sets have.
trait Record: AnyEntry + Copy + Debug + PartialEq {
    const WHICH: usize;
    const TAG: u64;
    const PER_BLOCK: usize = entries_per_block(BLOCK_SIZE, size_of::<Self>());

    /// Entry `i`, of which no word is that of another.
    fn number(i: usize) -> Self;
}

impl Record for Entry {
    const WHICH: usize = 0;
    const TAG: u64 = 2;

    fn number(i: usize) -> Self {
        crate::entry(i)
    }
}

impl Record for Other {
    const WHICH: usize = 1;
    const TAG: u64 = 3;

    fn number(i: usize) -> Self {
        let seed = u32::try_from(i).unwrap().wrapping_add(1).wrapping_mul(0x9e37_79b1);
        [seed, seed ^ 0x5555, !seed, seed.rotate_left(7), seed.rotate_left(19)]
    }
}

/// The first of the entries that operation `n` appends.
fn number(n: usize) -> usize {
    n.saturating_add(1).saturating_mul(16)
}

/// What the two processes tell each other, behind the region.
#[repr(C)]
struct Journal {
    seed: AtomicU64,
    /// Operations that have returned.
    done: AtomicU64,
    /// What came of the last one.
    outcome: AtomicU64,
}

impl Journal {
    fn of(shared: NonNull<u8>) -> &'static Self {
        // SAFETY: the mapping is larger by a page.
        let journal = unsafe { shared.add(BYTES) };
        // SAFETY: it is mapped for good, and aligned to a page. Any bytes are valid atomics.
        unsafe { journal.cast().as_ref() }
    }
}

/// A region, and a page for the journal.
const SHARED: usize = BYTES + 4096;

/// The child: the kernel that is stopped, of which `plan` says for a seed what it does.
fn act(plan: impl FnOnce(u64) -> Vec<Op>) {
    let shared = map(stdin(), SHARED);
    let journal = Journal::of(shared);
    let plan = plan(journal.seed.load(Relaxed));
    let mut kernel = Kernel::boot(shared);
    stepper::be_stepped(|| {
        for (n, op) in plan.iter().enumerate() {
            let outcome = kernel.perform(n, op);
            compiler_fence(SeqCst);
            journal.outcome.store(outcome, Relaxed);
            compiler_fence(SeqCst);
            journal.done.fetch_add(1, Relaxed);
            compiler_fence(SeqCst);
        }
    });
    mem::forget(kernel);
}

/// Shows what was done, if a test fails.
struct Shown<'a> {
    /// Where it was drawn from.
    seed: Option<u64>,
    plan: &'a [Op],
    done: Cell<usize>,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let seed = self.seed.map(|seed| format!("STEP_SEED={seed}: "));
            let done = self.done.get();
            eprintln!("{}{done} operations were done, then:", seed.unwrap_or_default());
            for (n, op) in self.plan.iter().enumerate() {
                eprintln!("{} {n}: {op:?}", if n == done { '>' } else { ' ' });
            }
        }
    }
}

/// Stops the kernel that follows the plan after every instruction, and compares what next kernels find
/// with what has to be there. Returns how often it was stopped, in how many states its memory was, and
/// how many entries each set and the table had, without repetitions.
fn step(test: &str, seed: Option<u64>, plan: &[Op]) -> (usize, usize, Vec<[usize; 3]>) {
    let shown = Shown { seed, plan, done: Cell::new(0) };
    let shared_file = file(SHARED);
    let shared = map(&shared_file, SHARED);
    let copy = map(file(BYTES), BYTES);
    let journal = Journal::of(shared);
    journal.seed.store(seed.unwrap_or_default(), Relaxed);
    let mut model = Model::new();
    let (mut last, mut changes, mut seen) = (Vec::new(), 0_usize, Vec::new());
    let stops = stepper::step(&format!("world::{test}"), shared_file, || {
        let done = usize::try_from(journal.done.load(Relaxed)).unwrap();
        let returned = done != shown.done.get();
        if returned {
            let n = shown.done.replace(done);
            model.advance(n, &plan[n], journal.outcome.load(Relaxed));
        }
        // SAFETY: it is mapped, as long, and the old kernel writes nothing while it is stopped.
        let now = unsafe { slice::from_raw_parts(shared.as_ptr(), BYTES) };
        let changed = last != now;
        if !changed && !returned {
            return;
        }
        let is_first = changes == 0;
        if changed {
            now.clone_into(&mut last);
            changes = changes.saturating_add(1);
        }
        // SAFETY: it is mapped and as long, and a mapping of its own.
        unsafe { copy.copy_from_nonoverlapping(shared, BYTES) };
        // Nothing is under way just before the first, and when one has just returned.
        let under_way = plan.get(done).filter(|_| !returned && !is_first).map(|op| (done, op));
        let found = found(copy, Model::whens(under_way.map(|(_, op)| op)), &model.raws);
        model.check(&found, under_way);
        let lengths = [found.first.len(), found.second.len(), found.rows.len()];
        if seen.last() != Some(&lengths) {
            seen.push(lengths);
        }
    });
    assert_eq!(shown.done.get(), plan.len(), "all is done");
    assert_eq!(seen.last(), Some(&model.lengths()));
    (stops, changes, seen)
}

/// A bit of everything, by three kernels.
fn three_kernels() -> Vec<Op> {
    vec![
        Op::First(Change::Push),
        Op::Second(Change::Slice(7)),
        Op::Table(Turn::Insert),
        Op::Table(Turn::Insert),
        Op::Allocate(8192),
        Op::First(Change::Grow(12)),
        Op::First(Change::Extend(6)),
        Op::Table(Turn::Remove(0)),
        Op::Kexec { left: false, claimed: 1 },
        Op::Sweep,
        Op::Second(Change::SwapRemove(1)),
        Op::First(Change::Retain(0b1_0101_0101)),
        Op::Publish,
        Op::Second(Change::Clear),
        Op::Second(Change::Destroy),
        Op::Second(Change::Push),
        Op::First(Change::Seal),
        Op::First(Change::Pop),
        Op::Free(0),
        Op::Table(Turn::Insert),
        Op::Table(Turn::Clear),
        Op::Kexec { left: true, claimed: 0 },
        Op::Second(Change::Write(5)),
        Op::First(Change::Truncate(1)),
        Op::First(Change::Shrink(0)),
        Op::Table(Turn::Shrink(0)),
    ]
}

#[test]
fn two_sets_and_a_table_in_one_region_go_through_three_kernels() {
    if stepper::is_child() {
        return act(|_| three_kernels());
    }
    let test = "two_sets_and_a_table_in_one_region_go_through_three_kernels";
    let (stops, states, seen) = step(test, None, &three_kernels());
    let first = [[3, 2, 0], [4, 2, 0], [4, 5, 0], [4, 9, 0], [4, 9, 1], [4, 9, 2]];
    let then = [[5, 9, 2], [8, 9, 2], [9, 9, 2], [10, 9, 2], [10, 9, 1]];
    let second = [[10, 8, 1], [8, 8, 1], [5, 8, 1], [5, 5, 1], [5, 0, 1], [5, 1, 1], [4, 1, 1]];
    let third = [[4, 1, 2], [4, 1, 1], [4, 1, 0], [4, 5, 0], [4, 6, 0], [1, 6, 0]];
    assert_eq!(seen, [&first[..], &then, &second, &third].concat());
    println!("world::{test}: {stops} stops, {states} states of memory");
}

#[test]
fn whatever_is_done_the_next_kernel_finds_all_that_was_stored() {
    if stepper::is_child() {
        return act(plan::draw);
    }
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    let first = number("STEP_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let limit = Duration::from_secs(number("STEP_SECONDS").unwrap_or(30));
    let begun = Instant::now();
    let (mut sequences, mut stopped, mut restored) = (0_u64, 0_usize, 0_usize);
    loop {
        let seed = first.wrapping_add(sequences);
        let test = "whatever_is_done_the_next_kernel_finds_all_that_was_stored";
        let (stops, states, _) = step(test, Some(seed), &plan::draw(seed));
        sequences = sequences.saturating_add(1);
        stopped = stopped.saturating_add(stops);
        restored = restored.saturating_add(states);
        if begun.elapsed() >= limit {
            break;
        }
    }
    println!(
        "world, drawn: {sequences} sequences from seed {first}, stopped {stopped} times, in \
         {restored} states"
    );
}
