//! How growing can fail.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::errno::{EINVAL, ENOMEM, ENOSPC};
use crate::abi::sizes::MAX_BLOCKS;

/// Why a set did not get the blocks it asked for; what it had got, it gave back.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, GrowErrorKind};
///
/// let mem = Mock::refusing(2);
/// let mut set = BlockSet::<u64, _>::new(&mem);
/// let error = set.grow(4000).unwrap_err();
/// assert_eq!(error.kind, GrowErrorKind::OutOfMemory);
/// assert_eq!((error.wanted, error.obtained), (4, 2));
/// assert_eq!(error.errno(), 12);
/// assert_eq!(set.block_count(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrowError {
    /// What stood in the way.
    pub kind: GrowErrorKind,
    /// Blocks that the call had to add.
    pub wanted: usize,
    /// Blocks that it got before it failed, all given back.
    pub obtained: usize,
}

/// What kept a set from growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrowErrorKind {
    /// The chain would have more than [`MAX_BLOCKS`] blocks. Nothing was allocated.
    TooManyBlocks,
    /// The allocator refused a block, or the heap the room to remember it.
    OutOfMemory,
    /// The allocator broke its contract: a block's physical address is no multiple of its size, or
    /// its pointer no multiple of the smaller of that and 4096. The next kernel would refuse it.
    Misaligned {
        /// The block's physical address.
        addr: PhysAddr,
    },
}

impl GrowError {
    /// `ENOSPC` (28) at the limit, `ENOMEM` (12) without memory, `EINVAL` (22) for a misaligned block.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self.kind {
            GrowErrorKind::TooManyBlocks => ENOSPC,
            GrowErrorKind::OutOfMemory => ENOMEM,
            GrowErrorKind::Misaligned { .. } => EINVAL,
        }
    }
}

impl fmt::Display for GrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, wanted, obtained } = self;
        match kind {
            GrowErrorKind::TooManyBlocks => {
                write!(f, "{wanted} more blocks would exceed the limit of {MAX_BLOCKS}")
            }
            GrowErrorKind::OutOfMemory => {
                write!(f, "out of memory: wanted {wanted} more blocks, obtained {obtained}")
            }
            GrowErrorKind::Misaligned { addr } => {
                write!(f, "the allocator's block at {addr} is not aligned to its size")
            }
        }
    }
}

impl Error for GrowError {}
