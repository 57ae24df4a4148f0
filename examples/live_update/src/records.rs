//! What outlives the program: the records of LUO, byte for byte, and the root page.

use kho_block::Descriptor;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What the entries of the chain in the root page are, in its descriptor.
pub(crate) const SESSIONS: u64 = u64::from_be_bytes(*b"sessions");

/// What a [`File`] can be: the only kind here is a connection.
pub(crate) const TCP_STREAM: &[u8] = b"tcp-stream";

/// A session, and the chain of its files.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
pub(crate) struct Session {
    /// Padded with zeros.
    pub(crate) name: [u8; 64],
    /// Physical address of the first block of a chain of [`File`]s; zero without files.
    pub(crate) files: u64,
    /// Entries in that chain.
    pub(crate) count: u64,
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

/// The root page: where the next generation starts to read.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
pub(crate) struct Root {
    /// The chain of [`Session`]s.
    pub(crate) sessions: Descriptor,
    /// The generation that saved it.
    pub(crate) generation: u64,
    /// The descriptor on which the server listens.
    pub(crate) listener: u64,
    /// How long the save took, in nanoseconds.
    pub(crate) save: u64,
}

/// The same, as it is stored: word by word. The first one, of the descriptor, is never zero.
pub(crate) type RootWords = [u64; size_of::<Root>() / size_of::<u64>()];

const _: () = assert!(size_of::<Session>() == 80);
const _: () = assert!(size_of::<File>() == 64);
const _: () = assert!(size_of::<Root>() == 72);

/// `text`, as much of it as fits, followed by zeros.
pub(crate) fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    field.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    field
}
