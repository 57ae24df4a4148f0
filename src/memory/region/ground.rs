//! The memory of a region: where it is, by all of its names, and how it is divided.
//!
//! Unsafe is open here to point into the memory, and to lend the parts that are never a block.

#![expect(unsafe_code, reason = "points into raw memory")]

use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicU8, AtomicU32, compiler_fence};

use static_assertions::const_assert;

use crate::abi::addr::PhysAddr;
use crate::abi::region::{RegionHeader, UNIT_SHIFT, UNIT_SIZE};
use crate::abi::sizes::to_wire;
use crate::error::region::RegionError;
use crate::memory::region::judge::Shape;

/// Words of the header's unit.
const WORDS: usize = UNIT_SIZE / size_of::<u32>();

// The books are where the header's unit ends.
const_assert!(to_wire(UNIT_SIZE) == RegionHeader::BOOKS);
const_assert!(align_of::<AtomicU32>() <= UNIT_SIZE && UNIT_SIZE.is_power_of_two());

/// A region's memory, in units: the header's, those of the books, and those of blocks.
///
/// # Invariants
///
/// 1. At `memory`, a multiple of [`UNIT_SIZE`], `units` units are mapped and initialised, to be read
///    and written through that pointer from any thread, for as long as this value or a copy is used.
/// 2. The units before `first` are reached by what is lent here alone, and by `wipe`.
/// 3. `base` is a multiple of [`UNIT_SIZE`], and so many units from there end within the address
///    space, of physical memory as of pointers.
/// 4. `first`, the number of the first unit that is neither the header's nor the books', is below
///    `units`.
#[derive(Clone, Copy)]
pub(crate) struct Ground {
    base: PhysAddr,
    memory: NonNull<u8>,
    units: usize,
    first: usize,
}

// SAFETY: by invariant 1 the memory is any thread's, and what is lent of it here are atomics.
unsafe impl Send for Ground {}
// SAFETY: as above.
unsafe impl Sync for Ground {}

