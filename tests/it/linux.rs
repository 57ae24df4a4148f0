//! What a real Linux handed over: read, and written again byte for byte.
//!
//! The images are those of a little-endian machine, with words in the middle of records, so that those
//! tests run on such machines only.

#[cfg(target_endian = "little")]
mod damaged;
mod data;
#[cfg(target_endian = "little")]
mod image;
mod map;
mod names;
mod saying;
#[cfg(target_endian = "little")]
mod sessions;

fn wire(n: usize) -> u64 {
    u64::try_from(n).unwrap()
}
