//! What outlives the program: the records of LUO, byte for byte, and what leads to them.

use kho_block::Link;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What the entries of the chain that the region's root names are: a [`Descriptor`] for each table.
///
/// [`Descriptor`]: kho_block::Descriptor
pub(crate) const TABLES: u64 = u64::from_be_bytes(*b"tables\0\0");

/// The table of [`Session`]s.
pub(crate) const SESSIONS: u64 = u64::from_be_bytes(*b"sessions");

/// The table of one [`Generation`].
pub(crate) const GENERATION: u64 = u64::from_be_bytes(*b"generatn");

/// What a [`File`] can be: the only kind here is a connection.
pub(crate) const TCP_STREAM: &[u8] = b"tcp-stream";

/// A session, and the chain of its files.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
pub(crate) struct Session {
    /// Padded with zeros.
    pub(crate) name: [u8; 64],
    pub(crate) files: Link<File>,
}

/// An open file of a session.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
pub(crate) struct File {
    /// Which code can take the file up; padded with zeros.
    pub(crate) compatible: [u8; 48],
    /// What that code needs to find it: here, the number of the descriptor.
    pub(crate) data: u64,
    /// What else is to be known of it: here, the counter of the connection.
    pub(crate) token: u64,
}

/// What there is to know of the generation that saved, besides its sessions.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
pub(crate) struct Generation {
    /// Counted from 1.
    pub(crate) number: u64,
    /// The descriptor on which the server listens.
    pub(crate) listener: u64,
    /// How long the save took, in nanoseconds.
    pub(crate) save: u64,
}

const _: () = assert!(size_of::<Session>() == 80);
const _: () = assert!(size_of::<File>() == 64);
const _: () = assert!(size_of::<Generation>() == 24);

/// `text`, as much of it as fits, followed by zeros.
pub(crate) fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    field.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    field
}
