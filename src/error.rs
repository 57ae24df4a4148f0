//! Every way in which an operation can fail: one type per operation.

#![forbid(unsafe_code)]

mod grow;
mod restore;

pub use self::grow::{
    CapacityError, DescriptorError, DescriptorField, GrowError, GrowErrorKind, PushError,
};
pub use self::restore::{RestoreError, RestoreErrorKind, RestoreFromError};

/// Out of memory, as C callers know it.
pub(crate) const ENOMEM: i32 = 12;
/// Invalid input, as C callers know it.
pub(crate) const EINVAL: i32 = 22;
/// No room left, as C callers know it.
pub(crate) const ENOSPC: i32 = 28;
