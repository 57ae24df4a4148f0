//! Instructions that each operation takes on 10 blocks of 8 KiB, filled by 1270 records of 64 bytes:
//! x86-64, Rust 1.95, and glibc's `memcpy` and `memset` for AVX2. A change that takes more fails; one
//! that takes less is recorded here.

pub(crate) const PUSH: u64 = 36_315;
pub(crate) const SET_PUSH: u64 = 48_227;
pub(crate) const EXTEND: u64 = 21_390;
pub(crate) const EXTEND_FROM_SLICE: u64 = 20_414;
pub(crate) const FOLD: u64 = 2_916;
pub(crate) const LOOP: u64 = 5_250;
pub(crate) const FOLD_BACK: u64 = 2_254;
pub(crate) const CURSOR: u64 = 20_646;
pub(crate) const CURSOR_BACK: u64 = 12_893;
pub(crate) const GET: u64 = 26_895;
pub(crate) const GROW: u64 = 83_266;
pub(crate) const CLEAR: u64 = 82_296;
pub(crate) const RESTORE: u64 = 1_827;
pub(crate) const DESTROY: u64 = 398;
