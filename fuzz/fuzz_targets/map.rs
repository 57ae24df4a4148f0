//! Any map of preserved blocks. See [`kho_block_fuzz::map`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::map(data));