impl Ground {
    /// # Errors
    ///
    /// If the memory is too small or too large for a region, or not in whole units.
    ///
    /// # Safety
    ///
    /// 1. The memory is mapped and initialised, to be read and written through `memory` from any
    ///    thread, for as long as the value, a copy, or a pointer from it is used.
    /// 2. Nothing but such values reaches its first unit, and the books behind, meanwhile.
    pub(crate) unsafe fn new(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Self, RegionError> {
        let bytes = memory.len();
        let memory = memory.cast::<u8>();
        let addr = memory.addr().get();
        let shape = Shape::new(base, bytes);
        // A base that is out of place is the first thing to say.
        if let Err(error @ RegionError::Misaligned { .. }) = shape {
            return Err(error);
        }
        if addr % UNIT_SIZE != 0 {
            return Err(RegionError::MisalignedPointer { addr });
        }
        let Shape { units, first, .. } = shape?;
        if addr.checked_add(bytes).is_none() {
            return Err(RegionError::Size { bytes });
        }
        // INVARIANT: 1 and 2. the caller's duties, and the pointer was checked. 3 and 4. checked.
        Ok(Self { base, memory, units, first })
    }

    pub(crate) const fn base(&self) -> PhysAddr {
        self.base
    }

    /// Bytes of the region.
    pub(crate) const fn bytes(&self) -> usize {
        self.units.saturating_mul(UNIT_SIZE)
    }

    /// How it is divided.
    #[inline]
    pub(crate) const fn shape(&self) -> Shape {
        // INVARIANT: 1 and 2. `new` took all three from a shape.
        Shape { base: self.base, units: self.units, first: self.first }
    }

    /// The number of units.
    pub(crate) const fn units(&self) -> usize {
        self.units
    }

    /// The first unit that is neither the header's nor the books'.
    pub(crate) const fn first(&self) -> usize {
        self.first
    }

    /// The words of the header's unit.
    #[inline]
    pub(crate) const fn header(&self) -> &[AtomicU32] {
        // SAFETY: a mapped unit, aligned to more than a word (invariant 1); any bytes are atomics,
        // and through these alone they are reached (2).
        unsafe { slice::from_raw_parts(self.memory.as_ptr().cast_const().cast(), WORDS) }
    }

    /// The books: a byte for each unit.
    #[inline]
    pub(crate) const fn books(&self) -> &[AtomicU8] {
        // SAFETY: by invariant 4 there is a unit behind the header's.
        let books = unsafe { self.memory.add(UNIT_SIZE) };
        // SAFETY: so many mapped bytes, which end before unit `first` (invariants 1 and 4); any bytes
        // are atomics, and through these alone they are reached (2).
        unsafe { slice::from_raw_parts(books.as_ptr().cast_const().cast(), self.units) }
    }

    /// What is behind the books, up to the end of their last unit.
    pub(crate) const fn tail(&self) -> &[u8] {
        let offset = self.units.saturating_add(UNIT_SIZE);
        let bytes = self.first.saturating_mul(UNIT_SIZE).saturating_sub(offset);
        // SAFETY: by invariant 4 the books end before unit `first`, or where that starts.
        let tail = unsafe { self.memory.add(offset) };
        // SAFETY: so many mapped bytes, up to unit `first` (invariants 1 and 4). Only `wipe` writes
        // them, while there is no such slice.
        unsafe { slice::from_raw_parts(tail.as_ptr().cast_const(), bytes) }
    }

    /// Zeroes all that is never a block, but for the first `words` of the header.
    ///
    /// # Safety
    ///
    /// Nobody reads it or writes it meanwhile, and no slice of it is lent.
    pub(crate) unsafe fn wipe(&self, words: usize) {
        let kept = words.saturating_mul(size_of::<u32>()).min(UNIT_SIZE);
        let bytes = self.first.saturating_mul(UNIT_SIZE).saturating_sub(kept);
        // SAFETY: it lies within the header's unit, or at its end.
        let rest = unsafe { self.memory.add(kept) };
        compiler_fence(SeqCst);
        // SAFETY: so many mapped bytes, up to unit `first` (invariants 1 and 4), which nobody else
        // uses by the caller's duty.
        unsafe { rest.write_bytes(0, bytes) };
        compiler_fence(SeqCst);
    }

    /// Where this kernel reaches a unit; `None` if there is no such unit.
    #[inline]
    pub(crate) const fn ptr(&self, unit: usize) -> Option<NonNull<u8>> {
        if unit >= self.units {
            return None;
        }
        // SAFETY: by the line above and invariant 3 it lies in the memory; nothing overflows.
        Some(unsafe { self.memory.add(unit.saturating_mul(UNIT_SIZE)) })
    }

    /// The physical address of a unit, or of the region's end.
    #[inline]
    pub(crate) fn addr(&self, unit: usize) -> PhysAddr {
        self.shape().addr(unit)
    }

    /// The unit that starts at a physical address; `None` if none does.
    #[inline]
    pub(crate) fn unit_at(&self, addr: PhysAddr) -> Option<usize> {
        let offset = addr.get().checked_sub(self.base.get())?;
        self.unit_from(usize::try_from(offset).ok()?)
    }

    /// The unit that starts at a pointer; `None` if none does.
    #[inline]
    pub(crate) fn unit_of(&self, ptr: NonNull<u8>) -> Option<usize> {
        self.unit_from(ptr.addr().get().checked_sub(self.memory.addr().get())?)
    }

    /// The unit that starts so many bytes from the base.
    #[inline]
    fn unit_from(&self, offset: usize) -> Option<usize> {
        let unit = offset / UNIT_SIZE;
        (offset % UNIT_SIZE == 0 && unit < self.units).then_some(unit)
    }

    /// The number of a unit among all units of physical memory, modulo 2 to the bits of `usize`: to
    /// tell how a unit is aligned, and where a block's buddy is.
    #[inline]
    pub(crate) fn physical(&self, unit: usize) -> usize {
        self.skew().wrapping_add(unit)
    }

    /// The inverse of [`physical`](Self::physical).
    #[inline]
    pub(crate) fn unit_of_physical(&self, number: usize) -> usize {
        number.wrapping_sub(self.skew())
    }

    #[inline]
    fn skew(&self) -> usize {
        let number = self.base.get() >> UNIT_SHIFT;
        // The lower bits, where `usize` has fewer.
        usize::try_from(number & to_wire(usize::MAX)).unwrap_or_default()
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[repr(align(4096))]
    struct Units([u8; 4 * UNIT_SIZE]);

    #[test]
    fn only_the_first_byte_of_a_unit_names_it_by_its_address_or_its_pointer() {
        let mut units = Units([0; 4 * UNIT_SIZE]);
        let memory = NonNull::from(&mut units.0[..]);
        let base = PhysAddr::new(0x7000).unwrap();
        // SAFETY: 1 and 2. the array is there until the end of the test, which uses `ground` alone.
        let ground = unsafe { Ground::new(base, memory) }.unwrap();
        for (offset, unit) in [
            (0, Some(0)),
            (1, None),
            (UNIT_SIZE, Some(1)),
            (4 * UNIT_SIZE - 1, None),
            (3 * UNIT_SIZE, Some(3)),
            (4 * UNIT_SIZE, None),
        ] {
            let addr = base.checked_add(to_wire(offset)).unwrap();
            let ptr = memory.cast::<u8>().map_addr(|addr| addr.saturating_add(offset));
            assert_eq!((ground.unit_at(addr), ground.unit_of(ptr)), (unit, unit), "{offset}");
        }
        assert_eq!(ground.unit_at(PhysAddr::new(0x6000).unwrap()), None);
    }
}
