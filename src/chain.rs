//! Blocks and the chain that they form: the core, and the only folder that follows a pointer into
//! preserved memory.

pub(crate) mod block;
pub(crate) mod entries;
pub(crate) mod entry;
pub(crate) mod header;
pub(crate) mod starts;
pub(crate) mod tail;
