//! What may cross threads, and does.

use core::cell::Cell;
use core::marker::PhantomData;
use std::sync::{Arc, MutexGuard};
use std::thread;

use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    AllocError, BlockAddrs, BlockHeader, BlockSet, Blocks, BlocksMut, BookFault, CapacityError,
    ChainLayout, Cursor, Descriptor, DescriptorError, FullError, GrowError, Incoming, IncomingSet,
    Iter, IterMut, Outgoing, PhysAddr, PreservedRanges, PushError, Region, RegionError,
    RestoreChecks, RestoreError, RestoreFromError, Sealed, SharedBlockSet, SharedReadGuard,
    SharedWriteGuard, Unclaimed, UnclaimedBlock, Writer,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::altered::Altered;

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}

/// Asked for a type's [`SENDS`](Self::SENDS) or `SYNCS`, the compiler takes the constant of `Ask`
/// itself where its bound holds, and otherwise that of [`No`].
struct Ask<T>(PhantomData<T>);

trait No {
    const SENDS: bool = false;
    const SYNCS: bool = false;
}

impl<T> No for Ask<T> {}

impl<T: Send> Ask<T> {
    const SENDS: bool = true;
}

impl<T: Sync> Ask<T> {
    const SYNCS: bool = true;
}

/// Whether a type may be sent to another thread, and whether it may be shared with one.
macro_rules! crosses {
    ($ty:ty) => {
        (Ask::<$ty>::SENDS, Ask::<$ty>::SYNCS)
    };
}

/// Asks both of each type.
macro_rules! are_send_and_sync {
    ($($ty:ty),+ $(,)?) => {$(
        is_send::<$ty>();
        is_sync::<$ty>();
    )+};
}

