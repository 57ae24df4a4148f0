//! The books: a byte for each unit, which says what block starts there.

#![forbid(unsafe_code)]

use core::iter;
use core::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use core::sync::atomic::compiler_fence;

use crate::abi::region::{BookByte, Claim, units_of};
use crate::error::region::RegionError;
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
        let shape = self.ground.shape();
        shape.check_books(self.ground.books().iter().map(|byte| BookByte(byte.load(Relaxed))))?;
        shape.check_tail(self.ground.tail())
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
