//! The numbers by which C callers know an error.

#![forbid(unsafe_code)]

/// Nothing there.
pub(crate) const ENOENT: i32 = 2;
/// Out of memory.
pub(crate) const ENOMEM: i32 = 12;
/// Something there already.
pub(crate) const EEXIST: i32 = 17;
/// Invalid input.
pub(crate) const EINVAL: i32 = 22;
/// No room left.
pub(crate) const ENOSPC: i32 = 28;
