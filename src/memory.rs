//! Underneath: where blocks come from.

pub(crate) mod allocator;
#[cfg(feature = "mock")]
pub mod mock;
