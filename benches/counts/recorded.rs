//! Instructions that each operation takes on 10 blocks of 8 KiB, filled by 1270 records of 64 bytes:
//! x86-64, Rust 1.95. A change that takes more fails; one that takes less is recorded here.

pub(crate) const PUSH: u64 = 38_430;
pub(crate) const EXTEND: u64 = 20_967;
pub(crate) const EXTEND_FROM_SLICE: u64 = 8_717;
pub(crate) const FOLD: u64 = 2_897;
pub(crate) const LOOP: u64 = 5_239;
pub(crate) const FOLD_BACK: u64 = 2_046;
pub(crate) const CURSOR: u64 = 20_660;
pub(crate) const GET: u64 = 31_586;
pub(crate) const GROW: u64 = 83_058;
pub(crate) const CLEAR: u64 = 81_660;
pub(crate) const RESTORE: u64 = 2_419;
pub(crate) const DESTROY: u64 = 330;
