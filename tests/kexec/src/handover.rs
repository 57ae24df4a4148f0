//! The order of a handover, on both sides of the jump.
//!
//! Everything that a kernel leaves is in the region: the chains, the image of the kernel to be
//! started, and the descriptors that say where they are. Nothing else passes: the region is always at
//! the same place, and its root says where to start.
//!
//! Unsafe is open here to use bare blocks, to take charge of the region, and to jump.

#![expect(unsafe_code, reason = "goes from one kernel to the next")]

use alloc::format;
use alloc::vec::Vec;
use core::array;
use core::ptr::NonNull;
use core::slice;

use kho_block::{Descriptor, OutgoingSet, PhysAddr, PreservedAllocator, PreservedBlock, Region};

use crate::ahead::{self, Ahead};
use crate::boot::{self, reach, say, ticks};
use crate::devices::{self, Devices};
use crate::jump::Kernel;
use crate::memory::{self, block_for, in_use};
use crate::refusals::{self, AllLeft};
use crate::root::{self, Facts, Found, Roots};
use crate::verdict::{Verdict, ensure, required, verdict};
use crate::workloads::{Costs, Handover, WORKLOADS};
use crate::{again, carried};

/// The kernel that does not start another.
const LAST: u64 = 4;

/// A kernel that has taken over, with nothing but what is carried on left in the region.
pub struct Running {
    region: &'static Region,
    number: u64,
    /// The ELF file of the next kernel.
    image: Vec<u8>,
    carried: Carried,
}

/// What is never copied: the records, and the table of devices. It is all that the root names.
struct Carried {
    /// The records, the table, and its keys.
    descriptors: [Descriptor; 3],
    roots: Roots,
    /// Bytes of all these blocks.
    bytes: u64,
}

/// Makes the region as the first kernel, and leaves records in it.
///
/// # Safety
///
/// 1. Nobody else uses the memory from [`REGION`](boot::REGION) to [`RAM`](boot::RAM), nor will.
/// 2. It is the kernel's first call.
#[must_use]
pub unsafe fn begin(image: Vec<u8>) -> Running {
    // SAFETY: by the caller's word.
    let taken = unsafe { memory::take_charge() };
    let made = || -> Verdict<Running> {
        let (region, is_new) = taken?;
        ensure(is_new, "there is a region already")?;
        ensure(in_use(region) == memory::EMPTY, "there are blocks in it")?;
        let records = carried::create(region)?;
        let devices = Devices::create(region)?;
        let bytes = carried::bytes_of(records.entries as usize) + devices.bytes();
        let [table, keys] = devices.leave();
        let descriptors = [records, table, keys];
        let roots = Roots::name(region, &descriptors)?;
        Ok(Running { region, number: 1, image, carried: Carried { descriptors, roots, bytes } })
    };
    let step = "finds no region, makes one, and leaves 1000000 records and 100000 devices there";
    required(format_args!("kernel 1 {step}"), made())
}

/// Saves everything, and jumps into the next kernel, after a jump that fails.
///
/// # Safety
///
/// The pages that the jump runs in are no one's.
pub unsafe fn save_and_jump(running: Running) -> ! {
    let Running { region, number, image, carried } = running;
    let mut handover = Handover::new(region, number);
    let ready = WORKLOADS.map(|row| {
        let saved = (row.save)(&mut handover);
        handover.tag += 1;
        required(format_args!("kernel {number} saves {}", row.name), saved)
    });
    let seal = handover.costs.seal;
    let mut workloads = ready.each_ref().map(|set| set.descriptor());
    let refusals = AllLeft::save(&mut handover, &workloads);
    let refusals = required(format_args!("kernel {number} saves damaged chains"), refusals);
    handover.tag = ahead::TAG;
    let ahead = Ahead::new(&handover);
    let step = format_args!("kernel {number} names a set that it will not seal");
    let mut ahead = required(step, ahead);
    let others = [&[refusals, ahead.descriptor], &carried.descriptors[..]].concat();
    let mut facts =
        Facts { from: number, image: 0, image_len: 0, seal, left_at: 0, in_use: 0, faults: 0 };

    let before = (in_use(region), region.root());
    let all = [&workloads[..], &others].concat();
    // SAFETY: by the caller's word.
    let failed = match unsafe { prepare(region, b"no kernel", &mut facts, &all) } {
        Ok(_) => Err("it is loaded".into()),
        Err(_) => ensure((in_use(region), region.root()) == before, "a root is left"),
    };
    required(format_args!("kernel {number} does not jump into what is no kernel"), failed);
    let mut sets = workloads.iter_mut().zip(ready);
    let went_on = sets.try_for_each(|(descriptor, set)| {
        *descriptor = set.go_on(&mut handover)?;
        Ok(())
    });
    required(format_args!("kernel {number} unseals every set and goes on"), went_on);

    let all = [&workloads[..], &others].concat();
    // SAFETY: by the caller's word; nothing was loaded before.
    let prepared = unsafe { prepare(region, &image, &mut facts, &all) };
    let Prepared { kernel, facts: mut left, roots: _roots } =
        required(format_args!("kernel {number} loads the next"), prepared);
    drop(carried); // The root names others by now.
    required(format_args!("kernel {number} fills that set, and jumps"), ahead.fill(&handover));
    facts.in_use = in_use(region);
    // SAFETY: nothing is allocated or freed from here on.
    unsafe { memory::poison_free(region) };
    facts.left_at = ticks();
    left.iter_mut().for_each(|left| *left = facts);
    // SAFETY: the block with the image is the next kernel's, and nobody writes to it.
    unsafe { kernel.enter() }
}

