//! The live header: the two words of a block, stored each in one go and in program order.

#![forbid(unsafe_code)]

use core::mem::offset_of;
#[cfg(any(test, not(target_has_atomic = "64")))]
use core::sync::atomic::AtomicU32;
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use core::sync::atomic::compiler_fence;

use static_assertions::const_assert_eq;

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::BlockHeader;

/// A [`BlockHeader`] in place, in a block that this kernel owns.
///
/// A kexec may come between any two instructions. The kernel stops the other CPUs first, so their
/// stores are complete by then. What is left to see to is the order of this CPU's stores, to the
/// words and to the entries: each store to a word comes after all that were made before it, and
/// before all that are made after it, since it is fenced on both sides.
#[repr(C)]
pub(crate) struct Header {
    next: Word,
    count: Word,
}

const_assert_eq!(size_of::<Header>(), size_of::<BlockHeader>());
const_assert_eq!(offset_of!(Header, next), offset_of!(BlockHeader, next));
const_assert_eq!(offset_of!(Header, count), offset_of!(BlockHeader, count));

impl Header {
    /// Both words as they are now.
    #[inline]
    pub(crate) fn read(&self) -> BlockHeader {
        BlockHeader { next: self.next.load(), count: self.count.load() }
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.next.load())
    }

    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.count.load()
    }

    #[inline]
    pub(crate) fn set_next(&self, next: Option<PhysAddr>) {
        self.next.store(PhysAddr::to_wire(next));
    }

    #[inline]
    pub(crate) fn set_count(&self, count: u64) {
        self.count.store(count);
    }
}

/// A native-endian `u64` in preserved memory: a word of a header, or a stamp.
#[cfg(target_has_atomic = "64")]
pub(crate) type Word = Whole;

/// A native-endian `u64` in preserved memory: a word of a header, or a stamp.
#[cfg(not(target_has_atomic = "64"))]
pub(crate) type Word = Halves;

/// A word for a processor that stores 64 bits in one go.
#[cfg(target_has_atomic = "64")]
#[repr(transparent)]
pub(crate) struct Whole(AtomicU64);

#[cfg(target_has_atomic = "64")]
impl Whole {
    #[inline]
    pub(crate) fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }

    #[inline]
    pub(crate) fn store(&self, value: u64) {
        compiler_fence(Release);
        self.0.store(value, Release);
        compiler_fence(AcqRel);
    }
}

/// A word for a processor that has no atomic 64-bit store.
///
/// The halves are stored one after the other. A count fits the lower half, so it still changes in
/// one go, and so does a link unless both of its halves are in use (memory above 4 GiB).
#[cfg(any(test, not(target_has_atomic = "64")))]
#[repr(C, align(8))]
pub(crate) struct Halves([AtomicU32; 2]);

#[cfg(any(test, not(target_has_atomic = "64")))]
impl Halves {
    /// The lower and the upper half.
    #[inline]
    fn halves(&self) -> (&AtomicU32, &AtomicU32) {
        let [a, b] = &self.0;
        if cfg!(target_endian = "little") { (a, b) } else { (b, a) }
    }

    #[inline]
    pub(crate) fn load(&self) -> u64 {
        let (low, high) = self.halves();
        (u64::from(high.load(Relaxed)) << 32) | u64::from(low.load(Relaxed))
    }

    #[inline]
    pub(crate) fn store(&self, value: u64) {
        let (low, high) = self.halves();
        let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or_default();
        compiler_fence(Release);
        high.store(half(value >> 32), Release);
        low.store(half(value), Release);
        compiler_fence(AcqRel);
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_halves_is_a_native_word() {
        assert_eq!((size_of::<Halves>(), align_of::<Halves>()), (8, 8));
        let word = Halves([AtomicU32::new(0), AtomicU32::new(0)]);
        for value in [0, 1, 127, 0x8000_0000, 0xffff_ffff, 1 << 32, 0x1234_5678_9abc_def0, u64::MAX]
        {
            word.store(value);
            assert_eq!(word.load(), value);
            let halves = word.0.each_ref().map(|half| half.load(Relaxed).to_ne_bytes());
            assert_eq!(halves.as_flattened(), value.to_ne_bytes(), "as the other kernel reads it");
        }
    }
}
