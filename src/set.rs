//! The container: entries in a chain of blocks, in the order in which they were appended.

#![forbid(unsafe_code)]

pub(crate) mod adopt;
#[cfg(all(feature = "mock", not(target_os = "none")))]
pub(crate) mod audit;
pub(crate) mod block_addrs;
pub(crate) mod block_set;
pub(crate) mod cursor;
pub(crate) mod dump;
pub(crate) mod incoming;
pub(crate) mod iter;
pub(crate) mod link;
pub(crate) mod origin;
pub(crate) mod outgoing;
pub(crate) mod read;
pub(crate) mod remove;
pub(crate) mod sealed;
#[cfg(all(feature = "spin", target_has_atomic = "ptr"))]
pub(crate) mod shared;
pub(crate) mod writer;
