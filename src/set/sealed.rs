//! What is ready for the jump: handed over, unless the jump fails.

#![forbid(unsafe_code)]

use core::ops::Deref;

use self::seal::Seal;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::{Descriptor, DescriptorFlags};
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Outgoing;

/// A set, or a table, that is closed for the jump, from [`BlockSet::seal`] or
/// [`Slots::seal`](crate::Slots::seal): to be read, and no more.
///
/// Its blocks are the next kernel's. If the jump fails, [`unseal`](Self::unseal) gives the set back
/// with every entry; [`leave`](Self::leave) gives it up for good, and so does dropping it, since the
/// root page may name its blocks by now. So unseal on error paths.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, PhysAddr};
///
/// /// Jumps into the next kernel; returns if that fails.
/// fn kexec(_root: Option<PhysAddr>) {}
///
/// let mem = Mock::new();
/// let mut sessions = BlockSet::<u64, _>::new(&mem);
/// sessions.extend_from_slice(&[2, 3, 5])?;
///
/// let sealed = sessions.seal();
/// kexec(sealed.head());
///
/// let mut sessions = sealed.unseal(); // the jump failed: go on
/// sessions.push(7).unwrap();
/// assert!(sessions.iter().eq(&[2, 3, 5, 7]));
/// # Ok::<(), kho_block::GrowError>(())
/// ```
#[derive(Debug)]
#[must_use = "a sealed set that is dropped is left to the next kernel: unseal it if the jump failed"]
pub struct Sealed<S> {
    set: S,
}

impl<S> Deref for Sealed<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.set
    }
}

impl<S: Seal> Sealed<S> {
    /// Seals a set without spare blocks.
    pub(crate) fn new(mut set: S) -> Self {
        set.close(true);
        Self { set }
    }

    /// Describes the chain, as entries that `tag` names, and counts them; those of a table are its
    /// slots.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let sealed = set.seal();
    /// let descriptor = sealed.descriptor(0x5e55);
    /// assert_eq!((descriptor.head(), descriptor.entries), (sealed.head(), 1));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn descriptor(&self, tag: u64) -> Descriptor {
        self.set.counted(tag)
    }

    /// Takes the set back, since the jump failed: every entry is as it was, those of a table under
    /// their keys, and there is room again as soon as it is [grown](crate::BlockSet::grow). Whatever
    /// names its blocks in a root page is to be withdrawn.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let set = set.seal().unseal();
    /// assert!(set.iter().eq(&[2]));
    /// drop(set);
    /// assert_eq!(mem.live(), 0, "it frees its blocks again");
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn unseal(self) -> S {
        let Self { mut set } = self;
        set.close(false);
        set
    }

    /// Leaves the blocks to the next kernel; returns the head. There is no way back.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let sealed = set.seal();
    /// let head = sealed.head();
    /// assert_eq!(sealed.leave(), head);
    /// assert_eq!(mem.live(), 1);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn leave(self) -> Option<PhysAddr> {
        self.set.start()
    }
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Seal
    for BlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    fn close(&mut self, closed: bool) {
        self.chain.leave(closed);
    }

    fn start(&self) -> Option<PhysAddr> {
        self.chain.head()
    }

    fn counted(&self, tag: u64) -> Descriptor {
        self.chain.descriptor(DescriptorFlags::all(), tag)
    }
}

pub(crate) mod seal {
    use crate::abi::addr::PhysAddr;
    use crate::abi::descriptor::Descriptor;

    /// What can be sealed: an outgoing set or table, without spare blocks.
    pub trait Seal {
        /// Says whether the blocks are the next kernel's from here on.
        fn close(&mut self, closed: bool);

        /// The head.
        fn start(&self) -> Option<PhysAddr>;

        /// Describes the chain, and counts what is in it.
        fn counted(&self, tag: u64) -> Descriptor;
    }
}
