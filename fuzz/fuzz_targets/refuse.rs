//! Operations, and no memory for some of them. See [`kho_block_fuzz::refuse`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::refuse(data));
