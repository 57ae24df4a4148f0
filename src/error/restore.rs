//! How restoring can fail: what is wrong, and where.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::DescriptorError;
use crate::abi::errno::{EINVAL, ENOMEM};
use crate::abi::sizes::MAX_BLOCKS;

/// Where a chain is damaged, and how. Every claim was given back.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{IncomingSet, PhysAddr, RestoreErrorKind};
///
/// let mem = Mock::new();
/// let nowhere = PhysAddr::new(0x2000);
/// let error = IncomingSet::<u64, _>::restore(&mem, nowhere).unwrap_err();
/// assert_eq!(error.kind, RestoreErrorKind::NotPreserved { block_size: 8192 });
/// assert_eq!(
///     error.to_string(),
///     "block 0 at 0x2000: not preserved as a block of 8192 bytes, or claimed already"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreError {
    /// What is wrong.
    pub kind: RestoreErrorKind,
    /// The position of the block in the chain, counted from 0.
    pub block: usize,
    /// The block's physical address, or what its predecessor's link says it is.
    pub addr: PhysAddr,
}

/// What is wrong with a block of a chain, with the value that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreErrorKind {
    /// The address is not a multiple of the block size.
    Misaligned,
    /// The allocator broke its contract: the pointer that it lent for the block is no multiple of
    /// the smaller of the block size and 4096.
    MisalignedPointer,
    /// The allocator knows no unclaimed block of this size at the address. A chain that was written
    /// with another block size is the likeliest cause.
    NotPreserved {
        /// The size asked for, in bytes.
        block_size: usize,
    },
    /// The chain has come back to one of its own blocks.
    Cycle {
        /// The position at which the block stands first.
        first: usize,
    },
    /// The header counts more entries than the block has room for.
    CountTooLarge {
        /// What the header says.
        count: u64,
        /// Entries that fit.
        capacity: usize,
    },
    /// The chain goes on after [`MAX_BLOCKS`] blocks.
    TooManyBlocks,
    /// The heap has no room for the index of the blocks.
    OutOfMemory,
    /// Not the last block, yet not full: refused by [`DENSE`](crate::RestoreChecks::DENSE).
    NotFull {
        /// Entries in the block.
        count: usize,
        /// Entries that fit.
        capacity: usize,
    },
    /// No entries: refused by [`NO_EMPTY_BLOCKS`](crate::RestoreChecks::NO_EMPTY_BLOCKS).
    Empty,
    /// A byte behind the entries is not zero: refused by
    /// [`ZERO_TAIL`](crate::RestoreChecks::ZERO_TAIL).
    DirtyTail {
        /// Bytes from the start of the block to the first such byte.
        offset: usize,
    },
    /// In a table, the stamp of a slot is above `u32::MAX`, which none is.
    Stamp {
        /// The number of the slot in the table.
        slot: usize,
        /// What stands there.
        stamp: u64,
    },
}

impl RestoreError {
    /// `ENOMEM` (12) if the heap is full, otherwise `EINVAL` (22).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self.kind {
            RestoreErrorKind::OutOfMemory => ENOMEM,
            _ => EINVAL,
        }
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, block, addr } = self;
        write!(f, "block {block} at {addr}: {kind}")
    }
}

impl fmt::Display for RestoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => f.write_str("not aligned to the block size"),
            Self::MisalignedPointer => f.write_str("lent through a pointer that is not aligned"),
            Self::NotPreserved { block_size } => {
                write!(f, "not preserved as a block of {block_size} bytes, or claimed already")
            }
            Self::Cycle { first } => write!(f, "the chain returns to its block {first}"),
            Self::CountTooLarge { count, capacity } => {
                write!(f, "counts {count} entries where {capacity} fit")
            }
            Self::TooManyBlocks => write!(f, "the chain exceeds {MAX_BLOCKS} blocks"),
            Self::OutOfMemory => f.write_str("no memory for the index of blocks"),
            Self::NotFull { count, capacity } => {
                write!(f, "holds {count} of {capacity} entries but is not the last block")
            }
            Self::Empty => f.write_str("holds no entries"),
            Self::DirtyTail { offset } => {
                write!(f, "unused byte at offset {offset} is not zero")
            }
            Self::Stamp { slot, stamp } => write!(f, "slot {slot} has {stamp:#x} for a stamp"),
        }
    }
}

impl Error for RestoreError {}

/// Why [`restore_from`](crate::BlockSet::restore_from) refused: the descriptor or the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreFromError {
    /// The descriptor does not describe this chain.
    Descriptor(DescriptorError),
    /// The chain is damaged.
    Chain(RestoreError),
}

impl RestoreFromError {
    /// The number of the error within.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Descriptor(error) => error.errno(),
            Self::Chain(error) => error.errno(),
        }
    }
}

impl fmt::Display for RestoreFromError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptor(error) => write!(f, "descriptor: {error}"),
            Self::Chain(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for RestoreFromError {}

impl From<DescriptorError> for RestoreFromError {
    fn from(error: DescriptorError) -> Self {
        Self::Descriptor(error)
    }
}

impl From<RestoreError> for RestoreFromError {
    fn from(error: RestoreError) -> Self {
        Self::Chain(error)
    }
}
