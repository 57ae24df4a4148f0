//! A kernel that ends halfway through taking over, twice, and boots again: nothing is lost.
//!
//! It faults once while it restores, with half of its blocks claimed, and once while it adopts, with
//! some of them carried and the others claimed. Nothing is given back. What the next one finds in the
//! region is told by the facts that the previous kernel found.
//!
//! Unsafe is open here to load the kernel that a fault leads into, and to use its image.

#![expect(unsafe_code, reason = "loads a kernel from a bare block")]

use alloc::format;
use core::slice;

use kho_block::{Descriptor, PhysAddr, PreservedAllocator, Region};

use crate::boot::ticks;
use crate::fault::{self, Next};
use crate::jump::Kernel;
use crate::memory::block_for;
use crate::root::Found;
use crate::verdict::{Verdict, ensure, verdict};
use crate::workloads::{File, Handover};
use crate::{carried, memory};

/// Whether this kernel has been through both faults. If not, it goes through the next of them, and
/// returns only if something is wrong with that.
///
/// `unclaimed` are the bytes of all blocks that were there to be claimed when it booted.
///
/// # Safety
///
/// Nothing was loaded, and the pages that the jump runs in are no one's.
pub(crate) unsafe fn is_through(
    region: &'static Region,
    found: &mut Found,
    unclaimed: u64,
) -> bool {
    let (faults, number) = (found.facts().faults, found.facts().from + 1);
    let all =
        ensure(unclaimed == found.facts().in_use - memory::EMPTY, "a block is claimed, or lost");
    match faults {
        0 => {
            verdict(format_args!("kernel {number} finds every block that was left"), all);
            let done = "claims half of its blocks";
            // SAFETY: by the caller's word.
            let result = unsafe { fault(region, found, done, carried::claim_half_and_fault) };
            verdict(format_args!("kernel {number} {done}, and faults"), result);
        }
        1 => {
            verdict(format_args!("kernel {number} boots again, and finds no block claimed"), all);
            let descriptor = found.find(carried::TAG);
            let until = |descriptor| carried::carried_until_fault(number, &descriptor);
            let (some, blocks) = descriptor.map(until).unwrap_or_default();
            let done = format!("carries {some} of {blocks} blocks");
            let carry = |region: &_, descriptor: &_| {
                carried::carry_some_and_fault(region, number, descriptor)
            };
            // SAFETY: by the caller's word.
            let result = unsafe { fault(region, found, &done, carry) };
            verdict(format_args!("kernel {number} {done}, and faults"), result);
        }
        _ => {
            let step = "boots once more, and finds no block carried or claimed";
            verdict(format_args!("kernel {number} {step}"), all);
        }
    }
    faults > 1
}

/// Claims the image and the files, and faults in `work` on the records. Returns only if that does not
/// fault.
///
/// # Safety
///
/// That of [`is_through`].
unsafe fn fault(
    region: &'static Region,
    found: &mut Found,
    done: &str,
    work: impl FnOnce(&Region, &Descriptor) -> Verdict,
) -> Verdict {
    let facts = found.facts();
    let len = facts.image_len as usize;
    let image_at = PhysAddr::new(facts.image).ok_or("there is no image")?;
    let image = region.restore(image_at, block_for(len)).ok_or("the image is not preserved")?;
    // SAFETY: the block is as long, initialised, and lent to this function alone.
    let elf = unsafe { slice::from_raw_parts(image.as_ptr(), len) };
    // SAFETY: by the caller's word.
    let kernel = unsafe { Kernel::load(elf, image_at) }.ok_or("the image is no kernel")?;
    let done = format!("kernel {} {done}", facts.from + 1);
    // SAFETY: nobody writes to the image, which stays claimed until the fault.
    unsafe { fault::arm(Next { done, kernel }) };

    let mut handover = Handover::new(region, facts.from);
    let files = handover.restore::<File, 4096>(&found.find(0)?)?;
    let records = found.find(carried::TAG)?;
    found.change(|facts| (facts.faults, facts.left_at) = (facts.faults + 1, ticks()));
    let result = work(region, &records);
    drop(files);
    // SAFETY: 1. from the claim above. 2. The bytes are used no more.
    unsafe { region.unrestore(image, block_for(len)) };
    result
}
