//! What is wrong with the map of the blocks that Linux preserved.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::errno::EINVAL;

/// Where a [`PreservedMap`](crate::linux::PreservedMap) is damaged, and how.
///
/// A level is counted from 0, the root, to 5, a bitmap. `key` is the lowest key of those that lead to
/// a table: it tells the word of each table before it.
///
/// # Examples
///
/// ```
/// use kho_block::PhysAddr;
/// use kho_block::linux::PreservedMap;
///
/// let map = PreservedMap::new(PhysAddr::new(0x2000).unwrap(), |_| Some(0x2000));
/// let error = map.contains(PhysAddr::new(0x5000).unwrap(), 4096).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "level 1, key 0x10000000000000: the table at 0x2000 is that of level 0"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// A table's address is not a multiple of 4096.
    Misaligned {
        /// The level of the table.
        level: usize,
        /// The lowest key that leads there.
        key: u64,
        /// The address.
        table: PhysAddr,
    },
    /// A word of a table could not be read.
    Unreadable {
        /// The level of the table.
        level: usize,
        /// The lowest key of those that the word is for.
        key: u64,
        /// The address of the word.
        addr: PhysAddr,
    },
    /// A table leads back to one on the way to it.
    Loop {
        /// The level at which the table is met again.
        level: usize,
        /// The lowest key that leads there.
        key: u64,
        /// The table.
        table: PhysAddr,
        /// The level at which it stands first.
        first: usize,
    },
    /// A key of no block is set, or leads somewhere: its order does not exist, or its address is 0.
    NoSuchBlock {
        /// The key, or the lowest of those that the word is for.
        key: u64,
    },
    /// A block begins within another one.
    Overlap {
        /// Where it begins.
        addr: PhysAddr,
        /// Its bytes.
        size: u64,
    },
    /// There are more tables than [allowed](crate::linux::PreservedMap::with_max_tables).
    TooManyTables {
        /// As many are.
        max: usize,
    },
}

impl MapError {
    /// `EINVAL` (22).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        EINVAL
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { level, key, table } => {
                write!(f, "level {level}, key {key:#x}: the table at {table} is not aligned")
            }
            Self::Unreadable { level, key, addr } => {
                write!(f, "level {level}, key {key:#x}: the word at {addr} cannot be read")
            }
            Self::Loop { level, key, table, first } => {
                write!(
                    f,
                    "level {level}, key {key:#x}: the table at {table} is that of level {first}"
                )
            }
            Self::NoSuchBlock { key } => write!(f, "key {key:#x}: no block has it"),
            Self::Overlap { addr, size } => {
                write!(f, "block of {size} bytes at {addr}: begins within another")
            }
            Self::TooManyTables { max } => write!(f, "the map exceeds {max} tables"),
        }
    }
}

impl Error for MapError {}
