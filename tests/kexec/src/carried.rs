//! A million records that every kernel goes on with where they are.
//!
//! The first kernel fills a set. Each of the next ones adopts it, and changes, removes and adds some
//! records; the last one frees it. What a record has to be is told by a model on the heap, in which
//! every kernel goes through what all kernels before it did.
//!
//! Unsafe is open here to look at headers before anybody has claimed a block.

#![expect(unsafe_code, reason = "reads memory that nobody has claimed")]

use alloc::format;
use alloc::vec::Vec;
use core::ptr::NonNull;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{Descriptor, IncomingSet, OutgoingSet, PhysAddr, Region, scan};

use crate::boot::reach;
use crate::counted::Counted;
use crate::verdict::{Verdict, ensure};
use crate::{memory, root};

/// Records that the first kernel leaves, and how many each one after it removes and adds.
const RECORDS: usize = 1_000_000;
const REMOVED: usize = 10_000;
const ADDED: usize = 20_000;
/// Kernels that do so.
const CARRYING: usize = 2;

/// What the descriptor calls the records.
pub(crate) const TAG: u64 = 0x6361_7272_6965_6400;

type Incoming<'a> = IncomingSet<Record, Counted<'a>>;
type Outgoing<'a> = OutgoingSet<Record, Counted<'a>>;

/// A record of 64 bytes, which knows where it is.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Record {
    /// The physical address that it was written to.
    addr: u64,
    /// What the model says of it.
    model: u64,
    words: [u64; 6],
}

impl Record {
    fn new(model: u32, addr: Option<PhysAddr>) -> Self {
        let model = u64::from(model);
        let word = |n: u64| (model << 8 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let addr = addr.map_or(0, PhysAddr::get);
        Self { addr, model, words: [0, 1, 2, 3, 4, 5].map(word) }
    }
}

/// What each record has to be: its number, and in the upper 4 bits the kernel that wrote it last.
struct Model(Vec<u32>);

impl Model {
    /// As kernel `number` finds the records.
    fn found_by(number: u64) -> Self {
        let mut model = Vec::with_capacity(RECORDS + CARRYING * (ADDED - REMOVED));
        model.extend((0..RECORDS).map(|n| written_by(n as u32, 1)));
        let mut model = Self(model);
        (2..number).for_each(|kernel| model.change(kernel));
        model
    }

    /// As kernel `number` leaves them.
    fn change(&mut self, number: u64) {
        for position in changed(number, self.0.len()) {
            self.0[position] = written_by(self.0[position], number);
        }
        for position in removed(number) {
            self.0.swap_remove(position);
        }
        let first = number as usize * RECORDS;
        self.0.extend((first..first + ADDED).map(|n| written_by(n as u32, number)));
    }
}

/// What the model says of a record once kernel `number` has written it.
fn written_by(model: u32, number: u64) -> u32 {
    model & !(0xf << 28) | (number as u32) << 28
}

/// The records that kernel `number` changes, of so many.
fn changed(number: u64, len: usize) -> impl Iterator<Item = usize> {
    (number as usize..len).step_by(10)
}

/// Those that it then removes, one after the other.
fn removed(number: u64) -> impl Iterator<Item = usize> {
    (0..REMOVED).map(move |n| n * 97 + number as usize + 1)
}

/// Fills the set as the first kernel, and leaves it.
pub(crate) fn create(region: &Region) -> Verdict<Descriptor> {
    let mut set = Outgoing::new(Counted::new(region));
    set.grow(RECORDS)?;
    for &model in &Model::found_by(2).0 {
        push(&mut set, model)?;
    }
    ensure(set.allocator().allocated() == set.block_count(), "more blocks than there are")?;
    Ok(leave(set))
}

/// How many records are coming, found out without a heap; `None` if a chain is damaged.
///
/// # Safety
///
/// Nobody has been lent a block of the region.
pub(crate) unsafe fn coming(region: &Region) -> Option<usize> {
    // SAFETY: by the caller's word.
    let descriptor = unsafe { root::coming(region, TAG) }?;
    descriptor.check(Incoming::LAYOUT, TAG).ok()?;
    // SAFETY: by the caller's word.
    let read = |addr| unsafe { memory::read(region, addr) };
    let mut blocks = scan(descriptor.head(), Incoming::LAYOUT, read);
    blocks.try_fold(0_usize, |records, block| Some(records + block.ok()?.count))
}

/// Adds a record, which is told where it is.
fn push(set: &mut Outgoing<'_>, model: u32) -> Verdict {
    let position = set.len();
    set.push(Record::new(model, None)).map_err(|error| error.cause)?;
    write(set, position, model)
}

/// Writes a record where it is.
fn write(set: &mut Outgoing<'_>, position: usize, model: u32) -> Verdict {
    let addr = set.phys_addr(position);
    *set.get_mut(position).ok_or("there is no such record")? = Record::new(model, addr);
    Ok(())
}

/// Leaves the records to the next kernel.
fn leave(set: Outgoing<'_>) -> Descriptor {
    let sealed = set.seal();
    let descriptor = sealed.descriptor(TAG);
    sealed.leave();
    descriptor
}

/// Bytes of the blocks that so many records are in.
pub(crate) fn bytes_of(records: usize) -> u64 {
    blocks_of(records) as u64 * 8192
}

fn blocks_of(records: usize) -> usize {
    records.div_ceil(Incoming::CAPACITY_PER_BLOCK)
}

/// Restores the set as kernel `number`, and finds every record as it has to be, where it was written;
/// returns what the records are.
fn restore<'a>(
    region: &'a Region,
    number: u64,
    descriptor: &Descriptor,
) -> Verdict<(Incoming<'a>, Model)> {
    let set = Incoming::restore_from(Counted::new(region), descriptor, TAG)?;
    let model = Model::found_by(number);
    ensure(set.len() == model.0.len(), "another number of records")?;
    for ((position, record), &model) in set.iter().enumerate().zip(&model.0) {
        let addr = set.phys_addr(position);
        if *record != Record::new(model, addr) {
            return Err(format!("record {position} differs").into());
        }
        let mapped = addr.map(|addr| reach(addr.get()).cast());
        ensure(mapped == Some(NonNull::from(record)), "a record has moved")?;
    }
    Ok((set, model))
}

