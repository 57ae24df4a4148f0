//! Why Linux's live update orchestrator, LUO, is not believed.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use crate::abi::errno::EINVAL;
use crate::abi::name::Name;

/// Why bytes are not the state of a LUO that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LuoError {
    /// Offset 0: another version of LUO, or something else.
    Compatible {
        /// What is there.
        found: Name<8>,
        /// What would be.
        expected: Name<8>,
    },
}

impl LuoError {
    /// `EINVAL` (22).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        EINVAL
    }
}

impl fmt::Display for LuoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compatible { found, expected } => {
                write!(f, "compatible {found:?} is not {expected:?}")
            }
        }
    }
}

impl Error for LuoError {}
