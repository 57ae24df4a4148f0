//! Any memory as a table, and operations on one. See [`kho_block_fuzz::slots`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::slots(data));
