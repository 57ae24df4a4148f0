//! The rows of the table, a file for each theme.

pub mod append;
pub mod blackout;
pub mod offsets;
pub mod read;
pub mod region;
pub mod resize;
pub mod scale;
pub mod sessions;
pub mod slots;

use kho_block::{BlockSet, entries_per_block};

use crate::incumbent::{Build, CSet};
use crate::pool::Pool;

/// Bytes of a block, but for the rows of the sessions.
pub const BLOCK_SIZE: usize = 8192;

/// The record of most rows: 64 bytes, as LUO keeps of a file.
pub type Record = [u64; 8];

/// Bytes of a record.
pub const BYTES: usize = size_of::<Record>();

/// Records in a block.
pub const PER_BLOCK: usize = entries_per_block(BLOCK_SIZE, BYTES);

/// Blocks that fit the second-level cache beside their source.
pub const IN_CACHE: usize = 10;

/// As many blocks as a set may have.
pub const ALL_BLOCKS: usize = kho_block::MAX_BLOCKS;

/// Distinct records, as many as fill `blocks`.
pub fn records(blocks: usize) -> Vec<Record> {
    (0..(blocks * PER_BLOCK) as u64).map(|i| [i; 8]).collect()
}

/// The sum of what is read of each record.
pub fn sum(total: u64, record: &Record) -> u64 {
    total.wrapping_add(record[0])
}

/// A set that holds copies of `source`.
pub fn filled<'p>(pool: &'p Pool, source: &[Record]) -> BlockSet<Record, &'p Pool> {
    let mut set = BlockSet::new(pool);
    set.extend_from_slice(source).expect("the pool has as many blocks");
    set
}

/// A set of the C original that holds copies of `source`.
pub fn filled_c<'p, B: Build>(pool: &'p Pool, source: &[Record]) -> CSet<'p, B, Record> {
    let mut set = CSet::new(pool, BLOCK_SIZE);
    set.grow(source.len());
    set.save(source);
    set
}

/// A pool for each contestant that needs one.
pub struct Pools {
    pub ours: Pool,
    pub gcc: Pool,
    #[cfg(clang)]
    pub clang: Pool,
}

impl Pools {
    pub fn new(blocks: usize, size: usize) -> Self {
        let pool = || Pool::new(blocks, size);
        Self {
            ours: pool(),
            gcc: pool(),
            #[cfg(clang)]
            clang: pool(),
        }
    }
}

/// Enters the C original into a contest, as each compiler builds it: `$pass` is a function that is
/// generic over the build, and takes a pool and then the arguments.
macro_rules! enter_c {
    ($contest:ident, $pools:ident, $pass:ident($($arg:expr),*)) => {
        $contest.enter(
            <$crate::incumbent::Gcc as $crate::incumbent::Build>::NAME,
            $pass::<$crate::incumbent::Gcc>(&mut $pools.gcc, $($arg),*),
        );
        #[cfg(clang)]
        $contest.enter(
            <$crate::incumbent::Clang as $crate::incumbent::Build>::NAME,
            $pass::<$crate::incumbent::Clang>(&mut $pools.clang, $($arg),*),
        );
    };
}
pub(crate) use enter_c;
