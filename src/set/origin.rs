//! Where the blocks of a set come from, as a type.

#![forbid(unsafe_code)]

/// The set is this kernel's: it may grow, and is filled for the next one.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing(());

/// The set's blocks were claimed from the previous kernel: it cannot grow, and dropping it gives the
/// claims back.
#[derive(Clone, Copy, Debug)]
pub struct Incoming(());

/// [`Outgoing`] or [`Incoming`]; there is no third.
pub trait Origin: sealed::Sealed {}

impl Origin for Outgoing {}
impl Origin for Incoming {}

mod sealed {
    /// Tells the two origins apart.
    pub trait Sealed {
        /// Whether blocks are claimed rather than allocated.
        const INCOMING: bool;
    }

    impl Sealed for super::Outgoing {
        const INCOMING: bool = false;
    }

    impl Sealed for super::Incoming {
        const INCOMING: bool = true;
    }
}
