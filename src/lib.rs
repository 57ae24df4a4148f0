//! Chains of fixed-size records in preserved memory, handed from one kernel to the next by kexec.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "mock")]
extern crate std;

mod abi;
mod addr;
mod allocator;
#[cfg(feature = "mock")]
mod audit;
mod block;
mod cursor;
mod descriptor;
mod dump;
mod entry;
mod error;
mod header;
mod iter;
#[cfg(feature = "mock")]
pub mod mock;
mod origin;
mod outgoing;
mod remove;
mod restore;
mod set;
mod slots;
mod starts;
#[cfg(feature = "spin")]
mod sync;

pub use zerocopy;

pub use crate::abi::{
    BlockHeader, DEFAULT_BLOCK_SIZE, HEADER_SIZE, MAX_BLOCKS, MAX_ENTRY_ALIGN, MIN_BLOCK_SIZE,
    entries_per_block,
};
pub use crate::addr::PhysAddr;
pub use crate::allocator::{AllocError, PreservedAllocator, PreservedBlock};
#[cfg(feature = "mock")]
pub use crate::audit::AuditError;
pub use crate::cursor::{Cursor, Writer};
pub use crate::descriptor::{Descriptor, DescriptorFlags};
pub use crate::entry::Entry;
pub use crate::error::{
    CapacityError, DescriptorError, DescriptorField, GrowError, GrowErrorKind, PushError,
    RestoreError, RestoreErrorKind, RestoreFromError,
};
pub use crate::iter::{Blocks, BlocksMut, Iter, IterMut};
pub use crate::origin::{Incoming, Origin, Outgoing};
pub use crate::restore::RestoreChecks;
pub use crate::set::{BlockSet, IncomingSet};
#[cfg(feature = "spin")]
pub use crate::sync::SharedBlockSet;
