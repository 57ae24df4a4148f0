//! The strictest look at a chain: every check there is, as far as it holds at the instant.

use kho_block::{
    Descriptor, Entry, HEADER_SIZE, IncomingSet, PreservedAllocator, RestoreChecks, RestoreError,
    RestoreErrorKind, RestoreFromError,
};

/// When a kernel was stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// No call is under way: what is unused is zero.
    AtRest,
    /// Within a call, perhaps: an entry may be written that is not counted yet, or not counted any
    /// more, of a dense chain in the last block.
    Any,
}

/// Restores a set by a descriptor that was written ahead of time; before that, with every check that
/// holds at the time, be it promised or not.
///
/// # Errors
///
/// If the chain is not as the descriptor promises.
///
/// # Panics
///
/// If it fails another check.
pub(crate) fn restore<T, A, const BLOCK_SIZE: usize>(
    alloc: A,
    root: &Descriptor,
    tag: u64,
    when: When,
) -> Result<IncomingSet<T, A, BLOCK_SIZE>, RestoreFromError>
where
    T: Entry,
    A: PreservedAllocator + Clone,
{
    type Set<T, A, const BLOCK_SIZE: usize> = IncomingSet<T, A, BLOCK_SIZE>;
    let set = Set::<T, A, BLOCK_SIZE>::restore_from(alloc.clone(), root, tag)?;
    let last = set.block_count().checked_sub(1);
    let promised = root.check(Set::<T, A, BLOCK_SIZE>::LAYOUT, tag)?;
    let is_dense = promised.contains(RestoreChecks::DENSE);
    // The first block of a set without entries is an empty one.
    let promised = if set.is_empty() { RestoreChecks::empty() } else { promised };
    let checks = promised | RestoreChecks::ZERO_TAIL;
    let head = set.release();
    let layout = Set::<T, A, BLOCK_SIZE>::LAYOUT;
    let slots = layout.capacity().saturating_mul(layout.entry_size());
    let slots = HEADER_SIZE..slots.saturating_add(HEADER_SIZE);
    match Set::<T, A, BLOCK_SIZE>::restore_with(alloc.clone(), head, checks) {
        Ok(_) => {}
        Err(RestoreError { kind: RestoreErrorKind::DirtyTail { offset }, block, .. })
            if when == When::Any
                && (Some(block) == last || !is_dense)
                && slots.contains(&offset) => {}
        Err(error) => panic!("{error}"),
    }
    Set::restore_from(alloc, root, tag)
}
