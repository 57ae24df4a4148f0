//! What may be kept in a block, checked while the set's user compiles.

#![forbid(unsafe_code)]

use core::mem::needs_drop;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::layout::ChainLayout;
use crate::abi::sizes::{MAX_BLOCKS, MAX_ENTRY_ALIGN, MIN_BLOCK_SIZE};

/// A record that can outlive its kernel: any bytes are a valid one, and it has no padding.
///
/// Implemented for every type with zerocopy's four traits, which its derives provide. `FromBytes`
/// makes restored bytes an entry whatever they are; `IntoBytes` keeps out padding, through which
/// old memory of this kernel would reach the next. References, `bool`, `char` and most enums have
/// invalid values and are refused; keep them as integers and convert.
///
/// The derives look for a crate named `zerocopy`. With this crate as the only dependency, add
/// `#[zerocopy(crate = "kho_block::zerocopy")]` to the record.
///
/// A set checks the rest when it is compiled: an entry is not empty, fits a block, asks for at most
/// [16 bytes](MAX_ENTRY_ALIGN) of alignment, and has no destructor, which the next kernel could not
/// run.
///
/// # Examples
///
/// ```
/// use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// /// The record that LUO keeps of a session.
/// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// #[zerocopy(crate = "kho_block::zerocopy")]
/// struct Session {
///     name: [u8; 64],
///     files: u64,
///     count: u64,
/// }
///
/// fn takes_entries<T: kho_block::Entry>() {}
/// takes_entries::<Session>();
/// ```
///
/// Seven bytes of padding would follow `open`:
///
/// ```compile_fail
/// use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Device {
///     open: u8,
///     address: u64,
/// }
/// ```
pub trait Entry: FromBytes + IntoBytes + Immutable + KnownLayout + Sized {}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Entry for T {}

/// The layout of a chain of `T`s, once every rule about both sizes is seen to hold.
///
/// # Panics
///
/// If one does not: while the set's user compiles, since only constants call it.
pub(crate) const fn checked_layout<T: Entry, const BLOCK_SIZE: usize>() -> ChainLayout {
    assert!(BLOCK_SIZE.is_power_of_two(), "BLOCK_SIZE must be a power of two");
    assert!(BLOCK_SIZE >= MIN_BLOCK_SIZE, "BLOCK_SIZE must be at least 32 bytes");
    assert!(size_of::<T>() > 0, "an entry must not be empty");
    assert!(align_of::<T>() <= MAX_ENTRY_ALIGN, "an entry may be aligned to 16 bytes at most");
    assert!(!needs_drop::<T>(), "an entry must not have a destructor");
    let layout = ChainLayout::new(size_of::<T>(), BLOCK_SIZE);
    layout.expect("an entry must fit into a block beside the 16-byte header")
}

/// The most slots that a table may have: as many as a search of five words finds one in.
pub(crate) const MAX_SLOTS: usize = 64_usize.pow(5);

/// The layout of a chain of `T`s with a stamp of 8 bytes each, once every rule about both sizes is
/// seen to hold.
///
/// # Panics
///
/// If one does not: while the table's user compiles, since only constants call it.
pub(crate) const fn stamped_layout<T: Entry, const BLOCK_SIZE: usize>() -> ChainLayout {
    let _ = checked_layout::<T, BLOCK_SIZE>();
    assert!(align_of::<T>() <= 8, "an entry of a table may be aligned to 8 bytes at most");
    assert!(size_of::<T>() % 8 == 0, "the size of an entry of a table must be a multiple of 8");
    let layout = ChainLayout::new(size_of::<T>().saturating_add(8), BLOCK_SIZE);
    let layout = layout.expect("an entry of a table must fit into a block behind its 8-byte stamp");
    let slots = MAX_BLOCKS.saturating_mul(layout.capacity());
    assert!(slots <= MAX_SLOTS, "a table may have 2^30 slots at most: the blocks are too large");
    layout
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use std::panic::catch_unwind;
    use std::string::String;

    use super::*;

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C, align(32))]
    struct Strict([u8; 32]);

    /// What `u128` is on most processors.
    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C, align(16))]
    struct Wide([u8; 16]);

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    struct Owner(u64);

    impl Drop for Owner {
        fn drop(&mut self) {}
    }

    fn assert_refused<T: Entry, const BLOCK_SIZE: usize>(rule: &str) {
        assert_says(checked_layout::<T, BLOCK_SIZE>, rule);
    }

    fn assert_says(layout: fn() -> ChainLayout, rule: &str) {
        let broken = catch_unwind(layout).unwrap_err();
        let said = broken.downcast_ref::<&str>().copied();
        let said = said.or(broken.downcast_ref::<String>().map(String::as_str));
        assert_eq!(said, Some(rule));
    }

    #[test]
    fn what_breaks_a_rule_about_sizes_is_told_the_rule() {
        assert_refused::<u64, 0>("BLOCK_SIZE must be a power of two");
        assert_refused::<u64, 48>("BLOCK_SIZE must be a power of two");
        assert_refused::<u64, 16>("BLOCK_SIZE must be at least 32 bytes");
        assert_refused::<[u64; 0], 32>("an entry must not be empty");
        assert_refused::<Strict, 64>("an entry may be aligned to 16 bytes at most");
        assert_refused::<Owner, 32>("an entry must not have a destructor");
        assert_refused::<[u8; 17], 32>("an entry must fit into a block beside the 16-byte header");
    }

    #[test]
    fn what_breaks_a_rule_about_tables_is_told_the_rule() {
        assert_says(
            stamped_layout::<[u8; 12], 64>,
            "the size of an entry of a table must be a multiple of 8",
        );
        assert_says(
            stamped_layout::<Wide, 64>,
            "an entry of a table may be aligned to 8 bytes at most",
        );
        let fits = "an entry of a table must fit into a block behind its 8-byte stamp";
        assert_says(stamped_layout::<[u64; 2], 32>, fits);
        let large = "a table may have 2^30 slots at most: the blocks are too large";
        assert_says(stamped_layout::<[u64; 1], { 2 << 20 }>, large);
        assert_eq!(stamped_layout::<[u64; 1], { 1 << 20 }>().capacity(), 65_535);
        assert_eq!(stamped_layout::<[u64; 1], 32>().capacity(), 1);
    }

    #[test]
    fn what_keeps_every_rule_has_room_for_as_many_entries_as_fit() {
        assert_eq!(checked_layout::<u64, 32>().capacity(), 2);
        assert_eq!(checked_layout::<Wide, 32>().capacity(), 1);
        assert_eq!(checked_layout::<[u8; 16], 32>().capacity(), 1);
        assert_eq!(checked_layout::<[u8; 9], 32>().capacity(), 1);
        assert_eq!(checked_layout::<u8, 8192>().capacity(), 8176);
    }
}