/// What is ready for the jump, and would be freed if it were dropped.
struct Prepared {
    kernel: Kernel,
    facts: OutgoingSet<Facts, &'static Region>,
    roots: Roots,
}

/// Prepares the jump into the kernel whose ELF file is `image`, which is left to it with all that is
/// described: the last thing that allocates. On an error all of that is withdrawn.
///
/// # Safety
///
/// That of [`save_and_jump`], and no kernel that was loaded before is jumped into.
unsafe fn prepare(
    region: &'static Region,
    image: &[u8],
    facts: &mut Facts,
    descriptors: &[Descriptor],
) -> Verdict<Prepared> {
    let before = region.root();
    let image_at = leave(region, image)?;
    (facts.image, facts.image_len) = (image_at.get(), image.len() as u64);
    let (facts, descriptor) = root::leave_facts(region, *facts)?;
    let roots = Roots::name(region, &[descriptors, &[descriptor]].concat())?;
    // SAFETY: by the caller's word.
    let Some(kernel) = (unsafe { Kernel::load(image, image_at) }) else {
        region.set_root(before.as_ref());
        // SAFETY: 1. `leave` allocated it. 2. Nobody was told of it.
        unsafe { region.unpreserve_free(reach(image_at.get()), block_for(image.len())) };
        return Err("the boot module is no kernel".into());
    };
    Ok(Prepared { kernel, facts, roots })
}

/// Takes over from the previous kernel, restores and verifies everything, and frees it, but for the
/// records. The last kernel frees these too, and is not to go on.
///
/// # Safety
///
/// 1. Nobody else uses the memory from [`REGION`](boot::REGION) to [`RAM`](boot::RAM), nor will.
/// 2. It is the first thing that this kernel does.
/// 3. The pages that a jump runs in are no one's.
#[must_use]
pub unsafe fn restore_all() -> Option<Running> {
    let arrived_at = ticks();
    // SAFETY: by the caller's word.
    let mut poisoned = unsafe { boot::heap_is_poisoned() };
    // SAFETY: by the caller's word.
    let taken = unsafe { memory::take_charge() };
    // SAFETY: it has just been opened.
    let coming = taken.as_ref().ok().and_then(|(region, _)| unsafe { carried::coming(region) });
    say(format_args!("      {} records are coming: there is no heap yet", coming.unwrap_or(0)));
    // SAFETY: by the caller's word.
    unsafe { boot::make_heap() };

    let (region, is_new) = taken.unwrap_or_else(|error| panic!("no region: {error}"));
    let unclaimed = memory::never_claimed(region);
    let mut found = match Found::restore(region) {
        Ok(found) => found,
        error => {
            required(format_args!("kernel B finds the descriptors that the root names"), error)
        }
    };
    // SAFETY: by the caller's word.
    if !unsafe { again::is_through(region, &mut found, unclaimed) } {
        return None;
    }
    // SAFETY: nothing has been allocated or freed, but for claims.
    poisoned &= unsafe { memory::free_is_poisoned(region) };
    let facts = found.facts();
    let number = facts.from + 1;
    let verdict = |step: &str, result| _ = verdict(format_args!("kernel {number} {step}"), result);
    let poisoned = ensure(poisoned, "something else survived");
    verdict("finds poison wherever nothing was preserved", poisoned);

    let find = |tag| found.find(tag).unwrap_or_else(|error| panic!("tag {tag:#x}: {error}"));
    let workloads = array::from_fn(|n| find(n as u64));
    let [refusals, ahead, records] = [refusals::TAG, ahead::TAG, carried::TAG].map(find);
    let devices = devices::TAGS.map(find);
    let carried = go_on(region, number, &records, &devices, coming);
    // There is another root.
    found.destroy();
    let image = take(region, facts.image, facts.image_len as usize).unwrap_or_default();
    let has_found = ensure(!is_new && !image.is_empty(), "something was lost");
    verdict("finds the region, the roots and its own image", has_found);

    let mut handover = Handover::new(region, facts.from);
    handover.tag = WORKLOADS.len() as u64;
    match AllLeft::restore(region, &refusals) {
        Ok(refusals) => refusals.try_all(&mut handover, &workloads, verdict),
        Err(error) => verdict("finds the damaged chains", Err(error)),
    }
    handover.costs = Costs::default();
    for (n, row) in WORKLOADS.iter().enumerate() {
        handover.tag = n as u64;
        let restored = (row.restore)(&mut handover, &workloads[n]);
        verdict(&format!("restores {}", row.name), restored);
    }

    let Costs { restore, verify, free, .. } = handover.costs;
    handover.tag = ahead::TAG;
    ahead::restore_and_sweep(&mut handover, &ahead, verdict);
    let kept = carried.as_ref().map_or(0, |carried| carried.bytes + carried.roots.bytes());
    let freed = ensure(in_use(region) == memory::EMPTY + kept, "blocks are left");
    verdict("has freed everything but what it carries", freed);

    let jump = arrived_at.wrapping_sub(facts.left_at);
    let costs = [facts.seal, jump, restore, verify, free].map(|ticks| ticks / 1000);
    let [seal, jump, restore, verify, free] = costs;
    say(format_args!(
        "cost  of the workloads in 1000 ticks (emulated, for orientation): seal {seal}, \
         jump {jump}, restore {restore}, verify {verify}, free {free}"
    ));
    carried.map(|carried| Running { region, number, image, carried })
}

