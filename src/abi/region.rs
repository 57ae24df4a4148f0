//! What a region keeps of itself in its own memory: a header, two roots, and a byte for each unit.

#![forbid(unsafe_code)]

use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::descriptor::Descriptor;
use crate::abi::sizes::MIN_BLOCK_SIZE;

/// Bytes of a unit: what the smallest block takes.
pub(crate) const UNIT_SIZE: usize = 4096;

/// The base-2 logarithm of [`UNIT_SIZE`].
pub(crate) const UNIT_SHIFT: u8 = 12;

const_assert_eq!(UNIT_SIZE, 1 << UNIT_SHIFT);

/// The header, at offset 0 of the region. Fields are native-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct RegionHeader {
    /// [`MAGIC`](Self::MAGIC).
    pub(crate) magic: [u8; 4],
    /// [`READY`](Self::READY), written last; [`FORMING`](Self::FORMING) until then.
    pub(crate) state: [u8; 4],
    /// [`VERSION`](Self::VERSION).
    pub(crate) version: u32,
    /// [`BYTE_ORDER`](Self::BYTE_ORDER).
    pub(crate) byte_order: u32,
    /// The physical address of the header.
    pub(crate) base: u64,
    /// Bytes of the region, a multiple of [`UNIT_SIZE`].
    pub(crate) length: u64,
    /// Bytes from the header to the books.
    pub(crate) books: u64,
    /// [`checksum`] of the bytes before.
    pub(crate) checksum: u64,
}

const_assert_eq!(size_of::<RegionHeader>(), 48);
const_assert_eq!(offset_of!(RegionHeader, magic), 0);
const_assert_eq!(offset_of!(RegionHeader, state), 4);
const_assert_eq!(offset_of!(RegionHeader, version), 8);
const_assert_eq!(offset_of!(RegionHeader, byte_order), 12);
const_assert_eq!(offset_of!(RegionHeader, base), 16);
const_assert_eq!(offset_of!(RegionHeader, length), 24);
const_assert_eq!(offset_of!(RegionHeader, books), 32);
const_assert_eq!(offset_of!(RegionHeader, checksum), 40);

impl RegionHeader {
    /// The first four bytes.
    pub(crate) const MAGIC: [u8; 4] = *b"KHO-";
    /// The four bytes after them: the region is there.
    pub(crate) const READY: [u8; 4] = *b"area";
    /// Or: somebody has begun to create one, and there is nothing in it.
    pub(crate) const FORMING: [u8; 4] = *b"form";
    /// The version that this library writes, and the only one that it reads.
    pub(crate) const VERSION: u32 = 1;
    /// A number that reads differently in the other byte order.
    pub(crate) const BYTE_ORDER: u32 = 0x0a0b_0c0d;
    /// Where the books are: in the unit after the header's.
    pub(crate) const BOOKS: u64 = 4096;

    /// The header of a region of `length` bytes at `base`.
    pub(crate) fn new(base: u64, length: u64) -> Self {
        let header = Self {
            magic: Self::MAGIC,
            state: Self::READY,
            version: Self::VERSION,
            byte_order: Self::BYTE_ORDER,
            base,
            length,
            books: Self::BOOKS,
            checksum: 0,
        };
        Self { checksum: header.sum(), ..header }
    }

    /// What the checksum has to be.
    pub(crate) fn sum(&self) -> u64 {
        let bytes = self.as_bytes().get(..offset_of!(Self, checksum));
        checksum(bytes.unwrap_or_default())
    }
}

/// One of the two copies of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct RegionRoot {
    /// One more than that of the copy before, skipping zero. Zero while the copy is written.
    pub(crate) sequence: u32,
    /// One if there is a root, zero if there is none.
    pub(crate) present: u32,
    /// The root; zero if there is none.
    pub(crate) descriptor: [u8; 48],
    /// [`checksum`] of the bytes before.
    pub(crate) checksum: u64,
}

const_assert_eq!(size_of::<RegionRoot>(), 64);
const_assert_eq!(offset_of!(RegionRoot, sequence), 0);
const_assert_eq!(offset_of!(RegionRoot, present), 4);
const_assert_eq!(offset_of!(RegionRoot, descriptor), 8);
const_assert_eq!(offset_of!(RegionRoot, checksum), 56);
const_assert_eq!(size_of::<Descriptor>(), 48);

/// Where the two copies are, in words of 32 bits from the start of the region.
pub(crate) const ROOTS: [usize; 2] = [16, 32];

impl RegionRoot {
    /// A copy of `root` with this number.
    pub(crate) fn new(sequence: u32, root: Option<&Descriptor>) -> Self {
        let mut copy = Self { sequence, present: 0, descriptor: [0; 48], checksum: 0 };
        if let Some(root) = root {
            copy.present = 1;
            copy.descriptor = zerocopy::transmute!(*root);
        }
        copy.checksum = copy.sum();
        copy
    }

