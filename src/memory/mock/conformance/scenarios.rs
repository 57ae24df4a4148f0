//! What is tried: the same with blocks of every size, side by side.

#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::broken::{Broken, Duty};
use super::kernel::{Kernel, Left, Lent};
use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{MIN_BLOCK_SIZE, to_wire};
use crate::memory::allocator::PreservedAllocator;

/// How machines are started, and what is asked of their allocators.
pub(super) struct Scenario<'k, A> {
    pub(super) kexec: &'k mut dyn FnMut(Option<A>) -> A,
    pub(super) sizes: Vec<usize>,
}

impl<A: PreservedAllocator> Scenario<'_, A> {
    /// One kernel, for which nothing was left.
    ///
    /// # Errors
    ///
    /// If a duty is broken.
    pub(super) fn fresh(&mut self) -> Result<(), Broken> {
        let alloc = (self.kexec)(None);
        let mut kernel = Kernel::new(&alloc, 1);
        self.no_block_elsewhere(&kernel, &[])?;
        self.alloc(&mut kernel, 4)?;
        kernel.verify()?;
        let own = lefts(&kernel);
        refuses(&kernel, &own, Duty::Once, "which this kernel preserves")?;
        self.no_block_elsewhere(&kernel, &own)?;

        let freed = every_other(&kernel.lent());
        for &lent in &freed {
            kernel.unpreserve_free(lent)?;
            kernel.verify()?;
        }
        for Lent { left, .. } in freed {
            refuses(&kernel, &[left], Duty::Once, "which this kernel has freed")?;
        }
        self.alloc(&mut kernel, 2)?;
        kernel.verify()?;
        for lent in kernel.lent() {
            kernel.unpreserve_free(lent)?;
            kernel.verify()?;
        }
        self.no_block_elsewhere(&kernel, &[])
    }

    /// What one kernel leaves to the next, and that to the one after.
    ///
    /// # Errors
    ///
    /// If a duty is broken.
    pub(super) fn handover(&mut self) -> Result<(), Broken> {
        let alloc = (self.kexec)(None);
        let mut kernel = Kernel::new(&alloc, 1);
        self.alloc(&mut kernel, 4)?;
        let freed = every_other(&kernel.lent());
        for &lent in &freed {
            kernel.unpreserve_free(lent)?;
        }
        let left = lefts(&kernel);

        let alloc = (self.kexec)(Some(alloc));
        let mut kernel = Kernel::new(&alloc, 2);
        for Lent { left, .. } in freed {
            refuses(&kernel, &[left], Duty::Once, "which the previous kernel freed")?;
        }
        self.no_block_elsewhere(&kernel, &left)?;
        self.alloc(&mut kernel, 1)?;
        let own = kernel.lent();
        for &left in &left {
            kernel.find(left, Duty::FoundAgain)?;
        }
        kernel.verify()?;
        refuses(&kernel, &left, Duty::Once, "which is claimed")?;

        // Given back, and claimed again, in another order.
        for lent in claims(&kernel, &left) {
            let lent = kernel.write(lent)?;
            kernel.unrestore(lent)?;
            kernel.verify()?;
            let lent = kernel.find(lent.left, Duty::Unrestore)?;
            kernel.unrestore(lent)?;
            kernel.find(lent.left, Duty::Unrestore)?;
        }
        refuses(&kernel, &left, Duty::Once, "which is claimed again")?;

        for lent in claims(&kernel, &left) {
            kernel.restore_free(lent)?;
            kernel.verify()?;
            refuses(&kernel, &[lent.left], Duty::Once, "which was freed")?;
        }
        for lent in own {
            kernel.unpreserve_free(lent)?;
        }
        self.alloc(&mut kernel, 2)?;
        kernel.verify()?;
        let left_next = lefts(&kernel);

        let alloc = (self.kexec)(Some(alloc));
        let mut kernel = Kernel::new(&alloc, 3);
        let gone = left.into_iter().filter(|left| !names(&left_next, left.addr, left.size));
        refuses(&kernel, &gone.collect::<Vec<_>>(), Duty::Once, "which the previous kernel freed")?;
        for left in left_next {
            let lent = kernel.find(left, Duty::FoundAgain)?;
            kernel.restore_free(lent)?;
        }
        Ok(())
    }

    /// An allocator that is moved while it lends.
    ///
    /// # Errors
    ///
    /// If a duty is broken.
    pub(super) fn moved(&mut self) -> Result<(), Broken> {
        let alloc = (self.kexec)(None);
        let mut kernel = Kernel::new(&alloc, 1);
        self.alloc(&mut kernel, 2)?;
        let lent = kernel.lent();
        let alloc = Box::new(alloc);
        let mut kernel = Kernel::holding(&*alloc, 2, lent);
        let freed = every_other(&kernel.lent());
        for &lent in &freed {
            kernel.unpreserve_free(lent)?;
        }
        let left = lefts(&kernel);

        let alloc = (self.kexec)(Some(*alloc));
        let mut kernel = Kernel::new(&alloc, 3);
        for Lent { left, .. } in freed {
            refuses(&kernel, &[left], Duty::Same, "freed by way of another reference")?;
        }
        for &left in &left {
            kernel.find(left, Duty::FoundAgain)?;
        }
        let lent = kernel.lent();
        let alloc = Box::new(alloc);
        let mut kernel = Kernel::holding(&*alloc, 4, lent);
        refuses(&kernel, &left, Duty::Same, "claimed by way of another reference")?;
        for lent in kernel.lent() {
            kernel.unrestore(lent)?;
            kernel.find(lent.left, Duty::Same)?;
        }
        let lent = kernel.lent();
        let alloc = *alloc;
        let mut kernel = Kernel::holding(&alloc, 5, lent);
        for lent in kernel.lent() {
            kernel.restore_free(lent)?;
        }
        refuses(&kernel, &left, Duty::Same, "freed by way of another reference")?;

        let alloc = (self.kexec)(Some(alloc));
        let kernel = Kernel::new(&alloc, 6);
        refuses(&kernel, &left, Duty::Same, "freed by way of another reference")
    }

    /// Blocks that are claimed at a kexec.
    ///
    /// # Errors
    ///
    /// If they do not become what was declared.
    pub(super) fn claimed(&mut self, survive: bool) -> Result<(), Broken> {
        let (alloc, left) = self.left(2)?;
        let mut kernel = Kernel::new(&alloc, 2);
        for left in left {
            let lent = kernel.find(left, Duty::FoundAgain)?;
            kernel.write(lent)?;
        }
        let left = lefts(&kernel);
        let alloc = (self.kexec)(Some(alloc));
        let mut kernel = Kernel::new(&alloc, 3);
        for left in left {
            claimed_at_a_kexec(&mut kernel, left, survive)?;
        }
        Ok(())
    }

    /// The second kernel of a machine whose first has left so many blocks of each size.
    ///
    /// # Errors
    ///
    /// If a duty is broken.
    pub(super) fn left(&mut self, count: usize) -> Result<(A, Vec<Left>), Broken> {
        let alloc = (self.kexec)(None);
        let mut kernel = Kernel::new(&alloc, 1);
        self.alloc(&mut kernel, count)?;
        let left = lefts(&kernel);
        Ok(((self.kexec)(Some(alloc)), left))
    }

    /// Takes so many blocks of each size, or as many as are granted.
    ///
    /// # Errors
    ///
    /// If one is not as it has to be.
    pub(super) fn alloc(&self, kernel: &mut Kernel<'_, A>, count: usize) -> Result<(), Broken> {
        for &size in &self.sizes {
            for _ in 0..count {
                kernel.alloc(size)?;
            }
        }
        Ok(())
    }

    /// Asserts that nothing is lent at addresses that name none of these blocks.
    ///
    /// # Errors
    ///
    /// If something is.
    fn no_block_elsewhere(&self, kernel: &Kernel<'_, A>, blocks: &[Left]) -> Result<(), Broken> {
        for &size in &self.sizes {
            let bytes = to_wire(size);
            let last = u64::MAX.wrapping_sub(bytes).wrapping_add(1);
            let mut addrs = Vec::from([1, 8, bytes, 1 << 32, 1 << 63, last, u64::MAX]);
            for block in blocks {
                let (start, half) = (block.addr.get(), to_wire(block.size / 2));
                let end = start.saturating_add(to_wire(block.size));
                addrs.extend([start.wrapping_sub(bytes), start.saturating_add(1)]);
                addrs.extend([start.saturating_add(half), end]);
            }
            for addr in addrs.into_iter().filter_map(PhysAddr::new) {
                if blocks.iter().all(|block| block.addr != addr) {
                    kernel.refuses(addr, size, Duty::Total, "where no block starts")?;
                }
            }
        }
        for block in blocks {
            for size in [block.size / 2, block.size.saturating_mul(2)] {
                if size >= MIN_BLOCK_SIZE {
                    kernel.refuses(
                        block.addr,
                        size,
                        Duty::Once,
                        "where a block has another size",
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// # Errors
///
/// If a block that was claimed at the kexec is not there, or is, against what was declared.
pub(super) fn claimed_at_a_kexec<A: PreservedAllocator>(
    kernel: &mut Kernel<'_, A>,
    left: Left,
    survive: bool,
) -> Result<(), Broken> {
    if survive {
        let lent = kernel.find(left, Duty::ClaimsAtAKexec)?;
        return kernel.restore_free(lent);
    }
    refuses(kernel, &[left], Duty::ClaimsAtAKexec, "which was claimed at the kexec")
}

/// Asserts that no block of these can be claimed.
///
/// # Errors
///
/// With the duty to refuse it, if one can.
pub(super) fn refuses<A: PreservedAllocator>(
    kernel: &Kernel<'_, A>,
    blocks: &[Left],
    duty: Duty,
    why: &str,
) -> Result<(), Broken> {
    blocks.iter().try_for_each(|block| kernel.refuses(block.addr, block.size, duty, why))
}

/// What a kernel holds, by the names that the next one has for it.
pub(super) fn lefts<A: PreservedAllocator>(kernel: &Kernel<'_, A>) -> Vec<Left> {
    kernel.lent().iter().map(|lent| lent.left).collect()
}

/// Of what a kernel holds, the blocks of these names.
fn claims<A: PreservedAllocator>(kernel: &Kernel<'_, A>, left: &[Left]) -> Vec<Lent> {
    let mut lent = kernel.lent();
    lent.retain(|lent| names(left, lent.left.addr, lent.left.size));
    lent
}

fn names(blocks: &[Left], addr: PhysAddr, size: usize) -> bool {
    blocks.iter().any(|block| block.addr == addr && block.size == size)
}

fn every_other(lent: &[Lent]) -> Vec<Lent> {
    lent.iter().skip(1).step_by(2).copied().collect()
}
