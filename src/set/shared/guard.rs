//! What lends the set behind a lock, and lets go of the lock when it is dropped.

#![forbid(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::{Origin, Outgoing};

/// A [`SharedBlockSet`](crate::SharedBlockSet)'s set, lent to be read for as long as this lives.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, SharedBlockSet, SharedReadGuard};
///
/// fn total(sessions: SharedReadGuard<'_, u64, &Mock>) -> u64 {
///     sessions.iter().sum()
/// }
///
/// let mem = Mock::new();
/// let sessions = SharedBlockSet::new(BlockSet::new(&mem));
/// sessions.write().extend_from_slice(&[2, 3, 5])?;
/// assert_eq!(total(sessions.read()), 10);
/// # Ok::<(), kho_block::GrowError>(())
/// ```
#[must_use = "the set is lent for as long as the guard lives"]
pub struct SharedReadGuard<
    'a,
    T: Entry,
    A: PreservedAllocator,
    O: Origin = Outgoing,
    const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE,
> {
    pub(super) set: spin::RwLockReadGuard<'a, BlockSet<T, A, O, BLOCK_SIZE>>,
}

/// A [`SharedBlockSet`](crate::SharedBlockSet)'s set, lent to be changed for as long as this lives.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, GrowError, SharedBlockSet, SharedWriteGuard};
///
/// fn save(mut sessions: SharedWriteGuard<'_, u64, &Mock>) -> Result<(), GrowError> {
///     sessions.extend_from_slice(&[2, 3, 5])
/// }
///
/// let mem = Mock::new();
/// let sessions = SharedBlockSet::new(BlockSet::new(&mem));
/// save(sessions.write())?;
/// assert_eq!(sessions.read().len(), 3);
/// # Ok::<(), GrowError>(())
/// ```
#[must_use = "the set is lent for as long as the guard lives"]
pub struct SharedWriteGuard<
    'a,
    T: Entry,
    A: PreservedAllocator,
    O: Origin = Outgoing,
    const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE,
> {
    pub(super) set: spin::RwLockWriteGuard<'a, BlockSet<T, A, O, BLOCK_SIZE>>,
    /// True, and changed by nobody else, as long as `set` holds the lock.
    pub(super) writing: &'a AtomicBool,
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> Drop
    for SharedWriteGuard<'_, T, A, O, BLOCK_SIZE>
{
    fn drop(&mut self) {
        // Before `set` lets go of the lock: after that, the next writer may have set it.
        self.writing.store(false, Ordering::Relaxed);
    }
}

/// Implements for a guard what both can do: lend the set to be read, and print it.
macro_rules! lends_the_set {
    ($($name:ident)+) => {$(
        impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> Deref
            for $name<'_, T, A, O, BLOCK_SIZE>
        {
            type Target = BlockSet<T, A, O, BLOCK_SIZE>;

            fn deref(&self) -> &Self::Target {
                &self.set
            }
        }

        impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> fmt::Debug
            for $name<'_, T, A, O, BLOCK_SIZE>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )+};
}

lends_the_set!(SharedReadGuard SharedWriteGuard);

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> DerefMut
    for SharedWriteGuard<'_, T, A, O, BLOCK_SIZE>
{
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.set
    }
}
