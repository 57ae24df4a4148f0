//! Taking a chain over from the previous kernel: the walk that trusts no byte of it.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::chain::block::RawBlock;
use crate::chain::judge::Judge;
use crate::chain::owned::Chain;
use crate::error::restore::{RestoreError, RestoreErrorKind};
use crate::memory::allocator::PreservedAllocator;

/// Blocks that the index has room for from the first one on: most chains have fewer.
const FEW: usize = 16;

impl<A: PreservedAllocator> Chain<A> {
    /// Claims and checks every block from `head` on, for a chain that has none yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the first damaged block, whose claim was given back. The chain keeps the
    /// blocks before it.
    pub(crate) fn walk(
        &mut self,
        head: Option<PhysAddr>,
        checks: RestoreChecks,
        empty_is_fine: bool,
    ) -> Result<(), RestoreError> {
        let judge = Judge { layout: self.index.layout(), checks, empty_is_fine };
        let mut link = head;
        while let Some(addr) = link {
            link = self.take(&judge, addr).map_err(|kind| {
                let block = self.index.blocks().len();
                RestoreError { kind, block, addr }
            })?;
        }
        Ok(())
    }

    /// Claims and checks the block at `addr` as the next one of the chain; returns its link.
    ///
    /// # Errors
    ///
    /// What is wrong with it; its claim was given back.
    #[inline]
    fn take(
        &mut self,
        judge: &Judge,
        addr: PhysAddr,
    ) -> Result<Option<PhysAddr>, RestoreErrorKind> {
        let number = self.index.blocks().len();
        judge.addr(number, addr)?;
        let room = if number == 0 { FEW } else { 1 };
        self.index.reserve(room).map_err(|_| RestoreErrorKind::OutOfMemory)?;
        let Some(claimed) = self.claim(addr) else { return Err(self.why_unclaimed(addr)) };
        let (claimed, refused) = match self.judge(judge, number, &claimed) {
            Ok((next, count)) => match self.follow(claimed, addr, count) {
                Ok(()) => return Ok(next),
                Err(claimed) => (claimed, RestoreErrorKind::OutOfMemory),
            },
            Err(kind) => (claimed, kind),
        };
        self.unclaim(claimed);
        Err(refused)
    }

    /// The link and the count of a block that was claimed as number `number`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    #[inline]
    fn judge(
        &self,
        judge: &Judge,
        number: usize,
        claimed: &RawBlock,
    ) -> Result<(Option<PhysAddr>, usize), RestoreErrorKind> {
        if !judge.layout.may_be_reached_at(claimed.base()) {
            return Err(RestoreErrorKind::MisalignedPointer);
        }
        let header = claimed.header().read();
        let count = judge.count(number, header, judge.layout.capacity())?;
        if judge.checks.contains(RestoreChecks::ZERO_TAIL) {
            judge.tail(self.unused(claimed, count))?;
        }
        Ok((PhysAddr::new(header.next), count))
    }

    /// What is wrong with an address that the allocator refused.
    fn why_unclaimed(&self, addr: PhysAddr) -> RestoreErrorKind {
        let mut link = self.index.ends.first;
        for (first, block) in self.index.blocks().iter().enumerate() {
            if link == Some(addr) {
                return RestoreErrorKind::Cycle { first };
            }
            link = block.header().next();
        }
        RestoreErrorKind::NotPreserved { block_size: self.index.layout().block_size() }
    }
}
