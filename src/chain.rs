//! Blocks and the chain that they form: the core, and the only folder that follows a pointer into
//! preserved memory.

pub(crate) mod block;
pub(crate) mod copy;
pub(crate) mod entries;
pub(crate) mod entry;
pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod judge;
pub(crate) mod list;
pub(crate) mod owned;
pub(crate) mod scan;
pub(crate) mod stamped;
pub(crate) mod starts;
pub(crate) mod tail;
pub(crate) mod typed;
pub(crate) mod walk;
