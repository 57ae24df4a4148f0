//! A million records that every kernel goes on with where they are, in a region that stays.
//!
//! The first kernel makes a `Region` of memory that no other allocator knows, and fills a set in it.
//! Each of the next ones opens the region, adopts the set, and changes, removes and adds some records;
//! the last one frees it. What a record has to be is told by a model on the heap, in which every
//! kernel goes through what all kernels before it did.
//!
//! Unsafe is open here to take charge of the region's memory.

#![expect(unsafe_code, reason = "takes charge of the region's memory")]

use alloc::format;
use alloc::vec::Vec;
use core::ptr::NonNull;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{BlockHeader, IncomingSet, OutgoingSet, PhysAddr, Region, RegionError, scan};

use crate::boot::{RAM, REGION, reach};
use crate::counted::Counted;
use crate::workloads::{Verdict, ensure};

/// Records that the first kernel leaves, and how many each one after it removes and adds.
const RECORDS: usize = 1_000_000;
const REMOVED: usize = 10_000;
const ADDED: usize = 20_000;
/// Kernels that do so.
const CARRYING: usize = 2;

/// What the descriptor calls the records.
const TAG: u64 = 0x6361_7272_6965_6400;

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

/// Where the region is.
const BASE: PhysAddr = PhysAddr::new(REGION).expect("it is not at 0");

/// The region's memory, as this kernel has mapped it.
fn memory() -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(reach(REGION), (RAM - REGION) as usize)
}

/// Makes the region as the first kernel, and leaves the records in it.
///
/// # Safety
///
/// Nobody else uses the memory from [`REGION`] to [`RAM`].
pub(crate) unsafe fn create() -> Verdict {
    // SAFETY: 1. `boot.s` has mapped it. 2. `reach` says so. 3. by the caller's word.
    let blank = unsafe { Region::open(BASE, memory()) };
    ensure(blank.is_err_and(|error| error == RegionError::Blank), "there is a region already")?;
    // SAFETY: as above.
    let region = unsafe { Region::create(BASE, memory()) }?;
    let mut set = Outgoing::new(Counted::new(&region));
    set.grow(RECORDS)?;
    for &model in &Model::found_by(2).0 {
        push(&mut set, model)?;
    }
    ensure(set.allocator().allocated() == set.block_count(), "more blocks than there are")?;
    leave(&region, set)
}

/// Takes the region over from the previous kernel.
///
/// # Errors
///
/// If there is none.
///
/// # Safety
///
/// That of [`create`].
pub(crate) unsafe fn open() -> Result<Region, RegionError> {
    // SAFETY: 1. `boot.s` has mapped it. 2. `reach` says so. 3. by the caller's word.
    unsafe { Region::open(BASE, memory()) }
}

/// How many records are coming, found out without a heap; `None` if the chain is damaged.
///
/// # Safety
///
/// Nobody has been lent a block of the region.
pub(crate) unsafe fn coming(region: &Region) -> Option<usize> {
    let root = region.root()?;
    root.check(Incoming::LAYOUT, TAG).ok()?;
    let mut blocks = scan(root.head(), Incoming::LAYOUT, |addr| {
        // SAFETY: by the caller's word.
        unsafe { header(region, addr) }
    });
    blocks.try_fold(0_usize, |records, block| Some(records + block.ok()?.count))
}

/// The header at an address, if that is in the region.
///
/// # Safety
///
/// That of [`coming`].
unsafe fn header(region: &Region, addr: PhysAddr) -> Option<BlockHeader> {
    let offset = addr.get().checked_sub(region.base().get())? as usize;
    if offset > region.size() - size_of::<BlockHeader>() {
        return None;
    }
    // SAFETY: it lies in the region, which is mapped and initialised, and nobody writes to it.
    Some(unsafe { reach(addr.get()).cast().read_unaligned() })
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

/// Tells the next kernel where the records are, and leaves them.
fn leave(region: &Region, set: Outgoing<'_>) -> Verdict {
    let sealed = set.seal();
    region.set_root(Some(&sealed.descriptor(TAG)));
    sealed.leave();
    Ok(())
}

/// Restores the set as kernel `number`, and finds every record as it has to be, where it was written;
/// returns what the records are.
fn restore(region: &Region, number: u64) -> Verdict<(Incoming<'_>, Model)> {
    let root = region.root().ok_or("there is no root")?;
    let set = Incoming::restore_from(Counted::new(region), &root, TAG)?;
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
pub(crate) fn claim_half_and_fault(region: &Region) -> Verdict {
    let root = region.root().ok_or("there is no root")?;
    let half = blocks_of(root.entries as usize) / 2;
    Incoming::restore_from(Counted::faulting(region, half), &root, TAG)
        .map_err(|error| format!("{error}"))?;
    Err("there was no fault".into())
}

/// Finds no other blocks than the records', and none of them claimed.
pub(crate) fn find_unclaimed(region: &Region) -> Verdict {
    let root = region.root().ok_or("there is no root")?;
    let blocks = region.unclaimed().filter(|block| !block.given_back).count();
    ensure(blocks == blocks_of(root.entries as usize), "another number of blocks is left")
}

/// Blocks that so many records are in.
fn blocks_of(records: usize) -> usize {
    records.div_ceil(Incoming::CAPACITY_PER_BLOCK)
}

/// Goes on with the records as kernel `number`, and leaves them to the next. Returns how many there
/// were.
pub(crate) fn carry(region: &Region, number: u64) -> Verdict<usize> {
    let (set, mut model) = restore(region, number)?;
    let found = set.len();
    ensure(region.unclaimed().next().is_none(), "other blocks are left")?;
    let mut set = set.adopt().map_err(|error| error.into_kind())?;
    // From here on there may be other numbers of records than the old root promises.
    region.set_root(Some(&set.descriptor(TAG)));
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
    leave(region, set)?;
    Ok(found)
}

/// Verifies the records as kernel `number`, and frees them. Returns how many there were.
pub(crate) fn free(region: &Region, number: u64) -> Verdict<usize> {
    let (mut set, _) = restore(region, number)?;
    let found = set.len();
    region.set_root(None);
    set.destroy();
    let is_empty = region.preserved().count() == 1 && region.unclaimed().next().is_none();
    ensure(is_empty, "blocks are left")?;
    Ok(found)
}
