//! The operations of a table of slots.

use core::fmt::{self, Write};

use kho_block::{
    AdoptError, AdoptErrorKind, IncomingSlots, Key, OutgoingSlots, Slots, SlotsIter, SlotsIterMut,
};

use super::*;

type Table<T, O, const SIZE: usize> = Slots<T, Kernel, O, SIZE>;
type New<T, const SIZE: usize> = OutgoingSlots<T, Kernel, SIZE>;
type Taken<T, const SIZE: usize> = IncomingSlots<T, Kernel, SIZE>;

operations! {
    // A kernel that saves.
    create() -> New<T, SIZE> { OutgoingSlots::new(Kernel) }
    create_by_default() -> New<T, SIZE> { Slots::default() }
    grow(table: &mut New<T, SIZE>, count: usize) -> Result<(), GrowError> { table.grow(count) }
    insert(table: &mut New<T, SIZE>, entry: T) -> Result<Key, PushError<T>> {
        table.insert(entry)
    }
    shrink(table: &mut New<T, SIZE>, count: usize) { table.shrink(count) }
    take(table: &mut New<T, SIZE>) -> New<T, SIZE> { table.take() }
    descriptor(table: &New<T, SIZE>, tag: u64) -> Descriptor { table.descriptor(tag) }
    seal(table: New<T, SIZE>) -> Sealed<New<T, SIZE>> { table.seal() }
    sealed_deref(sealed: &Sealed<New<T, SIZE>>) -> &New<T, SIZE> { sealed }
    sealed_head(sealed: &Sealed<New<T, SIZE>>) -> Option<PhysAddr> { sealed.head() }
    sealed_descriptor(sealed: &Sealed<New<T, SIZE>>, tag: u64) -> Descriptor {
        sealed.descriptor(tag)
    }
    sealed_unseal(sealed: Sealed<New<T, SIZE>>) -> New<T, SIZE> { sealed.unseal() }
    sealed_leave(sealed: Sealed<New<T, SIZE>>) -> Option<PhysAddr> { sealed.leave() }
    drop_sealed(sealed: Sealed<New<T, SIZE>>) { drop(sealed) }
    drop_outgoing(table: New<T, SIZE>) { drop(table) }

    // A kernel that restores, and goes on.
    restore(head: Option<PhysAddr>) -> Result<Taken<T, SIZE>, RestoreError> {
        IncomingSlots::restore(Kernel, head)
    }
    restore_from(descriptor: &Descriptor, tag: u64) -> Result<Taken<T, SIZE>, RestoreFromError> {
        IncomingSlots::restore_from(Kernel, descriptor, tag)
    }
    salvage(head: Option<PhysAddr>) -> (Taken<T, SIZE>, Option<RestoreError>) {
        IncomingSlots::salvage(Kernel, head)
    }
    salvage_from(descriptor: &Descriptor, tag: u64)
        -> (Taken<T, SIZE>, Option<RestoreFromError>) {
        IncomingSlots::salvage_from(Kernel, descriptor, tag)
    }
    release(table: Taken<T, SIZE>) -> Option<PhysAddr> { table.release() }
    adopt(table: Taken<T, SIZE>) -> Result<New<T, SIZE>, AdoptErrorKind> {
        table.adopt().map_err(AdoptError::into_kind)
    }
    adopt_error(error: AdoptError<Taken<T, SIZE>>) -> (Taken<T, SIZE>, AdoptErrorKind) {
        error.into_parts()
    }
    descriptor_incoming(table: &Taken<T, SIZE>, tag: u64) -> Descriptor { table.descriptor(tag) }
    drop_incoming(table: Taken<T, SIZE>) { drop(table) }

    // Either, removing.
    remove(table: &mut New<T, SIZE>, key: Key) -> Option<T> { table.remove(key) }
    retain(table: &mut New<T, SIZE>, keep: fn(Key, &mut T) -> bool) { table.retain(keep) }
    clear(table: &mut New<T, SIZE>) { table.clear() }
    destroy(table: &mut New<T, SIZE>) { table.destroy() }
    remove_incoming(table: &mut Taken<T, SIZE>, key: Key) -> Option<T> { table.remove(key) }
    retain_incoming(table: &mut Taken<T, SIZE>, keep: fn(Key, &mut T) -> bool) {
        table.retain(keep)
    }
    clear_incoming(table: &mut Taken<T, SIZE>) { table.clear() }
    destroy_incoming(table: &mut Taken<T, SIZE>) { table.destroy() }

    // Either, reading.
    layout() -> [usize; 2] { [New::<T, SIZE>::SLOTS_PER_BLOCK, New::<T, SIZE>::LAYOUT.capacity()] }
    len(table: &New<T, SIZE>) -> usize { table.len() }
    is_empty(table: &New<T, SIZE>) -> bool { table.is_empty() }
    slot_count(table: &New<T, SIZE>) -> usize { table.slot_count() }
    capacity(table: &New<T, SIZE>) -> usize { table.capacity() }
    retired(table: &New<T, SIZE>) -> usize { table.retired() }
    block_count(table: &New<T, SIZE>) -> usize { table.block_count() }
    first_block(table: &New<T, SIZE>) -> Option<PhysAddr> { table.first_block() }
    head(table: &New<T, SIZE>) -> Option<PhysAddr> { table.head() }
    allocator(table: &New<T, SIZE>) -> &Kernel { table.allocator() }
    block_addrs(table: &New<T, SIZE>) -> BlockAddrs<'_> { table.block_addrs() }
    get(table: &New<T, SIZE>, key: Key) -> Option<&T> { table.get(key) }
    get_mut(table: &mut New<T, SIZE>, key: Key) -> Option<&mut T> { table.get_mut(key) }
    contains(table: &New<T, SIZE>, key: Key) -> bool { table.contains(key) }
    key_at(table: &New<T, SIZE>, slot: u32) -> Option<Key> { table.key_at(slot) }
    phys_addr(table: &New<T, SIZE>, key: Key) -> Option<PhysAddr> { table.phys_addr(key) }
    entry_ptr(table: &New<T, SIZE>, key: Key) -> Option<NonNull<T>> { table.entry_ptr(key) }
    iter(table: &New<T, SIZE>) -> SlotsIter<'_, T, SIZE> { table.iter() }
    iter_mut(table: &mut New<T, SIZE>) -> SlotsIterMut<'_, T, SIZE> { table.iter_mut() }
    into_iter(table: &New<T, SIZE>) -> SlotsIter<'_, T, SIZE> { table.into_iter() }
    into_iter_mut(table: &mut New<T, SIZE>) -> SlotsIterMut<'_, T, SIZE> { table.into_iter() }
    capacity_incoming(table: &Taken<T, SIZE>) -> usize { table.capacity() }
    head_incoming(table: &Taken<T, SIZE>) -> Option<PhysAddr> { table.head() }
    block_addrs_incoming(table: &Taken<T, SIZE>) -> BlockAddrs<'_> { table.block_addrs() }
    get_incoming(table: &Taken<T, SIZE>, key: Key) -> Option<&T> { table.get(key) }
    get_mut_incoming(table: &mut Taken<T, SIZE>, key: Key) -> Option<&mut T> {
        table.get_mut(key)
    }
    contains_incoming(table: &Taken<T, SIZE>, key: Key) -> bool { table.contains(key) }
    key_at_incoming(table: &Taken<T, SIZE>, slot: u32) -> Option<Key> { table.key_at(slot) }
    phys_addr_incoming(table: &Taken<T, SIZE>, key: Key) -> Option<PhysAddr> {
        table.phys_addr(key)
    }
    entry_ptr_incoming(table: &Taken<T, SIZE>, key: Key) -> Option<NonNull<T>> {
        table.entry_ptr(key)
    }
    iter_incoming(table: &Taken<T, SIZE>) -> SlotsIter<'_, T, SIZE> { table.iter() }
    iter_mut_incoming(table: &mut Taken<T, SIZE>) -> SlotsIterMut<'_, T, SIZE> {
        table.iter_mut()
    }

    iter_clone<'s>(iter: &SlotsIter<'s, T, SIZE>) -> SlotsIter<'s, T, SIZE> { iter.clone() }
    iter_next<'s>(iter: &mut SlotsIter<'s, T, SIZE>) -> Option<(Key, &'s T)> { iter.next() }
    iter_next_back<'s>(iter: &mut SlotsIter<'s, T, SIZE>) -> Option<(Key, &'s T)> {
        iter.next_back()
    }
    iter_nth<'s>(iter: &mut SlotsIter<'s, T, SIZE>, n: usize) -> Option<(Key, &'s T)> {
        iter.nth(n)
    }
    iter_nth_back<'s>(iter: &mut SlotsIter<'s, T, SIZE>, n: usize) -> Option<(Key, &'s T)> {
        iter.nth_back(n)
    }
    iter_len(iter: &SlotsIter<'_, T, SIZE>) -> usize { iter.len() }
    iter_count(iter: SlotsIter<'_, T, SIZE>) -> usize { iter.count() }
    iter_last(iter: SlotsIter<'_, T, SIZE>) -> Option<(Key, &T)> { iter.last() }
    iter_fold(iter: SlotsIter<'_, T, SIZE>, see: fn((Key, &T))) { iter.for_each(see) }
    iter_rfold(iter: SlotsIter<'_, T, SIZE>, see: fn((Key, &T))) { iter.rev().for_each(see) }

    iter_mut_next<'s>(iter: &mut SlotsIterMut<'s, T, SIZE>) -> Option<(Key, &'s mut T)> {
        iter.next()
    }
    iter_mut_next_back<'s>(iter: &mut SlotsIterMut<'s, T, SIZE>) -> Option<(Key, &'s mut T)> {
        iter.next_back()
    }
    iter_mut_nth<'s>(iter: &mut SlotsIterMut<'s, T, SIZE>, n: usize) -> Option<(Key, &'s mut T)> {
        iter.nth(n)
    }
    iter_mut_nth_back<'s>(iter: &mut SlotsIterMut<'s, T, SIZE>, n: usize)
        -> Option<(Key, &'s mut T)> { iter.nth_back(n) }
    iter_mut_len(iter: &SlotsIterMut<'_, T, SIZE>) -> usize { iter.len() }
    iter_mut_count(iter: SlotsIterMut<'_, T, SIZE>) -> usize { iter.count() }
    iter_mut_last(iter: SlotsIterMut<'_, T, SIZE>) -> Option<(Key, &mut T)> { iter.last() }
    iter_mut_fold(iter: SlotsIterMut<'_, T, SIZE>, see: fn((Key, &mut T))) { iter.for_each(see) }
    iter_mut_rfold(iter: SlotsIterMut<'_, T, SIZE>, see: fn((Key, &mut T))) {
        iter.rev().for_each(see)
    }

    // Keys, and what prints.
    key_is_null(key: Key) -> bool { key.is_null() }
    key_order(key: Key, other: Key) -> core::cmp::Ordering { key.cmp(&other) }
    key_print(key: Key, to: &mut dyn Write) -> fmt::Result { write!(to, "{key} {key:?}") }
    adopt_errno(kind: &AdoptErrorKind) -> i32 { kind.errno() }
    adopt_print(error: &AdoptError<Taken<T, SIZE>>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{error} {error:?} {:?}", error.kind())
    }
    debug(table: &Table<T, Outgoing, SIZE>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{table:?}")
    }
    debug_incoming(table: &Table<T, Incoming, SIZE>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{table:?}")
    }
    debug_sealed(sealed: &Sealed<New<T, SIZE>>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{sealed:?}")
    }
    debug_iter(iter: &SlotsIter<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{iter:?}")
    }
    debug_iter_mut(iter: &SlotsIterMut<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{iter:?}")
    }
}
