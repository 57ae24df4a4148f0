//! How appending can fail; whatever was handed in comes back.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::errno::ENOSPC;
use crate::error::grow::GrowError;

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

/// A push into a set whose blocks are all full, through a writer, which never allocates; with the
/// entry that it was handed.
///
/// # Examples
///
/// ```
/// use kho_block::BlockSet;
/// use kho_block::mock::Mock;
///
/// let mem = Mock::new();
/// let error = BlockSet::<u64, _>::new(&mem).writer().push(7).unwrap_err();
/// assert_eq!(error.entry, 7);
/// assert_eq!(error.errno(), 28);
/// assert_eq!(error.to_string(), "every block is full");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FullError<T> {
    /// The entry, handed back.
    pub entry: T,
}

impl<T> FullError<T> {
    #[inline]
    pub(crate) fn new(entry: T) -> Self {
        Self { entry }
    }

    /// `ENOSPC`, 28.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        ENOSPC
    }
}

impl<T> fmt::Debug for FullError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for FullError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every block is full")
    }
}

impl<T> Error for FullError<T> {}

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
