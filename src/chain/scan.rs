//! A walk that needs nothing but a way to read headers: for early boot and for tools.

#![forbid(unsafe_code)]

use core::fmt;
use core::iter::FusedIterator;

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::{BlockHeader, HEADER_SIZE, MAX_BLOCKS, to_wire};
use crate::chain::judge::Judge;
use crate::error::restore::{RestoreError, RestoreErrorKind};

/// Walks the chain that starts at `head`, without a heap, an allocator or a claim: for a kernel that
/// wants to know what is coming before it can restore it, for a capture kernel, and for tools.
///
/// `read` reads the header at an address, `None` if there is no block. Each sound block is yielded in
/// order; the first damaged one is an error, the same that [`restore`](crate::BlockSet::restore)
/// gives, and the end.
///
/// The links alone are followed first, by Brent's way of finding a cycle, so that no block of one is
/// yielded twice and the error says where it closes. So a header is read twice, or a few times more
/// if there is a cycle. A `read` that changes its mind in between gives wrong answers, but never more
/// than [`MAX_BLOCKS`] of them.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::zerocopy::FromBytes;
/// use kho_block::{BlockHeader, BlockSet, scan};
///
/// type Sessions<'m> = BlockSet<[u64; 10], &'m Mock>;
///
/// let mut machine = Mock::new();
/// let mut set = Sessions::new(&machine);
/// set.extend_from_slice(&[[7; 10]; 250])?;
/// let head = set.into_head();
/// machine.reboot();
///
/// // Before there is a heap: count what is coming.
/// let mut sessions = 0;
/// for block in scan(head, Sessions::LAYOUT, |addr| {
///     BlockHeader::read_from_bytes(&machine.read(addr.get(), 16)).ok()
/// }) {
///     sessions += block?.count;
/// }
/// assert_eq!(sessions, 250);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn scan<R: FnMut(PhysAddr) -> Option<BlockHeader>>(
    head: Option<PhysAddr>,
    layout: ChainLayout,
    mut read: R,
) -> Scan<R> {
    let judge = Judge { layout, checks: RestoreChecks::empty(), empty_is_fine: false };
    let cycle = head.and_then(|head| Cycle::find(head, |addr| link(&judge, &mut read, addr)));
    Scan { judge, read, next: head, number: 0, cycle }
}

/// The blocks of a chain; see [`scan`](crate::scan).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Scan<R> {
    judge: Judge,
    read: R,
    /// The block to be looked at next.
    next: Option<PhysAddr>,
    /// Its number.
    number: usize,
    cycle: Option<Cycle>,
}

/// A sound block, as its header says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScannedBlock {
    /// The position in the chain, counted from 0.
    pub number: usize,
    /// The physical address.
    pub addr: PhysAddr,
    /// The physical address of the next block; `None` in the last one.
    pub next: Option<PhysAddr>,
    /// Entries in use.
    pub count: usize,
    layout: ChainLayout,
}

impl ScannedBlock {
    /// The physical address of entry `index` of the block; `None` if there is no such entry.
    ///
    /// ```
    /// # use kho_block::{BlockHeader, ChainLayout, PhysAddr, scan};
    /// let layout = ChainLayout::new(8, 4096).unwrap();
    /// let header = BlockHeader { next: 0, count: 2 };
    /// let block = scan(PhysAddr::new(0x2000), layout, |_| Some(header)).next().unwrap()?;
    /// assert_eq!(block.entry_addr(1), PhysAddr::new(0x2018));
    /// assert_eq!(block.entry_addr(2), None);
    /// # Ok::<(), kho_block::RestoreError>(())
    /// ```
    #[must_use]
    pub fn entry_addr(&self, index: usize) -> Option<PhysAddr> {
        if index >= self.count {
            return None;
        }
        let offset = HEADER_SIZE.saturating_add(index.saturating_mul(self.layout.entry_size()));
        self.addr.checked_add(to_wire(offset))
    }
}

