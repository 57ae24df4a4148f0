//! Any region, any operations on it. See [`kho_block_fuzz::region`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::region(data));
