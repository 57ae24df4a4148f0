//! Underneath: where blocks come from.

pub(crate) mod allocator;
#[cfg(all(feature = "mock", not(target_os = "none")))]
pub mod mock;
pub(crate) mod region;
