//! The cases and the checker: what a restore must come to, told from links and counts alone.
//!
//! Of the library this uses the names of the errors and of the checks.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test panics when it fails, and where its own arithmetic does"
)]

use core::array;
use core::ops::Range;

use kho_block::RestoreErrorKind::{
    CountTooLarge, Cycle, DirtyTail, Empty, Misaligned, NotFull, NotPreserved,
};
use kho_block::{RestoreChecks, RestoreErrorKind};

use super::world::Image;

pub(super) const BLOCKS: usize = 4;
pub(super) const BLOCK_SIZE: usize = 64;

/// Three fit into a block, and six bytes are left over.
pub(super) type Entry = [u16; 7];
const ENTRY_SIZE: usize = 14;
pub(super) const CAPACITY: usize = 3;
/// Bytes of a block behind its header.
const ROOM: usize = BLOCK_SIZE - 16;

/// Where a link, or the head, leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    End,
    Block(usize),
    Crooked,
    Unknown,
    Highest,
}

impl Link {
    /// The word that stands for it. The blocks lie apart, out of order, at both ends of the address
    /// space; the crooked address is inside one of them, the unknown one right behind another.
    pub(super) const fn addr(self) -> u64 {
        match self {
            Self::End => 0,
            Self::Block(0) => 0x0000_0001_0000_0000,
            Self::Block(1) => 0x0000_0000_0000_0040,
            Self::Block(2) => 0xffff_ffff_ffff_ff80,
            Self::Block(_) => 0x7fff_ffff_ffff_ffc0,
            Self::Crooked => 0x0000_0001_0000_0010,
            Self::Unknown => 0x0000_0000_0000_0080,
            Self::Highest => 0xffff_ffff_ffff_ffc0,
        }
    }
}

pub(super) const LINKS: [Link; 8] = [
    Link::End,
    Link::Block(0),
    Link::Block(1),
    Link::Block(2),
    Link::Block(3),
    Link::Crooked,
    Link::Unknown,
    Link::Highest,
];

pub(super) const COUNTS: [u64; 6] = [0, 1, 2, 3, 4, u64::MAX];

/// Which bytes behind the header are not zero: all, up to the end of an entry, none, or the last
/// one alone, which belongs to no entry.
pub(super) const WRITTEN: [Range<usize>; 6] = [0..48, 0..42, 0..28, 0..14, 0..0, 47..48];

/// One chain, as it is described to the checker.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) head: Link,
    /// Blocks that are preserved. The addresses of the others are unknown.
    pub(super) preserved: usize,
    pub(super) blocks: [(u64, Link); BLOCKS],
    pub(super) written: Range<usize>,
    pub(super) checks: RestoreChecks,
}

/// What a restore of a case must come to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Restored, from these blocks in this order.
    Restored(Vec<usize>),
    /// Refused for this, at this position and address.
    Refused(RestoreErrorKind, usize, u64),
}

impl Case {
    /// A sound chain of no entries in block 0.
    pub(super) fn plain() -> Self {
        Self {
            head: Link::Block(0),
            preserved: BLOCKS,
            blocks: [(0, Link::End); BLOCKS],
            written: 0..ROOM,
            checks: RestoreChecks::empty(),
        }
    }

    /// Byte `j` behind the header of a block: no two in memory are alike.
    fn byte(&self, block: usize, j: usize) -> u8 {
        if self.written.contains(&j) { (block * ROOM + j + 1).to_le_bytes()[0] } else { 0 }
    }

    pub(super) fn entry(&self, block: usize, slot: usize) -> Entry {
        let start = slot * ENTRY_SIZE;
        let byte = |j| self.byte(block, start + j);
        array::from_fn(|word| u16::from_ne_bytes([byte(2 * word), byte(2 * word + 1)]))
    }

    /// Memory as this case has it.
    pub(super) fn image(&self) -> Image {
        array::from_fn(|block| {
            let (count, next) = self.blocks[block];
            array::from_fn(|word| match word {
                0 => next.addr(),
                1 => count,
                _ => u64::from_ne_bytes(array::from_fn(|j| self.byte(block, word * 8 - 16 + j))),
            })
        })
    }

    /// Tells what a restore must come to.
    ///
    /// Five links are followed with no thought for faults. Among five there is an end, an address
    /// without a block, or a repetition, so the first fault is among them, if there is one.
    pub(super) fn judge(&self) -> Verdict {
        let mut path = [self.head; BLOCKS + 1];
        for p in 1..path.len() {
            path[p] = self.block_at(path[p - 1]).map_or(Link::End, |(_, _, next)| next);
        }
        type Sort<'a> = &'a dyn Fn(usize) -> Option<RestoreErrorKind>;
        let at = |p: usize| self.block_at(path[p]);
        let asked = |check| self.checks.contains(check);
        let sorts: [Sort<'_>; 7] = [
            &|p| (path[p] == Link::Crooked).then_some(Misaligned),
            &|p| {
                (path[p] != Link::End && at(p).is_none())
                    .then_some(NotPreserved { block_size: BLOCK_SIZE })
            },
            &|p| {
                at(p)?;
                path[..p].iter().position(|&link| link == path[p]).map(|first| Cycle { first })
            },
            &|p| {
                at(p).filter(|&(_, count, _)| count == 4 || count == u64::MAX)?;
                Some(CountTooLarge { count: at(p)?.1, capacity: CAPACITY })
            },
            &|p| (asked(RestoreChecks::NO_EMPTY_BLOCKS) && at(p)?.1 == 0).then_some(Empty),
            &|p| {
                let (_, count, next) = at(p).filter(|_| asked(RestoreChecks::DENSE))?;
                let kind = NotFull { count: usize::try_from(count).ok()?, capacity: CAPACITY };
                (count < 3 && next != Link::End).then_some(kind)
            },
            &|p| {
                let (_, count, _) = at(p).filter(|_| asked(RestoreChecks::ZERO_TAIL))?;
                let end = usize::try_from(count).ok()?.saturating_mul(ENTRY_SIZE);
                let dirty = self.written.start.max(end);
                (dirty < self.written.end).then(|| DirtyTail { offset: 16 + dirty })
            },
        ];
        let firsts = sorts.iter().enumerate().filter_map(|(rank, sort)| {
            (0..path.len()).find_map(|p| sort(p).map(|kind| (p, rank, kind)))
        });
        match firsts.min_by_key(|&(p, rank, _)| (p, rank)) {
            Some((p, _, kind)) => Verdict::Refused(kind, p, path[p].addr()),
            None => Verdict::Restored((0..BLOCKS).map_while(|p| Some(at(p)?.0)).collect()),
        }
    }

    /// The first `n` blocks that the links lead to, all of which there are.
    pub(super) fn path(&self, n: usize) -> Vec<usize> {
        let mut link = self.head;
        let follow = |_| {
            let (block, _, next) = self.block_at(link)?;
            link = next;
            Some(block)
        };
        (0..n).map_while(follow).collect()
    }

    /// The number, count and link of the block where a link leads.
    fn block_at(&self, link: Link) -> Option<(usize, u64, Link)> {
        match link {
            Link::Block(block) if block < self.preserved => {
                let (count, next) = self.blocks[block];
                Some((block, count, next))
            }
            _ => None,
        }
    }
}
