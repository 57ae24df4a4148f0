//! Random operations against a plain list: whatever is done to a set, it stays the list it would be.

pub(crate) mod compare;
pub(crate) mod list;
mod perform;
pub(crate) mod plan;

use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{
    BlockHeader, BlockSet, Descriptor, HEADER_SIZE, IncomingSet, Outgoing, PhysAddr, RestoreChecks,
    RestoreErrorKind,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::compare::{TAG, check, check_bytes};
use self::list::{Model, Sample};
use self::perform::{apply, apply_save};
use self::plan::{Change, Save, change, save};

/// Restores what `model` describes again and again, works on it, and gives it back.
fn apply_incoming<T: Sample, const B: usize>(
    mem: &mut Mock,
    mut head: Option<PhysAddr>,
    model: &mut Model<T>,
    rest: u8,
    turns: &[Vec<Change>],
) -> Option<PhysAddr> {
    for turn in turns {
        let mut set = IncomingSet::<T, _, B>::restore(&*mem, head).unwrap();
        check(&set, model);
        for change in turn {
            apply(&mut set, model, change);
            check(&set, model);
        }
        head = set.release();
        check_bytes::<T, B>(mem, head, model, rest, 0);
    }
    head
}

/// Writes a root anew if it does not name the first block of the set, and only then.
fn withdraw<T: Sample, const B: usize>(
    root: &mut Descriptor,
    set: &BlockSet<T, &Mock, Outgoing, B>,
) {
    if root.head() != set.first_block() {
        *root = set.descriptor(TAG);
    }
}

/// What one kernel does with the chain it finds, in turns, and then with the one that it leaves.
type Kernel = (Vec<Vec<Change>>, Vec<Save>);

fn kernels() -> impl Strategy<Value = Vec<Kernel>> {
    vec((vec(vec(change(), 0..5), 0..3), saves()), 1..if cfg!(miri) { 2 } else { 4 })
}

fn saves() -> impl Strategy<Value = Vec<Save>> {
    vec(save(), 0..if cfg!(miri) { 6 } else { 16 })
}

/// A dense set, from kernel to kernel.
fn live<T: Sample, const B: usize>(kernels: &[Kernel]) {
    let capacity = BlockSet::<T, &Mock, Outgoing, B>::CAPACITY_PER_BLOCK;
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(capacity);
    let mut head = None;
    for (turns, saves) in kernels {
        head = apply_incoming::<T, B>(&mut mem, head, &mut model, 0, turns);

        let mut incoming = IncomingSet::<T, _, B>::restore(&mem, head).unwrap();
        check(&incoming, &model);
        let mut set = BlockSet::<T, _, _, B>::new(&mem);
        for block in incoming.blocks() {
            set.extend_from_slice(block).unwrap();
        }
        incoming.destroy();
        drop(incoming);
        let entries = core::mem::take(&mut model.entries);
        model.counts.clear();
        model.grow(entries.len());
        model.append(&entries);
        check(&set, &model);
        let mut root = set.descriptor(TAG);
        for save in saves {
            apply_save(&mut set, &mut model, save);
            check(&set, &model);
            withdraw(&mut root, &set);
        }

        model.shrink(0);
        model.used.clone_from(&model.counts);
        let addrs: Vec<_> = (0..set.len()).map(|i| set.phys_addr(i).unwrap().get()).collect();
        head = set.into_head();
        assert_eq!(mem.live(), model.counts.len());
        check_bytes::<T, B>(&mut mem, head, &model, 0, 0);
        for (addr, entry) in addrs.iter().zip(&model.entries) {
            assert_eq!(mem.read(*addr, size_of::<T>()), entry.as_bytes());
        }
        mem.reboot();

        // What was written ahead of time is true, unless the set was left without entries.
        if root.head() == head {
            let set = IncomingSet::<T, _, B>::restore_from(&mem, &root, TAG).unwrap();
            check(&set, &model);
            assert_eq!(set.release(), head);
        }
    }
    let mut last = IncomingSet::<T, _, B>::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    check(&last, &model);
    last.destroy();
    mem.assert_clean();
}

/// A set that its kernel does not live to seal.
fn die<T: Sample, const B: usize>(saves: &[Save]) {
    let capacity = BlockSet::<T, &Mock, Outgoing, B>::CAPACITY_PER_BLOCK;
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(capacity);
    let mut set = BlockSet::<T, _, _, B>::new(&mem);
    let mut root = set.descriptor(TAG);
    for save in saves {
        apply_save(&mut set, &mut model, save);
        check(&set, &model);
        withdraw(&mut root, &set);
    }
    core::mem::forget(set);
    mem.reboot();

    // The first block is there from the beginning, every other one as long as it has entries.
    let blocks = model.counts.len();
    let chained = model.entries.len().div_ceil(capacity).max(blocks.min(1));
    model.keep_blocks(chained);
    model.used.clone_from(&model.counts);
    let set = IncomingSet::<T, _, B>::restore_from(&mem, &root, TAG).unwrap();
    check(&set, &model);
    assert_eq!((mem.live(), mem.unclaimed()), (chained, blocks - chained));
    assert_eq!(set.release(), root.head());
    check_bytes::<T, B>(&mut mem, root.head(), &model, 0, 0);
    IncomingSet::<T, _, B>::restore(&mem, root.head()).unwrap().destroy();
    assert_eq!((mem.live(), mem.unclaimed(), mem.faults()), (0, blocks - chained, vec![]));
}

/// How full the blocks of a chain are, and what is done to it.
type Found = (Vec<u8>, Vec<Vec<Change>>);

fn found() -> impl Strategy<Value = Found> {
    (
        vec(prop_oneof![4 => 0..4_u8, 1 => 4..=255_u8], 0..8),
        vec(vec(change(), 0..if cfg!(miri) { 3 } else { 8 }), 1..4),
    )
}

/// A chain with blocks full, partly filled and empty in any order, as other writers leave them.
fn inherit<T: Sample, const B: usize>((fills, turns): &Found) {
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(IncomingSet::<T, &Mock, B>::CAPACITY_PER_BLOCK);
    let head = leave::<T, B>(&mut mem, &mut model, fills);
    let head = apply_incoming::<T, B>(&mut mem, head, &mut model, REST, turns);
    IncomingSet::<T, _, B>::restore(&mem, head).unwrap().destroy();
    mem.assert_clean();
}

/// What is behind the entries of a chain that is found.
const REST: u8 = 0x5a;

/// Where block `number` of a chain that is found lies: every other one below the one before it.
fn place<const B: usize>(number: usize) -> u64 {
    u64::try_from(B * (1 + (number ^ 1))).unwrap()
}

/// Leaves a chain of blocks that are so full, and tells the model.
fn leave<T: Sample, const B: usize>(
    mem: &mut Mock,
    model: &mut Model<T>,
    fills: &[u8],
) -> Option<PhysAddr> {
    let capacity = model.capacity;
    for &fill in fills {
        let count = match usize::from(fill) {
            0 => 0,
            1 => 1,
            2 => capacity - 1,
            3 => capacity,
            any => any % (capacity + 1),
        };
        model.counts.push(count);
        let new = model.samples(count);
        model.entries.extend(new);
    }
    model.used.clone_from(&model.counts);

    let last = fills.len().wrapping_sub(1);
    for (number, entries) in model.blocks().into_iter().enumerate() {
        let next = if number == last { 0 } else { place::<B>(number + 1) };
        let count = u64::try_from(entries.len()).unwrap();
        let mut bytes = BlockHeader { next, count }.as_bytes().to_vec();
        bytes.extend(entries.as_bytes());
        bytes.resize(B, REST);
        mem.leave(place::<B>(number), &bytes);
    }
    if fills.is_empty() { None } else { PhysAddr::new(place::<B>(0)) }
}

/// A chain, the block of it that is damaged, and whether it is the link or the count.
type Damaged = (Found, u8, bool);

fn damaged() -> impl Strategy<Value = Damaged> {
    (found(), any::<u8>(), any::<bool>())
}

/// What is sound of a damaged chain, taken over, worked on and given back, in turns.
fn salvage<T: Sample, const B: usize>(((fills, turns), at, link): &Damaged) {
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(IncomingSet::<T, &Mock, B>::CAPACITY_PER_BLOCK);
    let mut head = leave::<T, B>(&mut mem, &mut model, fills);
    let Some(block) = usize::from(*at).checked_rem(fills.len()) else { return };
    let block_addr = place::<B>(block);
    let capacity = model.capacity;
    let count = u64::try_from(capacity + 1).unwrap();
    let (word, value, kind, sound, addr) = if *link {
        (block_addr, 1, RestoreErrorKind::Misaligned, block + 1, 1)
    } else {
        let kind = RestoreErrorKind::CountTooLarge { count, capacity };
        (block_addr + 8, count, kind, block, block_addr)
    };
    let undamaged = mem.read(word, 8);
    mem.write(word, &value.to_ne_bytes());
    model.keep_blocks(sound);
    let lost = fills.len() - sound;

    for turn in turns {
        // The last sound block keeps its link, unless it is freed and the chain ends before it.
        let (mut set, error) = IncomingSet::<T, _, B>::salvage(&mem, head);
        let uncut = model.counts.len() == sound;
        let found = error.map(|error| (error.kind, error.block, error.addr.get()));
        assert_eq!(found, uncut.then_some((kind, sound, addr)));
        assert_eq!((mem.live(), mem.unclaimed()), (model.counts.len(), lost));
        check(&set, &model);
        for change in turn {
            apply(&mut set, &mut model, change);
            check(&set, &model);
        }
        let first = set.release();
        head = if sound == 0 { head } else { first };
        let end = if model.counts.len() == sound { addr } else { 0 };
        check_bytes::<T, B>(&mut mem, head, &model, REST, end);
        if end == addr {
            let error = IncomingSet::<T, _, B>::restore(&mem, head).unwrap_err();
            assert_eq!((error.kind, error.block, error.addr.get()), (kind, sound, addr));
        }
    }

    // Once it is repaired, the whole chain is there.
    let uncut = model.counts.len() == sound;
    if uncut {
        mem.write(word, &undamaged);
    }
    let mut set = IncomingSet::<T, _, B>::restore(&mem, head).unwrap();
    assert!(set.iter().zip(&model.entries).all(|(entry, salvaged)| entry == salvaged));
    assert_eq!(set.block_count(), if uncut { fills.len() } else { model.counts.len() });
    set.destroy();
    assert_eq!((mem.live(), mem.unclaimed()), (0, if uncut { 0 } else { lost }));
}

/// Whether such entries are tried in blocks of this size: under Miri, only few in a block.
pub(crate) const fn tried(entry: usize, block: usize) -> bool {
    !cfg!(miri) || (block - HEADER_SIZE) / entry <= 16
}

/// Runs `test` on random values: 64, or a quarter of what `PROPTEST_CASES` says.
pub(crate) fn on<S: Strategy>(values: S, test: impl Fn(&S::Value)) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let config = Config { cases: config.cases.div_ceil(4), ..config };
    TestRunner::new(config)
        .run(&values, |value| {
            test(&value);
            Ok(())
        })
        .unwrap();
}

