//! Blocks of memory in ascending order, summed up as they come.

use crate::report::{Hex, MemoryRange, SizeCount};

/// How many ranges are kept: the rest is counted, so that memory does not grow with what is preserved.
const MAX_RANGES: usize = 4096;

/// The sum of blocks.
#[derive(Debug)]
pub(crate) struct Ranges {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    /// The first ranges, neighbours joined.
    pub(crate) first: Vec<MemoryRange>,
    /// Ranges after those.
    pub(crate) more: u64,
    /// The end of the last block.
    end: u64,
    /// Blocks of each power of two.
    by_size: [u64; 64],
}

impl Default for Ranges {
    fn default() -> Self {
        Self { blocks: 0, bytes: 0, first: Vec::new(), more: 0, end: 0, by_size: [0; 64] }
    }
}

impl Ranges {
    /// Adds a block, whose size is a power of two.
    pub(crate) fn add(&mut self, addr: u64, bytes: u64) {
        self.blocks = self.blocks.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let size = usize::try_from(bytes.trailing_zeros()).unwrap_or(0);
        if let Some(count) = self.by_size.get_mut(size) {
            *count = count.saturating_add(1);
        }
        // No block is at address 0, where the one before the first would end.
        let is_neighbour = self.end == addr;
        self.end = addr.saturating_add(bytes);
        if is_neighbour {
            if let Some(last) = self.first.last_mut().filter(|_| self.more == 0) {
                last.bytes = last.bytes.saturating_add(bytes);
            }
        } else if self.first.len() < MAX_RANGES {
            self.first.push(MemoryRange { addr: Hex(addr), bytes });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Blocks of each size that there is.
    pub(crate) fn sizes(&self) -> Vec<SizeCount> {
        let sizes = self.by_size.iter().zip(0_u32..).filter(|&(&blocks, _)| blocks > 0);
        sizes.map(|(&blocks, bits)| SizeCount { bytes: 1 << bits, blocks }).collect()
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_ranges_beyond_the_first_are_counted() {
        let mut ranges = Ranges::default();
        let last = 0x1000 + 0x4000 * (u64::try_from(MAX_RANGES).unwrap() - 1);
        for addr in (0x1000..=last).step_by(0x4000) {
            ranges.add(addr, 0x1000);
            ranges.add(addr + 0x1000, 0x2000);
        }
        assert_eq!((ranges.first.len(), ranges.more), (MAX_RANGES, 0));
        assert!(ranges.first.iter().all(|range| range.bytes == 0x3000));
        ranges.add(last + 0x4000, 0x1000);
        ranges.add(last + 0x5000, 0x1000);
        ranges.add(last + 0x8000, 0x1000);
        assert_eq!((ranges.first.len(), ranges.more), (MAX_RANGES, 2));
        let last_shown = ranges.first.last().map(|range| (range.addr.0, range.bytes));
        assert_eq!(last_shown, Some((last, 0x3000)));
        let blocks = u64::try_from(MAX_RANGES).unwrap();
        let sizes: Vec<_> = ranges.sizes().iter().map(|size| (size.bytes, size.blocks)).collect();
        assert_eq!(sizes, [(0x1000, blocks + 3), (0x2000, blocks)]);
        assert_eq!(ranges.bytes, 0x3000 * blocks + 0x3000);
    }
}
