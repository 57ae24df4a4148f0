//! What a conformance check finds.

#![forbid(unsafe_code)]

use alloc::string::String;
use core::error::Error;
use core::fmt;

/// A duty of [`PreservedAllocator`](crate::PreservedAllocator#safety), or a guarantee of a method
/// that no duty states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duty {
    /// Duty 1: all bytes of a lent block can be written and read, wherever the allocator is moved.
    Valid,
    /// Duty 2: no two lent blocks overlap, and no one else writes to one.
    Exclusive,
    /// Duty 3: addresses and pointers are aligned, and blocks end within the address space.
    Aligned,
    /// Duty 4: a new block is zero.
    Zeroed,
    /// Duty 5: only what the previous kernel preserved is lent, in its own size and once at a time.
    Once,
    /// Duty 6: an address at which no block starts is refused.
    Total,
    /// Duty 7: the next kernel finds what was preserved, with its bytes.
    FoundAgain,
    /// Duty 8: no method unwinds.
    Calm,
    /// Duty 9: what is lent by way of one reference is given back by way of another.
    Same,
    /// Duty 11: what is claimed at a kexec is there again, or is gone, as it was
    /// [declared](super::Conformance::claims_survive).
    ClaimsAtAKexec,
    /// The guarantee of [`unrestore`](crate::PreservedAllocator::unrestore): the block can be claimed
    /// again, its bytes as they were left.
    Unrestore,
    /// The guarantee of [`preserve`](crate::CarryAllocator::preserve): the block's bytes are as they
    /// were; and if it is refused, the block is claimed as before.
    Preserve,
    /// The guarantee of [`unpreserve`](crate::CarryAllocator::unpreserve): a claimed block again, its
    /// bytes as they were.
    Unpreserve,
    /// No duty is broken, but none was tried either: nothing was granted.
    NotTried,
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "duty 1, valid",
            Self::Exclusive => "duty 2, exclusive",
            Self::Aligned => "duty 3, aligned",
            Self::Zeroed => "duty 4, zeroed",
            Self::Once => "duty 5, once",
            Self::Total => "duty 6, total",
            Self::FoundAgain => "duty 7, found again",
            Self::Calm => "duty 8, calm",
            Self::Same => "duty 9, same",
            Self::ClaimsAtAKexec => "duty 11, claims at a kexec",
            Self::Unrestore => "the guarantee of `unrestore`",
            Self::Preserve => "the guarantee of `preserve`",
            Self::Unpreserve => "the guarantee of `unpreserve`",
            Self::NotTried => "not tried",
        })
    }
}

/// An allocator does not do what it has to.
///
/// ```
/// # use kho_block::mock::conformance::{Duty, check};
/// # use kho_block::mock::Mock;
/// let broken = check(|_: Option<Mock>| Mock::refusing(0)).unwrap_err();
/// assert_eq!(broken.duty, Duty::NotTried);
/// assert_eq!(broken.to_string(), "not tried: no size is granted, of [32, 512, 4096, 8192, 65536]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// What it breaks: the first that shows.
    pub duty: Duty,
    /// How that shows.
    pub what: String,
}

impl Broken {
    pub(super) const fn new(duty: Duty, what: String) -> Self {
        Self { duty, what }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.duty, self.what)
    }
}

impl Error for Broken {}
