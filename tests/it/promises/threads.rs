//! What may cross threads, and does.

use std::sync::Arc;
use std::thread;

use kho_block::mock::Mock;
use kho_block::{
    AllocError, BlockHeader, BlockSet, Blocks, BlocksMut, CapacityError, Cursor, Descriptor,
    DescriptorError, GrowError, Incoming, IncomingSet, Iter, IterMut, Outgoing, PhysAddr,
    PushError, RestoreChecks, RestoreError, RestoreFromError, SharedBlockSet, Writer,
};

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}

/// Asks both of each type.
macro_rules! are_send_and_sync {
    ($($ty:ty),+ $(,)?) => {$(
        is_send::<$ty>();
        is_sync::<$ty>();
    )+};
}

#[test]
fn every_public_type_crosses_threads() {
    are_send_and_sync!(
        BlockSet<u64, Mock>,
        BlockSet<u64, &Mock, Outgoing, 32>,
        BlockSet<u64, Arc<Mock>, Incoming, 64>,
        SharedBlockSet<u64, Mock>,
        SharedBlockSet<u64, Arc<Mock>, Incoming>,
        Iter<'_, u64, 32>,
        IterMut<'_, u64, 32>,
        Blocks<'_, u64, 32>,
        BlocksMut<'_, u64, 32>,
        Cursor<'_, u64, 32>,
        Writer<'_, u64, 32>,
        AllocError,
        BlockHeader,
        CapacityError,
        Descriptor,
        DescriptorError,
        GrowError,
        Mock,
        PhysAddr,
        PushError<u64>,
        RestoreChecks,
        RestoreError,
        RestoreFromError,
    );
}

#[test]
fn a_static_set_is_filled_from_many_threads() {
    static SET: SharedBlockSet<u64, Mock, Outgoing, 64> =
        SharedBlockSet::new(BlockSet::new(Mock::new()));

    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                for entry in 0..100 {
                    SET.write().push(part * 100 + entry).unwrap();
                    assert!(!SET.read().is_empty());
                }
            });
        }
    });
    let mut set = SET.write();
    set.audit().unwrap();
    let mut entries: Vec<_> = set.iter().copied().collect();
    entries.sort_unstable();
    assert!(entries.into_iter().eq(0..400));
    set.destroy();
}

#[test]
fn blocks_are_filled_and_read_on_a_thread_each() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _, _, 128>::new(&mem);
    set.extend_from_slice(&[0; 100]).unwrap();
    thread::scope(|scope| {
        let mut first = 0;
        for block in set.blocks_mut() {
            let start = first;
            first += u64::try_from(block.len()).unwrap();
            scope.spawn(move || block.iter_mut().zip(start..).for_each(|(entry, n)| *entry = n));
        }
    });
    set.audit().unwrap();
    let sums = thread::scope(|scope| {
        let sum = |block: &'_ [u64]| block.iter().sum::<u64>();
        let threads: Vec<_> = set.blocks().map(|block| scope.spawn(move || sum(block))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    assert_eq!(sums, 99 * 100 / 2);
}

#[test]
fn a_set_goes_to_another_thread_and_comes_back() {
    let mem = Arc::new(Mock::new());
    let mut set = BlockSet::<u64, _, _, 32>::new(Arc::clone(&mem));
    set.push(1).unwrap();
    let mut set = thread::spawn(move || {
        set.push(2).unwrap();
        set.push(3).unwrap();
        set
    })
    .join()
    .unwrap();
    assert_eq!(set.pop(), Some(3));
    thread::spawn(move || drop(set)).join().unwrap();
    mem.assert_clean();
}

#[test]
fn threads_that_claim_one_chain_cannot_both_have_it() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    set.extend_from_slice(&[7; 64]).unwrap();
    let head = set.into_head();
    mem.reboot();
    let won = thread::scope(|scope| {
        let claim = || IncomingSet::<u64, _, 32>::restore(&mem, head).ok();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    // Whoever claims the first block meets nobody behind it.
    assert_eq!(won.len(), 1);
    assert!(won[0].iter().eq(&[7; 64]));
    drop(won);
    mem.assert_clean();
}
