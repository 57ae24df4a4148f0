//! A kexec at any instant of a [`Region`]: after every instruction, a new kernel opens a copy of the
//! memory as it stands.
//!
//! It reads the root, allocates all that is free, large blocks first, then tries to restore a block of
//! every size at every place. No unit may be lent twice, and none may be missing. What there was,
//! without repetitions, is the list that each test gives.
//!
//! Unsafe is open here to be a kernel: to vouch for memory, and to give blocks back.

#![expect(unsafe_code, reason = "vouches for memory, and reads and frees blocks")]

use core::mem::replace;
use core::ptr::NonNull;
use core::slice;
use std::io::stdin;

use kho_block::zerocopy::FromZeros;
use kho_block::{
    CarryAllocator, Descriptor, PhysAddr, PreservedAllocator, PreservedBlock, Region, RegionError,
};

use crate::{memory, stepper};

const UNIT: usize = 4096;

/// Units of the region, of which the first two are never lent.
const UNITS: usize = 18;
const FIRST: usize = 2;
const BYTES: usize = UNITS * UNIT;

const BASE: u64 = 0x1_0000_0000;

/// In every byte that was never written.
const POISON: u8 = 0xdb;

/// A block that a new kernel finds: its bytes, and what every one of them is.
type Block = (usize, u8);

/// What a new kernel finds: the root's tag, and the blocks in the order of their sizes.
type Found = Option<(Option<u64>, Vec<Block>)>;

/// What the old kernel starts with. Blocks that it allocates when it is stepped are zero.
const ALL: [Block; 3] = [(32, 1), (4096, 2), (8192, 3)];

fn base() -> PhysAddr {
    PhysAddr::new(BASE).unwrap()
}

/// # Errors
///
/// If the memory is blank, or damaged.
fn open(memory: NonNull<u8>) -> Result<Region, RegionError> {
    // SAFETY: 1. Every mapping here is as long, and for good. 2. These kernels say so. 3. A kernel has
    // one, and the stepper has a copy.
    unsafe { Region::open(base(), NonNull::slice_from_raw_parts(memory, BYTES)) }
}

fn create_over(memory: NonNull<u8>) -> Region {
    // SAFETY: as above.
    unsafe { Region::create_over(base(), NonNull::slice_from_raw_parts(memory, BYTES)) }.unwrap()
}

fn root(tag: u64) -> Descriptor {
    Descriptor { tag, ..Descriptor::new_zeroed() }
}

/// The old kernel, and its blocks.
struct Old {
    memory: NonNull<u8>,
    region: Region,
    blocks: Vec<(PreservedBlock, usize)>,
}

impl Old {
    /// The first kernel of a machine, with blocks as [`ALL`] says, and a root.
    fn boot(memory: NonNull<u8>) -> Self {
        // SAFETY: it is as long, and no one else's before the work is stepped.
        unsafe { memory.write_bytes(POISON, BYTES) };
        let mut old = Self { memory, region: create_over(memory), blocks: Vec::new() };
        for (size, fill) in ALL {
            old.allocate(size, fill);
        }
        old.region.set_root(Some(&root(1)));
        old
    }

    fn allocate(&mut self, size: usize, fill: u8) {
        let block = self.region.alloc_preserve(size).unwrap();
        // SAFETY: the block is as long, and lent to this kernel.
        unsafe { block.ptr.write_bytes(fill, size) };
        self.blocks.push((block, size));
    }

    /// A kexec: nobody has claimed a block.
    fn restart(&mut self) {
        self.region = open(self.memory).unwrap();
    }

    fn claim(&self) {
        for &(PreservedBlock { ptr, addr }, size) in &self.blocks {
            assert_eq!(self.region.restore(addr, size), Some(ptr));
        }
    }

    /// A kexec, and then: a block left, one given back, one carried, and one allocated.
    fn have_all_kinds(&mut self) {
        self.restart();
        let claim = |&(PreservedBlock { ptr, addr }, size): &(PreservedBlock, usize)| {
            assert_eq!(self.region.restore(addr, size), Some(ptr));
            (ptr, size)
        };
        let [_, given_back, carried] = self.blocks.as_slice() else { panic!("three blocks") };
        let (ptr, size) = claim(given_back);
        // SAFETY: claimed in the line above.
        unsafe { self.region.unrestore(ptr, size) };
        let (ptr, size) = claim(carried);
        // SAFETY: claimed in the line above.
        unsafe { self.region.preserve(ptr, size) }.unwrap();
        self.allocate(16384, 4);
    }
}

