//! Every small chain: all ways in which the links and counts of a few blocks can stand, each judged
//! by a checker that shares nothing with the library and reads no memory.
//!
//! The checker knows a case as a list of links and counts. It asks of each sort of fault where it
//! shows first, and the earliest is the answer; there is no walk that claims blocks. Restoring, salvaging
//! and scanning are all held against it, with and without a descriptor, and so agree. A part of the
//! cases runs each time, all of them on request:
//!
//! ```text
//! cargo test --release --test it exhaustive -- --ignored --nocapture
//! ```

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test panics when it fails, and where its own arithmetic does"
)]

mod checker;
mod described;
mod tables;
mod world;

use core::array;
use std::thread;

use kho_block::RestoreErrorKind::{
    CountTooLarge, Cycle, DirtyTail, Empty, Misaligned, NotFull, NotPreserved,
};
use kho_block::{BlockHeader, IncomingSet, PhysAddr, RestoreChecks, RestoreErrorKind, scan};

use self::checker::{
    BLOCK_SIZE, BLOCKS, CAPACITY, COUNTS, Case, Entry, LINKS, Link, Verdict, WRITTEN,
};
use self::world::World;
use crate::ram::Ram;

type Set<'w> = IncomingSet<Entry, Ram<'w>, BLOCK_SIZE>;

/// States of a block: a count and a link.
const STATES: u64 = 6 * 8;

/// Takes a case's number apart into choices.
struct Choices(u64);

impl Choices {
    fn take<T: Clone>(&mut self, from: &[T]) -> T {
        let len = u64::try_from(from.len()).unwrap();
        let choice = usize::try_from(self.0 % len).unwrap();
        self.0 /= len;
        from[choice].clone()
    }

    fn blocks(&mut self, n: usize) -> [(u64, Link); BLOCKS] {
        let mut state = || (self.take(&COUNTS), self.take(&LINKS));
        array::from_fn(|block| if block < n { state() } else { (0, Link::End) })
    }
}

/// Restores a case twice, salvages it, and holds all against the checker's verdict, which it returns.
fn verify(case: &Case, world: &World) -> Verdict {
    let image = case.image();
    world.load(case.preserved, &image);
    let verdict = case.judge();
    let head = PhysAddr::new(case.head.addr());
    let ram = world.ram();
    let restore = || Set::restore_with(ram, head, case.checks);
    match &verdict {
        Verdict::Refused(kind, block, addr) => {
            for _ in 0..2 {
                let error = restore().unwrap_err();
                assert_eq!((error.kind, error.block, error.addr.get()), (*kind, *block, *addr));
                assert_eq!(world.taken(), (0, 0), "every claim is given back");
            }
            if case.checks.is_empty() {
                let sound = case.path(*block);
                let (set, error) = Set::salvage(ram, head);
                let error = error.unwrap();
                assert_eq!((error.kind, error.block, error.addr.get()), (*kind, *block, *addr));
                verify_scan(case, &image, &sound, Some((*kind, *block, *addr)));
                assert_eq!(world.taken(), (bits(&sound), 0), "of the damaged one it is given back");
                verify_contents(case, &sound, &set);
                assert_eq!(set.release(), head.filter(|_| *block > 0));
                assert_eq!(world.taken(), (0, 0), "every claim is given back");
            } else {
                verify_lenient(case, &image, *block);
            }
        }
        Verdict::Restored(blocks) => {
            let set = restore().unwrap();
            assert_eq!(world.taken(), (bits(blocks), 0));
            verify_contents(case, blocks, &set);
            verify_scan(case, &image, blocks, None);
            assert_eq!(set.release(), head);
            assert_eq!(world.taken(), (0, 0), "every claim is given back");
        }
    }
    assert_eq!(world.image(), image, "nothing is written");
    if let Verdict::Restored(blocks) = &verdict {
        let (salvaged, error) = Set::salvage(ram, head);
        assert_eq!(error, None, "nothing is damaged");
        verify_contents(case, blocks, &salvaged);
        assert_eq!(salvaged.release(), head);
        described::verify(case, &verdict, world);
        restore().unwrap().destroy();
        assert_eq!(world.taken(), (0, bits(blocks)), "every block is freed");
    } else {
        described::verify(case, &verdict, world);
    }
    verdict
}

/// The bits of blocks.
fn bits(blocks: &[usize]) -> u64 {
    blocks.iter().fold(0, |bits, block| bits | 1 << block)
}

