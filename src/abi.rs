//! What lies in preserved memory: plain data, which one kernel writes and the next one reads.

#![forbid(unsafe_code)]

pub(crate) mod addr;
pub(crate) mod checks;
pub(crate) mod descriptor;
pub(crate) mod errno;
pub(crate) mod key;
pub(crate) mod layout;
pub(crate) mod link;
pub(crate) mod name;
pub(crate) mod region;
pub(crate) mod sizes;
