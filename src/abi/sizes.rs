//! The preserved bytes: what one kernel writes and the next one reads.

#![forbid(unsafe_code)]

use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Prefix of every preserved block.
///
/// Both fields are native-endian. `next` is the physical address of the following header, zero in
/// the last block. `count` is how many entries are in use, and is untrusted until
/// [`BlockSet::restore`](crate::BlockSet::restore) has checked it against the block's capacity.
/// The entries follow the header without a gap.
///
/// # Examples
///
/// Reading a header out of a memory dump:
///
/// ```
/// use kho_block::BlockHeader;
/// use kho_block::zerocopy::{FromBytes, IntoBytes};
///
/// let dump = [0x1_0000_2000_u64, 127];
/// let (header, _entries) = BlockHeader::read_from_prefix(dump.as_bytes()).unwrap();
/// assert_eq!({ header.next }, 0x1_0000_2000);
/// assert_eq!({ header.count }, 127);
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C, packed)]
pub struct BlockHeader {
    /// Physical address of the next header; zero ends the chain.
    pub next: u64,
    /// Entries in use in this block.
    pub count: u64,
}

const_assert_eq!(size_of::<BlockHeader>(), 16);
const_assert_eq!(align_of::<BlockHeader>(), 1);
const_assert_eq!(offset_of!(BlockHeader, next), 0);
const_assert_eq!(offset_of!(BlockHeader, count), 8);

/// Bytes before the first entry of a block.
pub const HEADER_SIZE: usize = size_of::<BlockHeader>();

/// Bytes of a block unless a set says otherwise: 8 KiB, as `luo_block.c` has it.
pub const DEFAULT_BLOCK_SIZE: usize = 8192;

/// Bytes of the smallest block: a header and as many bytes again.
pub const MIN_BLOCK_SIZE: usize = 32;

/// The strictest alignment an entry may ask for, in bytes: that of the first entry.
pub const MAX_ENTRY_ALIGN: usize = 16;

/// The most blocks a chain may have: a guard against runaway memory and endless chains.
pub const MAX_BLOCKS: usize = 10_000;

const_assert_eq!(HEADER_SIZE % MAX_ENTRY_ALIGN, 0);

/// How many entries of `entry_size` bytes fit into a block of `block_size` bytes.
///
/// # Examples
///
/// ```
/// assert_eq!(kho_block::entries_per_block(8192, 64), 127);
/// assert_eq!(kho_block::entries_per_block(8192, 8177), 0);
/// assert_eq!(kho_block::entries_per_block(8192, 0), 0);
/// ```
#[must_use]
pub const fn entries_per_block(block_size: usize, entry_size: usize) -> usize {
    match block_size.saturating_sub(HEADER_SIZE).checked_div(entry_size) {
        Some(capacity) => capacity,
        None => 0,
    }
}

/// A size or count of this kernel as the wire has it: nothing is lost, `usize` has 64 bits at most.
#[inline]
pub(crate) const fn to_wire(n: usize) -> u64 {
    const { assert!(usize::BITS <= u64::BITS) };
    #[expect(clippy::as_conversions, reason = "there is no const conversion, and it is asserted")]
    {
        n as u64
    }
}
