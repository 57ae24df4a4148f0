//! A set behind a lock.

#![forbid(unsafe_code)]

mod guard;

use core::sync::atomic::{AtomicBool, Ordering};
use core::{fmt, hint};

pub use self::guard::{SharedReadGuard, SharedWriteGuard};
use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::block_set::BlockSet;
use crate::set::origin::{Origin, Outgoing};

/// A set that several CPUs share, for a `static`: many readers or one writer at a time, who spin
/// while they wait. Needs the feature `spin`.
///
/// A writer that waits lets no new reader in, so that readers cannot keep it out. Several writers
/// that wait come in one after the other, in any order, and readers may come in between two of
/// them.
///
/// # In a kernel
///
/// 1. Mask the interrupts whose handlers take the lock before `read` and `write`, and until the
///    guard is gone. A handler waits for ever if its own CPU writes, or waits to write; or if its
///    own CPU reads while a writer on another CPU waits. Handlers that cannot be masked, and a
///    panic handler, use `try_read` and `try_write`, which never wait. Do not let the task with the
///    guard be preempted either: those who spin may take its CPU.
/// 2. Do not read again while reading. The second `read` waits for any writer that came in between,
///    and that writer for the first.
/// 3. Do not allocate under a guard if the allocator may sleep, or takes this lock itself. A set
///    allocates when it grows, and frees when it shrinks or is dropped. So
///    [`grow`](BlockSet::grow) a set before it goes behind the lock, and append to it with
///    [`writer`](BlockSet::writer), which never allocates.
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
///
/// A set that grows outside of the lock, where the one that it replaces is dropped too:
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{BlockSet, SharedBlockSet};
///
/// static MACHINE: Mock = Mock::new();
/// static SESSIONS: SharedBlockSet<u64, &Mock> = SharedBlockSet::new(BlockSet::new(&MACHINE));
///
/// let mut set = BlockSet::new(&MACHINE);
/// set.grow(1000)?;
/// let old = std::mem::replace(&mut *SESSIONS.write(), set);
/// drop(old);
///
/// SESSIONS.write().writer().push(7)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// At the end of this kernel, the set is [taken](BlockSet::take) out of the lock and
/// [sealed](BlockSet::seal) for the next one. What other CPUs append after that goes to the set left
/// behind, and nowhere from there. In a statement of its own `take` holds the lock for a moment
/// only; in `SESSIONS.write().take().seal()` the guard lives on while spare blocks are freed.
///
/// ```
/// # use kho_block::mock::Mock;
/// # use kho_block::{BlockSet, SharedBlockSet};
/// # static MACHINE: Mock = Mock::new();
/// # static SESSIONS: SharedBlockSet<u64, &Mock> = SharedBlockSet::new(BlockSet::new(&MACHINE));
/// SESSIONS.write().push(7)?;
/// let set = SESSIONS.write().take();
/// let sealed = set.seal();
/// assert!(sealed.head().is_some());
/// # Ok::<(), kho_block::PushError<u64>>(())
/// ```
pub struct SharedBlockSet<
    T: Entry,
    A: PreservedAllocator,
    O: Origin = Outgoing,
    const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE,
