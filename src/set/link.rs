//! Chains that hang from the records of another one.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::link::Link;
use crate::abi::sizes::to_wire;
use crate::chain::entry::Entry;
use crate::error::link::LinkError;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::{BlockSet, IncomingSet};
use crate::set::origin::Outgoing;
use crate::set::sealed::Sealed;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize>
    Sealed<BlockSet<T, A, Outgoing, BLOCK_SIZE>>
{
    /// What a record of another chain keeps of this one. It is true as long as the set is sealed: for
    /// a save that may have to be called off.
    ///
    /// ```
    /// # use kho_block::{BlockSet, Link, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let sealed = set.seal();
    /// let link: Link<u64> = sealed.link();
    /// assert_eq!((link.head(), link.len()), (sealed.head(), 1));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn link(&self) -> Link<T, BLOCK_SIZE> {
        Link::new(self.head(), self.len())
    }

    /// [Leaves](Self::leave) the blocks to the next kernel; returns what a record of another chain
    /// keeps of this one. There is no way back.
    ///
    /// ```
    /// # use kho_block::{BlockSet, Link, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.extend_from_slice(&[2, 3, 5])?;
    /// let link: Link<u64> = set.seal().into_link();
    /// assert_eq!(link.len(), 3);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use = "nobody else knows where the chain starts"]
    pub fn into_link(self) -> Link<T, BLOCK_SIZE> {
        let link = self.link();
        self.leave();
        link
    }
}

impl<T: Entry, const BLOCK_SIZE: usize> Link<T, BLOCK_SIZE> {
    /// Takes the chain up; an empty set if there is none.
    ///
    /// # Errors
    ///
    /// [`LinkError::Half`] for a link of which one half is zero, [`LinkError::Entries`] if the chain
    /// has another number of entries, [`LinkError::Chain`] if it is damaged. Every claim is given
    /// back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, Link, mock::Mock};
    /// # let mut mem = Mock::new();
    /// # let mut set = BlockSet::<u64, _>::new(&mem);
    /// # set.extend_from_slice(&[2, 3, 5])?;
    /// # let link: Link<u64> = set.seal().into_link();
    /// # mem.reboot();
    /// let set = link.restore(&mem)?;
    /// assert!(set.iter().eq(&[2, 3, 5]));
    /// assert!(Link::<u64>::EMPTY.restore(&mem)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore<A: PreservedAllocator>(
        &self,
        alloc: A,
    ) -> Result<IncomingSet<T, A, BLOCK_SIZE>, LinkError> {
        let (head, count) = (self.head(), self.len());
        if head.is_some() != (count != 0) {
            return Err(LinkError::Half { head: PhysAddr::to_wire(head), count });
        }
        let set = IncomingSet::restore(alloc, head)?;
        match to_wire(set.len()) {
            expected if expected == count => Ok(set),
            expected => Err(LinkError::Entries { found: count, expected }),
        }
    }
}
