//! Carrying a table on: one of the previous kernel becomes one of this kernel, where it is.

#![forbid(unsafe_code)]

use core::marker::PhantomData;

use crate::abi::key::Stamp;
use crate::chain::entry::Entry;
use crate::error::adopt::{AdoptError, AdoptErrorKind};
use crate::memory::allocator::CarryAllocator;
use crate::set::origin::Incoming;
use crate::slots::holes::Holes;
use crate::slots::table::{OutgoingSlots, Slots};

impl<T: Entry, A: CarryAllocator, const BLOCK_SIZE: usize> Slots<T, A, Incoming, BLOCK_SIZE> {
    /// Makes the table one of this kernel, which goes on with it for the next: no entry moves, and
    /// every key stays what it is.
    ///
    /// Costs a call of the allocator for each block, a look at each stamp, and a bit of heap for each
    /// slot. The heap is reserved first, then every block is preserved, and only then anything
    /// written: the chain is cut behind the last block in use, and unused bytes behind it are zeroed.
    ///
    /// An adopted table that is dropped leaves its chain, linked and preserved, to be restored again;
    /// [`destroy`](Self::destroy) frees it. Over KHO a kexec before this returns loses the blocks not
    /// preserved yet.
    ///
    /// # Errors
    ///
    /// [`AdoptErrorKind::OutOfMemory`] without heap, and [`Refused`](AdoptErrorKind::Refused) if the
    /// allocator cannot preserve a block. The error holds the table as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{IncomingSlots, Slots};
    ///
    /// let mut mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let first = table.insert(2)?;
    /// let mut head = table.seal().leave();
    /// for kernel in 0..3 {
    ///     mem.reboot();
    ///     let table = IncomingSlots::<u64, _>::restore(&mem, head)?;
    ///     let mut table = table.adopt().map_err(|error| error.into_kind())?;
    ///     assert_eq!(table.get(first), Some(&2));
    ///     table.insert(kernel)?;
    ///     head = table.seal().leave();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::result_large_err, reason = "the table comes back with the error")]
    pub fn adopt(mut self) -> Result<OutgoingSlots<T, A, BLOCK_SIZE>, AdoptError<Self>> {
        let mut holes = Holes::new();
        if holes.reserve(self.block_count().saturating_mul(Self::SLOTS_PER_BLOCK)).is_err() {
            return Err(AdoptError::new(self, AdoptErrorKind::OutOfMemory));
        }
        if let Err(kind) = self.chain.adopt() {
            return Err(AdoptError::new(self, kind));
        }
        // INVARIANT: 3. adopting has zeroed what is behind the last slot.
        for (number, stamp) in self.stamps().enumerate() {
            if let Some(Stamp::Free { .. }) = Stamp::read(stamp) {
                holes.insert(number);
            }
        }
        let Self { chain, len, retired, .. } = self;
        Ok(Slots { chain, origin: PhantomData, len, retired, holes })
    }
}
