//! What a mock tells of the kernel that used it.

#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::fmt;

/// How often each method of [`PreservedAllocator`](crate::PreservedAllocator) and
/// [`CarryAllocator`](crate::CarryAllocator) was called, refused calls included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls of `alloc_preserve`.
    pub alloc_preserve: usize,
    /// Calls of `unpreserve_free`.
    pub unpreserve_free: usize,
    /// Calls of `restore`.
    pub restore: usize,
    /// Calls of `unrestore`.
    pub unrestore: usize,
    /// Calls of `restore_free`.
    pub restore_free: usize,
    /// Calls of `preserve`.
    pub preserve: usize,
    /// Calls of `unpreserve`.
    pub unpreserve: usize,
}

/// Something that a kernel should not have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// `restore` of a block that is claimed already, or carried. It was refused. A damaged chain leads to this.
    DoubleClaim {
        /// The block.
        addr: u64,
    },
    /// `restore` of a block with another size than its own. It was refused. A damaged chain leads
    /// to this.
    WrongSizeClaim {
        /// The block.
        addr: u64,
        /// Its size, in bytes.
        size: usize,
        /// What the call said.
        said: usize,
    },
    /// A block was to be freed, given back, preserved or preserved no more with another size than
    /// its own. It was not.
    WrongSize {
        /// The block.
        addr: u64,
        /// Its size, in bytes.
        size: usize,
        /// What the call said.
        said: usize,
    },
    /// A block was to be freed or given back by a call that does not take such a block, or was no
    /// block at all. Nothing happened.
    ForeignFree {
        /// The call.
        call: &'static str,
    },
    /// `preserve` of what is not claimed, or is preserved already; or `unpreserve` of what is not
    /// carried. Nothing happened, and `preserve` was refused.
    ForeignCarry {
        /// The call.
        call: &'static str,
    },
    /// At a [`reboot`](super::Mock::reboot) the block was preserved for this kernel, but neither freed by it nor preserved
    /// anew: it is gone.
    Lost {
        /// The block.
        addr: u64,
    },
}

/// Addresses of blocks, as a message names them: the first few.
pub(super) struct Addrs(pub(super) Vec<u64>);

impl fmt::Display for Addrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 8;
        for (number, addr) in self.0.iter().take(NAMED).enumerate() {
            write!(f, "{}{addr:#x}", if number > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
