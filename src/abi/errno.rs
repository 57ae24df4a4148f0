//! The numbers by which C callers know an error.

#![forbid(unsafe_code)]

/// Out of memory.
pub(crate) const ENOMEM: i32 = 12;
/// Invalid input.
pub(crate) const EINVAL: i32 = 22;
/// No room left.
pub(crate) const ENOSPC: i32 = 28;
