//! The order of a handover, on both sides of the jump.
//!
//! Everything that a kernel leaves is preserved memory: the chains, the image of the kernel to be
//! started, and the root page that says where they are. Two addresses pass in registers, those of
//! the root page and of the table of pages. The region is always at the same place, and says itself
//! where to start.
//!
//! Unsafe is open here to use bare blocks, to adopt what the previous kernel left, and to jump.

#![expect(unsafe_code, reason = "goes from one kernel to the next")]

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{Descriptor, PhysAddr, PreservedAllocator, PreservedBlock, Region};

use crate::ahead::{self, Ahead};
use crate::boot::{self, Exit, POISON, reach, say, ticks};
use crate::carried;
use crate::fault::{self, Next};
use crate::jump::Kernel;
use crate::pages::{PAGE_SIZE, PAGES, State};
use crate::refusals::AllLeft;
use crate::workloads::{Costs, Descriptors, File, Handover, Verdict, WORKLOADS, ensure};

/// The root page: where the next kernel finds everything else.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Root {
    /// The number of the kernel that wrote it.
    from: u64,
    /// The ELF file that the next kernel was started from, and starts another from.
    image: u64,
    image_len: u64,
    /// Ticks that sealing took, and the tick at which the jump began.
    seal: u64,
    left_at: u64,
    /// Whether the kernel that it is written for has faulted once.
    faulted: u64,
    /// Of each workload.
    descriptors: Descriptors,
    /// Of the chains to be refused.
    refusals: AllLeft,
    /// Of the set that is not sealed.
    ahead: Descriptor,
}

/// The kernel that does not start another.
pub const LAST: u64 = 4;

/// Makes the region as the first kernel, and leaves records in it.
///
/// # Safety
///
/// Nobody else uses the memory from [`REGION`](boot::REGION) to [`RAM`](boot::RAM).
pub unsafe fn create_region() {
    // SAFETY: by the caller's word.
    let created = unsafe { carried::create() };
    let step = "finds no region, makes one, and leaves 1000000 records there";
    required(format_args!("kernel 1 {step}"), created);
}

/// Saves everything as kernel `number`, and jumps into the kernel whose ELF file is `image`, after
/// a jump that fails.
///
/// # Safety
///
/// [`PAGES`] is in charge, and the pages that the jump runs in are no one's.
pub unsafe fn save_and_jump(number: u64, image: &[u8]) -> ! {
    let mut handover = Handover { from: number, tag: 0, costs: Costs::default() };
    let ready = WORKLOADS.map(|row| {
        let saved = (row.save)(&mut handover);
        handover.tag += 1;
        required(format_args!("kernel {number} saves {}", row.name), saved)
    });
    let seal = handover.costs.seal;
    let descriptors = ready.each_ref().map(|set| set.descriptor());
    let refusals = AllLeft::save(&mut handover, &descriptors);
    let refusals = required(format_args!("kernel {number} saves damaged chains"), refusals);
    handover.tag += 1;
    let ahead = Ahead::new(&handover);
    let step = format_args!("kernel {number} names a set that it will not seal");
    let mut ahead = required(step, ahead);
    let mut root = Root {
        from: number,
        image: 0,
        image_len: 0,
        seal,
        left_at: 0,
        faulted: 0,
        descriptors,
        refusals,
        ahead: ahead.descriptor,
    };

    let before = PAGES.count(State::Outgoing);
    // SAFETY: by the caller's word.
    let failed = match unsafe { prepare(b"no kernel", &mut root) } {
        Ok(_) => Err("it is loaded".into()),
        Err(_) => ensure(PAGES.count(State::Outgoing) == before, "a root page is left"),
    };
    required(format_args!("kernel {number} does not jump into what is no kernel"), failed);
    let mut sets = root.descriptors.iter_mut().zip(ready);
    let went_on = sets.try_for_each(|(descriptor, set)| {
        *descriptor = set.go_on(&mut handover)?;
        Ok(())
    });
    required(format_args!("kernel {number} unseals every set and goes on"), went_on);

    // SAFETY: by the caller's word; nothing was loaded before.
    let prepared = unsafe { prepare(image, &mut root) };
    let (kernel, root) = required(format_args!("kernel {number} loads the next"), prepared);
    required(format_args!("kernel {number} fills that set, and jumps"), ahead.fill(&handover));
    // SAFETY: the block with the image is the next kernel's, and nobody writes to it.
    unsafe { kernel.enter(root, PAGES.table()) }
}

