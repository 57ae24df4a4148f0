//! The two numbers that a chain is made of.

#![forbid(unsafe_code)]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{MIN_BLOCK_SIZE, entries_per_block, to_wire};

/// Bytes of an entry and of a block: all that must be known of a chain to walk it.
///
/// Both are checked: a block is a power of two of at least [`MIN_BLOCK_SIZE`] bytes and has room for
/// an entry. [`BlockSet::LAYOUT`](crate::BlockSet::LAYOUT) is that of a set.
///
/// # Examples
///
/// ```
/// use kho_block::ChainLayout;
///
/// let files = ChainLayout::new(64, 8192).unwrap();
/// assert_eq!((files.entry_size(), files.block_size(), files.capacity()), (64, 8192, 127));
/// assert_eq!(ChainLayout::new(64, 5000), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChainLayout {
    entry_size: usize,
    block_size: usize,
    /// Entries that fit into a block: what follows from the two sizes, divided once.
    capacity: NonZeroUsize,
}

impl ChainLayout {
    /// The layout of entries of `entry_size` bytes in blocks of `block_size` bytes; `None` if there
    /// is no such chain.
    ///
    /// ```
    /// # use kho_block::ChainLayout;
    /// assert!(ChainLayout::new(16, 32).is_some());
    /// assert!(ChainLayout::new(0, 32).is_none(), "an entry is not empty");
    /// assert!(ChainLayout::new(17, 32).is_none(), "an entry fits beside the header");
    /// assert!(ChainLayout::new(8, 16).is_none(), "a block has at least 32 bytes");
    /// assert!(ChainLayout::new(8, 48).is_none(), "a block is a power of two");
    /// ```
    #[must_use]
    pub const fn new(entry_size: usize, block_size: usize) -> Option<Self> {
        let sound = block_size.is_power_of_two() && block_size >= MIN_BLOCK_SIZE;
        match NonZeroUsize::new(entries_per_block(block_size, entry_size)) {
            Some(capacity) if sound => Some(Self { entry_size, block_size, capacity }),
            _ => None,
        }
    }

    /// Bytes of an entry.
    #[must_use]
    #[inline]
    pub const fn entry_size(self) -> usize {
        self.entry_size
    }

    /// Bytes of a block.
    #[must_use]
    #[inline]
    pub const fn block_size(self) -> usize {
        self.block_size
    }

    /// Entries that fit into a block: one at least.
    #[must_use]
    #[inline]
    pub const fn capacity(self) -> usize {
        self.capacity.get()
    }

    /// Blocks that `count` entries need.
    #[inline]
    pub(crate) fn blocks_for(self, count: usize) -> usize {
        count.div_ceil(self.capacity.get())
    }

    /// Whether a block may lie at this physical address: a multiple of the block size.
    #[inline]
    pub(crate) fn may_lie_at(self, addr: PhysAddr) -> bool {
        addr.get() & to_wire(self.block_size.wrapping_sub(1)) == 0
    }

    /// Whether a block may be reached through this pointer: aligned to the block size, or to a page
    /// of 4096 bytes if that is less.
    #[inline]
    pub(crate) fn may_be_reached_at(self, ptr: NonNull<u8>) -> bool {
        // Both are powers of two: the smaller one's mask is what their masks have in common.
        ptr.addr().get() & self.block_size.wrapping_sub(1) & 4095 == 0
    }
}
