//! Where a kernel starts: the region's root names a set of descriptors, one for each set that is left.
//!
//! A new set of descriptors takes the place of the old one in one go. A descriptor is found by its tag.
//!
//! Unsafe is open here to look at descriptors before anybody has claimed them.

#![expect(unsafe_code, reason = "reads memory that nobody has claimed")]

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{BlockSet, Descriptor, IncomingSet, OutgoingSet, Region, scan};

use crate::memory;
use crate::verdict::Verdict;

/// The tags of the descriptors, and of the kernel's facts. Small numbers are the workloads'.
const ROOTS: u64 = 0x726f_6f74_7300;
const FACTS: u64 = 0x6661_6374_7300;

/// What a kernel tells the next one of itself: a set with one record.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
pub(crate) struct Facts {
    /// The number of the kernel that wrote it.
    pub(crate) from: u64,
    /// The ELF file that the next kernel was started from, and starts another from.
    pub(crate) image: u64,
    pub(crate) image_len: u64,
    /// Ticks that sealing took, and the tick at which the jump began.
    pub(crate) seal: u64,
    pub(crate) left_at: u64,
    /// Bytes of the region that were in use then.
    pub(crate) in_use: u64,
    /// How often the kernel that it is written for has faulted.
    pub(crate) faults: u64,
}

/// The descriptors that this kernel leaves.
pub(crate) struct Roots(OutgoingSet<Descriptor, &'static Region>);

impl Roots {
    /// Tells the next kernel what there is, from here on: nothing but this.
    pub(crate) fn name(region: &'static Region, descriptors: &[Descriptor]) -> Verdict<Self> {
        let mut set = BlockSet::new(region);
        set.extend_from_slice(descriptors)?;
        region.set_root(Some(&set.descriptor(ROOTS)));
        Ok(Self(set))
    }

    /// Bytes of the blocks that they are in.
    pub(crate) fn bytes(&self) -> u64 {
        (self.0.block_count() * OutgoingSet::<Descriptor, &Region>::LAYOUT.block_size()) as u64
    }
}

/// A set of facts to be left, with its descriptor.
pub(crate) fn leave_facts(
    region: &'static Region,
    facts: Facts,
) -> Verdict<(OutgoingSet<Facts, &'static Region>, Descriptor)> {
    let mut set = OutgoingSet::new(region);
    set.push(facts)?;
    let descriptor = set.descriptor(FACTS);
    Ok((set, descriptor))
}

/// The descriptors that the previous kernel left, and its facts.
pub(crate) struct Found {
    roots: IncomingSet<Descriptor, &'static Region>,
    facts: IncomingSet<Facts, &'static Region>,
}

impl Found {
    /// Takes them over.
    pub(crate) fn restore(region: &'static Region) -> Verdict<Self> {
        let root = region.root().ok_or("there is no root")?;
        let roots = IncomingSet::restore_from(region, &root, ROOTS)?;
        let facts = find(&roots, FACTS)?;
        let facts = IncomingSet::<Facts, _>::restore_from(region, &facts, FACTS)?;
        facts.first().ok_or("there are no facts")?;
        Ok(Self { roots, facts })
    }

    /// The descriptor with a tag.
    pub(crate) fn find(&self, tag: u64) -> Verdict<Descriptor> {
        find(&self.roots, tag)
    }

    pub(crate) fn facts(&self) -> Facts {
        *self.facts.first().expect("it was there")
    }

    /// Changes the facts for the kernel that boots after a fault.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Facts)) {
        change(self.facts.get_mut(0).expect("it was there"));
    }

    /// Frees both, which no root names any more.
    pub(crate) fn destroy(&mut self) {
        self.roots.destroy();
        self.facts.destroy();
    }
}

fn find(roots: &IncomingSet<Descriptor, &Region>, tag: u64) -> Verdict<Descriptor> {
    let mut found = roots.iter().filter(|descriptor| descriptor.tag == tag);
    match (found.next(), found.next()) {
        (Some(descriptor), None) => Ok(*descriptor),
        _ => Err("not one set is named so".into()),
    }
}

/// The descriptor with a tag, found out without a heap.
///
/// # Safety
///
/// Nobody has been lent a block of the region.
pub(crate) unsafe fn coming(region: &Region, tag: u64) -> Option<Descriptor> {
    let root = region.root()?;
    let layout = IncomingSet::<Descriptor, &Region>::LAYOUT;
    root.check(layout, ROOTS).ok()?;
    // SAFETY: by the caller's word.
    let blocks = scan(root.head(), layout, |addr| unsafe { memory::read(region, addr) });
    for block in blocks {
        let block = block.ok()?;
        for addr in (0..block.count).filter_map(|index| block.entry_addr(index)) {
            // SAFETY: by the caller's word.
            let descriptor: Descriptor = unsafe { memory::read(region, addr) }?;
            if descriptor.tag == tag {
                return Some(descriptor);
            }
        }
    }
    None
}