/// Claims half of the blocks, and faults.
pub(crate) fn claim_half_and_fault(region: &Region, descriptor: &Descriptor) -> Verdict {
    let half = blocks_of(descriptor.entries as usize) / 2;
    Incoming::restore_from(Counted::faulting_at_claim(region, half), descriptor, TAG)?;
    Err("there was no fault".into())
}

/// Blocks that kernel `number` carries before it faults, and how many there are: a quarter in the
/// first kernel that does so, then half, then three quarters.
pub(crate) fn carried_until_fault(number: u64, descriptor: &Descriptor) -> (usize, usize) {
    let blocks = blocks_of(descriptor.entries as usize);
    (blocks * (number as usize - 1) / 4, blocks)
}

/// Claims every block, carries some, and faults.
pub(crate) fn carry_some_and_fault(
    region: &Region,
    number: u64,
    descriptor: &Descriptor,
) -> Verdict {
    let (some, _) = carried_until_fault(number, descriptor);
    let watched = Counted::faulting_at_carry(region, some);
    let set = Incoming::restore_from(watched, descriptor, TAG)?;
    set.adopt().map_err(|error| error.into_kind())?;
    Err("there was no fault".into())
}

/// Goes on with the records as kernel `number`, and leaves them to the next, which `name` tells where
/// they are. Returns how many there were, and where they are.
pub(crate) fn carry(
    region: &Region,
    number: u64,
    descriptor: &Descriptor,
    name: impl FnOnce(&Descriptor) -> Verdict,
) -> Verdict<(usize, Option<Descriptor>)> {
    let (set, mut model) = restore(region, number, descriptor)?;
    let found = set.len();
    let mut set = set.adopt().map_err(|error| error.into_kind())?;
    // From here on there may be other numbers of records than the old descriptor promises.
    name(&set.descriptor(TAG))?;
    let blocks: Vec<_> = set.block_addrs().collect();

    model.change(number);
    for position in changed(number, found) {
        let was = set.get(position).ok_or("there is no such record")?.model as u32;
        write(&mut set, position, written_by(was, number))?;
    }
    for position in removed(number) {
        set.swap_remove(position).ok_or("there is nothing to remove")?;
        // The last record is here now.
        let moved = set.get(position).ok_or("there is no such record")?.model as u32;
        write(&mut set, position, moved)?;
    }
    for position in found - REMOVED..found - REMOVED + ADDED {
        push(&mut set, model.0[position])?;
    }

    ensure(set.block_addrs().zip(&blocks).all(|(is, was)| is == *was), "a block has moved")?;
    let added = set.block_count() - blocks.len();
    ensure(set.allocator().allocated() == added, "more was allocated than was added")?;
    Ok((found, Some(leave(set))))
}

/// Verifies the records as kernel `number`, and frees them, which `forget` says to the next before.
/// Returns how many there were.
pub(crate) fn free(
    region: &Region,
    number: u64,
    descriptor: &Descriptor,
    forget: impl FnOnce(),
) -> Verdict<(usize, Option<Descriptor>)> {
    let (mut set, _) = restore(region, number, descriptor)?;
    let found = set.len();
    forget();
    set.destroy();
    Ok((found, None))
}
