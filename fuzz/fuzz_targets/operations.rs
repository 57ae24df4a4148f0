//! Operations over several kernels. See [`kho_block_fuzz::operations`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kho_block_fuzz::operations(data));
