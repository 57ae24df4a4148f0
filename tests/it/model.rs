//! Random operations against a plain list: whatever is done to a set, it stays the list it would be.

mod compare;
mod list;
mod perform;
mod plan;

use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{BlockHeader, BlockSet, IncomingSet, Outgoing, PhysAddr, RestoreChecks};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::compare::{check, check_bytes};
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
        check_bytes::<T, B>(mem, head, model, rest);
    }
    head
}

/// What one kernel does with the chain it finds, in turns, and then with the one that it leaves.
type Kernel = (Vec<Vec<Change>>, Vec<Save>);

fn kernels() -> impl Strategy<Value = Vec<Kernel>> {
    vec((vec(vec(change(), 0..5), 0..3), vec(save(), 0..16)), 1..4)
}

/// A dense set, from kernel to kernel.
fn live<T: Sample, const B: usize>(kernels: &[Kernel]) {
    let capacity = BlockSet::<T, &Mock, Outgoing, B>::CAPACITY_PER_BLOCK;
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(capacity);
    let mut head = None;
    for (turns, saves) in kernels {
        head = apply_incoming::<T, B>(&mut mem, head, &mut model, 0, turns);

        let incoming = IncomingSet::<T, _, B>::restore(&mem, head).unwrap();
        check(&incoming, &model);
        let mut set = BlockSet::<T, _, _, B>::new(&mem);
        for block in incoming.blocks() {
            set.extend_from_slice(block).unwrap();
        }
        drop(incoming);
        let entries = core::mem::take(&mut model.entries);
        model.counts.clear();
        model.grow(entries.len());
        model.append(&entries);
        check(&set, &model);
        for save in saves {
            apply_save(&mut set, &mut model, save);
            check(&set, &model);
        }

        model.shrink(0);
        model.used.clone_from(&model.counts);
        let addrs: Vec<_> = (0..set.len()).map(|i| set.phys_addr(i).unwrap().get()).collect();
        head = set.into_head();
        assert_eq!(mem.live(), model.counts.len());
        check_bytes::<T, B>(&mut mem, head, &model, 0);
        for (addr, entry) in addrs.iter().zip(&model.entries) {
            assert_eq!(mem.read(*addr, size_of::<T>()), entry.as_bytes());
        }
        mem.reboot();
    }
    let last = IncomingSet::<T, _, B>::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    check(&last, &model);
    drop(last);
    mem.assert_clean();
}

/// How full the blocks of a chain are, and what is done to it.
type Found = (Vec<u8>, Vec<Vec<Change>>);

fn found() -> impl Strategy<Value = Found> {
    (vec(prop_oneof![4 => 0..4_u8, 1 => 4..=255_u8], 0..8), vec(vec(change(), 0..8), 1..4))
}

/// A chain with blocks full, partly filled and empty in any order, as other writers leave them.
fn inherit<T: Sample, const B: usize>((fills, turns): &Found) {
    const REST: u8 = 0x5a;
    let capacity = IncomingSet::<T, &Mock, B>::CAPACITY_PER_BLOCK;
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(capacity);
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

    // Every other block lies below the one before it.
    let place = |block: usize| u64::try_from(B * (1 + (block ^ 1))).unwrap();
    let last = fills.len().wrapping_sub(1);
    for (number, entries) in model.blocks().into_iter().enumerate() {
        let next = if number == last { 0 } else { place(number + 1) };
        let count = u64::try_from(entries.len()).unwrap();
        let mut bytes = BlockHeader { next, count }.as_bytes().to_vec();
        bytes.extend(entries.as_bytes());
        bytes.resize(B, REST);
        mem.leave(place(number), &bytes);
    }
    let head = if fills.is_empty() { None } else { PhysAddr::new(place(0)) };

    let head = apply_incoming::<T, B>(&mut mem, head, &mut model, REST, turns);
    drop(IncomingSet::<T, _, B>::restore(&mem, head).unwrap());
    mem.assert_clean();
}

/// Runs `test` on random values: 64, or a quarter of what `PROPTEST_CASES` says.
fn on<S: Strategy>(values: S, test: impl Fn(&S::Value)) {
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
    ($($name:ident: $entry:ty, in $($size:literal),+;)+) => {$(
        mod $name {
            #[test]
            fn stay_the_list_they_would_be_through_every_change_and_reboot() {
                $(super::on(super::kernels(), |kernels| super::live::<$entry, $size>(kernels));)+
            }

            #[test]
            fn are_read_and_removed_as_from_a_list_whatever_blocks_they_are_found_in() {
                $(super::on(super::found(), |found| super::inherit::<$entry, $size>(found));)+
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
    entries_that_fill_a_block: [u64; 510], in 4096;
}
