//! What a sound block is: the one judgement of everything that follows a chain.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::{BlockHeader, MAX_BLOCKS};
use crate::error::restore::RestoreErrorKind;

/// What a header must be to be believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge {
    pub(crate) layout: ChainLayout,
    pub(crate) checks: RestoreChecks,
    /// Whether a first block with neither entries nor a link passes every check: the descriptor of
    /// a set without entries names such a block.
    pub(crate) empty_is_fine: bool,
}

impl Judge {
    /// Whether a block may lie at `addr`, as number `block` of its chain.
    ///
    /// # Errors
    ///
    /// What forbids it.
    #[inline]
    pub(crate) fn addr(&self, block: usize, addr: PhysAddr) -> Result<(), RestoreErrorKind> {
        if block >= MAX_BLOCKS {
            return Err(RestoreErrorKind::TooManyBlocks);
        }
        if !self.layout.may_lie_at(addr) {
            return Err(RestoreErrorKind::Misaligned);
        }
        Ok(())
    }

    /// How many entries the header of block number `block` counts, of `capacity` that fit.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    #[inline]
    pub(crate) fn count(
        &self,
        block: usize,
        header: BlockHeader,
        capacity: usize,
    ) -> Result<usize, RestoreErrorKind> {
        let BlockHeader { next, count } = header;
        let Some(count) = usize::try_from(count).ok().filter(|&count| count <= capacity) else {
            return Err(RestoreErrorKind::CountTooLarge { count, capacity });
        };
        if self.checks.contains(RestoreChecks::NO_EMPTY_BLOCKS)
            && count == 0
            && !(self.empty_is_fine && block == 0 && next == 0)
        {
            return Err(RestoreErrorKind::Empty);
        }
        if self.checks.contains(RestoreChecks::DENSE) && count < capacity && next != 0 {
            return Err(RestoreErrorKind::NotFull { count, capacity });
        }
        Ok(count)
    }

    /// Whether the bytes behind the last entry, at the end of a block, are as they should be.
    ///
    /// # Errors
    ///
    /// The first one that is not.
    pub(crate) fn tail(&self, bytes: &[u8]) -> Result<(), RestoreErrorKind> {
        match bytes.iter().position(|&byte| byte != 0) {
            Some(dirty) => {
                let start = self.layout.block_size().saturating_sub(bytes.len());
                Err(RestoreErrorKind::DirtyTail { offset: start.saturating_add(dirty) })
            }
            None => Ok(()),
        }
    }
}
