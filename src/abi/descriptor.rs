//! What a bare chain does not say of itself, in a record to be carried beside it.

#![forbid(unsafe_code)]

use core::mem::offset_of;

use bitflags::bitflags;
use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::to_wire;
use crate::chain::entry::Entry;
use crate::error::{DescriptorError, DescriptorField};
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::Outgoing;
use crate::set::restore::RestoreChecks;

/// What a chain is, for the next kernel to check before it believes the chain: 48 bytes to put into
/// the device tree or any root page, native-endian.
///
/// [`BlockSet::descriptor`] makes one, [`BlockSet::restore_from`] checks it field by field. Being a
/// zerocopy record, it is read from and written to bytes as it is, and can be an entry itself.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::zerocopy::{FromBytes, IntoBytes};
/// use kho_block::{BlockSet, Descriptor};
///
/// let mem = Mock::new();
/// let mut set = BlockSet::<u64, _>::new(&mem);
/// set.extend_from_slice(&[2, 3, 5])?;
///
/// let mut root_page = [0; 4096];
/// set.descriptor(0x5e55).write_to_prefix(&mut root_page).unwrap();
///
/// let (descriptor, _) = Descriptor::read_from_prefix(&root_page).unwrap();
/// assert_eq!((descriptor.entry_size, descriptor.entries), (8, 3));
/// # Ok::<(), kho_block::GrowError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Descriptor {
    /// [`Descriptor::MAGIC`].
    pub magic: u64,
    /// [`Descriptor::VERSION`] of the library that wrote the chain.
    pub version: u32,
    /// Bits of [`DescriptorFlags`].
    pub flags: u32,
    /// Bytes of an entry.
    pub entry_size: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Physical address of the first block; zero without blocks.
    pub head: u64,
    /// Entries in the chain.
    pub entries: u64,
    /// What the entries are: a number of the caller's choice.
    pub tag: u64,
}

const_assert_eq!(size_of::<Descriptor>(), 48);
const_assert_eq!(align_of::<Descriptor>(), align_of::<u64>());
const_assert_eq!(offset_of!(Descriptor, magic), 0);
const_assert_eq!(offset_of!(Descriptor, version), 8);
const_assert_eq!(offset_of!(Descriptor, flags), 12);
const_assert_eq!(offset_of!(Descriptor, entry_size), 16);
const_assert_eq!(offset_of!(Descriptor, block_size), 20);
const_assert_eq!(offset_of!(Descriptor, head), 24);
const_assert_eq!(offset_of!(Descriptor, entries), 32);
const_assert_eq!(offset_of!(Descriptor, tag), 40);

bitflags! {
    /// What a [`Descriptor`] promises of its chain; the next kernel holds it to that.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DescriptorFlags: u32 {
        /// The chain passes [`RestoreChecks::DENSE`].
        const DENSE = 1 << 0;
        /// The chain passes [`RestoreChecks::NO_EMPTY_BLOCKS`].
        const NO_EMPTY_BLOCKS = 1 << 1;
    }
}

impl Descriptor {
    /// The first eight bytes, as a native-endian number: `KHOBLOCK` read from the top.
    pub const MAGIC: u64 = 0x4b48_4f42_4c4f_434b;

    /// The version that this library writes, and the newest that it reads.
    pub const VERSION: u32 = 1;

    /// The checks that the chain has to pass.
    ///
    /// # Errors
    ///
    /// The first field that is not as expected; `head` and `entries` are the chain's to confirm.
    pub(crate) fn check(
        &self,
        entry_size: usize,
        block_size: usize,
        tag: u64,
    ) -> Result<RestoreChecks, DescriptorError> {
        use DescriptorField::{BlockSize, EntrySize, Flags, Magic, Tag, Version};
        expect(Magic, self.magic, Self::MAGIC)?;
        expect(Version, self.version.into(), Self::VERSION.into())?;
        let all = DescriptorFlags::all().bits();
        let flags = DescriptorFlags::from_bits(self.flags).ok_or(DescriptorError {
            field: Flags,
            found: self.flags.into(),
            expected: all.into(),
        })?;
        expect(EntrySize, self.entry_size.into(), to_wire(entry_size))?;
        expect(BlockSize, self.block_size.into(), to_wire(block_size))?;
        expect(Tag, self.tag, tag)?;

        let mut checks = RestoreChecks::empty();
        checks.set(RestoreChecks::DENSE, flags.contains(DescriptorFlags::DENSE));
        let no_empty_blocks = flags.contains(DescriptorFlags::NO_EMPTY_BLOCKS);
        checks.set(RestoreChecks::NO_EMPTY_BLOCKS, no_empty_blocks);
        Ok(checks)
    }

    /// Compares the number of entries with that of the restored chain.
    ///
    /// # Errors
    ///
    /// If they differ.
    pub(crate) fn check_entries(&self, entries: usize) -> Result<(), DescriptorError> {
        expect(DescriptorField::Entries, self.entries, to_wire(entries))
    }
}

/// # Errors
///
/// If the two differ.
fn expect(field: DescriptorField, found: u64, expected: u64) -> Result<(), DescriptorError> {
    if found == expected { Ok(()) } else { Err(DescriptorError { field, found, expected }) }
}

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize>
    BlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    /// [Publishes](Self::publish) the set and describes it, as entries that `tag` names.
    ///
    /// It holds as long as the set does not change.
    ///
    /// ```
    /// # use kho_block::{BlockSet, PhysAddr, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// set.push(2)?;
    /// let descriptor = set.descriptor(0x5e55);
    /// assert_eq!(descriptor.head, PhysAddr::to_wire(set.into_head()));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn descriptor(&mut self, tag: u64) -> Descriptor {
        const {
            assert!(
                to_wire(BLOCK_SIZE) < 1 << 32,
                "a descriptor has 32 bits for the size of a block"
            );
        }
        Descriptor {
            magic: Descriptor::MAGIC,
            version: Descriptor::VERSION,
            // What is published is dense and has no empty blocks.
            flags: DescriptorFlags::all().bits(),
            entry_size: u32::try_from(size_of::<T>()).unwrap_or(u32::MAX),
            block_size: u32::try_from(BLOCK_SIZE).unwrap_or(u32::MAX),
            head: PhysAddr::to_wire(self.publish()),
            entries: to_wire(self.len()),
            tag,
        }
    }
}
