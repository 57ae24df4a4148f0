//! What a set and its iterators print: shapes and addresses, never the contents of entries.

#![forbid(unsafe_code)]

use core::fmt;

use crate::abi::sizes::BlockHeader;
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::cursor::Cursor;
use crate::set::iter::{Blocks, BlocksMut, Iter, IterMut};
use crate::set::origin::Origin;
use crate::set::writer::Writer;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    BlockSet<T, A, O, BLOCK_SIZE>
{
    /// A table of the blocks, a line each: number, physical address, entries of capacity, and the
    /// link as it stands in memory. For a serial console; allocates nothing.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[7; 1500])?;
    /// print!("{}", set.dump());
    /// # let table = set.dump().to_string();
    /// # assert!(table.starts_with("1500 entries of 8 bytes in 2 blocks of 8192 bytes\n"));
    /// # assert!(table.ends_with("     478 of    1022                  0x0\n"));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    ///
    /// ```text
    /// 1500 entries of 8 bytes in 2 blocks of 8192 bytes
    /// block              address             entries                 next
    ///     0          0x100000000     1022 of    1022          0x100002000
    ///     1          0x100002000      478 of    1022                  0x0
    /// ```
    #[must_use]
    pub fn dump(&self) -> impl fmt::Display {
        Dump(self)
    }
}

struct Dump<'a, T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>(
    &'a BlockSet<T, A, O, BLOCK_SIZE>,
);

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> fmt::Display
    for Dump<'_, T, A, O, BLOCK_SIZE>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(set) = self;
        let (len, blocks) = (set.len(), set.block_count());
        let entry_size = size_of::<T>();
        writeln!(
            f,
            "{len} entries of {entry_size} bytes in {blocks} blocks of {BLOCK_SIZE} bytes"
        )?;
        writeln!(f, "{:>5} {:>20} {:>19} {:>20}", "block", "address", "entries", "next")?;
        let capacity = BlockSet::<T, A, O, BLOCK_SIZE>::CAPACITY_PER_BLOCK;
        for (number, block) in set.chain.blocks().iter().enumerate() {
            let BlockHeader { next, count } = block.header().read();
            let addr = set.chain.index().addr(number).map_or(0, u64::from);
            writeln!(f, "{number:>5} {addr:>#20x} {count:>8} of {capacity:>7} {next:>#20x}")?;
        }
        Ok(())
    }
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> fmt::Debug
    for BlockSet<T, A, O, BLOCK_SIZE>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockSet")
            .field("first_block", &self.first_block())
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("block_count", &self.block_count())
            .finish_non_exhaustive()
    }
}

impl<T: Entry, const BLOCK_SIZE: usize> fmt::Debug for Cursor<'_, T, BLOCK_SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("position", &self.position())
            .field("remaining", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T: Entry, const BLOCK_SIZE: usize> fmt::Debug for Writer<'_, T, BLOCK_SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("available", &self.available()).finish_non_exhaustive()
    }
}

/// Prints an iterator as what is left of it.
macro_rules! debug_remaining {
    ($($name:ident)+) => {$(
        impl<T: Entry, const BLOCK_SIZE: usize> fmt::Debug for $name<'_, T, BLOCK_SIZE> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("remaining", &self.len())
                    .finish_non_exhaustive()
            }
        }
    )+};
}

debug_remaining!(Blocks BlocksMut Iter IterMut);
