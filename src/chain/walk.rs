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
        let layout = self.index.layout();
        let judge = Judge { layout, checks, empty_is_fine };
        let capacity = layout.capacity();
        let (mut block, mut before) = (0_usize, 0_usize);
        let mut link = head;
        while let Some(addr) = link {
            let refused = |kind| RestoreError { kind, block, addr };
            judge.addr(block, addr).map_err(refused)?;
            if self.index.reserve(if block == 0 { FEW } else { 1 }).is_err() {
                return Err(refused(RestoreErrorKind::OutOfMemory));
            }
            let Some(claimed) = self.claim(addr) else {
                return Err(refused(self.why_unclaimed(addr)));
            };
            let (next, count) = match self.judge(&judge, block, &claimed, capacity) {
                Ok(sound) => sound,
                Err(kind) => {
                    self.unclaim(claimed);
                    return Err(refused(kind));
                }
            };
            if let Err(claimed) = self.follow(claimed, addr, before, count) {
                self.unclaim(claimed);
                return Err(refused(RestoreErrorKind::OutOfMemory));
            }
            link = next;
            block = block.saturating_add(1);
            before = before.saturating_add(count);
        }
        Ok(())
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
        capacity: usize,
    ) -> Result<(Option<PhysAddr>, usize), RestoreErrorKind> {
        if !judge.layout.may_be_reached_at(claimed.base()) {
            return Err(RestoreErrorKind::MisalignedPointer);
        }
        let header = claimed.header().read();
        let count = judge.count(number, header, capacity)?;
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