/// Prepares the jump into the kernel whose ELF file is `image`, which is left to it, as is the root
/// page: the last thing that allocates. On an error both are withdrawn.
///
/// # Safety
///
/// That of [`save_and_jump`], and no kernel that was loaded before is jumped into.
unsafe fn prepare(image: &[u8], root: &mut Root) -> Verdict<(Kernel, PhysAddr)> {
    let image_at = leave(image)?;
    PAGES.for_each_free(|page| page.fill(POISON));
    (root.image, root.image_len, root.left_at) = (image_at.get(), image.len() as u64, ticks());
    let root_at = leave(root.as_bytes())?;
    // SAFETY: by the caller's word.
    let Some(kernel) = (unsafe { Kernel::load(image, image_at) }) else {
        for (addr, len) in [(root_at, size_of::<Root>()), (image_at, image.len())] {
            // SAFETY: 1. `leave` allocated it. 2. Nobody was told of it.
            unsafe { PAGES.unpreserve_free(reach(addr.get()), block_for(len)) };
        }
        return Err("the boot module is no kernel".into());
    };
    Ok((kernel, root_at))
}

/// Takes over from the previous kernel, restores and verifies everything, and frees it. Returns the
/// number of this kernel, and the ELF file that it was started from.
///
/// # Safety
///
/// `root` and `table` are what `kernel` was called with, by a kernel that jumped, and this is the
/// first thing it does.
#[must_use]
pub unsafe fn restore_all(root: u64, table: u64) -> (u64, Vec<u8>) {
    let arrived_at = ticks();
    // SAFETY: by the caller's word.
    let mut poisoned = unsafe { boot::heap_is_poisoned() };
    // SAFETY: the region's memory is nobody else's; `PAGES` ends before it.
    let region = unsafe { carried::open() };
    // SAFETY: it has just been opened.
    let coming = region.as_ref().ok().and_then(|region| unsafe { carried::coming(region) });
    say(format_args!("      {} records are coming: there is no heap yet", coming.unwrap_or(0)));
    // SAFETY: by the caller's word.
    unsafe { boot::make_heap() };
    // SAFETY: 1. `boot.s` has mapped it. 2. The rest of the kernel is below. 3 and 4. by the
    // caller's word.
    let adopted = unsafe { PAGES.adopt(table) };
    PAGES.for_each_free(|page| poisoned &= page.iter().all(|&word| word == POISON));

    if let Ok(region) = &region {
        // SAFETY: by the caller's word, and nothing was loaded yet.
        unsafe { fault_once(root, table, region) };
    }
    let root = take(root, size_of::<Root>());
    let Some(root) = root.and_then(|bytes| Root::read_from_bytes(&bytes).ok()) else {
        panic!("no root page");
    };
    let image = take(root.image, root.image_len as usize).unwrap_or_default();
    let number = root.from + 1;
    let verdict = |step: &str, result| _ = verdict(format_args!("kernel {number} {step}"), result);
    let poisoned = ensure(poisoned, "something else survived");
    verdict("finds poison wherever nothing was preserved", poisoned);
    let found = ensure(adopted.is_some() && !image.is_empty(), "something was lost");
    verdict("finds the table, the roots and its own image", found);

    let mut handover =
        Handover { from: root.from, tag: WORKLOADS.len() as u64, costs: Costs::default() };
    root.refusals.try_all(&mut handover, &root.descriptors, verdict);
    handover.costs = Costs::default();
    for (n, row) in WORKLOADS.iter().enumerate() {
        handover.tag = n as u64;
        let restored = (row.restore)(&mut handover, &root.descriptors[n]);
        verdict(&format!("restores {}", row.name), restored);
    }

    let Costs { restore, verify, free, .. } = handover.costs;
    handover.tag = WORKLOADS.len() as u64 + 1;
    ahead::restore_and_sweep(&mut handover, &root.ahead, verdict);
    let left = [State::Outgoing, State::Incoming, State::Claimed].map(|state| PAGES.count(state));
    let empty = ensure(left == [0; 3], "blocks are left");
    verdict("has freed everything: the table is empty", empty);

    let go_on = if number < LAST { carried::carry } else { carried::free };
    let step = if number < LAST { "goes on, without a copy, with" } else { "frees" };
    let mut records = "the".into();
    let gone_on = region.map_err(Into::into).and_then(|region| go_on(&region, number));
    let as_foreseen = match (&gone_on, coming) {
        (Ok(found), Some(coming)) => ensure(*found == coming, "another number was coming"),
        _ => Err("they were not counted".into()),
    };
    let gone_on = gone_on.map(|found| records = format!("{found}"));
    verdict(&format!("finds and {step} {records} records in the region"), gone_on);
    verdict("has counted these before it had a heap", as_foreseen);

    let jump = arrived_at.wrapping_sub(root.left_at);
    let costs = [root.seal, jump, restore, verify, free].map(|ticks| ticks / 1000);
    let [seal, jump, restore, verify, free] = costs;
    say(format_args!(
        "cost  of the workloads in 1000 ticks (emulated, for orientation): seal {seal}, \
         jump {jump}, restore {restore}, verify {verify}, free {free}"
    ));
    (number, image)
}

