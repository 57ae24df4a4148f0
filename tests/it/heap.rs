//! The heap of this test binary: it counts what each thread allocates, and refuses it on request.
//!
//! A mock's tables are on the same heap, but are not what the tests want refused.
//!
//! Unsafe is open here to stand in for the global allocator, and to give a mock what is not its own.

#![expect(
    unsafe_code,
    reason = "implements the heap, by passing every call on, and misuses a mock"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr::{NonNull, null_mut};
use std::alloc::System;

use kho_block::PreservedAllocator;
use kho_block::mock::{Mock, POISON};

use crate::altered::{Altered, Change};

/// What one thread asked of the heap. Its fields have no destructors and are there before the first
/// allocation, so the allocator may use them at any time.
struct Account {
    /// Allocations asked for, refused ones included.
    asked: Cell<usize>,
    /// Allocations not freed yet.
    held: Cell<usize>,
    /// Allocations to be granted before all are refused.
    until_refusal: Cell<Option<usize>>,
    /// Whether a mock is at work, whose allocations neither count nor fail.
    sheltered: Cell<bool>,
}

thread_local! {
    static ACCOUNT: Account = const {
        Account {
            asked: Cell::new(0),
            held: Cell::new(0),
            until_refusal: Cell::new(None),
            sheltered: Cell::new(false),
        }
    };
}

/// Runs `f`, granting it `granted` allocations and refusing every later one. What is refused must
/// be a `try_reserve`: anything else aborts.
pub(crate) fn refusing<R>(granted: usize, f: impl FnOnce() -> R) -> R {
    let until_refusal = |left| ACCOUNT.with(|account| account.until_refusal.set(left));
    until_refusal(Some(granted));
    let result = f();
    until_refusal(None);
    result
}

/// Runs `f` and counts the allocations it asks for.
pub(crate) fn counting<R>(f: impl FnOnce() -> R) -> (usize, R) {
    let before = ACCOUNT.with(|account| account.asked.get());
    let result = f();
    (ACCOUNT.with(|account| account.asked.get()).wrapping_sub(before), result)
}

/// Allocations that this thread has not freed yet, but for those of [sheltered] mocks. Only
/// differences mean anything.
pub(crate) fn held() -> usize {
    ACCOUNT.with(|account| account.held.get())
}

impl Account {
    /// Counts a call; `false` if it is to be refused.
    fn ask(&self) -> bool {
        if self.sheltered.get() {
            return true;
        }
        self.asked.set(self.asked.get().wrapping_add(1));
        match self.until_refusal.get() {
            None => true,
            Some(left) => {
                self.until_refusal.set(Some(left.saturating_sub(1)));
                left > 0
            }
        }
    }

    fn hold(&self, change: isize) {
        if !self.sheltered.get() {
            self.held.set(self.held.get().wrapping_add_signed(change));
        }
    }
}

/// The system's heap, accounted for.
struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: every block comes from `System` and goes back there, with the layout it came with; null,
// for a refusal, is an answer that any caller has to expect.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !ACCOUNT.with(Account::ask) {
            return null_mut();
        }
        ACCOUNT.with(|account| account.hold(1));
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !ACCOUNT.with(Account::ask) {
            return null_mut();
        }
        ACCOUNT.with(|account| account.hold(1));
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !ACCOUNT.with(Account::ask) {
            return null_mut();
        }
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        ACCOUNT.with(|account| account.hold(-1));
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Gives a mock all the heap it asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shelter;

impl Change for Shelter {
    fn make<R>(&self, call: impl FnOnce() -> R) -> R {
        ACCOUNT.with(|account| account.sheltered.set(true));
        let result = call();
        ACCOUNT.with(|account| account.sheltered.set(false));
        result
    }
}

pub(crate) type Sheltered<'m> = Altered<'m, Shelter>;

/// A mock whose own allocations neither count nor fail.
pub(crate) const fn sheltered(mem: &Mock) -> Sheltered<'_> {
    Altered::new(mem, Shelter)
}

/// The ways to give a block back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    UnpreserveFree,
    Unrestore,
    RestoreFree,
}

/// Gives a block back to a mock, or whatever else: it finds out, and reports what is wrong.
pub(crate) fn give_back(mem: &Mock, call: Call, ptr: NonNull<u8>, size: usize) {
    match call {
        // SAFETY: a mock looks a pointer up and follows none that it does not know.
        Call::UnpreserveFree => unsafe { mem.unpreserve_free(ptr, size) },
        // SAFETY: as above.
        Call::Unrestore => unsafe { mem.unrestore(ptr, size) },
        // SAFETY: as above.
        Call::RestoreFree => unsafe { mem.restore_free(ptr, size) },
    }
}

#[test]
fn the_heap_refuses_what_it_is_told_to_and_loses_count_of_nothing() {
    let before = held();
    let (asked, got) = counting(|| {
        refusing(1, || {
            let mut first = Vec::<u64>::new();
            let mut second = Vec::<u64>::new();
            (first.try_reserve(1).is_ok(), second.try_reserve(1).is_ok(), first, second)
        })
    });
    assert_eq!((asked, got.0, got.1), (2, true, false));
    assert_eq!(held(), before.wrapping_add(1), "the first list is still there");
    drop(got);
    assert_eq!(held(), before);
}

#[test]
fn a_mock_poisons_what_is_freed_and_keeps_it_until_the_next_reboot() {
    let mem = Mock::new();
    let block = mem.alloc_preserve(64).unwrap();
    // SAFETY: a mock keeps the memory, all of it initialised, until it is rebooted or dropped.
    let bytes = || unsafe { NonNull::slice_from_raw_parts(block.ptr, 64).as_ref() }.to_vec();
    assert_eq!(bytes(), [0; 64]);
    give_back(&mem, Call::UnpreserveFree, block.ptr, 64);
    assert_eq!(bytes(), [POISON; 64]);
    let again = mem.alloc_preserve(64).unwrap();
    assert!(again.ptr != block.ptr && again.addr != block.addr, "nothing is used again");
}

#[test]
fn a_mock_gives_the_host_its_memory_back_at_the_latest_when_it_is_dropped() {
    let before = held();
    let mut mem = Mock::new();
    let [freed, _] = [64, 4096].map(|size| mem.alloc_preserve(size).unwrap());
    give_back(&mem, Call::UnpreserveFree, freed.ptr, 64);
    assert_ne!(held(), before);
    mem.reboot();
    drop(mem);
    assert_eq!(held(), before);
}
