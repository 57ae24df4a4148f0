//! Who gets into a set behind a lock, and who waits.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use kho_block::mock::Mock;
use kho_block::{BlockSet, SharedBlockSet};

/// How often a thread looks before it gives up on what never comes.
const PATIENCE: usize = 200_000;

fn shared(mem: &Mock) -> SharedBlockSet<u64, &Mock> {
    SharedBlockSet::new(BlockSet::new(mem))
}

/// Whether something happens while a thread has patience.
fn comes_true(mut happened: impl FnMut() -> bool) -> bool {
    (0..PATIENCE).any(|_| {
        thread::yield_now();
        happened()
    })
}

#[test]
fn readers_who_relieve_each_other_let_a_writer_in() {
    /// Turns of the readers, of which each ends only once another has begun.
    const TURNS: usize = 200_000;
    /// How often a reader looks for its relief. It comes at once, unless readers are kept out.
    const RELIEF: usize = 50;

    let mem = Mock::new();
    let set = shared(&mem);
    let (turns, reading) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (waiting, written) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while turns.load(Ordering::SeqCst) < TURNS && !written.load(Ordering::SeqCst) {
                    let guard = set.read();
                    reading.fetch_add(1, Ordering::SeqCst);
                    // Of two who could leave, one stays.
                    let relieved = (0..RELIEF).any(|_| {
                        thread::yield_now();
                        let leave = |readers: usize| (readers > 1).then(|| readers - 1);
                        reading.fetch_update(Ordering::SeqCst, Ordering::SeqCst, leave).is_ok()
                    });
                    if !relieved {
                        reading.fetch_sub(1, Ordering::SeqCst);
                    }
                    drop(guard);
                    if waiting.load(Ordering::SeqCst) {
                        turns.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        scope.spawn(|| {
            assert!(comes_true(|| reading.load(Ordering::SeqCst) > 0), "nobody reads");
            waiting.store(true, Ordering::SeqCst);
            let mut guard = set.write();
            written.store(true, Ordering::SeqCst);
            assert!(turns.load(Ordering::SeqCst) < TURNS, "the readers never let the writer in");
            guard.push(1).unwrap();
        });
    });
}

#[test]
fn a_writer_who_waits_lets_no_new_reader_in() {
    let mem = Mock::new();
    let set = shared(&mem);
    thread::scope(|scope| {
        let reader = set.read();
        let writer = scope.spawn(|| set.write().push(1).unwrap());
        assert!(comes_true(|| set.try_read().is_none()), "readers get in past the writer");
        assert!(reader.is_empty());
        drop(reader);
        writer.join().unwrap();
    });
    assert!(set.read().iter().eq(&[1]));
}
