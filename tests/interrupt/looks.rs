//! What is read and written of a set and of a table, as the processor tells: of restoring, each header
//! and each stamp once, and nothing else.
//!
//! The blocks lie in pages that are closed. An instruction that touches one faults; the handler takes
//! note of where, and whether it was to write, opens that page, and lets the one instruction run: a
//! trap behind it closes all pages again.
//!
//! Unsafe is open here to map the pages and to handle the signals.

#![expect(unsafe_code, reason = "closes pages, and handles signals")]
#![expect(clippy::arithmetic_side_effects, reason = "the numbers of a test are small")]

use core::ffi::{c_int, c_void};
use core::ptr::{NonNull, without_provenance_mut};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU64, AtomicUsize, compiler_fence};
use std::sync::{Mutex, PoisonError};

use kho_block::{
    Entry, IncomingSet, IncomingSlots, Key, OutgoingSet, OutgoingSlots, PhysAddr, RestoreChecks,
    RestoreErrorKind,
};
use nix::libc::{REG_EFL, REG_ERR, siginfo_t, ucontext_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rustix::mm::{MprotectFlags, mprotect};

use crate::memory::{file, map};
use crate::ram::{Books, Ram};

const PAGE_SIZE: usize = 4096;
const BLOCK_SIZE: usize = 2 * PAGE_SIZE;
const BLOCKS: usize = 3;
const SIZE: usize = BLOCKS * BLOCK_SIZE;
/// The physical address of each block.
const ADDRS: [u64; BLOCKS] = [0x1_0000_0000, 0x1_0000_2000, 0x1_0000_4000];

/// Of the second slot in a block the stamp ends a page, and the entry starts the next one.
type Large = [u64; 508];

/// One instruction that touches a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// It reads at this offset of all blocks.
    Read(usize),
    /// It writes, or reads and writes.
    Write(usize),
}
use Look::{Read, Write};

/// Where the closed pages are.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// What touched them: offsets, shifted to the left by one, with a one for a write.
static LOOKS: [AtomicUsize; 1 << 12] = [const { AtomicUsize::new(0) }; 1 << 12];
/// How often they were touched.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Taken by who closes pages: the handlers, and the words above, are those of the process.
static TURN: Mutex<()> = Mutex::new(());

/// Opens or closes pages.
fn protect(addr: usize, size: usize, access: MprotectFlags) {
    let ptr = without_provenance_mut(addr);
    // SAFETY: the pages are those of blocks, which stay mapped. To who runs meanwhile the handlers make
    // no difference.
    unsafe { mprotect(ptr, size, access) }.unwrap();
}

/// A register of the instruction that was interrupted.
fn register(context: *mut c_void, number: c_int) -> *mut i64 {
    let context = context.cast::<ucontext_t>();
    // SAFETY: the kernel hands a handler such a context.
    let registers = unsafe { &raw mut (*context).uc_mcontext.gregs };
    registers.cast::<i64>().wrapping_add(usize::try_from(number).unwrap())
}

/// Says whether a trap follows the instruction.
fn trap(context: *mut c_void, follows: bool) {
    const TRAP: i64 = 1 << 8;
    let flags = register(context, REG_EFL);
    // SAFETY: a register of the context, which is the handler's.
    let before = unsafe { flags.read() };
    let after = if follows { before | TRAP } else { before & !TRAP };
    // SAFETY: as above.
    unsafe { flags.write(after) };
}

extern "C" fn on_fault(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands the handler of a fault such information.
    let info = unsafe { &*info };
    // SAFETY: of a fault the address is known.
    let addr = unsafe { info.si_addr() }.addr();
    let offset = addr.wrapping_sub(BASE.load(Relaxed));
    if offset >= SIZE {
        std::process::abort();
    }
    // SAFETY: a register of the context, which is the handler's.
    let error = unsafe { register(context, REG_ERR).read() };
    let number = COUNT.fetch_add(1, Relaxed);
    if let Some(look) = LOOKS.get(number) {
        look.store(offset << 1 | usize::from(error & 2 != 0), Relaxed);
    }
    protect(addr & !(PAGE_SIZE - 1), PAGE_SIZE, MprotectFlags::READ | MprotectFlags::WRITE);
    trap(context, true);
}

extern "C" fn on_trap(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    protect(BASE.load(Relaxed), SIZE, MprotectFlags::empty());
    trap(context, false);
}

/// Handles a signal until it is dropped.
struct Handled(Signal, SigAction);

impl Handled {
    fn by(signal: Signal, handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void)) -> Self {
        let handler = SigHandler::SigAction(handler);
        let action = SigAction::new(handler, SaFlags::SA_SIGINFO, SigSet::empty());
        // SAFETY: the handlers call nothing but what a handler may: they store words, and change the
        // protection of pages.
        let before = unsafe { sigaction(signal, &action) }.unwrap();
        Self(signal, before)
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        // SAFETY: it is what was handled before.
        unsafe { sigaction(self.0, &self.1) }.unwrap();
    }
}

/// Blocks in pages that can be closed; what is known of them lies elsewhere.
struct Pages {
    words: &'static [AtomicU64],
    books: Books,
}

