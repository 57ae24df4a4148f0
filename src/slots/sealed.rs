//! A table that is ready for the jump is sealed as a set is.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::{Descriptor, DescriptorFlags};
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::origin::Outgoing;
use crate::set::sealed::seal::Seal;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Seal
    for Slots<T, A, Outgoing, BLOCK_SIZE>
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
