//! Any memory, any head. See [`kho_block_fuzz::restore`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::restore(data));