/// Claims what the root page names, boots this kernel again by a fault halfway through the region,
/// and gives nothing back; if that has happened before, finds every block as if it had not.
///
/// # Safety
///
/// That of [`restore_all`], and no kernel was loaded.
unsafe fn fault_once(root: u64, table: u64, region: &Region) {
    let Some(addr) = PhysAddr::new(root) else { return };
    let Some(ptr) = PAGES.restore(addr, block_for(size_of::<Root>())) else { return };
    // SAFETY: the block is as long, lent to this function alone, and any bytes are a root page.
    let root = unsafe { ptr.cast::<Root>().as_mut() };
    let number = root.from + 1;
    if root.faulted == 0 {
        // SAFETY: by the caller's word.
        let result = unsafe { fault(root, addr, table, region) };
        verdict(format_args!("kernel {number} claims half of its blocks, and faults"), result);
    } else {
        let claimed = ensure(PAGES.count(State::Claimed) == 1, "a claim was left");
        let found = claimed.and_then(|()| carried::find_unclaimed(region));
        verdict(format_args!("kernel {number} boots again, and finds no block claimed"), found);
    }
    // SAFETY: 1. from the claim above. 2. The reference is used no more.
    unsafe { PAGES.unrestore(ptr, block_for(size_of::<Root>())) };
}

/// The fault. Returns only if there is none.
///
/// # Safety
///
/// That of [`fault_once`].
unsafe fn fault(root: &mut Root, root_at: PhysAddr, table: u64, region: &Region) -> Verdict {
    let len = root.image_len as usize;
    let image_at = PhysAddr::new(root.image).ok_or("there is no image")?;
    let image = PAGES.restore(image_at, block_for(len)).ok_or("the image is not preserved")?;
    // SAFETY: the block is as long, initialised, and lent to this function alone.
    let elf = unsafe { slice::from_raw_parts(image.as_ptr(), len) };
    // SAFETY: by the caller's word.
    let kernel = unsafe { Kernel::load(elf, image_at) }.ok_or("the image is no kernel")?;
    // SAFETY: nobody writes to the image, which stays claimed until the fault.
    unsafe { fault::arm(Next { number: root.from + 1, kernel, root: root_at, table }) };

    let mut handover = Handover { from: root.from, tag: 0, costs: Costs::default() };
    let files = handover.restore::<File, 4096>(&root.descriptors[0]);
    (root.faulted, root.left_at) = (1, ticks());
    let result = carried::claim_half_and_fault(region);
    drop(files);
    // SAFETY: 1. from the claim above. 2. The bytes are used no more.
    unsafe { PAGES.unrestore(image, block_for(len)) };
    result
}

/// Whether a verdict was bad.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Says how a step ended.
fn verdict<T>(sentence: Arguments<'_>, verdict: Verdict<T>) -> Option<T> {
    match verdict {
        Ok(value) => {
            say(format_args!("ok    {sentence}"));
            Some(value)
        }
        Err(error) => {
            say(format_args!("FAIL  {sentence}: {error}"));
            FAILED.store(true, Relaxed);
            None
        }
    }
}

/// Says how a step ended without which there are no further ones.
fn required<T>(sentence: Arguments<'_>, step: Verdict<T>) -> T {
    verdict(sentence, step).unwrap_or_else(|| boot::exit(Exit::Failure))
}

/// Ends the run if a verdict was bad.
pub fn exit_if_failed() {
    if FAILED.load(Relaxed) {
        boot::exit(Exit::Failure);
    }
}

/// The block that `len` bytes take.
fn block_for(len: usize) -> usize {
    len.next_power_of_two().max(PAGE_SIZE)
}

/// Leaves bytes to the next kernel, in a block of their own.
fn leave(bytes: &[u8]) -> Verdict<PhysAddr> {
    let PreservedBlock { ptr, addr } = PAGES.alloc_preserve(block_for(bytes.len()))?;
    // SAFETY: the block is as long, and lent to this function alone.
    unsafe { ptr.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    Ok(addr)
}

/// Takes such bytes over and frees their block.
fn take(addr: u64, len: usize) -> Option<Vec<u8>> {
    let ptr = PAGES.restore(PhysAddr::new(addr)?, block_for(len))?;
    // SAFETY: the block is as long, initialised, and lent to this function alone.
    let bytes = unsafe { slice::from_raw_parts(ptr.as_ptr(), len) }.to_vec();
    // SAFETY: 1. from the claim above. 2. The bytes were copied.
    unsafe { PAGES.restore_free(ptr, block_for(len)) };
    Some(bytes)
}
