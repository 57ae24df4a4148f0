//! The table: records with a number that stays theirs while others come and go.

#![forbid(unsafe_code)]

pub(crate) mod adopt;
#[cfg(all(feature = "mock", not(target_os = "none")))]
pub(crate) mod audit;
pub(crate) mod holes;
pub(crate) mod incoming;
pub(crate) mod iter;
pub(crate) mod outgoing;
pub(crate) mod read;
pub(crate) mod remove;
pub(crate) mod sealed;
pub(crate) mod table;