/// Scans a case that was refused at a block, maybe for what it was asked to be: a scan asks for no more
/// than that it is sound, and says so of every block that was accepted.
fn verify_lenient(case: &Case, image: &world::Image, refused: usize) {
    let written = case.written.clone();
    let lenient = Case { checks: RestoreChecks::empty(), written, ..*case };
    let (sound, error) = match lenient.judge() {
        Verdict::Refused(kind, block, addr) => (case.path(block), Some((kind, block, addr))),
        Verdict::Restored(blocks) => (blocks, None),
    };
    assert!(sound.starts_with(&case.path(refused)));
    verify_scan(case, image, &sound, error);
}

/// Scans a case, and holds what comes against the blocks that are sound and the error, if any.
fn verify_scan(
    case: &Case,
    image: &world::Image,
    sound: &[usize],
    error: Option<(RestoreErrorKind, usize, u64)>,
) {
    let mut reads = 0;
    let mut scan = scan(PhysAddr::new(case.head.addr()), Set::LAYOUT, |addr| {
        reads += 1;
        let mut known = (0..case.preserved).filter(|&b| Link::Block(b).addr() == addr.get());
        let [next, count, ..] = image[known.next()?];
        Some(BlockHeader { next, count })
    });
    for (number, &block) in sound.iter().enumerate() {
        let found = scan.next().unwrap().unwrap();
        let count = usize::try_from(case.blocks[block].0).unwrap();
        let addr = Link::Block(block).addr();
        assert_eq!((found.number, found.addr.get(), found.count), (number, addr, count));
        assert_eq!(found.next, PhysAddr::new(case.blocks[block].1.addr()));
        assert_eq!(found.entry_addr(count), None);
        let last = count.checked_sub(1).map(|last| found.entry_addr(last).unwrap().get());
        let offset = |last: usize| u64::try_from(16 + last * size_of::<Entry>()).unwrap();
        assert_eq!(last, count.checked_sub(1).map(|last| addr + offset(last)));
    }
    let last = scan.next().map(Result::unwrap_err);
    assert_eq!(last.map(|last| (last.kind, last.block, last.addr.get())), error);
    assert!(scan.next().is_none(), "it ends after an error, and after the last block");
    assert!(reads <= 5 * BLOCKS, "{reads} reads");
}

fn verify_contents(case: &Case, blocks: &[usize], set: &Set<'_>) {
    let in_use = |&block: &usize| usize::try_from(case.blocks[block].0).unwrap();
    let entries_of = |block| (0..in_use(block)).map(|slot| case.entry(*block, slot));
    let expected: Vec<Entry> = blocks.iter().flat_map(entries_of).collect();
    let len = expected.len();

    assert_eq!(set.block_count(), blocks.len());
    assert_eq!(set.capacity(), blocks.len() * CAPACITY);
    assert_eq!((set.len(), set.is_empty(), set.iter().len()), (len, len == 0, len));
    assert!(set.blocks().map(<[Entry]>::len).eq(blocks.iter().map(in_use)));
    assert!(set.iter().eq(&expected), "forwards");
    assert!(set.iter().rev().eq(expected.iter().rev()), "backwards");
    assert!(set.cursor().eq(&expected), "a cursor forwards");
    let mut cursor = set.cursor_back();
    assert!(expected.iter().rev().all(|entry| cursor.prev() == Some(entry)), "a cursor backwards");
    assert_eq!(cursor.prev(), None);
    for (index, entry) in expected.iter().enumerate() {
        assert_eq!(set.get(index), Some(entry), "entry {index}");
    }
    assert_eq!(set.get(len), None);
    set.audit().unwrap();
}

/// How often each verdict fell: restored, then the kinds of error as [`place`] numbers them.
type Tally = [u64; 8];

/// Which number of a [`Tally`] a verdict adds to.
fn place(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Restored(_) => 0,
        Verdict::Refused(Misaligned, ..) => 1,
        Verdict::Refused(NotPreserved { .. }, ..) => 2,
        Verdict::Refused(Cycle { .. }, ..) => 3,
        Verdict::Refused(CountTooLarge { .. }, ..) => 4,
        Verdict::Refused(Empty, ..) => 5,
        Verdict::Refused(NotFull { .. }, ..) => 6,
        Verdict::Refused(DirtyTail { .. }, ..) => 7,
        Verdict::Refused(kind, ..) => unreachable!("the checker knows no {kind:?}"),
    }
}

