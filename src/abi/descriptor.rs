//! What a bare chain does not say of itself, in a record to be carried beside it.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;
use core::mem::offset_of;

use bitflags::bitflags;
use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::errno::EINVAL;
use crate::abi::layout::ChainLayout;
use crate::abi::sizes::to_wire;

/// What a chain is, for the next kernel to check before it believes the chain: 48 bytes to put into
/// the device tree or any root page, native-endian.
///
/// [`BlockSet::descriptor`](crate::BlockSet::descriptor) makes one that stays true while the set is
/// filled, [`Sealed::descriptor`](crate::Sealed::descriptor) one that counts the entries too, and
/// [`BlockSet::restore_from`](crate::BlockSet::restore_from) checks it field by field. Being a
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
/// let sealed = set.seal();
/// sealed.descriptor(0x5e55).write_to_prefix(&mut root_page).unwrap();
///
/// let (descriptor, _) = Descriptor::read_from_prefix(&root_page).unwrap();
/// assert_eq!((descriptor.entry_size, descriptor.entries), (8, 3));
/// assert_eq!(descriptor.head(), sealed.head());
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
    /// Entries in the chain; looked at with [`DescriptorFlags::COUNTED`] alone.
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
        /// The chain passes [`RestoreChecks::NO_EMPTY_BLOCKS`], or is a single block without
        /// entries.
        const NO_EMPTY_BLOCKS = 1 << 1;
        /// The chain has as many entries as `entries` says.
        const COUNTED = 1 << 2;
    }
}

impl Descriptor {
    /// The first eight bytes, as a native-endian number: `KHOBLOCK` read from the top.
    pub const MAGIC: u64 = 0x4b48_4f42_4c4f_434b;

    /// The version that this library writes, and the newest that it reads.
    pub const VERSION: u32 = 1;

    /// Describes a chain of `layout` that starts at `head`.
    pub(crate) fn new(
        layout: ChainLayout,
        flags: DescriptorFlags,
        head: Option<PhysAddr>,
        entries: usize,
        tag: u64,
    ) -> Self {
        let size = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            magic: Self::MAGIC,
            version: Self::VERSION,
            flags: flags.bits(),
            entry_size: size(layout.entry_size()),
            block_size: size(layout.block_size()),
            head: PhysAddr::to_wire(head),
            entries: to_wire(entries),
            tag,
        }
    }

    /// Where the chain starts; `None` if it has no blocks.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&mem);
    /// assert_eq!(set.descriptor(0x5e55).head(), None);
    /// set.grow(1)?;
    /// assert_eq!(set.descriptor(0x5e55).head(), set.first_block());
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub const fn head(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.head)
    }

    /// The checks that the chain has to pass, if this describes a chain of `layout` whose entries
    /// `tag` names.
    ///
    /// [`restore_from`](crate::BlockSet::restore_from) does this first; here it is for whoever has
    /// to choose what to restore, such as one of two versions of a record.
    ///
    /// # Errors
    ///
    /// The first field that is not as expected; `head` and `entries` are the chain's to confirm.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{BlockSet, DescriptorField, RestoreChecks};
    ///
    /// type Set<'m> = BlockSet<u64, &'m Mock>;
    ///
    /// let mem = Mock::new();
    /// let descriptor = Set::new(&mem).descriptor(0x5e55);
    /// let checks = descriptor.check(Set::LAYOUT, 0x5e55)?;
    /// assert_eq!(checks, RestoreChecks::DENSE | RestoreChecks::NO_EMPTY_BLOCKS);
    /// let error = descriptor.check(Set::LAYOUT, 0xf11e).unwrap_err();
    /// assert_eq!(error.field, DescriptorField::Tag);
    /// # Ok::<(), kho_block::DescriptorError>(())
    /// ```
    pub fn check(&self, layout: ChainLayout, tag: u64) -> Result<RestoreChecks, DescriptorError> {
        use DescriptorField::{BlockSize, EntrySize, Flags, Magic, Tag, Version};
        expect(Magic, self.magic, Self::MAGIC)?;
        expect(Version, self.version.into(), Self::VERSION.into())?;
        let all = DescriptorFlags::all().bits();
        let flags = DescriptorFlags::from_bits(self.flags).ok_or(DescriptorError {
            field: Flags,
            found: self.flags.into(),
            expected: all.into(),
        })?;
        // What the entries are comes first: other records may well have another size.
        expect(Tag, self.tag, tag)?;
        expect(EntrySize, self.entry_size.into(), to_wire(layout.entry_size()))?;
        expect(BlockSize, self.block_size.into(), to_wire(layout.block_size()))?;

        let mut checks = RestoreChecks::empty();
        checks.set(RestoreChecks::DENSE, flags.contains(DescriptorFlags::DENSE));
        let no_empty_blocks = flags.contains(DescriptorFlags::NO_EMPTY_BLOCKS);
        checks.set(RestoreChecks::NO_EMPTY_BLOCKS, no_empty_blocks);
        Ok(checks)
    }

    /// Compares the number of entries, if it is promised, with that of the restored chain.
    ///
    /// # Errors
    ///
    /// If they differ.
    pub(crate) fn check_entries(&self, entries: usize) -> Result<(), DescriptorError> {
        if self.flags & DescriptorFlags::COUNTED.bits() == 0 {
            return Ok(());
        }
        expect(DescriptorField::Entries, self.entries, to_wire(entries))
    }
}

/// # Errors
///
/// If the two differ.
fn expect(field: DescriptorField, found: u64, expected: u64) -> Result<(), DescriptorError> {
    if found == expected { Ok(()) } else { Err(DescriptorError { field, found, expected }) }
}

/// Which field of a [`Descriptor`] does not fit, and the two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescriptorError {
    /// The field.
    pub field: DescriptorField,
    /// What the descriptor says.
    pub found: u64,
    /// What it should say; for [`Flags`](DescriptorField::Flags) all the flags there are, for
    /// [`Version`](DescriptorField::Version) the newest one known.
    pub expected: u64,
}

/// A field of a [`Descriptor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorField {
    /// `magic`: these bytes are no descriptor, or one of the other byte order.
    Magic,
    /// `version`: written by a newer library, or by none.
    Version,
    /// `flags`: bits whose meaning is not known here.
    Flags,
    /// `entry_size`, in bytes.
    EntrySize,
    /// `block_size`, in bytes.
    BlockSize,
    /// `entries`: the chain holds another number.
    Entries,
    /// `tag`: the entries are something else.
    Tag,
}

impl DescriptorError {
    /// `EINVAL`, 22.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        EINVAL
    }
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, found, expected } = self;
        match field {
            DescriptorField::Magic => write!(f, "magic {found:#x} is not {expected:#x}"),
            DescriptorField::Version => write!(f, "version {found} is not {expected}"),
            DescriptorField::Flags => write!(f, "flags {found:#x} go beyond {expected:#x}"),
            DescriptorField::EntrySize => write!(f, "entry size {found} is not {expected}"),
            DescriptorField::BlockSize => write!(f, "block size {found} is not {expected}"),
            DescriptorField::Entries => write!(f, "says {found} entries, the chain {expected}"),
            DescriptorField::Tag => write!(f, "tag {found:#x} is not {expected:#x}"),
        }
    }
}

impl Error for DescriptorError {}
