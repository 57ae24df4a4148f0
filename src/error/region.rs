//! Why memory is not taken for a region: what is wrong, and where.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::addr::PhysAddr;
use crate::abi::errno::{EEXIST, EINVAL, ENOENT};

/// Why a [`Region`](crate::Region) was neither opened nor created. No byte of the memory has changed.
///
/// After [`Blank`](Self::Blank), and after no other error, [`create`](crate::Region::create) is right:
/// all others are about memory that may hold what somebody wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionError {
    /// There is no region yet: the header is all zero, or a `create` did not get to its end.
    Blank,
    /// There is one already, and `create` was not told that it may go:
    /// [`create_over`](crate::Region::create_over) is.
    Exists,
    /// The physical address is not a multiple of 4096.
    Misaligned {
        /// The address.
        base: PhysAddr,
    },
    /// The memory is not mapped at a multiple of 4096.
    MisalignedPointer {
        /// The pointer's address.
        addr: usize,
    },
    /// The memory is no region's: fewer than three units, not a multiple of 4096 bytes, or beyond the
    /// end of the address space.
    Size {
        /// Bytes of the memory.
        bytes: usize,
    },
    /// Offset 0: something else is here.
    Magic {
        /// The first bytes.
        found: [u8; 8],
        /// Those of a region.
        expected: [u8; 8],
    },
    /// Offset 8: written by another version of the library.
    Version {
        /// What the header says.
        found: u32,
        /// What is known here.
        expected: u32,
    },
    /// Offset 12: written by a processor with another byte order.
    ByteOrder {
        /// What the header says.
        found: u32,
        /// What it would say here.
        expected: u32,
    },
    /// Offset 40: the header is damaged.
    Checksum {
        /// What the header says.
        found: u64,
        /// What its other bytes make.
        expected: u64,
    },
    /// Offset 16: the region was created at another physical address, which all its links know.
    Moved {
        /// Where it was created.
        found: u64,
        /// Where it is.
        expected: u64,
    },
    /// Offset 24: the region was created with another length.
    Length {
        /// Bytes with which it was created.
        found: u64,
        /// Bytes that are here.
        expected: u64,
    },
    /// Offset 32: the books are not where this version has them.
    Books {
        /// Bytes from the header to the books.
        found: u64,
        /// Where they should be.
        expected: u64,
    },
    /// A byte of the books is wrong.
    Book {
        /// Bytes from the start of the region to that byte.
        offset: u64,
        /// The physical address of the memory that the byte is about.
        addr: PhysAddr,
        /// The byte.
        found: u8,
        /// What is wrong with it.
        fault: BookFault,
    },
    /// Offsets 64 and 128: neither copy of the root is sound.
    Root {
        /// The checksums that the copies hold.
        found: [u64; 2],
        /// Those that their other bytes make.
        expected: [u64; 2],
    },
}

/// What is wrong with a byte of a [`Region`](crate::Region)'s books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BookFault {
    /// It is about the header or the books, where no block can be: expected is zero.
    Reserved,
    /// It is behind those of all units, where nothing is: expected is zero.
    Beyond,
    /// It lies within a block, which starts elsewhere: expected is zero.
    Inside {
        /// Where that block starts.
        block: PhysAddr,
    },
    /// It is not zero, and no size of a block either.
    NoSize,
    /// It is that of a block whose address is not a multiple of its size.
    Misaligned {
        /// Bytes of the block.
        size: u64,
    },
    /// It is that of a block which ends beyond the region.
    TooLong {
        /// Bytes of the block.
        size: u64,
    },
}

impl RegionError {
    /// `ENOENT` (2) for blank memory, `EEXIST` (17) if there is a region already, otherwise `EINVAL`
    /// (22).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Blank => ENOENT,
            Self::Exists => EEXIST,
            _ => EINVAL,
        }
    }
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("no region has been created here yet"),
            Self::Exists => f.write_str("there is a region here already"),
            Self::Misaligned { base } => write!(f, "base {base} is not a multiple of 4096"),
            Self::MisalignedPointer { addr } => {
                write!(f, "mapped at {addr:#x}, which is not a multiple of 4096")
            }
            Self::Size { bytes } => write!(f, "{bytes} bytes of memory cannot be a region"),
            Self::Magic { found, expected } => write!(
                f,
                "offset 0: magic {:#x} is not {:#x}",
                u64::from_be_bytes(*found),
                u64::from_be_bytes(*expected)
            ),
            Self::Version { found, expected } => {
                write!(f, "offset 8: version {found} is not {expected}")
            }
            Self::ByteOrder { found, expected } => {
                write!(f, "offset 12: byte order {found:#x} is not {expected:#x}")
            }
            Self::Checksum { found, expected } => {
                write!(f, "offset 40: checksum {found:#x} is not {expected:#x}")
            }
            Self::Moved { found, expected } => {
                write!(f, "offset 16: created at {found:#x}, found at {expected:#x}")
            }
            Self::Length { found, expected } => {
                write!(f, "offset 24: created with {found} bytes, found with {expected}")
            }
            Self::Books { found, expected } => {
                write!(f, "offset 32: books at offset {found}, not at {expected}")
            }
            Self::Book { offset, addr, found, fault } => {
                write!(f, "offset {offset}: byte {found:#x} for {addr} {fault}")
            }
            Self::Root { found: [first, second], expected: [of_first, of_second] } => write!(
                f,
                "offsets 64 and 128: no copy of the root is sound, checksums {first:#x} and \
                 {second:#x} where {of_first:#x} and {of_second:#x} would be"
            ),
        }
    }
}

impl fmt::Display for BookFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("is in the header or the books, and not 0"),
            Self::Beyond => f.write_str("is beyond the region, and not 0"),
            Self::Inside { block } => write!(f, "is inside the block at {block}, and not 0"),
            Self::NoSize => f.write_str("is neither 0 nor that of a block"),
            Self::Misaligned { size } => {
                write!(f, "is out of place for a block of {size} bytes")
            }
            Self::TooLong { size } => {
                write!(f, "is that of a block of {size} bytes, which ends beyond the region")
            }
        }
    }
}

impl Error for RegionError {}
