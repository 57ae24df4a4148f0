//! A set behind a lock.

#![forbid(unsafe_code)]

use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::set::block_set::BlockSet;
use crate::set::origin::Outgoing;

/// A set that several CPUs share, for a `static`: many readers or one writer at a time, who spin
/// while they wait. Needs the feature `spin`.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, SharedBlockSet};
///
/// static SESSIONS: SharedBlockSet<u64, Mock> = SharedBlockSet::new(BlockSet::new(Mock::new()));
///
/// std::thread::scope(|scope| {
///     for session in 0..4 {
///         scope.spawn(move || SESSIONS.write().push(session).unwrap());
///     }
/// });
/// assert_eq!(SESSIONS.read().iter().sum::<u64>(), 6);
/// ```
pub type SharedBlockSet<T, A, O = Outgoing, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> =
    spin::RwLock<BlockSet<T, A, O, BLOCK_SIZE>>;