/// What a new kernel finds in `memory`: nothing, if that is blank.
///
/// # Panics
///
/// If it finds anything else than a region, a unit lent twice, one that is missing, or a block of
/// different bytes.
fn found(memory: NonNull<u8>) -> Found {
    let region = match open(memory) {
        Ok(region) => region,
        Err(RegionError::Blank) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut lent = [false; UNITS];
    let mut lend = |addr: PhysAddr, size: usize| {
        let offset = usize::try_from(addr.get().checked_sub(BASE).unwrap()).unwrap();
        let (first, units) = (offset.checked_div(UNIT).unwrap(), size.div_ceil(UNIT));
        for (unit, lent) in lent.iter_mut().enumerate().skip(first).take(units) {
            assert!(!replace(lent, true), "unit {unit} is lent twice");
        }
    };
    for size in [65536, 32768, 16384, 8192, 4096] {
        while let Ok(block) = region.alloc_preserve(size) {
            lend(block.addr, size);
        }
    }
    let mut blocks = Vec::new();
    for size in (5..20).map(|log2| 1_usize << log2) {
        for offset in (0..BYTES).step_by(UNIT) {
            let addr = base().checked_add(u64::try_from(offset).unwrap()).unwrap();
            let Some(ptr) = region.restore(addr, size) else { continue };
            lend(addr, size);
            // SAFETY: the block is as long, and lent to this kernel.
            let content = unsafe { slice::from_raw_parts(ptr.as_ptr(), size) };
            let (fill, rest) = content.split_first().unwrap();
            assert!(rest.iter().all(|byte| byte == fill), "the block at {addr} is not all {fill}");
            blocks.push((size, *fill));
        }
    }
    assert_eq!(lent.iter().filter(|&&lent| !lent).count(), FIRST, "a unit is missing");
    blocks.sort_unstable();
    Some((region.root().map(|root| root.tag), blocks))
}

/// With the root that stands from the boot on.
fn with_root(blocks: &[Block]) -> Found {
    Some((Some(1), blocks.to_vec()))
}

/// Lets a kernel get ready, stops its `work` after every instruction, and compares what new kernels
/// find with `expected`. `test` is the name of the test in this file.
fn interrupted(
    test: &str,
    ready: impl FnOnce(&mut Old),
    work: impl FnOnce(&mut Old),
    expected: &[Found],
) {
    if stepper::is_child() {
        let mut old = Old::boot(memory::map(stdin(), BYTES));
        ready(&mut old);
        return stepper::be_stepped(|| work(&mut old));
    }

    let file = memory::file(BYTES);
    let shared = memory::map(&file, BYTES);
    let copy = memory::map(memory::file(BYTES), BYTES);
    let mut last = Vec::new();
    let (mut changes, mut seen) = (0_usize, Vec::new());
    let stops = stepper::step(&format!("region::{test}"), file, || {
        // SAFETY: it is mapped, as long, and the old kernel writes nothing while it is stopped.
        let now = unsafe { slice::from_raw_parts(shared.as_ptr(), BYTES) };
        if last == now {
            return;
        }
        now.clone_into(&mut last);
        changes = changes.saturating_add(1);
        // SAFETY: it is mapped and as long, and a mapping of its own.
        unsafe { copy.copy_from_nonoverlapping(shared, BYTES) };
        let found = found(copy);
        if seen.last() != Some(&found) {
            seen.push(found);
        }
    });
    assert_eq!(seen, expected);
    println!("region::{test}: {stops} stops, {changes} states of memory");
}

#[test]
fn an_allocation_preserves_a_whole_block_of_zeros_or_none() {
    interrupted(
        "an_allocation_preserves_a_whole_block_of_zeros_or_none",
        |_| {},
        |old| {
            for size in [64, 4096, 16384] {
                old.region.alloc_preserve(size).unwrap();
            }
        },
        &[
            with_root(&ALL),
            with_root(&[(32, 1), (64, 0), (4096, 2), (8192, 3)]),
            with_root(&[(32, 1), (64, 0), (4096, 0), (4096, 2), (8192, 3)]),
            with_root(&[(32, 1), (64, 0), (4096, 0), (4096, 2), (8192, 3), (16384, 0)]),
        ],
    );
}

#[test]
fn freeing_frees_one_whole_block_after_the_other() {
    interrupted(
        "freeing_frees_one_whole_block_after_the_other",
        |_| {},
        |old| {
            for &(block, size) in &old.blocks {
                // SAFETY: 1. from `allocate`. 2. Once.
                unsafe { old.region.unpreserve_free(block.ptr, size) };
            }
        },
        &[
            with_root(&ALL),
            with_root(&[(4096, 2), (8192, 3)]),
            with_root(&[(8192, 3)]),
            with_root(&[]),
        ],
    );
}

#[test]
fn freeing_what_was_claimed_frees_one_whole_block_after_the_other() {
    interrupted(
        "freeing_what_was_claimed_frees_one_whole_block_after_the_other",
        Old::restart,
        |old| {
            old.claim();
            for &(block, size) in old.blocks.iter().rev() {
                // SAFETY: 1. from `claim`. 2. Once.
                unsafe { old.region.restore_free(block.ptr, size) };
            }
        },
        &[with_root(&ALL), with_root(&[(32, 1), (4096, 2)]), with_root(&[(32, 1)]), with_root(&[])],
    );
}

#[test]
fn claiming_carrying_and_giving_back_lose_nothing() {
    interrupted(
        "claiming_carrying_and_giving_back_lose_nothing",
        Old::restart,
        |old| {
            old.claim();
            for &(block, size) in &old.blocks {
                // SAFETY: from `claim`.
                unsafe { old.region.preserve(block.ptr, size) }.unwrap();
            }
            for &(block, size) in &old.blocks {
                // SAFETY: carried above.
                unsafe { old.region.unpreserve(block.ptr, size) };
                // SAFETY: 1. from `claim`. 2. Once.
                unsafe { old.region.unrestore(block.ptr, size) };
            }
        },
        &[with_root(&ALL)],
    );
}

#[test]
fn units_of_freed_blocks_are_used_again_as_if_new() {
    interrupted(
        "units_of_freed_blocks_are_used_again_as_if_new",
        |old| {
            // All that is free.
            old.allocate(32768, 4);
            old.allocate(8192, 5);
            old.allocate(4096, 6);
        },
        |old| {
            let (block, size) = *old.blocks.get(3).unwrap();
            // SAFETY: 1. from `allocate`. 2. Once.
            unsafe { old.region.unpreserve_free(block.ptr, size) };
            old.region.alloc_preserve(16384).unwrap();
            old.region.alloc_preserve(16384).unwrap();
        },
        &[
            with_root(&[(32, 1), (4096, 2), (4096, 6), (8192, 3), (8192, 5), (32768, 4)]),
            with_root(&[(32, 1), (4096, 2), (4096, 6), (8192, 3), (8192, 5)]),
            with_root(&[(32, 1), (4096, 2), (4096, 6), (8192, 3), (8192, 5), (16384, 0)]),
            with_root(&[
                (32, 1),
                (4096, 2),
                (4096, 6),
                (8192, 3),
                (8192, 5),
                (16384, 0),
                (16384, 0),
            ]),
        ],
    );
}

#[test]
fn opening_loses_nothing() {
    interrupted(
        "opening_loses_nothing",
        Old::have_all_kinds,
        Old::restart,
        &[with_root(&[(32, 1), (4096, 2), (8192, 3), (16384, 4)])],
    );
}

#[test]
fn a_sweep_frees_what_was_never_claimed() {
    interrupted(
        "a_sweep_frees_what_was_never_claimed",
        |old| {
            old.allocate(512, 5);
            old.restart();
            let (block, size) = old.blocks.pop().unwrap();
            assert_eq!(old.region.restore(block.addr, size), Some(block.ptr));
        },
        |old| assert_eq!(old.region.sweep(), 3),
        &[
            with_root(&[(32, 1), (512, 5), (4096, 2), (8192, 3)]),
            with_root(&[(32, 1), (512, 5), (4096, 2)]),
            with_root(&[(512, 5), (4096, 2)]),
            with_root(&[(512, 5)]),
        ],
    );
}

#[test]
fn a_root_is_the_old_one_or_the_new_one() {
    let root_of = |tag| Some((tag, ALL.to_vec()));
    interrupted(
        "a_root_is_the_old_one_or_the_new_one",
        |_| {},
        |old| {
            for tag in [Some(2), Some(3), None, Some(4)] {
                old.region.set_root(tag.map(root).as_ref());
            }
        },
        &[Some(1), Some(2), Some(3), None, Some(4)].map(root_of),
    );
}

#[test]
fn creating_leaves_memory_blank_until_it_is_done() {
    interrupted(
        "creating_leaves_memory_blank_until_it_is_done",
        |old| {
            // SAFETY: the memory is as long, and the region is used no more.
            unsafe { old.memory.write_bytes(0, BYTES) };
        },
        |old| {
            let memory = NonNull::slice_from_raw_parts(old.memory, BYTES);
            // SAFETY: as in `open`.
            old.region = unsafe { Region::create(base(), memory) }.unwrap();
        },
        &[None, Some((None, Vec::new()))],
    );
}

#[test]
fn creating_over_a_region_takes_it_away_at_once() {
    interrupted(
        "creating_over_a_region_takes_it_away_at_once",
        |_| {},
        |old| old.region = create_over(old.memory),
        &[with_root(&ALL), None, Some((None, Vec::new()))],
    );
}
