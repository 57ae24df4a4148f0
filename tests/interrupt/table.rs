//! A kexec at any instant of the allocator in `tests/kexec`: after every instruction, a new kernel
//! adopts the table of pages in a copy of memory as it stands.
//!
//! It allocates all that is free, large blocks first, then tries to restore a block of every size at
//! every place. No page may be lent twice, and none may be missing. What was restored, without
//! repetitions, is the list that each test gives: sizes in pages, and the byte that fills the block.
//!
//! Unsafe is open here to be a kernel: to take charge of memory, and to give blocks back.

#![expect(unsafe_code, reason = "takes charge of memory, and reads and frees blocks")]

use core::iter;
use core::mem::replace;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;
use std::io::stdin;

use kho_block::{PhysAddr, PreservedAllocator, PreservedBlock};

use crate::boot::{POOL, REGION, enter, physical, reach};
use crate::pages::{PAGE_SIZE, Pages};
use crate::{memory, stepper};

/// In every byte of a page that is nobody's.
const POISON: u8 = 0xdb;

/// A block that a new kernel finds: its pages, and what every byte of it is.
type Found = (usize, u8);

/// What the old kernel starts with. Blocks that it allocates when it is stepped are zero.
const ALL: [Found; 3] = [(1, 1), (2, 2), (16, 3)];

/// Bytes of memory.
fn ram() -> usize {
    usize::try_from(REGION).unwrap()
}

/// A number in units of pages.
fn pages(bytes: usize) -> usize {
    bytes.checked_div(PAGE_SIZE).unwrap()
}

/// Bytes of a number of pages.
fn bytes(pages: usize) -> usize {
    pages.checked_mul(PAGE_SIZE).unwrap()
}

/// The old kernel, and its blocks.
struct Old {
    pages: Pages,
    blocks: Vec<(PreservedBlock, usize)>,
}

impl Old {
    /// The first kernel of a machine, with blocks as [`ALL`] says.
    fn boot(memory: NonNull<u8>) -> Self {
        // SAFETY: it is as long, and no one else's before the work is stepped.
        unsafe { memory.write_bytes(POISON, ram()) };
        enter(memory);
        let mut old = Self { pages: Pages::new(), blocks: Vec::new() };
        // SAFETY: 1. It was entered. 2. By the stepper, it is only read. 3. It is the first call.
        unsafe { old.pages.create() };
        for (pages, fill) in ALL {
            old.allocate(pages, fill);
        }
        old
    }

    fn allocate(&mut self, pages: usize, fill: u8) {
        let block = self.pages.alloc_preserve(bytes(pages)).unwrap();
        // SAFETY: the block is as long, and lent to this kernel.
        unsafe { block.ptr.write_bytes(fill, bytes(pages)) };
        self.blocks.push((block, bytes(pages)));
    }

    /// A kexec: nobody has claimed a block.
    fn restart(&mut self) {
        self.pages = Pages::new();
        // SAFETY: 1 and 2. as in `boot`. 3. It is the first call. 4. `create` has put it there.
        unsafe { self.pages.adopt(POOL) }.unwrap();
    }

    fn claim(&self) {
        for &(PreservedBlock { ptr, addr }, size) in &self.blocks {
            assert_eq!(self.pages.restore(addr, size), Some(ptr));
        }
    }

    /// A kexec, and then blocks claimed, one given back, and one allocated.
    fn have_all_kinds(&mut self) {
        self.restart();
        self.claim();
        let &(block, size) = self.blocks.get(1).unwrap();
        // SAFETY: 1. from `claim`. 2. Once.
        unsafe { self.pages.unrestore(block.ptr, size) };
        self.allocate(1, 4);
    }
}

