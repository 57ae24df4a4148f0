//! The books: a byte for each unit, which says what block starts there.

#![forbid(unsafe_code)]

use core::iter;
use core::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use core::sync::atomic::compiler_fence;

use crate::abi::region::{BookByte, Claim, RegionHeader, UNIT_SHIFT, UNIT_SIZE};
use crate::abi::sizes::{MIN_BLOCK_SIZE, to_wire};
use crate::error::region::{BookFault, RegionError};
use crate::memory::region::ground::Ground;

/// A block, as the books have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Booked {
    /// Its first unit.
    pub(crate) unit: usize,
    pub(crate) byte: BookByte,
}

impl Booked {
    /// The unit behind the block.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.unit.saturating_add(units_of(self.byte.order()))
    }

    /// Bytes of the block.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        1_usize.checked_shl(self.byte.log2().into()).unwrap_or(usize::MAX)
    }
}

/// The units of a block.
#[inline]
pub(crate) fn units_of(order: u8) -> usize {
    1_usize.checked_shl(order.into()).unwrap_or(usize::MAX)
}

/// The books of a region.
#[derive(Clone, Copy)]
pub(crate) struct Books {
    pub(crate) ground: Ground,
}

impl Books {
    /// The byte of a unit; that of a free one behind the last.
    #[inline]
    pub(crate) fn get(&self, unit: usize) -> BookByte {
        let byte = self.ground.books().get(unit);
        byte.map_or(BookByte::FREE, |byte| BookByte(byte.load(Relaxed)))
    }

    /// Makes, changes or frees a block, in one store. A kexec that finds it done finds all that was
    /// written to memory before, and one that does not finds nothing that is written after.
    #[inline]
    pub(crate) fn set(&self, unit: usize, byte: BookByte) {
        let Some(place) = self.ground.books().get(unit) else { return };
        compiler_fence(SeqCst);
        place.store(byte.0, Release);
        compiler_fence(SeqCst);
    }

    /// The first block from `unit` on, which is not inside a block.
    pub(crate) fn next_block(&self, unit: usize) -> Option<Booked> {
        let bytes = self.ground.books().get(unit..)?;
        let bytes = bytes.iter().map(|byte| BookByte(byte.load(Relaxed)));
        let (skipped, byte) = bytes.enumerate().find(|(_, byte)| byte.is_block())?;
        Some(Booked { unit: unit.checked_add(skipped)?, byte })
    }

    /// All blocks, in order.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Booked> {
        let first = self.next_block(self.ground.first());
        iter::successors(first, |block| self.next_block(block.end()))
    }

    /// Checks every byte, and writes none.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong.
    pub(crate) fn check(&self) -> Result<(), RegionError> {
        let first = self.ground.first();
        // The block that was found last, and the unit behind it.
        let (mut block, mut end) = (0, first);
        for (unit, byte) in self.ground.books().iter().enumerate() {
            let byte = BookByte(byte.load(Relaxed));
            if unit < end {
                if byte != BookByte::FREE {
                    return Err(self.wrong(
                        unit,
                        byte.0,
                        if unit < first {
                            BookFault::Reserved
                        } else {
                            BookFault::Inside { block: self.ground.addr(block) }
                        },
                    ));
                }
            } else if byte.is_block() {
                self.check_block(unit, byte).map_err(|fault| self.wrong(unit, byte.0, fault))?;
                (block, end) = (unit, Booked { unit, byte }.end());
            } else if byte != BookByte::FREE && byte != BookByte::BUSY {
                return Err(self.wrong(unit, byte.0, BookFault::NoSize));
            }
        }
        self.check_tail()
    }

    /// Checks what is behind the books.
    ///
    /// # Errors
    ///
    /// The first byte that is not zero.
    fn check_tail(&self) -> Result<(), RegionError> {
        let tail = self.ground.tail();
        // Large pieces are compared much faster than bytes.
        let is_zero = |piece: &[u8]| [0; 256].starts_with(piece);
        if tail.chunks(256).all(is_zero) {
            return Ok(());
        }
        let behind = tail.iter().position(|&byte| byte != 0).unwrap_or_default();
        let byte = tail.get(behind).copied().unwrap_or_default();
        Err(self.wrong(self.ground.units().saturating_add(behind), byte, BookFault::Beyond))
    }

    /// Checks whether a block can start with `unit`.
    ///
    /// # Errors
    ///
    /// Why not.
    fn check_block(&self, unit: usize, byte: BookByte) -> Result<(), BookFault> {
        let size = 1_u64.checked_shl(byte.log2().into()).unwrap_or(u64::MAX);
        let whole = size.max(to_wire(UNIT_SIZE));
        let left = to_wire(self.ground.units().saturating_sub(unit));
        if size < to_wire(MIN_BLOCK_SIZE) {
            Err(BookFault::NoSize)
        } else if !self.ground.addr(unit).is_aligned_to(whole) {
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
        RegionError::Book { offset, addr: self.ground.addr(unit), found, fault }
    }

    /// Forgets what the previous kernel had to do with the blocks that it had; the books are sound.
    /// Calls `free` with every range of units that is nobody's.
    pub(crate) fn take_over(&self, mut free: impl FnMut(usize, usize)) {
        let mut unit = self.ground.first();
        while unit < self.ground.units() {
            let block = self.next_block(unit);
            let end = block.map_or(self.ground.units(), |block| block.unit);
            for unit in (unit..end).filter(|&unit| self.get(unit) != BookByte::FREE) {
                self.set(unit, BookByte::FREE);
            }
            free(unit, end);
            unit = end;
            if let Some(block) = block {
                if block.byte.claim() != Claim::Left {
                    self.set(block.unit, block.byte.with(Claim::Left));
                }
                unit = block.end();
            }
        }
    }
}
