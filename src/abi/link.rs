//! A chain as a field of a record: sixteen bytes.

#![forbid(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::addr::PhysAddr;
use crate::abi::sizes::{DEFAULT_BLOCK_SIZE, to_wire};

/// The bytes of a [`Link`]: what LUO keeps of the files of a session.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct RawLink {
    /// Physical address of the first block; zero without entries.
    head: u64,
    /// Entries in the chain.
    count: u64,
}

const_assert_eq!(size_of::<RawLink>(), 16);
const_assert_eq!(offset_of!(RawLink, head), 0);
const_assert_eq!(offset_of!(RawLink, count), 8);

/// A chain of `T`s in blocks of `BLOCK_SIZE` bytes, as a field of another record: its head and the
/// number of its entries, native-endian, as LUO keeps the files of a session.
///
/// [`Sealed::into_link`](crate::Sealed::into_link) makes one, once, of a set that is handed over;
/// [`Link::restore`] takes the chain up and refuses another number of entries. For a chain that is
/// still filled use a [`Descriptor`](crate::Descriptor).
///
/// # Examples
///
/// A named session with its files, saved and restored:
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
/// use kho_block::{BlockSet, IncomingSet, Link};
///
/// #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// #[zerocopy(crate = "kho_block::zerocopy")]
/// struct File { token: u64, inode: u64 }
///
/// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// #[zerocopy(crate = "kho_block::zerocopy")]
/// struct Session { name: [u8; 64], files: Link<File> }
///
/// let mut memory = Mock::new();
/// let mut files = BlockSet::<File, _>::new(&memory);
/// files.extend_from_slice(&[File { token: 1, inode: 52 }, File { token: 2, inode: 87 }])?;
/// let mut name = [0; 64];
/// name[..5].copy_from_slice(b"web-1");
/// let mut sessions = BlockSet::<Session, _>::new(&memory);
/// sessions.push(Session { name, files: files.seal().into_link() })?;
/// let head = sessions.into_head();
///
/// memory.reboot(); // kexec
///
/// let mut sessions = IncomingSet::<Session, _>::restore(&memory, head)?;
/// for session in &sessions {
///     let mut files = session.files.restore(&memory)?;
///     assert_eq!(files.last().map(|file| file.inode), Some(87));
///     files.destroy();
/// }
/// sessions.destroy();
/// memory.assert_clean();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Link<T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> {
    raw: RawLink,
    entries: PhantomData<T>,
}

impl<T, const BLOCK_SIZE: usize> Link<T, BLOCK_SIZE> {
    /// No chain: sixteen bytes of zero.
    pub const EMPTY: Self = Self { raw: RawLink { head: 0, count: 0 }, entries: PhantomData };

    /// The link to a chain of `count` entries.
    pub(crate) fn new(head: Option<PhysAddr>, count: usize) -> Self {
        let raw = RawLink { head: PhysAddr::to_wire(head), count: to_wire(count) };
        Self { raw, entries: PhantomData }
    }

    /// Where the chain starts; `None` if there is none.
    #[must_use]
    pub const fn head(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.raw.head)
    }

    /// Entries that the chain is said to have; not believed before it is restored.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.raw.count
    }

    /// Whether the chain is said to have no entries.
    ///
    /// ```
    /// # use kho_block::Link;
    /// assert!(Link::<u64>::EMPTY.is_empty());
    /// ```
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, const BLOCK_SIZE: usize> Clone for Link<T, BLOCK_SIZE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const BLOCK_SIZE: usize> Copy for Link<T, BLOCK_SIZE> {}

impl<T, const BLOCK_SIZE: usize> Default for Link<T, BLOCK_SIZE> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T, const BLOCK_SIZE: usize> PartialEq for Link<T, BLOCK_SIZE> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<T, const BLOCK_SIZE: usize> Eq for Link<T, BLOCK_SIZE> {}

impl<T, const BLOCK_SIZE: usize> fmt::Debug for Link<T, BLOCK_SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("head", &self.head()).field("len", &self.len()).finish()
    }
}
