//! Any bytes as an image of memory. See [`kho_block_fuzz::inspect`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::inspect(data));
