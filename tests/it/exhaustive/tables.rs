//! Every short life of a small table: all sequences of operations on three slots, each against a plain
//! map and the list of the keys that were ever given.
//!
//! A sequence is replayed from its start, and compared behind its last operation: what was before is
//! the end of a shorter one. The short ones run each time, those of eight operations on request:
//!
//! ```text
//! cargo test --release --test it exhaustive::tables -- --ignored --nocapture
//! ```

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test panics when it fails, and where its own arithmetic does"
)]

mod map;

use core::array;
use core::mem;
use core::ops::RangeInclusive;
use std::thread;
use std::time::Instant;

use kho_block::mock::Mock;
use kho_block::{Descriptor, IncomingSlots, Origin, OutgoingSlots, PhysAddr, Slots};

use self::map::{LAST, Map, SLOTS};

/// What the entries are, in a descriptor.
const TAG: u64 = 0x7461_6200;

/// Where the first block is of a table that a kernel left which is not played.
const BASE: u64 = 0x10_0000;

/// The letters of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Insert,
    /// Removes by the newest key that a slot was given, which is an old one if its entry is gone.
    Remove(u32),
    /// Makes room for all slots, or, if there is, frees the spare blocks.
    Room,
    /// Seals the table, leaves it, and adopts it in the next kernel.
    Leave,
    /// Dies, and leaves the table as it is to the next kernel, which adopts it.
    Die,
}

const OPS: [Op; 7] =
    [Op::Insert, Op::Remove(0), Op::Remove(1), Op::Remove(2), Op::Room, Op::Leave, Op::Die];

/// Sequences of a length.
const fn sequences(len: u32) -> usize {
    OPS.len().pow(len)
}

/// A table of three slots, `B` bytes to a block.
struct Life<const B: usize> {
    mem: Mock,
    map: Map,
    /// Where the next kernel finds the table.
    root: Descriptor,
}

type Table<'m, const B: usize> = OutgoingSlots<u64, &'m Mock, B>;
type Found<'m, const B: usize> = IncomingSlots<u64, &'m Mock, B>;

impl<const B: usize> Life<B> {
    /// No table yet.
    fn new() -> Self {
        let mem = Mock::new();
        let root = Table::<B>::new(&mem).descriptor(TAG);
        Self { mem, map: Map::new(Table::<B>::SLOTS_PER_BLOCK), root }
    }

    /// A table that was left: free slots, the next lives of which are these.
    fn old(lives: &[u32]) -> Self {
        let mut life = Self::new();
        let capacity = life.map.capacity;
        life.map.found_free(lives);
        let addr = |block: usize| BASE + u64::try_from(block * B).unwrap();
        let blocks = life.map.blocks;
        for (block, lives) in lives.chunks(capacity).enumerate() {
            let next = if block + 1 < blocks { addr(block + 1) } else { 0 };
            let mut words = vec![next, u64::try_from(lives.len()).unwrap()];
            words.extend(lives.iter().flat_map(|&life| [u64::from(life - 1), 0]));
            words.resize(B / 8, 0);
            let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
            life.mem.leave(addr(block), &bytes);
        }
        life.root.head = PhysAddr::new(addr(0)).unwrap().get();
        life
    }

    /// Plays a sequence, and compares behind its last operation; returns the slots that are retired.
    fn play(mut self, ops: &[Op]) -> usize {
        let (mut left, mut lost) = (ops, 0);
        loop {
            let end = left.iter().position(|op| matches!(op, Op::Leave | Op::Die));
            let (works, rest) = left.split_at(end.unwrap_or(left.len()));
            let found = Found::<B>::restore_from(&self.mem, &self.root, TAG).unwrap();
            assert_eq!(self.mem.discard_unclaimed(), lost, "spare blocks of a kernel that died");
            if works.is_empty() && rest.is_empty() {
                compare(&found, &self.map);
            }
            let mut table = found.adopt().unwrap();
            works.iter().for_each(|&op| work(&mut table, &mut self.map, op));
            let Some((end, rest)) = rest.split_first() else {
                compare(&table, &self.map);
                for key in self.map.old() {
                    assert_eq!(table.remove(key), None, "{key} is an old one");
                }
                compare(&table, &self.map);
                table.destroy();
                break;
            };
            if *end == Op::Leave {
                let sealed = table.seal();
                self.root = sealed.descriptor(TAG);
                assert_eq!(sealed.leave(), self.root.head());
                (self.map.blocks, lost) = (self.map.linked(), 0);
            } else {
                self.root = table.descriptor(TAG);
                mem::forget(table);
                lost = self.map.blocks - self.map.in_chain();
                self.map.blocks = self.map.in_chain();
            }
            self.mem.reboot();
            left = rest;
        }
        self.mem.assert_clean();
        self.map.retired()
    }
}

