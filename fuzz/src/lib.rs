//! Inputs that nobody thought of: the eight fuzz targets of `kho-block`.
//!
//! ```console
//! $ cargo +nightly fuzz run restore -- -max_len=528
//! ```
//!
//! | target | an input is | what must hold |
//! |---|---|---|
//! | [`restore()`] | a head, which blocks are preserved, their bytes | an error with the place of the first fault, or exactly the entries that are counted; what is salvaged is all before that fault |
//! | [`bitflip()`] | a valid chain and bits to flip in it, its head or its descriptor | the same |
//! | [`operations()`] | operations on a set, over several kernels | results, entries and bytes are those of a list, and what a root page says, written whenever, can be restored |
//! | [`region()`] | operations on a region, damage to its header and books, more operations | a refusal that writes nothing, or blocks that never overlap and outlive every opening |
//! | [`slots()`] | any memory as a table, or operations on one, with allocations refused, over several kernels | an error with the place of the first fault, or the entries whose stamps are odd; every entry is found under its own key alone |
//! | [`map()`] | blocks in the map of a Linux, and words of it overwritten | an error that is there, or the blocks that a plain reading finds |
//! | [`inspect()`] | an image of memory | `kho-inspect` reports something, in bounded time and memory |
//! | [`refuse()`] | the same, with allocations refused | a call fails if, and only if, it was refused memory, and then nothing has changed, or what `try_extend` has appended |
//!
//! Speed is what finds things, so memory is an arena of sixteen small blocks, made once, and a
//! model is an array. What a chain means is read from the bytes once more by an `Image`, which
//! shares no code with the library. Under `AddressSanitizer` a block can be touched only while it is
//! lent, and the gaps between blocks never.
//!
//! `cargo test` replays the corpora without a nightly Rust or a sanitizer.

mod arena;
mod bitflip;
mod entries;
mod heap;
mod image;
mod input;
mod inspect;
mod map;
mod operations;
mod region;
mod restore;
mod slots;

use core::fmt::Debug;

use arrayvec::ArrayVec;
use kho_block::Entry;

use crate::arena::{Arena, BLOCKS};
use crate::input::Input;

/// An entry that can be compared with a model's.
trait Record: Entry + Copy + PartialEq + Debug {}

impl<T: Entry + Copy + PartialEq + Debug> Record for T {}

/// The entries that a set should hold: at most six to a block.
type List<T> = ArrayVec<T, { 6 * BLOCKS }>;

/// An entry that differs from that of the next `serial` in every byte.
fn record<T: Record>(serial: u8) -> T {
    let mut entry = T::new_zeroed();
    for (byte, j) in entry.as_mut_bytes().iter_mut().zip(0_u8..) {
        *byte = serial.wrapping_mul(31).wrapping_add(j.wrapping_mul(7)).wrapping_add(3);
    }
    entry
}

/// Runs a target with the entry and the size of block that the input's first byte names.
macro_rules! target {
    ($(#[$attr:meta])* $name:ident, $($run:ident)::+) => {
        $(#[$attr])*
        pub fn $name(data: &[u8]) {
            thread_local! {
                static SMALL: Arena<32> = const { Arena::new() };
                static LARGE: Arena<64> = const { Arena::new() };
            }
            let mut input = Input::new(data);
            match input.byte() % 4 {
                0 => SMALL.with(|arena| $($run)::+::<u64, 32>(arena, input)), // two to a block
                1 => SMALL.with(|arena| $($run)::+::<[u8; 3], 32>(arena, input)), // five, a byte unused
                2 => SMALL.with(|arena| $($run)::+::<u128, 32>(arena, input)), // one
                _ => LARGE.with(|arena| $($run)::+::<u64, 64>(arena, input)), // six
            }
        }
    };
}

target!(
    /// Restores or salvages from memory with these bytes, then reads both ways, removes, shrinks and
    /// destroys.
    restore,
    restore::run
);

target!(
    /// Restores a chain, its head and its descriptor with a few bits flipped.
    bitflip,
    bitflip::run
);

target!(
    /// Changes a set and a list alike, and hands the set over from kernel to kernel.
    operations,
    operations::unlimited
);

target!(
    /// As [`operations()`], with allocations refused.
    refuse,
    operations::refusing
);

/// Damages the books and the header of a region, and works with what is taken for sound, through
/// several openings.
pub fn region(data: &[u8]) {
    region::run(Input::new(data));
}

/// Takes any memory for a table and goes on with what is one; or changes a table and a list of slots
/// alike, and hands it over from kernel to kernel.
pub fn slots(data: &[u8]) {
    thread_local! {
        static SMALL: Arena<32> = const { Arena::new() };
        static LARGE: Arena<64> = const { Arena::new() };
    }
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => SMALL.with(|arena| slots::run::<u64, [u64; 2], 32>(arena, input)), // one to a block
        1 => LARGE.with(|arena| slots::run::<[u64; 2], [u64; 3], 64>(arena, input)), // two
        2 => LARGE.with(|arena| slots::run::<[u8; 8], [u8; 16], 64>(arena, input)), // three
        _ => LARGE.with(|arena| slots::run::<u64, [u64; 2], 64>(arena, input)), // three
    }
}

/// Reads a map of the blocks that Linux preserved, with any damage.
pub fn map(data: &[u8]) {
    map::run(Input::new(data));
}

/// Shows any bytes as an image of memory, in every way that the inspector has.
pub fn inspect(data: &[u8]) {
    inspect::run(data);
}
