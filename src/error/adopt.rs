//! How carrying a set on can fail; the set comes back.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::errno::{EINVAL, ENOMEM};

/// An [`adopt`](crate::BlockSet::adopt) that failed, with the set as it was.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{AdoptErrorKind, IncomingSet, PhysAddr};
///
/// let mut mem = Mock::new();
/// // Two blocks of two slots, of which the first is not full.
/// mem.leave(0x1000, [0x1020_u64, 1, 7, 0].map(u64::to_ne_bytes).as_flattened());
/// mem.leave(0x1020, [0_u64, 1, 8, 0].map(u64::to_ne_bytes).as_flattened());
/// let set = IncomingSet::<u64, _, 32>::restore(&mem, PhysAddr::new(0x1000))?;
/// let error = set.adopt().unwrap_err();
/// assert_eq!(error.kind(), AdoptErrorKind::Sparse { block: 0 });
/// let set = error.into_set();
/// assert!(set.iter().eq(&[7, 8]));
/// # Ok::<(), kho_block::RestoreError>(())
/// ```
pub struct AdoptError<S> {
    set: S,
    kind: AdoptErrorKind,
}

/// What keeps a set from being carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdoptErrorKind {
    /// A block is not full, though others with entries follow: this crate would append in its middle.
    Sparse {
        /// The position of the block in the chain, counted from 0.
        block: usize,
    },
    /// The allocator cannot preserve a block again.
    Refused {
        /// The position of the block in the chain, counted from 0.
        block: usize,
    },
    /// The heap has no room for the index of a table's free slots.
    OutOfMemory,
}

impl<S> AdoptError<S> {
    pub(crate) fn new(set: S, kind: AdoptErrorKind) -> Self {
        Self { set, kind }
    }

    /// What kept the set from being carried on.
    #[must_use]
    pub fn kind(&self) -> AdoptErrorKind {
        self.kind
    }

    /// The set, as it was.
    #[must_use]
    pub fn into_set(self) -> S {
        self.set
    }

    /// Drops the set, which gives its claims back, and keeps what borrows nothing.
    #[must_use]
    pub fn into_kind(self) -> AdoptErrorKind {
        self.kind
    }

    /// The set, and what kept it from being carried on.
    #[must_use]
    pub fn into_parts(self) -> (S, AdoptErrorKind) {
        (self.set, self.kind)
    }

    /// The number of its [kind](AdoptErrorKind::errno).
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.kind.errno()
    }
}

impl AdoptErrorKind {
    /// `EINVAL` (22) for a sparse chain, `ENOMEM` (12) for a block that was refused, and for a full heap.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Sparse { .. } => EINVAL,
            Self::Refused { .. } | Self::OutOfMemory => ENOMEM,
        }
    }
}

impl<S> fmt::Debug for AdoptError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<S> fmt::Display for AdoptError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.kind, f)
    }
}

impl fmt::Display for AdoptErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sparse { block } => {
                write!(f, "block {block} is not full, but not the last one in use")
            }
            Self::Refused { block } => write!(f, "block {block} cannot be preserved again"),
            Self::OutOfMemory => f.write_str("no memory for the index of free slots"),
        }
    }
}

impl<S> Error for AdoptError<S> {}
impl Error for AdoptErrorKind {}