/// Verifies every `step`th of `cases` cases, on all processors.
fn verify_all(cases: u64, step: usize, case: impl Fn(Choices) -> Case + Sync) -> Tally {
    let threads = thread::available_parallelism().unwrap().get();
    let work = |thread: usize| {
        let world = World::new();
        let mut tally = [0; 8];
        for number in (0..cases).step_by(step).skip(thread).step_by(threads) {
            let mut running = Running(number, None);
            let case = running.1.insert(case(Choices(number)));
            tally[place(&verify(case, &world))] += 1;
        }
        tally
    };
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|t| scope.spawn(move || work(t))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let tally: Tally = array::from_fn(|i| tallies.iter().map(|tally| tally[i]).sum());
    let [restored, refused @ ..] = &tally;
    let chains: u64 = tally.iter().sum();
    println!("{chains} chains, {restored} of them restored; refused by kind: {refused:?}");
    tally
}

/// The case at work, printed if it fails.
struct Running(u64, Option<Case>);

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("case {}: {:?}", self.0, self.1);
        }
    }
}

const FOUR_BLOCKS: u64 = STATES.pow(4);

fn four_blocks(mut choices: Choices) -> Case {
    Case { blocks: choices.blocks(4), ..Case::plain() }
}

const STRICT: u64 = STATES.pow(3) * 8 * 6;

fn strict(mut choices: Choices) -> Case {
    let blocks = choices.blocks(3);
    let checks = RestoreChecks::from_bits_retain(choices.take(&[0, 1, 2, 3, 4, 5, 6, 7]));
    Case { preserved: 3, blocks, checks, written: choices.take(&WRITTEN), ..Case::plain() }
}

/// A prime, and no factor of the choices, so that a sample has every choice in every place. Miri takes
/// a second for a few cases.
const STEP: usize = if cfg!(miri) { 200_003 } else { 97 };

#[test]
fn a_sample_of_small_chains_is_judged_as_the_checker_does() {
    let tally = verify_all(FOUR_BLOCKS, STEP, four_blocks);
    assert!(cfg!(miri) || tally[..5].iter().all(|&n| n > 0));
}

#[test]
#[ignore = "5.3 million cases: seconds with --release, minutes without"]
fn every_small_chain_is_judged_as_the_checker_does() {
    let tally = verify_all(FOUR_BLOCKS, 1, four_blocks);

    // The checker is checked by counting. Chains whose first `n` blocks are sound have one of four
    // counts in each of these, the blocks after the head in one of so many orders, and the others as
    // they like; what is left open is the link of block `n`.
    let orders = [1, 3, 3 * 2, 3 * 2];
    let sound = |n: u32, orders: u64| orders * 4_u64.pow(n) * STATES.pow(4 - n);
    let sum = |f: fn(u64, u64) -> u64| -> u64 {
        (1..).zip(orders).map(|(n, orders)| f(sound(n, orders), n.into())).sum()
    };
    let ends = sum(|sound, _| sound);
    let returns = sum(|sound, n| sound * n);
    // Two counts out of six instead of four, and any of eight links.
    let too_large = sum(|sound, _| sound / 4 * 2 * 8);
    assert_eq!(tally, [ends, ends, 2 * ends, returns, too_large, 0, 0, 0]);
    assert_eq!(tally.iter().sum::<u64>(), FOUR_BLOCKS);
}

#[test]
fn a_sample_of_strict_restores_is_judged_as_the_checker_does() {
    let tally = verify_all(STRICT, STEP, strict);
    assert!(cfg!(miri) || tally.iter().all(|&n| n > 0));
}

#[test]
#[ignore = "5.3 million cases: seconds with --release, minutes without"]
fn every_strict_restore_is_judged_as_the_checker_does() {
    let tally = verify_all(STRICT, 1, strict);
    assert_eq!(tally.iter().sum::<u64>(), STRICT);
}

/// All of them, or a prime again.
const STEP_OF_HEADS: usize = if cfg!(miri) { 701 } else { 1 };

#[test]
fn every_head_is_judged_as_the_checker_does() {
    let tally = verify_all(STATES.pow(2) * 8, STEP_OF_HEADS, |mut choices| {
        let head = choices.take(&LINKS);
        Case { head, preserved: 2, blocks: choices.blocks(2), ..Case::plain() }
    });
    assert!(cfg!(miri) || tally[..5].iter().all(|&n| n > 0));
}
