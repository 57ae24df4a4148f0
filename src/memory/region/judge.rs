//! What a sound region is: the one judgement of who opens a region and of who looks at an image of one.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::region::{BookByte, RegionHeader, RegionRoot, UNIT_SHIFT, UNIT_SIZE, units_of};
use crate::abi::sizes::{MIN_BLOCK_SIZE, to_wire};
use crate::error::region::{BookFault, RegionError};

/// What makes a region, at the start of one.
pub(crate) const fn magic() -> [u8; 8] {
    zerocopy::transmute!([RegionHeader::MAGIC, RegionHeader::READY])
}

/// Checks a header against that of a region of `length` bytes at `base`. `is_zero` tells whether all of
/// the header's unit is.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn header(
    found: &RegionHeader,
    base: PhysAddr,
    length: u64,
    is_zero: impl FnOnce() -> bool,
) -> Result<(), RegionError> {
    let first = zerocopy::transmute!([found.magic, found.state]);
    if first != magic() {
        let is_blank = found.state == RegionHeader::FORMING || is_zero();
        let error = RegionError::Magic { found: first, expected: magic() };
        return Err(if is_blank { RegionError::Blank } else { error });
    }
    let expected = &RegionHeader::new(base.get(), length);
    if found.byte_order != expected.byte_order {
        let (found, expected) = (found.byte_order, expected.byte_order);
        return Err(RegionError::ByteOrder { found, expected });
    }
    if found.version != expected.version {
        let (found, expected) = (found.version, expected.version);
        return Err(RegionError::Version { found, expected });
    }
    if found.checksum != found.sum() {
        let (found, expected) = (found.checksum, found.sum());
        return Err(RegionError::Checksum { found, expected });
    }
    if found.base != expected.base {
        let (found, expected) = (found.base, expected.base);
        return Err(RegionError::Moved { found, expected });
    }
    if found.length != expected.length {
        let (found, expected) = (found.length, expected.length);
        return Err(RegionError::Length { found, expected });
    }
    if found.books != expected.books {
        let (found, expected) = (found.books, expected.books);
        return Err(RegionError::Books { found, expected });
    }
    Ok(())
}

/// Finds the newer of the two copies of the root that is sound: which one it is, 0 or 1, and the copy.
///
/// # Errors
///
/// If neither is, or both say that they are the newer one.
pub(crate) fn roots(copies: [RegionRoot; 2]) -> Result<(usize, RegionRoot), RegionError> {
    let [first, second] = copies;
    match (first.is_sound(), second.is_sound()) {
        (true, true) if second.is_newer_than(&first) => Ok((1, second)),
        (true, true) if first.is_newer_than(&second) => Ok((0, first)),
        (true, false) => Ok((0, first)),
        (false, true) => Ok((1, second)),
        _ => Err(RegionError::Root {
            found: copies.map(|copy| copy.checksum),
            expected: copies.map(|copy| copy.sum()),
        }),
    }
}

/// How a region is divided: the header's unit, those of the books, and those of blocks.
///
/// # Invariants
///
/// 1. `base` is a multiple of [`UNIT_SIZE`], and `units` units from there end within the address space.
/// 2. `first`, the number of the first unit that is neither the header's nor the books', is below
///    `units`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) base: PhysAddr,
    pub(crate) units: usize,
    pub(crate) first: usize,
}

impl Shape {
    /// # Errors
    ///
    /// If there is no region of `bytes` bytes at `base`.
    pub(crate) fn new(base: PhysAddr, bytes: usize) -> Result<Self, RegionError> {
        if !base.is_aligned_to(to_wire(UNIT_SIZE)) {
            return Err(RegionError::Misaligned { base });
        }
        let units = bytes / UNIT_SIZE;
        let first = units.div_ceil(UNIT_SIZE).saturating_add(1);
        let is_region = bytes % UNIT_SIZE == 0
            && first < units
            && isize::try_from(bytes).is_ok()
            && base.checked_add(to_wire(bytes)).is_some();
        // INVARIANT: both are checked.
        if is_region { Ok(Self { base, units, first }) } else { Err(RegionError::Size { bytes }) }
    }

    /// The physical address of a unit, or of the region's end.
    #[inline]
    pub(crate) fn addr(&self, unit: usize) -> PhysAddr {
        let offset = to_wire(unit).saturating_mul(to_wire(UNIT_SIZE));
        // By invariant 1 it ends within the address space.
        self.base.checked_add(offset).unwrap_or(self.base)
    }

    /// Checks the bytes of the books, one for each unit.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong.
    pub(crate) fn check_books(
        &self,
        books: impl Iterator<Item = BookByte>,
    ) -> Result<(), RegionError> {
        // The block that was found last, and the unit behind it.
        let (mut block, mut end) = (0, self.first);
        for (unit, byte) in books.enumerate() {
            if unit < end {
                if byte != BookByte::FREE {
                    return Err(self.wrong(
                        unit,
                        byte.0,
                        // No block was found yet: `end` is still that of the books.
                        if end == self.first {
                            BookFault::Reserved
                        } else {
                            BookFault::Inside { block: self.addr(block) }
                        },
                    ));
                }
            } else if byte.is_block() {
                self.check_block(unit, byte).map_err(|fault| self.wrong(unit, byte.0, fault))?;
                (block, end) = (unit, unit.saturating_add(units_of(byte.order())));
            } else if byte != BookByte::FREE && byte != BookByte::BUSY {
                return Err(self.wrong(unit, byte.0, BookFault::NoSize));
            }
        }
        Ok(())
    }

    /// Checks what is behind the books, in their last unit.
    ///
    /// # Errors
    ///
    /// The first byte that is not zero.
    pub(crate) fn check_tail(&self, tail: &[u8]) -> Result<(), RegionError> {
        // Large pieces are compared much faster than bytes.
        let is_zero = |piece: &[u8]| [0; 256].starts_with(piece);
        if tail.chunks(256).all(is_zero) {
            return Ok(());
        }
        let behind = tail.iter().position(|&byte| byte != 0).unwrap_or_default();
        let byte = tail.get(behind).copied().unwrap_or_default();
        Err(self.wrong(self.units.saturating_add(behind), byte, BookFault::Beyond))
    }

    /// Checks whether a block can start with `unit`.
    ///
    /// # Errors
    ///
    /// Why not.
    fn check_block(&self, unit: usize, byte: BookByte) -> Result<(), BookFault> {
        let size = 1_u64.checked_shl(byte.log2().into()).unwrap_or(u64::MAX);
        let whole = size.max(to_wire(UNIT_SIZE));
        let left = to_wire(self.units.saturating_sub(unit));
        if size < to_wire(MIN_BLOCK_SIZE) {
            Err(BookFault::NoSize)
        } else if !self.addr(unit).is_aligned_to(whole) {
            Err(BookFault::Misaligned { size })
        } else if whole >> UNIT_SHIFT > left {
            Err(BookFault::TooLong { size })
        } else {
            Ok(())
        }
    }

    /// The error that a byte of the books is.
    fn wrong(&self, unit: usize, found: u8, fault: BookFault) -> RegionError {
        let offset = RegionHeader::BOOKS.saturating_add(to_wire(unit));
        RegionError::Book { offset, addr: self.addr(unit), found, fault }
    }
}