    /// What the checksum has to be.
    pub(crate) fn sum(&self) -> u64 {
        let bytes = self.as_bytes().get(..offset_of!(Self, checksum));
        checksum(bytes.unwrap_or_default())
    }

    /// Whether it was written, and is as it was written.
    pub(crate) fn is_sound(&self) -> bool {
        self.sequence != 0 && self.present <= 1 && self.checksum == self.sum()
    }

    /// Whether it was written after `other`.
    pub(crate) const fn is_newer_than(&self, other: &Self) -> bool {
        matches!(self.sequence.wrapping_sub(other.sequence), 1..=0x7fff_ffff)
    }

    /// The number of the copy after this one.
    pub(crate) const fn next_sequence(&self) -> u32 {
        match self.sequence.wrapping_add(1) {
            0 => 1,
            next => next,
        }
    }

    /// What it says.
    pub(crate) fn root(&self) -> Option<Descriptor> {
        (self.present == 1).then(|| zerocopy::transmute!(self.descriptor))
    }
}

/// FNV-1a with 64 bits: one byte that differs always shows.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What the running kernel has to do with a block: the two upper bits of its byte in the books.
///
/// They are this kernel's alone; to the next one all of them mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Claim {
    /// A previous kernel preserved it, and this one has not claimed it.
    Left = 0,
    /// The same, but this one has, and has given the claim back.
    GivenBack = 1 << 6,
    /// A previous kernel preserved it, and this one has claimed it.
    Claimed = 2 << 6,
    /// This kernel allocated it, or preserves it again.
    Held = 3 << 6,
}

/// A byte of the books.
///
/// The lower six bits of a block's first byte hold the base-2 logarithm of its size in bytes. They
/// are zero in every other byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BookByte(pub(crate) u8);

impl BookByte {
    /// No block starts here.
    pub(crate) const FREE: Self = Self(0);

    /// No block starts here yet: to the next kernel it is [`FREE`](Self::FREE).
    pub(crate) const BUSY: Self = Self(1 << 6);

    /// The byte of a block of `size` bytes; `None` if blocks do not have that size.
    pub(crate) fn of_block(size: usize, claim: Claim) -> Option<Self> {
        let is_size = size.is_power_of_two() && size >= MIN_BLOCK_SIZE;
        let log2 = u8::try_from(size.trailing_zeros()).ok().filter(|_| is_size)?;
        Some(Self(log2).with(claim))
    }

    /// The same block with another claim.
    pub(crate) const fn with(self, claim: Claim) -> Self {
        #[expect(clippy::as_conversions, reason = "the enumeration's own numbers")]
        let claim = claim as u8;
        Self(self.log2() | claim)
    }

    /// What the running kernel has to do with the block.
    pub(crate) const fn claim(self) -> Claim {
        match self.0 >> 6 {
            0 => Claim::Left,
            1 => Claim::GivenBack,
            2 => Claim::Claimed,
            _ => Claim::Held,
        }
    }

    /// The base-2 logarithm of the block's size, zero without a block.
    pub(crate) const fn log2(self) -> u8 {
        self.0 & 0x3f
    }

    /// The base-2 logarithm of the block's size in units.
    pub(crate) const fn order(self) -> u8 {
        self.log2().saturating_sub(UNIT_SHIFT)
    }

    /// Whether a block starts here.
    pub(crate) const fn is_block(self) -> bool {
        self.log2() != 0
    }
}

/// The units of a block of this [order](BookByte::order).
#[inline]
pub(crate) fn units_of(order: u8) -> usize {
    1_usize.checked_shl(order.into()).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        // Test vectors of the algorithm's authors.
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_byte_of_the_books_says_what_block_it_is_and_what_to_do_with_it() {
        for claim in [Claim::Left, Claim::GivenBack, Claim::Claimed, Claim::Held] {
            let byte = BookByte::of_block(MIN_BLOCK_SIZE, Claim::Left).unwrap().with(claim);
            let log2 = MIN_BLOCK_SIZE.trailing_zeros();
            assert_eq!(
                (byte.claim(), u32::from(byte.log2()), byte.is_block()),
                (claim, log2, true)
            );
        }
        assert!(!BookByte::FREE.is_block() && !BookByte::BUSY.is_block());
    }

    #[test]
    fn the_numbers_of_roots_go_round_without_zero() {
        let copy = |sequence| RegionRoot::new(sequence, None);
        for (old, new) in [(1, 2), (u32::MAX, 1), (u32::MAX - 1, u32::MAX)] {
            assert_eq!(copy(old).next_sequence(), new);
            assert!(copy(new).is_newer_than(&copy(old)) && !copy(old).is_newer_than(&copy(new)));
        }
        assert!(!copy(0).is_sound() && copy(1).is_sound());
    }
}