/// What a new kernel finds in `memory`, in the order of sizes and bytes.
///
/// # Panics
///
/// If it finds no table, a page lent twice, a page that is missing, or a block of different bytes.
fn found(memory: NonNull<u8>) -> Vec<Found> {
    enter(memory);
    let new = Pages::new();
    // SAFETY: 1. It was entered. 2. It is a copy. 3. It is the first call. 4. The old kernel's
    // `create` has put it there, and the old kernel is not running.
    unsafe { new.adopt(POOL) }.expect("a table");
    let mut lent = vec![false; pages(ram())];
    let mut lend = |addr: u64, size: usize| {
        let first = pages(usize::try_from(addr).unwrap());
        for (page, lent) in lent.iter_mut().enumerate().skip(first).take(pages(size)) {
            assert!(!replace(lent, true), "page {page} is lent twice");
        }
    };

    for size in [65536, 8192, 4096] {
        while let Ok(PreservedBlock { ptr, addr }) = new.alloc_preserve(size) {
            assert_eq!(physical(ptr), addr.get());
            lend(addr.get(), size);
        }
    }
    let mut found = Vec::new();
    let sizes = (0..).map(|order| PAGE_SIZE << order).take_while(|&size| size <= ram());
    for size in sizes {
        for addr in (size..ram()).step_by(size) {
            let addr = PhysAddr::new(u64::try_from(addr).unwrap()).unwrap();
            let Some(ptr) = new.restore(addr, size) else { continue };
            lend(addr.get(), size);
            // SAFETY: the block is as long, and lent to this kernel.
            let content = unsafe { slice::from_raw_parts(ptr.as_ptr(), size) };
            let (fill, rest) = content.split_first().unwrap();
            let (before_last, _) = content.split_at(rest.len());
            assert!(rest == before_last, "the block at {addr} is not all {fill}");
            found.push((pages(size), *fill));
        }
    }
    // The table takes a page.
    let never = pages(usize::try_from(POOL).unwrap()).checked_add(1).unwrap();
    assert_eq!(lent.iter().filter(|&&lent| !lent).count(), never, "a page is missing");
    found.sort_unstable();
    found
}

/// Lets a kernel get ready, stops its `work` after every instruction, and compares what new kernels
/// find with `expected`. `test` is the name of the test in this file.
fn interrupted(
    test: &str,
    ready: impl FnOnce(&mut Old),
    work: impl FnOnce(&mut Old),
    expected: &[&[Found]],
) {
    if stepper::is_child() {
        let mut old = Old::boot(memory::map(stdin(), ram()));
        ready(&mut old);
        return stepper::be_stepped(|| work(&mut old));
    }

    let file = memory::file(ram());
    let shared = memory::map(&file, ram());
    let copy = memory::map(memory::file(ram()), ram());
    let mut last = Vec::new();
    let (mut changes, mut seen) = (0_usize, Vec::new());
    let stops = stepper::step(&format!("table::{test}"), file, || {
        // SAFETY: it is mapped, as long, and the old kernel writes nothing while it is stopped.
        let now = unsafe { slice::from_raw_parts(shared.as_ptr(), ram()) };
        if last == now {
            return;
        }
        now.clone_into(&mut last);
        changes = changes.saturating_add(1);
        // SAFETY: it is mapped and as long, and a mapping of its own.
        unsafe { copy.copy_from_nonoverlapping(shared, ram()) };
        let found = found(copy);
        if seen.last() != Some(&found) {
            seen.push(found);
        }
    });
    assert_eq!(seen, expected);
    println!("table::{test}: {stops} stops, {changes} states of memory");
}

#[test]
fn an_allocation_preserves_a_whole_block_of_zeros_or_none() {
    interrupted(
        "an_allocation_preserves_a_whole_block_of_zeros_or_none",
        |_| {},
        |old| {
            for size in [4096, 8192, 65536] {
                old.pages.alloc_preserve(size).unwrap();
            }
        },
        &[
            &ALL,
            &[(1, 0), (1, 1), (2, 2), (16, 3)],
            &[(1, 0), (1, 1), (2, 0), (2, 2), (16, 3)],
            &[(1, 0), (1, 1), (2, 0), (2, 2), (16, 0), (16, 3)],
        ],
    );
}

#[test]
fn a_block_is_freed_whole_or_not() {
    interrupted(
        "a_block_is_freed_whole_or_not",
        |_| {},
        |old| {
            for &(block, size) in &old.blocks {
                // SAFETY: 1. from `boot`. 2. Once.
                unsafe { old.pages.unpreserve_free(block.ptr, size) };
            }
        },
        &[&ALL, &[(2, 2), (16, 3)], &[(16, 3)], &[]],
    );
}

