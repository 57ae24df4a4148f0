//! A valid chain with flipped bits. See [`kho_block_fuzz::bitflip`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::bitflip(data));