impl Pages {
    fn new() -> Self {
        let words =
            NonNull::slice_from_raw_parts(map(file(SIZE), SIZE).cast::<AtomicU64>(), SIZE / 8);
        // SAFETY: so many words are mapped for good.
        Self { words: unsafe { words.as_ref() }, books: Books::default() }
    }

    fn ram(&self) -> Ram<'_> {
        Ram::new(self.words, &ADDRS, &self.books)
    }

    /// What `work` touches, instruction by instruction.
    fn looks<R>(&self, work: impl FnOnce() -> R) -> (Vec<Look>, R) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.words.as_ptr().addr();
        BASE.store(base, Relaxed);
        COUNT.store(0, Relaxed);
        let handled =
            [Handled::by(Signal::SIGSEGV, on_fault), Handled::by(Signal::SIGTRAP, on_trap)];
        protect(base, SIZE, MprotectFlags::empty());
        compiler_fence(core::sync::atomic::Ordering::SeqCst);
        let result = work();
        compiler_fence(core::sync::atomic::Ordering::SeqCst);
        protect(base, SIZE, MprotectFlags::READ | MprotectFlags::WRITE);
        drop(handled);
        let count = COUNT.load(Relaxed);
        assert!(count <= LOOKS.len(), "{count} are too many");
        let look = |look: &AtomicUsize| match look.load(Relaxed) {
            read if read & 1 == 0 => Read(read >> 1),
            write => Write(write >> 1),
        };
        (LOOKS.iter().take(count).map(look).collect(), result)
    }
}

type Table<'m, T> = OutgoingSlots<T, Ram<'m>, BLOCK_SIZE>;
type Taken<'m, T> = IncomingSlots<T, Ram<'m>, BLOCK_SIZE>;

/// Where the stamp of a slot is, in all blocks; the entry is behind it.
fn stamp<T: Entry>(slot: usize) -> usize {
    let per_block = Table::<T>::SLOTS_PER_BLOCK;
    slot / per_block * BLOCK_SIZE + 16 + slot % per_block * (8 + size_of::<T>())
}

/// Leaves a table of so many slots in three blocks, of which every third one is free; returns where it
/// starts, and the keys of the others.
fn leave<T: Entry>(pages: &Pages, slots: usize) -> (Option<PhysAddr>, Vec<Key>) {
    let mut table = Table::<T>::new(pages.ram());
    let mut keys: Vec<Key> =
        (0..slots).map(|_| table.insert(T::new_zeroed()).map_err(drop).unwrap()).collect();
    keys.retain(|&key| key.slot % 3 != 1 || table.remove(key).is_none());
    assert_eq!(table.block_count(), BLOCKS);
    let head = table.seal().leave();
    pages.books.reboot();
    (head, keys)
}

/// Restoring reads each header once, and each stamp once: two words for each block, in the order of
/// the chain, and then a word for each slot.
fn assert_restored_by_a_look_at_each<T: Entry>(slots: usize) {
    let pages = Pages::new();
    let (head, keys) = leave::<T>(&pages, slots);
    let (looks, table) = pages.looks(|| Taken::<T>::restore(pages.ram(), head).unwrap());
    let headers = (0..BLOCKS).flat_map(|block| [0, 8].map(|word| Read(block * BLOCK_SIZE + word)));
    let stamps = (0..slots).map(|slot| Read(stamp::<T>(slot)));
    assert_eq!(looks, headers.chain(stamps).collect::<Vec<_>>());
    assert!(table.iter().map(|(key, _)| key).eq(keys));
}

#[test]
fn restoring_a_table_reads_each_header_and_each_stamp_once_and_writes_nothing() {
    assert_eq!(stamp::<Large>(1) + 8, PAGE_SIZE);
    assert_restored_by_a_look_at_each::<Large>(5);
    assert_restored_by_a_look_at_each::<Large>(6);
    let small = Table::<u64>::SLOTS_PER_BLOCK;
    assert_restored_by_a_look_at_each::<u64>(2 * small + 1);
    assert_restored_by_a_look_at_each::<u64>(3 * small);
}

#[test]
fn a_look_up_reads_one_stamp_and_iterating_reads_each_once() {
    let pages = Pages::new();
    let slots = 2 * Table::<u64>::SLOTS_PER_BLOCK + 2;
    let (head, keys) = leave::<u64>(&pages, slots);
    let table = Taken::<u64>::restore(pages.ram(), head).unwrap();
    let [.., last] = keys[..] else { panic!("there are keys") };
    for key in [keys[0], last, Key { slot: 1, life: 1 }, Key { slot: 0, life: 3 }] {
        let slot = usize::try_from(key.slot).unwrap();
        let looks = [
            pages.looks(|| table.get(key).is_some()).0,
            pages.looks(|| table.contains(key)).0,
            pages.looks(|| table.entry_ptr(key)).0,
            pages.looks(|| table.key_at(key.slot)).0,
        ];
        assert!(looks.iter().all(|looks| looks[..] == [Read(stamp::<u64>(slot))]), "{looks:?}");
    }
    let beyond = Key { slot: u32::try_from(slots).unwrap(), life: 1 };
    assert_eq!(pages.looks(|| (table.contains(beyond), table.key_at(beyond.slot))).0, []);

    let stamps = || (0..slots).map(|slot| Read(stamp::<u64>(slot)));
    let (looks, count) = pages.looks(|| table.iter().count());
    assert_eq!((looks, count), (stamps().collect(), keys.len()));
    let (looks, count) = pages.looks(|| table.iter().rev().count());
    assert_eq!((looks, count), (stamps().rev().collect(), keys.len()));
}

