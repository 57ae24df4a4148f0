//! A device: counts in an entry, through the pointer that it was given.
//!
//! Unsafe is open here to count through such pointers. Under Miri a reference that another operation
//! makes to the entry meanwhile is a data race with the count.

#![expect(unsafe_code, reason = "reads and writes through `entry_ptr`")]

use core::hint;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// How often a test does what it does while a device counts.
pub(crate) const TURNS: usize = if cfg!(miri) { 2 } else { 30 };

/// The number in an entry, of which `entry_ptr` has lent the pointer, and which is still there.
fn counter<'a>(entry: NonNull<u64>) -> &'a AtomicU64 {
    // SAFETY: the pointer is aligned, and its entry is still in its chain. No one uses it but by way
    // of this function.
    unsafe { AtomicU64::from_ptr(entry.as_ptr()) }
}

/// Counts one more in an entry, and says what it was.
pub(crate) fn count(entry: NonNull<u64>) -> u64 {
    counter(entry).fetch_add(1, Ordering::Relaxed)
}

/// Ends the counting, also if a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Works while a thread counts in an entry, and on until it has counted; says how often it did, and
/// what the work led to.
pub(crate) fn while_it_counts<R>(entry: NonNull<u64>, work: impl FnOnce() -> R) -> (u64, R) {
    let counter = counter(entry);
    let (begun, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut times = 0;
            while !stop.load(Ordering::Relaxed) {
                counter.fetch_add(1, Ordering::Relaxed);
                times += 1;
                begun.store(true, Ordering::Relaxed);
                hint::spin_loop();
            }
            times
        });
        let stops = Stop(&stop);
        while !begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let done = work();
        drop(stops);
        (counting.join().unwrap(), done)
    })
}
