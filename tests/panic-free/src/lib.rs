//! Every operation of the library, as a kernel links it: what is called from here can be reached.
//!
//! `check` beside this crate builds it, and fails if a panic is among what the linker kept; `calls`, if a
//! public function is not called.

#![no_std]

mod kernel;

use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::ptr::NonNull;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    AdoptError, AdoptErrorKind, AllocError, BlockAddrs, BlockSet, Blocks, BlocksMut, CapacityError,
    ChainLayout, Cursor, Descriptor, DescriptorError, DescriptorFlags, Entry, FullError, GrowError,
    Incoming, IncomingSet, Iter, IterMut, Outgoing, OutgoingSet, PhysAddr, PushError,
    RestoreChecks, RestoreError, RestoreErrorKind, RestoreFromError, Sealed, Writer,
    entries_per_block,
};

use crate::kernel::Kernel;

/// Three bytes, of which a block holds a number that is no power of two, and has some left over.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Odd([u8; 3]);

/// Operations as functions that nobody here calls, so that nothing is known of their arguments, and
/// a table of them.
macro_rules! operations {
    ($($name:ident $(<$life:lifetime>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {
        /// The operations on sets of `T` in blocks of `SIZE` bytes.
        pub(crate) struct Operations<T, const SIZE: usize>(PhantomData<T>);

        impl<T: Entry + Copy, const SIZE: usize> Operations<T, SIZE> {
            $(fn $name $(<$life>)? ($($arg: $type),*) $(-> $result)? $body)+

            /// The address of each.
            pub(crate) const ALL: [*const (); [$(stringify!($name)),+].len()] =
                [$(Self::$name as *const ()),+];
        }
    };
}

#[cfg(feature = "collect")]
extern crate alloc;

mod allocators;
mod flags;
mod links;
mod linux;
mod plain;
mod printing;
mod region;
mod shared;
mod slots;

type Set<T, O, const SIZE: usize> = BlockSet<T, Kernel, O, SIZE>;

operations! {
    // A kernel that saves.
    create() -> Set<T, Outgoing, SIZE> { OutgoingSet::new(Kernel) }
    create_by_default() -> Set<T, Outgoing, SIZE> { BlockSet::default() }
    grow(set: &mut Set<T, Outgoing, SIZE>, count: usize) -> Result<(), GrowError> {
        set.grow(count)
    }
    push(set: &mut Set<T, Outgoing, SIZE>, entry: T) -> Result<(), PushError<T>> {
        set.push(entry)
    }
    extend_from_slice(set: &mut Set<T, Outgoing, SIZE>, entries: &[T]) -> Result<(), GrowError> {
        set.extend_from_slice(entries)
    }
    try_extend(set: &mut Set<T, Outgoing, SIZE>, entries: &[T]) -> Result<(), PushError<T>> {
        set.try_extend(entries.iter().copied())
    }
    retain(set: &mut Set<T, Outgoing, SIZE>, keep: fn(&T) -> bool) { set.retain(keep) }
    take(set: &mut Set<T, Outgoing, SIZE>) -> Set<T, Outgoing, SIZE> { set.take() }
    descriptor(set: &Set<T, Outgoing, SIZE>, tag: u64) -> Descriptor { set.descriptor(tag) }
    seal(set: Set<T, Outgoing, SIZE>) -> Sealed<Set<T, Outgoing, SIZE>> { set.seal() }
    into_head(set: Set<T, Outgoing, SIZE>) -> Option<PhysAddr> { set.into_head() }

    sealed_deref(sealed: &Sealed<Set<T, Outgoing, SIZE>>) -> &Set<T, Outgoing, SIZE> { sealed }
    sealed_head(sealed: &Sealed<Set<T, Outgoing, SIZE>>) -> Option<PhysAddr> { sealed.head() }
    sealed_descriptor(sealed: &Sealed<Set<T, Outgoing, SIZE>>, tag: u64) -> Descriptor {
        sealed.descriptor(tag)
    }
    sealed_unseal(sealed: Sealed<Set<T, Outgoing, SIZE>>) -> Set<T, Outgoing, SIZE> {
        sealed.unseal()
    }
    sealed_leave(sealed: Sealed<Set<T, Outgoing, SIZE>>) -> Option<PhysAddr> { sealed.leave() }
    drop_sealed(sealed: Sealed<Set<T, Outgoing, SIZE>>) { drop(sealed) }

    writer(set: &mut Set<T, Outgoing, SIZE>) -> Writer<'_, T, SIZE> { set.writer() }
    writer_push(writer: &mut Writer<'_, T, SIZE>, entry: T) -> Result<(), FullError<T>> {
        writer.push(entry)
    }
    writer_push_zeroed(writer: &mut Writer<'_, T, SIZE>, entry: T) {
        if let Some(slot) = writer.push_zeroed() { *slot = entry }
    }
    writer_extend_from_slice(writer: &mut Writer<'_, T, SIZE>, entries: &[T])
        -> Result<(), CapacityError> { writer.extend_from_slice(entries) }
    writer_extend(writer: &mut Writer<'_, T, SIZE>, entries: &[T]) -> usize {
        writer.extend(entries.iter().copied())
    }
    writer_pop(writer: &mut Writer<'_, T, SIZE>) -> Option<T> { writer.pop() }
    writer_available(writer: &Writer<'_, T, SIZE>) -> usize { writer.available() }

    // A kernel that restores.
    restore(head: Option<PhysAddr>) -> Result<Set<T, Incoming, SIZE>, RestoreError> {
        IncomingSet::restore(Kernel, head)
    }
    restore_with(head: Option<PhysAddr>, checks: RestoreChecks)
        -> Result<Set<T, Incoming, SIZE>, RestoreError> {
        IncomingSet::restore_with(Kernel, head, checks)
    }
    restore_from(descriptor: &Descriptor, tag: u64)
        -> Result<Set<T, Incoming, SIZE>, RestoreFromError> {
        IncomingSet::restore_from(Kernel, descriptor, tag)
    }
    salvage(head: Option<PhysAddr>) -> (Set<T, Incoming, SIZE>, Option<RestoreError>) {
        IncomingSet::salvage(Kernel, head)
    }
    salvage_from(descriptor: &Descriptor, tag: u64)
        -> (Set<T, Incoming, SIZE>, Option<RestoreFromError>) {
        IncomingSet::salvage_from(Kernel, descriptor, tag)
    }
    release(set: Set<T, Incoming, SIZE>) -> Option<PhysAddr> { set.release() }
    adopt(set: Set<T, Incoming, SIZE>) -> Result<Set<T, Outgoing, SIZE>, AdoptErrorKind> {
        set.adopt().map_err(|error| error.into_kind())
    }
    adopt_or_not(set: Set<T, Incoming, SIZE>) -> bool {
        set.adopt().map_err(|error| error.into_set()).is_ok()
    }
    descriptor_incoming(set: &Set<T, Incoming, SIZE>, tag: u64) -> Descriptor {
        set.descriptor(tag)
    }

    // Either, removing.
    shrink(set: &mut Set<T, Outgoing, SIZE>, count: usize) { set.shrink(count) }
    clear(set: &mut Set<T, Outgoing, SIZE>) { set.clear() }
    truncate(set: &mut Set<T, Outgoing, SIZE>, len: usize) { set.truncate(len) }
    pop(set: &mut Set<T, Outgoing, SIZE>) -> Option<T> { set.pop() }
    swap_remove(set: &mut Set<T, Outgoing, SIZE>, index: usize) -> Option<T> {
        set.swap_remove(index)
    }
    destroy(set: &mut Set<T, Outgoing, SIZE>) { set.destroy() }
    drop_outgoing(set: Set<T, Outgoing, SIZE>) { drop(set) }
    shrink_incoming(set: &mut Set<T, Incoming, SIZE>, count: usize) { set.shrink(count) }
    clear_incoming(set: &mut Set<T, Incoming, SIZE>) { set.clear() }
    truncate_incoming(set: &mut Set<T, Incoming, SIZE>, len: usize) { set.truncate(len) }
    pop_incoming(set: &mut Set<T, Incoming, SIZE>) -> Option<T> { set.pop() }
    swap_remove_incoming(set: &mut Set<T, Incoming, SIZE>, index: usize) -> Option<T> {
        set.swap_remove(index)
    }
    destroy_incoming(set: &mut Set<T, Incoming, SIZE>) { set.destroy() }
    drop_incoming(set: Set<T, Incoming, SIZE>) { drop(set) }

    // Either, reading. An incoming set may be sparse, and has the longer way to an entry; an
    // outgoing one has spare blocks, and the longer way to an address.
    len(set: &Set<T, Incoming, SIZE>) -> usize { set.len() }
    is_empty(set: &Set<T, Incoming, SIZE>) -> bool { set.is_empty() }
    capacity(set: &Set<T, Incoming, SIZE>) -> usize { set.capacity() }
    block_count(set: &Set<T, Incoming, SIZE>) -> usize { set.block_count() }
    first_block(set: &Set<T, Incoming, SIZE>) -> Option<PhysAddr> { set.first_block() }
    head(set: &Set<T, Incoming, SIZE>) -> Option<PhysAddr> { set.head() }
    allocator(set: &Set<T, Incoming, SIZE>) -> &Kernel { set.allocator() }
    phys_addr(set: &Set<T, Incoming, SIZE>, index: usize) -> Option<PhysAddr> {
        set.phys_addr(index)
    }
    phys_addr_outgoing(set: &Set<T, Outgoing, SIZE>, index: usize) -> Option<PhysAddr> {
        set.phys_addr(index)
    }
    entry_ptr(set: &Set<T, Incoming, SIZE>, index: usize) -> Option<NonNull<T>> {
        set.entry_ptr(index)
    }
    get(set: &Set<T, Incoming, SIZE>, index: usize) -> Option<&T> { set.get(index) }
    get_outgoing(set: &Set<T, Outgoing, SIZE>, index: usize) -> Option<&T> { set.get(index) }
    get_mut(set: &mut Set<T, Incoming, SIZE>, index: usize) -> Option<&mut T> {
        set.get_mut(index)
    }
    first(set: &Set<T, Incoming, SIZE>) -> Option<&T> { set.first() }
    last(set: &Set<T, Incoming, SIZE>) -> Option<&T> { set.last() }
    last_mut(set: &mut Set<T, Incoming, SIZE>) -> Option<&mut T> { set.last_mut() }
    iter(set: &Set<T, Incoming, SIZE>) -> Iter<'_, T, SIZE> { set.iter() }
    iter_mut(set: &mut Set<T, Incoming, SIZE>) -> IterMut<'_, T, SIZE> { set.iter_mut() }
    into_iter(set: &Set<T, Incoming, SIZE>) -> Iter<'_, T, SIZE> { set.into_iter() }
    into_iter_mut(set: &mut Set<T, Incoming, SIZE>) -> IterMut<'_, T, SIZE> { set.into_iter() }
    blocks(set: &Set<T, Incoming, SIZE>) -> Blocks<'_, T, SIZE> { set.blocks() }
    blocks_mut(set: &mut Set<T, Incoming, SIZE>) -> BlocksMut<'_, T, SIZE> { set.blocks_mut() }
    block_addrs(set: &Set<T, Outgoing, SIZE>) -> BlockAddrs<'_> { set.block_addrs() }
    cursor(set: &Set<T, Incoming, SIZE>) -> Cursor<'_, T, SIZE> { set.cursor() }
    cursor_back(set: &Set<T, Incoming, SIZE>) -> Cursor<'_, T, SIZE> { set.cursor_back() }

    cursor_clone<'s>(cursor: &Cursor<'s, T, SIZE>) -> Cursor<'s, T, SIZE> { cursor.clone() }
    cursor_next<'s>(cursor: &mut Cursor<'s, T, SIZE>) -> Option<&'s T> { cursor.next() }
    cursor_nth<'s>(cursor: &mut Cursor<'s, T, SIZE>, n: usize) -> Option<&'s T> { cursor.nth(n) }
    cursor_len(cursor: &Cursor<'_, T, SIZE>) -> usize { cursor.len() }
    cursor_prev<'s>(cursor: &mut Cursor<'s, T, SIZE>) -> Option<&'s T> { cursor.prev() }
    cursor_peek_next<'s>(cursor: &Cursor<'s, T, SIZE>) -> Option<&'s T> { cursor.peek_next() }
    cursor_peek_prev<'s>(cursor: &Cursor<'s, T, SIZE>) -> Option<&'s T> { cursor.peek_prev() }
    cursor_position(cursor: &Cursor<'_, T, SIZE>) -> usize { cursor.position() }
    cursor_seek(cursor: &mut Cursor<'_, T, SIZE>, position: usize) -> bool {
        cursor.seek(position)
    }

    iter_clone<'s>(iter: &Iter<'s, T, SIZE>) -> Iter<'s, T, SIZE> { iter.clone() }
    iter_next<'s>(iter: &mut Iter<'s, T, SIZE>) -> Option<&'s T> { iter.next() }
    iter_next_back<'s>(iter: &mut Iter<'s, T, SIZE>) -> Option<&'s T> { iter.next_back() }
    iter_nth<'s>(iter: &mut Iter<'s, T, SIZE>, n: usize) -> Option<&'s T> { iter.nth(n) }
    iter_nth_back<'s>(iter: &mut Iter<'s, T, SIZE>, n: usize) -> Option<&'s T> { iter.nth_back(n) }
    iter_len(iter: &Iter<'_, T, SIZE>) -> usize { iter.len() }
    iter_count(iter: Iter<'_, T, SIZE>) -> usize { iter.count() }
    iter_last(iter: Iter<'_, T, SIZE>) -> Option<&T> { iter.last() }
    iter_fold(iter: Iter<'_, T, SIZE>, see: fn(&T)) { iter.fold((), |(), entry| see(entry)) }
    iter_rfold(iter: Iter<'_, T, SIZE>, see: fn(&T)) { iter.rfold((), |(), entry| see(entry)) }

    iter_mut_next<'s>(iter: &mut IterMut<'s, T, SIZE>) -> Option<&'s mut T> { iter.next() }
    iter_mut_next_back<'s>(iter: &mut IterMut<'s, T, SIZE>) -> Option<&'s mut T> {
        iter.next_back()
    }
    iter_mut_nth<'s>(iter: &mut IterMut<'s, T, SIZE>, n: usize) -> Option<&'s mut T> {
        iter.nth(n)
    }
    iter_mut_nth_back<'s>(iter: &mut IterMut<'s, T, SIZE>, n: usize) -> Option<&'s mut T> {
        iter.nth_back(n)
    }
    iter_mut_len(iter: &IterMut<'_, T, SIZE>) -> usize { iter.len() }
    iter_mut_count(iter: IterMut<'_, T, SIZE>) -> usize { iter.count() }
    iter_mut_last(iter: IterMut<'_, T, SIZE>) -> Option<&mut T> { iter.last() }
    iter_mut_fold(iter: IterMut<'_, T, SIZE>, see: fn(&mut T)) { iter.for_each(see) }
    iter_mut_rfold(iter: IterMut<'_, T, SIZE>, see: fn(&mut T)) { iter.rev().for_each(see) }

    blocks_clone<'s>(blocks: &Blocks<'s, T, SIZE>) -> Blocks<'s, T, SIZE> { blocks.clone() }
    blocks_next<'s>(blocks: &mut Blocks<'s, T, SIZE>) -> Option<&'s [T]> { blocks.next() }
    blocks_next_back<'s>(blocks: &mut Blocks<'s, T, SIZE>) -> Option<&'s [T]> {
        blocks.next_back()
    }
    blocks_nth<'s>(blocks: &mut Blocks<'s, T, SIZE>, n: usize) -> Option<&'s [T]> { blocks.nth(n) }
    blocks_nth_back<'s>(blocks: &mut Blocks<'s, T, SIZE>, n: usize) -> Option<&'s [T]> {
        blocks.nth_back(n)
    }
    blocks_len(blocks: &Blocks<'_, T, SIZE>) -> usize { blocks.len() }
    blocks_fold(blocks: Blocks<'_, T, SIZE>, see: fn(&[T])) { blocks.for_each(see) }
    blocks_rfold(blocks: Blocks<'_, T, SIZE>, see: fn(&[T])) { blocks.rev().for_each(see) }

    blocks_mut_next<'s>(blocks: &mut BlocksMut<'s, T, SIZE>) -> Option<&'s mut [T]> {
        blocks.next()
    }
    blocks_mut_next_back<'s>(blocks: &mut BlocksMut<'s, T, SIZE>) -> Option<&'s mut [T]> {
        blocks.next_back()
    }
    blocks_mut_nth<'s>(blocks: &mut BlocksMut<'s, T, SIZE>, n: usize) -> Option<&'s mut [T]> {
        blocks.nth(n)
    }
    blocks_mut_nth_back<'s>(blocks: &mut BlocksMut<'s, T, SIZE>, n: usize) -> Option<&'s mut [T]> {
        blocks.nth_back(n)
    }
    blocks_mut_len(blocks: &BlocksMut<'_, T, SIZE>) -> usize { blocks.len() }
    blocks_mut_fold(blocks: BlocksMut<'_, T, SIZE>, see: fn(&mut [T])) { blocks.for_each(see) }
    blocks_mut_rfold(blocks: BlocksMut<'_, T, SIZE>, see: fn(&mut [T])) {
        blocks.rev().for_each(see)
    }

    // Errors with an entry.
    push_errno(error: &PushError<T>) -> i32 { error.errno() }
    adopt_error_errno(error: &AdoptError<Set<T, Incoming, SIZE>>) -> i32 { error.errno() }
    push_cause(error: PushError<T>) -> GrowError { error.into() }
    full_errno(error: &FullError<T>) -> i32 { error.errno() }
}

/// A table of operations. The size of its symbol tells how many.
#[repr(transparent)]
pub struct Table<const LEN: usize>([*const (); LEN]);

// SAFETY: nobody follows the pointers.
unsafe impl<const LEN: usize> Sync for Table<LEN> {}

macro_rules! tables {
    ($($name:ident: $($operations:ident)::+ <$T:ty, $SIZE:literal>;)+) => {$(
        /// Keeps the operations from the linker's collection of garbage.
        #[unsafe(no_mangle)]
        pub static $name: Table<{ $($operations)::+::<$T, $SIZE>::ALL.len() }> =
            Table($($operations)::+::<$T, $SIZE>::ALL);
    )+};
}

tables! {
    OPERATIONS_ON_ODD: Operations<Odd, 4096>;
    OPERATIONS_ON_WORDS: Operations<u64, 8192>;
    OPERATIONS_ON_WIDE: Operations<[u128; 4], 8192>;
    OPERATIONS_ON_LINKS_OF_ODD: links::Operations<Odd, 4096>;
    OPERATIONS_ON_LINKS_OF_WORDS: links::Operations<u64, 8192>;
    OPERATIONS_ON_BORROWED: allocators::borrowed::Operations<Odd, 4096>;
    OPERATIONS_ON_COUNTED: allocators::counted::Operations<Odd, 4096>;
    OPERATIONS_ON_CHECKS: flags::checks::Operations<Odd, 4096>;
    OPERATIONS_ON_FLAGS: flags::descriptors::Operations<Odd, 4096>;
    OPERATIONS_ON_SHARED: shared::Operations<Odd, 4096>;
    OPERATIONS_ON_PLAIN: plain::Operations<Odd, 4096>;
    OPERATIONS_ON_SLOTS_OF_WORDS: slots::Operations<u64, 8192>;
    OPERATIONS_ON_SLOTS_OF_BYTES: slots::Operations<[u8; 24], 4096>;
    OPERATIONS_ON_REGION: region::Operations<Odd, 4096>;
    OPERATIONS_ON_LINUX: linux::Operations<Odd, 4096>;
    OPERATIONS_THAT_PRINT: printing::Operations<Odd, 4096>;
}

/// An operation that can panic, for the check to fail.
#[cfg(feature = "unwrap")]
#[unsafe(no_mangle)]
pub fn unwrap(set: &Set<u64, Incoming, 8192>) -> u64 {
    *set.get(7).unwrap()
}

/// An operation that aborts without memory, for the check to fail.
#[cfg(feature = "collect")]
#[unsafe(no_mangle)]
pub fn collect(set: &Set<u64, Incoming, 8192>) -> alloc::vec::Vec<u64> {
    set.iter().copied().collect()
}
