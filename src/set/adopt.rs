//! Carrying records on: a set of the previous kernel becomes one of this kernel, where it is.

#![forbid(unsafe_code)]

use core::marker::PhantomData;

use crate::chain::entry::Entry;
use crate::error::adopt::AdoptError;
use crate::memory::allocator::CarryAllocator;
use crate::set::block_set::{BlockSet, OutgoingSet};
use crate::set::origin::Incoming;

impl<T: Entry, A: CarryAllocator, const BLOCK_SIZE: usize> BlockSet<T, A, Incoming, BLOCK_SIZE> {
    /// Makes the set one of this kernel, which goes on filling it for the next: no entry moves, and
    /// none is copied.
    ///
    /// Costs a call of the allocator for each block, and a write to every unused byte. Every block is
    /// preserved before anything is written; then the chain is cut behind the last block in use, and
    /// blocks without entries become spare. So it takes full blocks, then at most one that is partly
    /// filled, then any number of empty ones.
    ///
    /// An adopted set that is dropped leaves its chain, linked and preserved, to be restored again,
    /// also after it has grown; [`destroy`](Self::destroy) frees it. Over KHO a kexec before this
    /// returns loses the blocks not preserved yet.
    ///
    /// # Errors
    ///
    /// [`AdoptErrorKind::Sparse`](crate::AdoptErrorKind::Sparse) for another shape, and
    /// [`Refused`](crate::AdoptErrorKind::Refused) if the allocator cannot preserve a block. The
    /// error holds the set as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{BlockSet, IncomingSet};
    ///
    /// let mut mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let mut head = set.into_head();
    /// for kernel in 0..3 {
    ///     mem.reboot();
    ///     let set = IncomingSet::<u64, _>::restore(&mem, head)?;
    ///     let mut set = set.adopt().map_err(|error| error.into_kind())?;
    ///     set.push(kernel)?;
    ///     head = set.into_head();
    /// }
    /// mem.reboot();
    /// assert!(IncomingSet::<u64, _>::restore(&mem, head)?.iter().eq(&[2, 3, 5, 0, 1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::result_large_err, reason = "the set comes back with the error")]
    pub fn adopt(mut self) -> Result<OutgoingSet<T, A, BLOCK_SIZE>, AdoptError<Self>> {
        match self.chain.adopt() {
            // INVARIANT: 6. dense, or refused; what is unused was zeroed, and what is behind the
            // tail made spare.
            Ok(()) => Ok(BlockSet { chain: self.chain, origin: PhantomData }),
            Err(kind) => Err(AdoptError::new(self, kind)),
        }
    }
}
