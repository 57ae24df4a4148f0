//! How taking up a linked chain can fail.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::errno::EINVAL;
use crate::error::restore::RestoreError;

/// Why [`Link::restore`](crate::Link::restore) refused: the link or the chain. Every claim was given
/// back.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::zerocopy::FromBytes;
/// use kho_block::{Link, LinkError};
///
/// let torn = Link::<u64>::read_from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]).unwrap();
/// let error = torn.restore(&Mock::new()).unwrap_err();
/// assert!(matches!(error, LinkError::Half { head: 0, .. }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// One half of the link is zero and the other is not.
    Half {
        /// The address in it.
        head: u64,
        /// The number of entries in it.
        count: u64,
    },
    /// The chain holds another number of entries.
    Entries {
        /// What the link says.
        found: u64,
        /// What the chain holds.
        expected: u64,
    },
    /// The chain is damaged.
    Chain(RestoreError),
}

impl LinkError {
    /// `EINVAL` (22), or the number of the chain's error.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Half { .. } | Self::Entries { .. } => EINVAL,
            Self::Chain(error) => error.errno(),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half { head, count } => {
                write!(f, "link: address {head:#x} and {count} entries cannot both be")
            }
            Self::Entries { found, expected } => {
                write!(f, "link: says {found} entries, the chain {expected}")
            }
            Self::Chain(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for LinkError {}

impl From<RestoreError> for LinkError {
    fn from(error: RestoreError) -> Self {
        Self::Chain(error)
    }
}