#[test]
fn inserting_and_removing_touch_one_slot_the_entry_and_its_stamp_in_the_order_of_publication() {
    let pages = Pages::new();
    let slots = 2 * Table::<u64>::SLOTS_PER_BLOCK + 2;
    let (head, keys) = leave::<u64>(&pages, slots);
    let mut table = Taken::<u64>::restore(pages.ram(), head).unwrap().adopt().unwrap();
    // Into a free slot: of three in a row, the one in the middle.
    let at = stamp::<u64>(1);
    let (looks, key) = pages.looks(|| table.insert(7).unwrap());
    assert_eq!(key, Key { slot: 1, life: 3 });
    assert_eq!(looks, [Read(at), Write(at + 8), Write(at)], "the entry first");
    let (looks, entry) = pages.looks(|| table.remove(key));
    assert_eq!(entry, Some(7));
    assert_eq!(looks, [Read(at), Write(at), Read(at + 8), Write(at + 8)], "the stamp first");
    let (looks, entry) = pages.looks(|| table.remove(key));
    assert_eq!((looks, entry), (vec![Read(at)], None));

    // Behind the last one, once no other is free: it is counted last.
    let free = slots - keys.len();
    for _ in 0..free {
        assert!(usize::try_from(table.insert(7).unwrap().slot).unwrap() < slots);
    }
    let at = stamp::<u64>(slots);
    let (looks, key) = pages.looks(|| table.insert(7).unwrap());
    assert_eq!(usize::try_from(key.slot).unwrap(), slots);
    assert_eq!(looks, [Write(at + 8), Write(at), Write(2 * BLOCK_SIZE + 8)]);
}

#[test]
fn restoring_a_set_reads_each_header_once_and_writes_nothing() {
    type Set<'m> = OutgoingSet<u64, Ram<'m>, BLOCK_SIZE>;
    type Restored<'m> = IncomingSet<u64, Ram<'m>, BLOCK_SIZE>;
    const CAPACITY: usize = Set::CAPACITY_PER_BLOCK;
    let is_header = |look: &Look| matches!(look, Read(offset) if offset % BLOCK_SIZE < 16);
    for (blocks, missing) in [(0, 0), (1, 1), (1, 300), (2, 0), (2, 2), (3, 0), (3, 1)] {
        let pages = Pages::new();
        let len = blocks * CAPACITY - missing;
        let mut set = Set::new(pages.ram());
        set.extend_from_slice(&vec![7; len]).unwrap();
        let head = set.into_head();
        pages.books.reboot();
        let headers = || (0..blocks).flat_map(|n| [0, 8].map(|word| Read(n * BLOCK_SIZE + word)));
        let all = [RestoreChecks::empty(), RestoreChecks::all()];
        for checks in all {
            let restore = || Restored::restore_with(pages.ram(), head, checks).unwrap();
            let (looks, set) = pages.looks(restore);
            set.audit().unwrap();
            assert!(set.iter().eq(&vec![7; len]));
            let (looks, tail): (Vec<_>, Vec<_>) = looks.into_iter().partition(is_header);
            assert_eq!(looks, headers().collect::<Vec<_>>());
            // A check of what is behind the entries reads the room of those that are missing, once.
            let room = blocks * BLOCK_SIZE - missing * 8..blocks * BLOCK_SIZE;
            let is_room = |look: &Look| matches!(look, Read(at) if room.contains(at));
            assert!(tail.iter().all(is_room) && tail.is_sorted_by(|a, b| a < b), "{tail:?}");
            assert_eq!(tail.is_empty(), checks.is_empty() || missing == 0);
        }

        // Nor does a walk that ends in an error, and it gives back what it had.
        let Some(last) = blocks.checked_sub(1) else { continue };
        let count = &pages.words[last * BLOCK_SIZE / 8 + 1];
        let was = count.swap(u64::MAX, Relaxed);
        for checks in all {
            let restore = || Restored::restore_with(pages.ram(), head, checks).unwrap_err();
            let (looks, error) = pages.looks(restore);
            let kind = RestoreErrorKind::CountTooLarge { count: u64::MAX, capacity: CAPACITY };
            assert_eq!((error.kind, error.block, error.addr.get()), (kind, last, ADDRS[last]));
            assert_eq!(looks, headers().collect::<Vec<_>>());
            assert_eq!(pages.books.claimed.load(Relaxed), 0);
        }
        count.store(was, Relaxed);
        assert_eq!(Restored::restore(pages.ram(), head).unwrap().len(), len);
    }
}
