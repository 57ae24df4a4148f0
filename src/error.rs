//! Every way in which an operation can fail: one type per operation.

#![forbid(unsafe_code)]

pub(crate) mod adopt;
pub(crate) mod append;
pub(crate) mod grow;
pub(crate) mod link;
pub(crate) mod luo;
pub(crate) mod map;
pub(crate) mod region;
pub(crate) mod restore;
