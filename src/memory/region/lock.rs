//! The lock of a region: it lies outside the region, and spins.
//!
//! It needs nothing but a byte that can be swapped. On a processor without that, it is no lock, and
//! what it guards cannot be shared. Unsafe is open here to lend what is guarded.

#![expect(unsafe_code, reason = "lends what the lock guards")]

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A value that one thread at a time may change.
///
/// # Invariants
///
/// `held` is true from [`acquire`](Self::acquire) until its [`Held`] is dropped, and the value is
/// reached by whoever made it true, and no one else.
pub(crate) struct Lock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, which needs it to be `Send`.
#[cfg(target_has_atomic = "8")]
unsafe impl<T: Send> Sync for Lock<T> {}

/// Whoever has this has the lock.
struct Held<'a>(&'a AtomicBool);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        // INVARIANT: no one has it yet.
        Self { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock, and runs `work` with what it guards.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let _held = self.acquire();
        // SAFETY: by the invariant, no one else reaches the value before `_held` is dropped.
        work(unsafe { &mut *self.value.get() })
    }

    #[inline]
    fn acquire(&self) -> Held<'_> {
        while self.is_held_already() {
            while self.held.load(Relaxed) {
                spin_loop();
            }
        }
        // INVARIANT: it was false, and is true.
        Held(&self.held)
    }

    /// Takes the lock; tells whether somebody had it.
    #[inline]
    fn is_held_already(&self) -> bool {
        #[cfg(target_has_atomic = "8")]
        let was_held = self.held.swap(true, Acquire);
        // Without `Sync`, that is this thread itself.
        #[cfg(not(target_has_atomic = "8"))]
        let was_held = self.held.load(Acquire);
        #[cfg(not(target_has_atomic = "8"))]
        self.held.store(true, Relaxed);
        was_held
    }
}

#[cfg(test)]
#[cfg(feature = "mock")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use core::sync::atomic::Ordering::SeqCst;
    use core::time::Duration;
    use std::thread;

    use super::*;

    #[test]
    fn who_comes_while_the_lock_is_held_waits() {
        let lock = Lock::new(0);
        let (comes, passes) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            lock.with(|_| {
                scope.spawn(|| {
                    comes.store(true, SeqCst);
                    lock.with(|value| *value += 1);
                    passes.store(true, SeqCst);
                });
                while !comes.load(SeqCst) {
                    spin_loop();
                }
                // Long enough for one that does not wait, if it runs at all meanwhile.
                thread::sleep(Duration::from_millis(20));
                assert!(!passes.load(SeqCst), "it does not wait");
            });
        });
        assert_eq!((lock.with(|value| *value), passes.load(SeqCst)), (1, true));
    }
}
