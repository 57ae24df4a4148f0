//! The number by which the map knows a block: its size and its address in one.
//!
//! The key of a block of 2^n pages of 4096 bytes at `pa` is `1 << (52 - n) | pa >> (12 + n)`.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;

/// The bit above the address in the key of a block of one page; one less for each order more.
pub(super) const TOP_BIT: u32 = 52;

/// The keys of blocks: not 0 and 1, which would have orders 53 and 52.
pub(super) const FIRST_KEY: u64 = 2;
pub(super) const END_OF_KEYS: u64 = 1 << (TOP_BIT + 1);

/// Bytes of a page, and as a power of two.
pub(super) const PAGE_SIZE: u64 = 1 << PAGE_BITS;
pub(super) const PAGE_BITS: u32 = 12;

/// The number of the highest bit that is set in a key, which is not 0.
pub(super) const fn top_bit(key: u64) -> u32 {
    63_u32.saturating_sub(key.leading_zeros())
}

/// The key of a block; `None` if there is no such block.
pub(super) fn key_of(addr: PhysAddr, size: u64) -> Option<u64> {
    let bits = size.trailing_zeros();
    let sound = size.is_power_of_two() && bits >= PAGE_BITS && addr.is_aligned_to(size);
    sound.then(|| 1 << (TOP_BIT + PAGE_BITS).saturating_sub(bits) | addr.get() >> bits)
}

/// The address and the bytes of the block with this key, from [`FIRST_KEY`] to [`END_OF_KEYS`].
pub(super) const fn block_of(key: u64) -> (u64, u64) {
    let top_bit = top_bit(key);
    let size_bits = (TOP_BIT + PAGE_BITS).saturating_sub(top_bit);
    // The bit that says the size is shifted out.
    (key << size_bits, 1 << size_bits)
}