> {
    lock: spin::RwLock<BlockSet<T, A, O, BLOCK_SIZE>>,
    /// Whether a writer has the lock, or has it next. Readers who wait look here instead of trying
    /// the lock: each attempt counts as a reader for a moment, and with enough CPUs that try, the
    /// writer would never find the lock without one. It is a hint, so its order does not matter:
    /// only the lock lets anyone in.
    writing: AtomicBool,
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    SharedBlockSet<T, A, O, BLOCK_SIZE>
{
    /// Puts a set behind a lock that nobody holds.
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// static SESSIONS: SharedBlockSet<u64, Mock> = SharedBlockSet::new(BlockSet::new(Mock::new()));
    /// assert!(SESSIONS.read().is_empty());
    /// ```
    #[must_use]
    pub const fn new(set: BlockSet<T, A, O, BLOCK_SIZE>) -> Self {
        Self { lock: spin::RwLock::new(set), writing: AtomicBool::new(false) }
    }

    /// Waits until nobody writes or waits to write, and lends the set to be read.
    ///
    /// # Panics
    ///
    /// If an eighth of `usize::MAX` guards have been forgotten.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let sessions = SharedBlockSet::<u64, _>::new(BlockSet::new(&mem));
    /// assert_eq!(sessions.read().len(), 0);
    /// ```
    pub fn read(&self) -> SharedReadGuard<'_, T, A, O, BLOCK_SIZE> {
        loop {
            if let Some(guard) = self.try_read() {
                return guard;
            }
            hint::spin_loop();
        }
    }

    /// Waits until nobody else reads or writes, and lends the set to be changed. No new reader gets
    /// in meanwhile.
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let sessions = SharedBlockSet::<u64, _>::new(BlockSet::new(&mem));
    /// sessions.write().push(7)?;
    /// assert_eq!(sessions.read().get(0), Some(&7));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn write(&self) -> SharedWriteGuard<'_, T, A, O, BLOCK_SIZE> {
        // A plain `write` leaves no trace while it waits. This keeps out new readers first, and
        // other writers, and then waits for the readers that are there.
        let next = self.lock.upgradeable_read();
        self.writing.store(true, Ordering::Relaxed);
        SharedWriteGuard { set: next.upgrade(), writing: &self.writing }
    }

    /// Lends the set to be read; `None` while someone writes or waits to write. Never waits.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let sessions = SharedBlockSet::<u64, _>::new(BlockSet::new(&mem));
    /// let reader = sessions.read();
    /// assert!(sessions.try_read().is_some());
    /// # drop(reader);
    /// let writer = sessions.write();
    /// assert!(sessions.try_read().is_none());
    /// ```
    #[must_use = "the set is lent for as long as the guard lives"]
    pub fn try_read(&self) -> Option<SharedReadGuard<'_, T, A, O, BLOCK_SIZE>> {
        if self.writing.load(Ordering::Relaxed) {
            return None;
        }
        Some(SharedReadGuard { set: self.lock.try_read()? })
    }

    /// Lends the set to be changed; `None` while someone reads, writes or waits to write. Never
    /// waits, and keeps nobody out if it fails.
    ///
    /// It may fail though nobody has the set: while a reader tries, and is refused.
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let sessions = SharedBlockSet::<u64, _>::new(BlockSet::new(&mem));
    /// let reader = sessions.read();
    /// assert!(sessions.try_write().is_none());
    /// drop(reader);
    /// assert!(sessions.try_write().is_some());
    /// ```
    #[must_use = "the set is lent for as long as the guard lives"]
    pub fn try_write(&self) -> Option<SharedWriteGuard<'_, T, A, O, BLOCK_SIZE>> {
        let set = self.lock.try_write()?;
        self.writing.store(true, Ordering::Relaxed);
        Some(SharedWriteGuard { set, writing: &self.writing })
    }

    /// The set, to be changed without a lock: `&mut` shows that nobody else has it.
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut sessions = SharedBlockSet::<u64, _>::new(BlockSet::new(&mem));
    /// sessions.get_mut().grow(1000)?;
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn get_mut(&mut self) -> &mut BlockSet<T, A, O, BLOCK_SIZE> {
        self.lock.get_mut()
    }

    /// Takes the set from behind the lock.
    ///
    /// ```
    /// # use kho_block::{BlockSet, SharedBlockSet, mock::Mock};
    /// # let mem = Mock::new();
    /// let sessions = SharedBlockSet::<u64, _>::new(BlockSet::new(&mem));
    /// sessions.write().push(7)?;
    /// let set = sessions.into_inner();
    /// assert!(set.iter().eq(&[7]));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> BlockSet<T, A, O, BLOCK_SIZE> {
        self.lock.into_inner()
    }
}

impl<T: Entry, A: PreservedAllocator + Default, const BLOCK_SIZE: usize> Default
    for SharedBlockSet<T, A, Outgoing, BLOCK_SIZE>
{
    fn default() -> Self {
        Self::new(BlockSet::default())
    }
}

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    From<BlockSet<T, A, O, BLOCK_SIZE>> for SharedBlockSet<T, A, O, BLOCK_SIZE>
{
    fn from(set: BlockSet<T, A, O, BLOCK_SIZE>) -> Self {
        Self::new(set)
    }
}

/// Prints the set if it can be read at once; never waits.
impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> fmt::Debug
    for SharedBlockSet<T, A, O, BLOCK_SIZE>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shared = f.debug_struct("SharedBlockSet");
        match self.try_read() {
            Some(set) => shared.field("set", &set),
            None => shared.field("set", &format_args!("<locked>")),
        };
        shared.finish()
    }
}

#[cfg(test)]
#[cfg(feature = "mock")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use std::thread;

    use super::*;
    use crate::memory::mock::Mock;

    /// How often a test lets the others run while it looks: each time, one that spins may use up
    /// its share of the CPU.
    const LOOKS: usize = 100;

    /// How often a test looks before it gives up on what never comes.
    const PATIENCE: usize = 200_000;

    /// Has one more reader wait, and watches how many the lock counts, the writer that is next
    /// included.
    fn one_more_waits(set: &SharedBlockSet<u64, &Mock>, counted: usize, until: impl FnOnce()) {
        let asks = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                asks.store(true, Ordering::SeqCst);
                set.read().len()
            });
            while !asks.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            let other = (0..LOOKS).any(|_| {
                thread::yield_now();
                (0..LOOKS).any(|_| set.lock.reader_count() > counted)
            });
            until();
            reader.join().unwrap();
            assert!(!other, "the lock has counted the reader who waits");
        });
    }

    #[test]
    fn a_reader_who_waits_for_a_writer_leaves_the_lock_alone() {
        let mem = Mock::new();
        let set = SharedBlockSet::new(BlockSet::new(&mem));
        let writer = set.write();
        one_more_waits(&set, 0, || drop(writer));
        let writer = set.try_write().unwrap();
        one_more_waits(&set, 0, || drop(writer));
    }

    #[test]
    fn a_reader_who_waits_leaves_the_lock_to_the_writer_who_is_next() {
        let mem = Mock::new();
        let set = SharedBlockSet::new(BlockSet::new(&mem));
        thread::scope(|scope| {
            let reader = set.read();
            scope.spawn(|| set.write().push(1).unwrap());
            let waits = (0..PATIENCE).any(|_| {
                thread::yield_now();
                set.writing.load(Ordering::SeqCst)
            });
            assert!(waits, "the writer does not show that it waits");
            one_more_waits(&set, 2, || drop(reader));
        });
        assert!(!set.writing.load(Ordering::SeqCst));
        assert!(set.into_inner().iter().eq(&[1]));
    }
}
