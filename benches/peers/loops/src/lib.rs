//! The loop that people write, built at the opt-level of kernels: what is generic is compiled for who
//! calls it, and with their options.

use kho_block::{BlockSet, PreservedAllocator};

type Record = [u64; 8];

/// Adds up a word of each record of a set.
#[inline(never)]
pub fn total(set: &BlockSet<Record, &dyn PreservedAllocator>) -> u64 {
    let mut total = 0_u64;
    for record in set {
        total = total.wrapping_add(record[0]);
    }
    total
}

/// The same of records in one piece.
#[inline(never)]
pub fn total_of_slice(records: &[Record]) -> u64 {
    let mut total = 0_u64;
    for record in records {
        total = total.wrapping_add(record[0]);
    }
    total
}
