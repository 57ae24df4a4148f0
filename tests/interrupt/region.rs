//! A kexec at any instant of a [`Region`]: after every instruction, a new kernel opens a copy of the
//! memory as it stands.
//!
//! It reads the root, allocates all that is free, large blocks first, then tries to restore a block of
//! every size at every place. No unit may be lent twice, and none may be missing. What there was,
//! without repetitions, is the list that each test gives.
//!
//! Unsafe is open here to be a kernel, as in `kernels.rs`.

#![expect(unsafe_code, reason = "vouches for memory, and reads and frees blocks")]

#[path = "region/kernels.rs"]
pub(crate) mod kernels;
#[path = "region/sets.rs"]
mod sets;
#[path = "region/slots.rs"]
mod slots;

use core::ptr::NonNull;
use std::io::stdin;

use kho_block::{CarryAllocator, PreservedAllocator, Region};

use self::kernels::{ALL, BYTES, Block, Found, Old, base, create_over, found, root, watch};
use crate::{memory, stepper};

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

    assert_eq!(watch(&format!("region::{test}"), |copy, _| found(copy)), expected);
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
