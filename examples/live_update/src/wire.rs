//! What clients and server say to each other.

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A request is the name of the session that its connection belongs to, and nothing else.
pub(crate) type SessionName = [u8; 8];

/// What the server answers.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
pub(crate) struct Reply {
    /// How often the server has replaced itself, counted from 1.
    pub(crate) generation: u64,
    /// Requests that came over this connection so far, in all generations.
    pub(crate) counter: u64,
    /// The session that the server has the connection in.
    pub(crate) session: SessionName,
}

/// The name of a session, from its number.
pub(crate) fn session_name(number: usize) -> SessionName {
    let mut name = *b"s0000000";
    let digits = number.to_string();
    name.iter_mut().rev().zip(digits.bytes().rev()).for_each(|(to, digit)| *to = digit);
    name
}