#[test]
fn a_claimed_block_is_freed_whole_or_not() {
    interrupted(
        "a_claimed_block_is_freed_whole_or_not",
        |old| {
            old.restart();
            old.claim();
        },
        |old| {
            for &(block, size) in &old.blocks {
                // SAFETY: 1. from `claim`. 2. Once.
                unsafe { old.pages.restore_free(block.ptr, size) };
            }
        },
        &[&ALL, &[(2, 2), (16, 3)], &[(16, 3)], &[]],
    );
}

#[test]
fn claiming_and_giving_back_lose_nothing() {
    interrupted(
        "claiming_and_giving_back_lose_nothing",
        Old::restart,
        |old| {
            old.claim();
            for &(block, size) in &old.blocks {
                // SAFETY: 1. from `claim`. 2. Once.
                unsafe { old.pages.unrestore(block.ptr, size) };
            }
        },
        &[&ALL],
    );
}

#[test]
fn pages_of_freed_blocks_are_used_again_as_if_new() {
    interrupted(
        "pages_of_freed_blocks_are_used_again_as_if_new",
        |old| old.allocate(1, 4),
        |old| {
            for (block, size) in old.blocks.drain(..) {
                // SAFETY: 1. from `allocate`. 2. Once.
                unsafe { old.pages.unpreserve_free(block.ptr, size) };
                old.pages.alloc_preserve(8192).unwrap();
            }
        },
        &[
            &[(1, 1), (1, 4), (2, 2), (16, 3)],
            &[(1, 4), (2, 2), (16, 3)],
            &[(1, 4), (2, 0), (2, 2), (16, 3)],
            &[(1, 4), (2, 0), (16, 3)],
            &[(1, 4), (2, 0), (2, 0), (16, 3)],
            &[(1, 4), (2, 0), (2, 0)],
            &[(1, 4), (2, 0), (2, 0), (2, 0)],
            &[(2, 0), (2, 0), (2, 0)],
            &[(2, 0), (2, 0), (2, 0), (2, 0)],
        ],
    );
}

#[test]
fn taking_over_loses_nothing() {
    interrupted(
        "taking_over_loses_nothing",
        Old::have_all_kinds,
        Old::restart,
        &[&[(1, 1), (1, 4), (2, 2), (16, 3)]],
    );
}

#[test]
fn a_table_of_blocks_that_overlap_or_are_out_of_place_is_refused() {
    drop(Old::boot(memory::map(memory::file(ram()), ram())));
    // SAFETY: memory is mapped there, and through atomics alone it is used.
    let table = unsafe { slice::from_raw_parts(reach(POOL).cast::<AtomicU8>().as_ptr(), 64) };
    let block_of_16 = table[16].load(Relaxed);
    for (page, byte) in table.iter().enumerate() {
        let before = byte.swap(block_of_16, Relaxed);
        // SAFETY: as in `found`; to a refused table nothing happens.
        let adopted = unsafe { Pages::new().adopt(POOL) };
        assert_eq!(adopted.is_some(), [16, 32, 48].contains(&page), "page {page}");
        byte.store(before, Relaxed);
    }
}

#[test]
fn every_page_can_be_allocated_again() {
    let old = Old::boot(memory::map(memory::file(ram()), ram()));
    for free in [42, 42] {
        let blocks: Vec<_> = iter::from_fn(|| old.pages.alloc_preserve(PAGE_SIZE).ok()).collect();
        assert_eq!(blocks.len(), free);
        for block in blocks {
            // SAFETY: 1. from `alloc_preserve` above. 2. Once.
            unsafe { old.pages.unpreserve_free(block.ptr, PAGE_SIZE) };
        }
    }
}

#[test]
fn a_sweep_frees_what_is_not_claimed() {
    interrupted(
        "a_sweep_frees_what_is_not_claimed",
        Old::have_all_kinds,
        |old| assert_eq!(old.pages.sweep(), 1),
        &[&[(1, 1), (1, 4), (2, 2), (16, 3)], &[(1, 1), (1, 4), (16, 3)]],
    );
}
