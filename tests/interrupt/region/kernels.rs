//! The kernels that share a region: the old one, which is watched, and what a new one finds.
//!
//! Unsafe is open here to be a kernel: to vouch for memory, and to give blocks back.

#![expect(unsafe_code, reason = "vouches for memory, and reads and frees blocks")]

use core::fmt::Debug;
use core::mem::replace;
use core::ptr::NonNull;
use core::slice;

use kho_block::zerocopy::FromZeros;
use kho_block::{
    CarryAllocator, Descriptor, PhysAddr, PreservedAllocator, PreservedBlock, Region, RegionError,
};

use crate::strict::When;
use crate::{memory, stepper};

pub(crate) const UNIT: usize = 4096;

/// Units of the region, of which the first two are never lent.
pub(crate) const UNITS: usize = 18;
pub(crate) const FIRST: usize = 2;
pub(crate) const BYTES: usize = UNITS * UNIT;

const BASE: u64 = 0x1_0000_0000;

/// In every byte that was never written.
pub(crate) const POISON: u8 = 0xdb;

/// A block that a new kernel finds: its bytes, and what every one of them is.
pub(super) type Block = (usize, u8);

/// What a new kernel finds: the root's tag, and the blocks in the order of their sizes.
pub(super) type Found = Option<(Option<u64>, Vec<Block>)>;

/// What the old kernel starts with. Blocks that it allocates when it is stepped are zero.
pub(super) const ALL: [Block; 3] = [(32, 1), (4096, 2), (8192, 3)];

pub(super) fn base() -> PhysAddr {
    PhysAddr::new(BASE).unwrap()
}

/// # Errors
///
/// If the memory is blank, or damaged.
pub(crate) fn open(memory: NonNull<u8>) -> Result<Region, RegionError> {
    // SAFETY: 1. Every mapping here is as long, and for good. 2. These kernels say so. 3. A kernel has
    // one, and the stepper has a copy.
    unsafe { Region::open(base(), NonNull::slice_from_raw_parts(memory, BYTES)) }
}

pub(crate) fn create_over(memory: NonNull<u8>) -> Region {
    // SAFETY: as above.
    unsafe { Region::create_over(base(), NonNull::slice_from_raw_parts(memory, BYTES)) }.unwrap()
}

pub(super) fn root(tag: u64) -> Descriptor {
    Descriptor { tag, ..Descriptor::new_zeroed() }
}

/// The old kernel, and its blocks.
pub(super) struct Old {
    pub(super) memory: NonNull<u8>,
    pub(super) region: Region,
    pub(super) blocks: Vec<(PreservedBlock, usize)>,
}

impl Old {
    /// The first kernel of a machine, with blocks as [`ALL`] says, and a root.
    pub(super) fn boot(memory: NonNull<u8>) -> Self {
        // SAFETY: it is as long, and no one else's before the work is stepped.
        unsafe { memory.write_bytes(POISON, BYTES) };
        let mut old = Self { memory, region: create_over(memory), blocks: Vec::new() };
        for (size, fill) in ALL {
            old.allocate(size, fill);
        }
        old.region.set_root(Some(&root(1)));
        old
    }

    pub(super) fn allocate(&mut self, size: usize, fill: u8) {
        let block = self.region.alloc_preserve(size).unwrap();
        // SAFETY: the block is as long, and lent to this kernel.
        unsafe { block.ptr.write_bytes(fill, size) };
        self.blocks.push((block, size));
    }

    /// A kexec: nobody has claimed a block.
    pub(super) fn restart(&mut self) {
        self.region = open(self.memory).unwrap();
    }

    pub(super) fn claim(&self) {
        for &(PreservedBlock { ptr, addr }, size) in &self.blocks {
            assert_eq!(self.region.restore(addr, size), Some(ptr));
        }
    }