/// Does the same to a table and to the map.
fn work<const B: usize>(table: &mut Table<'_, B>, map: &mut Map, op: Op) {
    match op {
        Op::Insert => {
            let entry = map.next_entry();
            let blocks = SLOTS.div_ceil(map.capacity) - map.blocks;
            table.allocator().refuse_after(blocks);
            match (table.insert(entry), map.insert(entry)) {
                (Ok(key), Some(expected)) => assert_eq!(key, expected),
                (Err(error), None) => assert_eq!(error.entry, entry, "it is given back"),
                (given, expected) => panic!("{given:?}, not {expected:?}"),
            }
            table.allocator().refuse_none();
        }
        Op::Remove(slot) => {
            let key = map.newest(slot);
            assert_eq!(table.remove(key), map.remove(key), "{key}");
        }
        Op::Room if map.blocks < SLOTS.div_ceil(map.capacity) => {
            table.grow(SLOTS - map.retired()).unwrap();
            map.blocks = SLOTS.div_ceil(map.capacity);
        }
        Op::Room => {
            table.shrink(0);
            map.shrink();
        }
        Op::Leave | Op::Die => unreachable!("{op:?} ends a kernel"),
    }
}

/// Compares all that can be read.
fn compare<O: Origin, const B: usize>(table: &Slots<u64, &Mock, O, B>, map: &Map) {
    table.audit().unwrap();
    assert_eq!((table.len(), table.is_empty()), (map.entries.len(), map.entries.is_empty()));
    assert_eq!((table.slot_count(), table.retired()), (map.lives.len(), map.retired()));
    let room = map.blocks * map.capacity - map.retired();
    assert_eq!((table.block_count(), table.capacity()), (map.blocks, room));
    for key in &map.given {
        let entry = map.entries.get(key);
        assert_eq!((table.get(*key), table.contains(*key)), (entry, entry.is_some()), "{key}");
    }
    for slot in 0..=3 {
        let key = map.newest(slot);
        assert_eq!(table.key_at(slot), Some(key).filter(|key| map.entries.contains_key(key)));
    }
    assert!(table.iter().eq(map.entries.iter().map(|(&key, entry)| (key, entry))));
    let first = table.first_block();
    assert_eq!(
        (first.is_some(), table.head()),
        (map.blocks > 0, first.filter(|_| map.linked() > 0))
    );
}

/// The case at work, printed if it fails.
struct Running<'a>(&'a [Op]);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{:?}", self.0);
        }
    }
}

/// Plays all sequences of these lengths, on all processors. Returns how many end with how many slots
/// retired.
fn play_all<const B: usize>(
    lens: RangeInclusive<u32>,
    start: impl Fn() -> Life<B> + Sync,
) -> [usize; SLOTS + 1] {
    let began = Instant::now();
    let threads = thread::available_parallelism().unwrap().get();
    let work = |thread: usize| {
        let mut ends = [0; SLOTS + 1];
        for len in lens.clone() {
            for number in (thread..sequences(len)).step_by(threads) {
                let place = |at| OPS[number / OPS.len().pow(at) % OPS.len()];
                let ops: Vec<Op> = (0..len).map(place).collect();
                let running = Running(&ops);
                ends[start().play(running.0)] += 1;
            }
        }
        ends
    };
    let ends: Vec<[usize; SLOTS + 1]> = thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|t| scope.spawn(move || work(t))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ends = array::from_fn(|retired| ends.iter().map(|ends| ends[retired]).sum());
    let played: usize = ends.iter().sum();
    assert_eq!(played, lens.map(sequences).sum::<usize>());
    let seconds = began.elapsed().as_secs();
    let capacity = Table::<B>::SLOTS_PER_BLOCK;
    println!(
        "{played} sequences, {capacity} to a block, in {seconds} s; by slots retired: {ends:?}"
    );
    ends
}

/// The next lives of two slots that were used before: the last one for each.
const OLD: [u32; 2] = [LAST; 2];

/// One of the last lives, and one of the first.
const MIXED: [u32; SLOTS] = [LAST - 2, 3, LAST];

/// Plays from every start: no table, and tables that were left, with a slot or with all of them to a
/// block.
fn play_every_start(lens: &RangeInclusive<u32>) {
    let new = play_all(lens.clone(), Life::<32>::new);
    assert_eq!(new, play_all(lens.clone(), Life::<64>::new));
    assert_eq!(new[1..], [0; SLOTS]);
    let old = play_all(lens.clone(), || Life::<32>::old(&OLD));
    assert!(old[..=1].iter().all(|&n| n > 0), "a slot is retired");
    let mixed = play_all(lens.clone(), || Life::<64>::old(&MIXED));
    assert!(mixed[0] > old[0], "slots are retired later");
}

#[test]
fn a_table_is_the_map_it_would_be_after_every_short_sequence() {
    play_every_start(&(0..=if cfg!(miri) { 2 } else { 5 }));
}

#[test]
#[ignore = "27 million sequences: a minute with --release"]
fn a_table_is_the_map_it_would_be_after_every_sequence_of_eight() {
    play_every_start(&(0..=8));
}