/// Goes on with the records and the devices as kernel `number`, and names them, and nothing else, to
/// the next. The last kernel frees them, and names nothing. How many records there are was known
/// before.
fn go_on(
    region: &'static Region,
    number: u64,
    records: &Descriptor,
    devices: &[Descriptor; 2],
    coming: Option<usize>,
) -> Option<Carried> {
    let step =
        format_args!("kernel {number} finds the devices by their keys, and no other by a key");
    let mut devices = verdict(step, Devices::adopt(region, number, devices))?;
    let mut roots = None;
    let gone_on = if number < LAST {
        carried::carry(region, number, records, |&records| {
            let [table, keys] = devices.descriptors();
            roots = Some(Roots::name(region, &[records, table, keys])?);
            Ok(())
        })
    } else {
        carried::free(region, number, records, || region.set_root(None))
    };
    let found = gone_on.as_ref().map(|(found, _)| *found).unwrap_or_default();
    let step = if number < LAST { "goes on, without a copy, with" } else { "frees" };
    let step = format_args!("kernel {number} finds and {step} {found} records in the region");
    let (_, records) = verdict(step, gone_on)?;
    let as_foreseen = ensure(coming == Some(found), "another number was coming");
    verdict(format_args!("kernel {number} has counted these before it had a heap"), as_foreseen);
    let Some((records, roots)) = records.zip(roots) else {
        devices.free();
        return None;
    };
    let step = format_args!("kernel {number} puts others in for a third of the devices");
    verdict(step, devices.change(number));
    let bytes = carried::bytes_of(records.entries as usize) + devices.bytes();
    let [table, keys] = devices.leave();
    Some(Carried { descriptors: [records, table, keys], roots, bytes })
}

/// Leaves bytes to the next kernel, in a block of their own.
fn leave(region: &Region, bytes: &[u8]) -> Verdict<PhysAddr> {
    let PreservedBlock { ptr, addr } = region.alloc_preserve(block_for(bytes.len()))?;
    // SAFETY: the block is as long, and lent to this function alone.
    unsafe { ptr.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    Ok(addr)
}

/// Takes such bytes over and frees their block.
fn take(region: &Region, addr: u64, len: usize) -> Option<Vec<u8>> {
    let ptr = region.restore(PhysAddr::new(addr)?, block_for(len))?;
    // SAFETY: the block is as long, initialised, and lent to this function alone.
    let bytes = unsafe { slice::from_raw_parts(ptr.as_ptr(), len) }.to_vec();
    // SAFETY: 1. from the claim above. 2. The bytes were copied.
    unsafe { region.restore_free(ptr, block_for(len)) };
    Some(bytes)
}
