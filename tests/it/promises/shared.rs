//! Who gets into a set behind a lock, and who waits.

use core::fmt;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread;

use kho_block::mock::Mock;
use kho_block::{BlockSet, IncomingSet, SharedBlockSet};

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
    const TURNS: usize = if cfg!(miri) { 200 } else { 200_000 };
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

#[test]
fn several_writers_who_wait_get_in_one_by_one() {
    const WRITERS: u64 = 4;

    let mem = Mock::new();
    let set = shared(&mem);
    thread::scope(|scope| {
        let reader = set.read();
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut guard = set.write();
                let before = guard.len();
                thread::yield_now();
                guard.push(u64::try_from(before).unwrap()).unwrap();
            });
        }
        assert!(comes_true(|| set.try_read().is_none()), "readers get in past the writers");
        drop(reader);
    });
    assert!(set.read().iter().copied().eq(0..WRITERS));
    assert!(set.try_write().is_some());
}

#[test]
fn a_try_never_waits_and_gets_in_where_it_may() {
    let mem = Mock::new();
    let set = shared(&mem);
    for _ in 0..2 {
        let reader = set.read();
        let other = set.try_read().unwrap();
        assert!(set.try_write().is_none());
        drop(reader);
        assert!(set.try_write().is_none());
        drop(other);

        let mut writer = set.write();
        assert!(set.try_read().is_none());
        assert!(set.try_write().is_none());
        writer.push(1).unwrap();
        drop(writer);

        let mut writer = set.try_write().unwrap();
        assert!(set.try_read().is_none());
        assert!(set.try_write().is_none());
        writer.push(2).unwrap();
        drop(writer);
    }
    assert!(set.try_read().unwrap().iter().eq(&[1, 2, 1, 2]));
}

#[test]
fn a_panic_under_a_guard_lets_go_of_it() {
    let mem = Mock::new();
    let set = shared(&mem);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut writer = set.write();
        writer.push(1).unwrap();
        panic!("as planned");
    }));
    assert!(caught.is_err());
    assert!(set.read().iter().eq(&[1]));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let reader = set.read();
        assert!(reader.is_empty(), "as planned");
    }));
    assert!(caught.is_err());
    set.write().push(2).unwrap();
}

#[test]
fn a_set_goes_behind_a_lock_and_comes_back() {
    let mem = Arc::new(Mock::new());
    let mut set = BlockSet::<u64, _>::new(Arc::clone(&mem));
    set.push(1).unwrap();
    let mut shared = SharedBlockSet::from(set);
    shared.get_mut().push(2).unwrap();
    shared.write().push(3).unwrap();
    assert!(shared.into_inner().iter().eq(&[1, 2, 3]));
    mem.assert_clean();

    assert!(SharedBlockSet::<u64, Mock>::default().into_inner().is_empty());
}

#[test]
fn a_restored_set_may_be_shared_too() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    set.push(1).unwrap();
    let head = set.into_head();
    mem.reboot();
    let shared = SharedBlockSet::new(IncomingSet::<u64, _>::restore(&mem, head).unwrap());
    assert_eq!(shared.write().pop(), Some(1));
    assert!(shared.read().is_empty());
    assert_eq!(shared.into_inner().release(), head);
}

#[test]
fn printing_never_waits() {
    let mem = Mock::new();
    let set = shared(&mem);
    let print = |what: &dyn fmt::Debug| format!("{what:?}");
    let inner = print(&*set.read());
    assert!(inner.starts_with("BlockSet { "));
    assert_eq!(print(&set), format!("SharedBlockSet {{ set: {inner} }}"));
    let reader = set.read();
    assert_eq!(print(&set), format!("SharedBlockSet {{ set: {inner} }}"));
    assert_eq!(print(&reader), inner);
    drop(reader);
    let writer = set.write();
    assert_eq!(print(&set), "SharedBlockSet { set: <locked> }");
    assert_eq!(print(&writer), inner);
}

#[test]
fn a_set_in_a_static_is_handed_over_and_an_empty_one_is_left() {
    static MEM: Mock = Mock::new();
    static SET: SharedBlockSet<u64, &Mock> = SharedBlockSet::new(BlockSet::new(&MEM));

    for kernel in 1..=3 {
        SET.write().extend_from_slice(&[kernel; 5]).unwrap();
        let head = SET.write().take().into_head();
        assert!(head.is_some());
        assert_eq!((SET.read().len(), SET.read().block_count(), SET.read().head()), (0, 0, None));
        SET.write().audit().unwrap();
        assert_eq!(MEM.live(), usize::try_from(kernel).unwrap());
    }
}

#[test]
fn what_is_taken_out_of_a_lock_is_what_the_next_kernel_gets() {
    let mut mem = Mock::new();
    let set = shared(&mem);
    set.write().extend_from_slice(&[1, 2, 3]).unwrap();
    let before = mem.calls();
    let mut taken = set.write().take();
    assert_eq!(mem.calls(), before);
    // Each goes on by itself.
    set.write().push(4).unwrap();
    taken.push(5).unwrap();
    taken.audit().unwrap();
    assert!(set.into_inner().iter().eq(&[4]));
    let head = taken.into_head();
    assert_eq!(mem.live(), 1);
    mem.reboot();
    let set = IncomingSet::<u64, _>::restore(&mem, head).unwrap();
    assert!(set.iter().eq(&[1, 2, 3, 5]));
}
