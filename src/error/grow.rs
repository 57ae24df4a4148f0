//! How growing and appending can fail, and a descriptor that does not fit.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use super::{EINVAL, ENOMEM, ENOSPC};
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
}

impl GrowError {
    /// `ENOSPC` (28) at the limit, `ENOMEM` (12) without memory.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self.kind {
            GrowErrorKind::TooManyBlocks => ENOSPC,
            GrowErrorKind::OutOfMemory => ENOMEM,
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
        }
    }
}

impl Error for GrowError {}

/// A push that failed, with the entry that it was handed.
///
/// # Examples
///
/// ```
/// use kho_block::BlockSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::refusing(0);
/// let error = BlockSet::<u64, _>::new(&mem).push(7).unwrap_err();
/// assert_eq!(error.errno(), 12);
/// assert_eq!(error.entry, 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushError<T> {
    /// The entry, handed back.
    pub entry: T,
    /// Why there was no room for it.
    pub cause: GrowError,
}

impl<T> PushError<T> {
    /// The number of the [cause](GrowError::errno).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        self.cause.errno()
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl<T> Error for PushError<T> {}

impl<T> From<PushError<T>> for GrowError {
    fn from(error: PushError<T>) -> Self {
        error.cause
    }
}

/// More entries than the set has room for, and the caller may not grow it here.
///
/// # Examples
///
/// ```
/// use kho_block::BlockSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
/// set.grow(2).unwrap();
/// let error = set.writer().extend_from_slice(&[1, 2, 3]).unwrap_err();
/// assert_eq!((error.wanted, error.available), (3, 2));
/// assert_eq!(error.errno(), 28);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapacityError {
    /// Entries that the call had to append.
    pub wanted: usize,
    /// Entries there was room for.
    pub available: usize,
}

impl CapacityError {
    /// `ENOSPC`, 28.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        ENOSPC
    }
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for {} entries: {} left", self.wanted, self.available)
    }
}

impl Error for CapacityError {}

/// Which field of a [`Descriptor`](crate::Descriptor) does not fit, and the two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescriptorError {
    /// The field.
    pub field: DescriptorField,
    /// What the descriptor says.
    pub found: u64,
    /// What it should say; for [`Flags`](DescriptorField::Flags) all the flags there are, for
    /// [`Version`](DescriptorField::Version) the newest one known.
    pub expected: u64,
}

/// A field of a [`Descriptor`](crate::Descriptor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorField {
    /// `magic`: these bytes are no descriptor, or one of the other byte order.
    Magic,
    /// `version`: written by a newer library, or by none.
    Version,
    /// `flags`: bits whose meaning is not known here.
    Flags,
    /// `entry_size`, in bytes.
    EntrySize,
    /// `block_size`, in bytes.
    BlockSize,
    /// `entries`: the chain holds another number.
    Entries,
    /// `tag`: the entries are something else.
    Tag,
}

impl DescriptorError {
    /// `EINVAL`, 22.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        EINVAL
    }
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, found, expected } = self;
        match field {
            DescriptorField::Magic => write!(f, "magic {found:#x} is not {expected:#x}"),
            DescriptorField::Version => write!(f, "version {found} is not {expected}"),
            DescriptorField::Flags => write!(f, "flags {found:#x} go beyond {expected:#x}"),
            DescriptorField::EntrySize => write!(f, "entry size {found} is not {expected}"),
            DescriptorField::BlockSize => write!(f, "block size {found} is not {expected}"),
            DescriptorField::Entries => write!(f, "says {found} entries, the chain {expected}"),
            DescriptorField::Tag => write!(f, "tag {found:#x} is not {expected:#x}"),
        }
    }
}

impl Error for DescriptorError {}