/// Entries that cross threads as a second type does.
macro_rules! marked {
    ($($(#[$doc:meta])* $name:ident as $mark:ty;)+) => {$(
        $(#[$doc])*
        #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        struct $name(u64, PhantomData<$mark>);
    )+};
}

marked! {
    /// Stays on its thread.
    Stays as *const u8;
    /// Goes, but is not shared.
    Goes as Cell<u8>;
    /// Is shared, but does not go.
    IsShared as MutexGuard<'static, u8>;
}

#[test]
fn every_public_type_crosses_threads() {
    are_send_and_sync!(
        BlockSet<u64, Mock>,
        BlockSet<u64, &Mock, Outgoing, 32>,
        BlockSet<u64, Arc<Mock>, Incoming, 64>,
        SharedBlockSet<u64, Mock>,
        SharedBlockSet<u64, Arc<Mock>, Incoming>,
        SharedReadGuard<'_, u64, Mock>,
        SharedWriteGuard<'_, u64, Mock>,
        Iter<'_, u64, 32>,
        IterMut<'_, u64, 32>,
        Blocks<'_, u64, 32>,
        BlocksMut<'_, u64, 32>,
        Cursor<'_, u64, 32>,
        Writer<'_, u64, 32>,
        AllocError,
        BlockAddrs<'_>,
        BlockHeader,
        BookFault,
        ChainLayout,
        FullError<u64>,
        Sealed<BlockSet<u64, Mock>>,
        CapacityError,
        Descriptor,
        DescriptorError,
        GrowError,
        Mock,
        PhysAddr,
        PreservedRanges<'_>,
        PushError<u64>,
        Region,
        RegionError,
        RestoreChecks,
        RestoreError,
        RestoreFromError,
        Unclaimed<'_>,
        UnclaimedBlock,
    );
}

/// May change its thread, but not be seen by two.
type SendOnly = Cell<u64>;
/// May be seen by two threads, but not change its own.
type SyncOnly = MutexGuard<'static, u64>;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(transparent)]
struct SendEntry(u64, PhantomData<SendOnly>);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(transparent)]
struct SyncEntry(u64, PhantomData<SyncOnly>);

/// An allocator that crosses threads as `M` does.
type Marked<M> = Altered<'static, PhantomData<M>>;

// A set that may only be sent may be sent with its lock. Nobody may share that: readers see the set
// from several threads.
assert_impl_all!(SharedBlockSet<SendEntry, Mock>: Send);
assert_not_impl_any!(SharedBlockSet<SendEntry, Mock>: Sync);
assert_not_impl_any!(SharedReadGuard<'_, SendEntry, Mock>: Send, Sync);
assert_not_impl_any!(SharedWriteGuard<'_, SendEntry, Mock>: Sync);
assert_impl_all!(SharedBlockSet<u64, Marked<SendOnly>>: Send);
assert_not_impl_any!(SharedBlockSet<u64, Marked<SendOnly>>: Sync);
assert_not_impl_any!(SharedReadGuard<'_, u64, Marked<SendOnly>>: Send, Sync);
assert_not_impl_any!(SharedWriteGuard<'_, u64, Marked<SendOnly>>: Sync);

// Nor may a set that may only be seen: a writer can take it to another thread.
assert_not_impl_any!(SharedBlockSet<SyncEntry, Mock>: Send, Sync);
assert_not_impl_any!(SharedWriteGuard<'_, SyncEntry, Mock>: Send);
assert_not_impl_any!(SharedBlockSet<u64, Marked<SyncOnly>>: Send, Sync);
assert_not_impl_any!(SharedWriteGuard<'_, u64, Marked<SyncOnly>>: Send);

#[test]
fn a_set_crosses_threads_as_its_entries_do_and_its_allocator() {
    assert_eq!(crosses!(Stays), (false, false));
    assert_eq!(crosses!(Goes), (true, false));
    assert_eq!(crosses!(IsShared), (false, true));

    assert_eq!(crosses!(BlockSet<u64, Mock>), (true, true));
    assert_eq!(crosses!(BlockSet<Stays, Mock>), (false, false));
    assert_eq!(crosses!(BlockSet<Goes, Mock>), (true, false));
    assert_eq!(crosses!(BlockSet<IsShared, Mock>), (false, true));
    assert_eq!(crosses!(IncomingSet<Stays, Mock>), (false, false));
    assert_eq!(crosses!(IncomingSet<Goes, Mock>), (true, false));
    assert_eq!(crosses!(IncomingSet<IsShared, Mock>), (false, true));
    assert_eq!(crosses!(Sealed<BlockSet<u64, Mock>>), (true, true));
    assert_eq!(crosses!(Sealed<BlockSet<Stays, Mock>>), (false, false));
    assert_eq!(crosses!(Sealed<BlockSet<Goes, Mock>>), (true, false));
    assert_eq!(crosses!(Sealed<BlockSet<IsShared, Mock>>), (false, true));

    // An allocator that stays on its thread.
    assert_eq!(crosses!(BlockSet<u64, Marked<*const u8>>), (false, false));
    assert_eq!(crosses!(IncomingSet<u64, Marked<*const u8>>), (false, false));
    assert_eq!(crosses!(Sealed<BlockSet<u64, Marked<*const u8>>>), (false, false));
    // Addresses are numbers, whatever is there.
    assert_eq!(crosses!(BlockAddrs<'_>), (true, true));
}

#[test]
fn what_borrows_from_a_set_crosses_threads_as_a_slice_does() {
    // As `&[T]`, which goes where its entries are shared.
    assert_eq!(crosses!(Iter<'_, Stays, 32>), (false, false));
    assert_eq!(crosses!(Iter<'_, Goes, 32>), (false, false));
    assert_eq!(crosses!(Iter<'_, IsShared, 32>), (true, true));
    assert_eq!(crosses!(Blocks<'_, Stays, 32>), (false, false));
    assert_eq!(crosses!(Blocks<'_, Goes, 32>), (false, false));
    assert_eq!(crosses!(Blocks<'_, IsShared, 32>), (true, true));
    assert_eq!(crosses!(Cursor<'_, Stays, 32>), (false, false));
    assert_eq!(crosses!(Cursor<'_, Goes, 32>), (false, false));
    assert_eq!(crosses!(Cursor<'_, IsShared, 32>), (true, true));
    // As `&mut [T]`, which goes where its entries do.
    assert_eq!(crosses!(IterMut<'_, Stays, 32>), (false, false));
    assert_eq!(crosses!(IterMut<'_, Goes, 32>), (true, false));
    assert_eq!(crosses!(IterMut<'_, IsShared, 32>), (false, true));
    assert_eq!(crosses!(BlocksMut<'_, Stays, 32>), (false, false));
    assert_eq!(crosses!(BlocksMut<'_, Goes, 32>), (true, false));
    assert_eq!(crosses!(BlocksMut<'_, IsShared, 32>), (false, true));
    assert_eq!(crosses!(Writer<'_, Stays, 32>), (false, false));
    assert_eq!(crosses!(Writer<'_, Goes, 32>), (true, false));
    assert_eq!(crosses!(Writer<'_, IsShared, 32>), (false, true));
}

#[test]
fn a_static_set_is_filled_from_many_threads() {
    static SET: SharedBlockSet<u64, Mock, Outgoing, 64> =
        SharedBlockSet::new(BlockSet::new(Mock::new()));

    const ENTRIES: u64 = if cfg!(miri) { 10 } else { 100 };
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                for entry in 0..ENTRIES {
                    SET.write().push(part * ENTRIES + entry).unwrap();
                    assert!(!SET.read().is_empty());
                }
            });
        }
    });
    let mut set = SET.write();
    set.audit().unwrap();
    let mut entries: Vec<_> = set.iter().copied().collect();
    entries.sort_unstable();
    assert!(entries.into_iter().eq(0..4 * ENTRIES));
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
    won.into_iter().for_each(|mut set| set.destroy());
    mem.assert_clean();
}
