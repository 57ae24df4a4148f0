//! What can be wrong with an allocator.

/// What an allocator does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Nothing.
    Not,
    /// Nothing, and it lends again what was freed.
    Reuses,
    /// Nothing, but there are only so many blocks.
    Room(usize),

    /// A block lies within the allocator.
    Inline,
    /// A block is reached by the pointer to another.
    SamePointer,
    /// A block has the address of another.
    SameAddress,
    /// A call writes to a block that is lent.
    Scribbles(Call),
    /// A new block costs one that is carried a byte.
    ScribblesOnCarried,
    ShiftedAddress,
    ShiftedPointer,
    /// A block ends where addresses do.
    AtTheEnd,
    Dirty,
    /// What was freed is lent again, as it is.
    ReusesDirty,
    LendsTwice,
    /// A claim that was given back is lent twice the next time.
    LendsReturnedTwice,
    LendsOwn,
    LendsLarger,
    LendsSmaller,
    /// A call that frees does nothing.
    Keeps(Call),
    /// What this call freed can still be claimed.
    LendsFreed(Call),
    /// Addresses are rounded.
    LendsBeside,
    /// What the previous kernel left is lent by its second half too.
    LendsInside,
    LendsAbove,
    LendsBelow,
    /// There is something at this address.
    LendsAt(u64),
    LendsAnywhere,
    PanicsAnywhere,
    /// A claim panics before anything was lent.
    PanicsBefore,
    /// A claim of what is not there panics when all is freed.
    PanicsAfter,
    Loses,
    /// A claim that was carried and is so no more is gone at the kexec, if others survive it.
    LosesUnpreserved,
    Damages,
    Panics(Call),
    /// What is done by way of a reference to another place is not done.
    IsAtHome(Call),
    /// A call does nothing, though it says so.
    Ignores(Call),
    /// A call changes the block.
    Changes(Call),
    /// A call gives the claim back.
    Unclaims(Call),
    LendsCarried,
    /// What was carried and then freed by this call can still be claimed.
    LendsFreedCarried(Call),
    /// What was carried is not freed.
    KeepsCarried,
    /// What is not to be preserved is not claimed any more.
    RefusesAndUnclaims,
    /// What is not to be preserved is preserved.
    RefusesAndCarries,
}

/// A method of the traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    AllocPreserve,
    UnpreserveFree,
    Restore,
    Unrestore,
    RestoreFree,
    Preserve,
    Unpreserve,
}