/// A test for each entry, in blocks of several sizes.
macro_rules! lists {
    ($($(#[$attribute:meta])* $name:ident: $entry:ty, in $($size:literal),+;)+) => {$(
        mod $name {
            #[test]
            $(#[$attribute])*
            fn stay_the_list_they_would_be_through_every_change_and_reboot() {
                $(if super::tried(size_of::<$entry>(), $size) {
                    super::on(super::kernels(), |kernels| super::live::<$entry, $size>(kernels));
                })+
            }

            #[test]
            $(#[$attribute])*
            fn are_read_and_removed_as_from_a_list_whatever_blocks_they_are_found_in() {
                $(if super::tried(size_of::<$entry>(), $size) {
                    super::on(super::found(), |found| super::inherit::<$entry, $size>(found));
                })+
            }

            #[test]
            $(#[$attribute])*
            fn are_found_by_a_root_written_ahead_of_time_when_their_kernel_dies() {
                $(if super::tried(size_of::<$entry>(), $size) {
                    super::on(super::saves(), |saves| super::die::<$entry, $size>(saves));
                })+
            }

            #[test]
            $(#[$attribute])*
            fn are_salvaged_up_to_the_first_damaged_block() {
                $(if super::tried(size_of::<$entry>(), $size) {
                    super::on(super::damaged(), |chain| super::salvage::<$entry, $size>(chain));
                })+
            }
        }
    )+};
}

lists! {
    entries_of_1_byte: u8, in 32, 256, 4096;
    entries_of_3_bytes: [u8; 3], in 32, 64, 256;
    entries_of_8_bytes: u64, in 32, 64, 4096;
    entries_of_16_bytes_aligned_to_16: u128, in 32, 64, 256;
    entries_of_64_bytes: [u64; 8], in 128, 256, 4096;
    entries_of_80_bytes: [u64; 10], in 128, 256, 4096;
    #[cfg_attr(miri, ignore = "entries of a page take a minute, and those of 80 bytes are tried")]
    entries_that_fill_a_block: [u64; 510], in 4096;
}