impl<R: FnMut(PhysAddr) -> Option<BlockHeader>> Iterator for Scan<R> {
    type Item = Result<ScannedBlock, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let addr = self.next.take()?;
        let number = self.number;
        let layout = self.judge.layout;
        let refuse = |kind| Some(Err(RestoreError { kind, block: number, addr }));
        if let Err(kind) = self.judge.addr(number, addr) {
            return refuse(kind);
        }
        if let Some(Cycle { first, .. }) = self.cycle.filter(|cycle| cycle.closes == number) {
            return refuse(RestoreErrorKind::Cycle { first });
        }
        let Some(header) = (self.read)(addr) else {
            return refuse(RestoreErrorKind::NotPreserved { block_size: layout.block_size() });
        };
        match self.judge.count(number, header, layout.capacity()) {
            Ok(count) => {
                self.number = number.saturating_add(1);
                self.next = PhysAddr::new(header.next);
                Some(Ok(ScannedBlock { number, addr, next: self.next, count, layout }))
            }
            Err(kind) => refuse(kind),
        }
    }
}

impl<R: FnMut(PhysAddr) -> Option<BlockHeader>> FusedIterator for Scan<R> {}

impl<R> fmt::Debug for Scan<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("number", &self.number)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// The link of the block at `addr`, if there may be a block.
fn link(
    judge: &Judge,
    read: &mut impl FnMut(PhysAddr) -> Option<BlockHeader>,
    addr: PhysAddr,
) -> Option<PhysAddr> {
    judge.addr(0, addr).ok()?;
    PhysAddr::new(read(addr)?.next)
}

/// A chain that leads back into itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cycle {
    /// The number of the first block that is met again.
    first: usize,
    /// The number at which it is met again.
    closes: usize,
}

impl Cycle {
    /// The cycle that following `link` from `head` on ends in, if it closes within [`MAX_BLOCKS`].
    fn find(head: PhysAddr, mut link: impl FnMut(PhysAddr) -> Option<PhysAddr>) -> Option<Self> {
        // The hare runs; the tortoise waits for it, each time where the hare has come to after
        // twice as many steps as the time before (Brent, 1980). Within a cycle they meet at latest
        // when that is as long as what leads to the cycle, and as the cycle itself.
        let (mut tortoise, mut hare) = (head, link(head)?);
        let (mut length, mut patience) = (1_usize, 1_usize);
        while tortoise != hare {
            if length == patience {
                if patience > MAX_BLOCKS {
                    return None;
                }
                (tortoise, patience, length) = (hare, patience.saturating_mul(2), 0);
            }
            hare = link(hare)?;
            length = length.saturating_add(1);
        }
        // Two that are one cycle's length apart meet where the cycle begins.
        let (mut behind, mut ahead) = (head, head);
        for _ in 0..length {
            ahead = link(ahead)?;
        }
        let mut first = 0_usize;
        while behind != ahead && first < MAX_BLOCKS {
            (behind, ahead) = (link(behind)?, link(ahead)?);
            first = first.saturating_add(1);
        }
        Some(Self { first, closes: first.saturating_add(length) })
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn every_short_cycle_is_found_where_it_begins_and_closes() {
        const MOST: usize = if cfg!(miri) { 12 } else { 70 };
        for first in 0..MOST {
            for length in 1..MOST {
                let last = first + length;
                let mut steps = 0;
                let found = Cycle::find(PhysAddr::new(1).unwrap(), |addr| {
                    steps += 1;
                    let number = usize::try_from(addr.get()).unwrap() - 1;
                    let next = if number + 1 == last { first } else { number + 1 };
                    PhysAddr::new(u64::try_from(next).unwrap() + 1)
                });
                assert_eq!(found, Some(Cycle { first, closes: last }));
                assert!(steps <= 7 * last, "{steps} steps for {last} blocks");
            }
        }
    }

    #[test]
    fn a_chain_without_a_cycle_is_read_once_for_that() {
        for blocks in [1, 2, 3, 100, MAX_BLOCKS] {
            let mut steps = 0;
            let found = Cycle::find(PhysAddr::new(1).unwrap(), |addr| {
                steps += 1;
                PhysAddr::new(addr.get() + 1).filter(|_| steps < blocks)
            });
            assert_eq!((found, steps), (None, blocks));
        }
    }

    #[test]
    fn an_endless_chain_is_given_up() {
        let mut steps = 0;
        let found = Cycle::find(PhysAddr::new(1).unwrap(), |addr| {
            steps += 1;
            PhysAddr::new(addr.get() + 1)
        });
        assert_eq!(found, None);
        assert!(steps < 4 * MAX_BLOCKS, "{steps}");
    }
}