    /// A kexec, and then: a block left, one given back, one carried, and one allocated.
    pub(super) fn have_all_kinds(&mut self) {
        self.restart();
        let claim = |&(PreservedBlock { ptr, addr }, size): &(PreservedBlock, usize)| {
            assert_eq!(self.region.restore(addr, size), Some(ptr));
            (ptr, size)
        };
        let [_, given_back, carried] = self.blocks.as_slice() else { panic!("three blocks") };
        let (ptr, size) = claim(given_back);
        // SAFETY: claimed in the line above.
        unsafe { self.region.unrestore(ptr, size) };
        let (ptr, size) = claim(carried);
        // SAFETY: claimed in the line above.
        unsafe { self.region.preserve(ptr, size) }.unwrap();
        self.allocate(16384, 4);
    }
}

/// What a new kernel finds in `memory`: nothing, if that is blank.
///
/// # Panics
///
/// If it finds anything else than a region, a unit lent twice, one that is missing, or a block of
/// different bytes.
pub(super) fn found(memory: NonNull<u8>) -> Found {
    let region = match open(memory) {
        Ok(region) => region,
        Err(RegionError::Blank) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut lent = [false; UNITS];
    let mut lend = |addr: PhysAddr, size: usize| {
        let offset = usize::try_from(addr.get().checked_sub(BASE).unwrap()).unwrap();
        let (first, units) = (offset.checked_div(UNIT).unwrap(), size.div_ceil(UNIT));
        for (unit, lent) in lent.iter_mut().enumerate().skip(first).take(units) {
            assert!(!replace(lent, true), "unit {unit} is lent twice");
        }
    };
    for size in [65536, 32768, 16384, 8192, 4096] {
        while let Ok(block) = region.alloc_preserve(size) {
            lend(block.addr, size);
        }
    }
    let mut blocks = Vec::new();
    for size in (5..20).map(|log2| 1_usize << log2) {
        for offset in (0..BYTES).step_by(UNIT) {
            let addr = base().checked_add(u64::try_from(offset).unwrap()).unwrap();
            let Some(ptr) = region.restore(addr, size) else { continue };
            lend(addr, size);
            // SAFETY: the block is as long, and lent to this kernel.
            let content = unsafe { slice::from_raw_parts(ptr.as_ptr(), size) };
            let (fill, rest) = content.split_first().unwrap();
            assert!(rest.iter().all(|byte| byte == fill), "the block at {addr} is not all {fill}");
            blocks.push((size, *fill));
        }
    }
    assert_eq!(lent.iter().filter(|&&lent| !lent).count(), FIRST, "a unit is missing");
    blocks.sort_unstable();
    Some((region.root().map(|root| root.tag), blocks))
}

/// Stops the kernel of `test` after every instruction, and lets `look` see a copy of its memory each
/// time that it has changed, and once more at the end. Returns what was found, without repetitions.
pub(crate) fn watch<F: PartialEq + Debug>(
    test: &str,
    mut look: impl FnMut(NonNull<u8>, When) -> F,
) -> Vec<F> {
    let file = memory::file(BYTES);
    let shared = memory::map(&file, BYTES);
    let copy = memory::map(memory::file(BYTES), BYTES);
    let (mut last, mut changes, mut seen) = (Vec::new(), 0_usize, Vec::new());
    let stops = stepper::step(test, file, || {
        // SAFETY: it is mapped, as long, and the old kernel writes nothing while it is stopped.
        let now = unsafe { slice::from_raw_parts(shared.as_ptr(), BYTES) };
        if last == now {
            return;
        }
        now.clone_into(&mut last);
        changes = changes.saturating_add(1);
        // SAFETY: it is mapped and as long, and a mapping of its own.
        unsafe { copy.copy_from_nonoverlapping(shared, BYTES) };
        let found = look(copy, if changes == 1 { When::AtRest } else { When::Any });
        if seen.last() != Some(&found) {
            seen.push(found);
        }
    });
    // SAFETY: as above.
    unsafe { copy.copy_from_nonoverlapping(shared, BYTES) };
    assert_eq!(seen.last(), Some(&look(copy, When::AtRest)));
    println!("{test}: {stops} stops, {changes} states of memory");
    seen
}
