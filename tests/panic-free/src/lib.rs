//! Every operation of the library, as a kernel links it: what is called from here can be reached.
//!
//! `check` beside this crate builds it, and fails if a panic is among what the linker kept.

#![no_std]

#[cfg(feature = "collect")]
extern crate alloc;

mod kernel;

use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::ptr::NonNull;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    AllocError, BlockAddrs, BlockSet, Blocks, BlocksMut, CapacityError, ChainLayout, Cursor,
    Descriptor, DescriptorError, DescriptorFlags, Entry, FullError, GrowError, Incoming,
    IncomingSet, Iter, IterMut, Outgoing, OutgoingSet, PhysAddr, PushError, RestoreChecks,
    RestoreError, RestoreErrorKind, RestoreFromError, Sealed, Writer, entries_per_block,
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
            pub(crate) const ALL: &'static [*const ()] = &[$(Self::$name as *const ()),+];
        }
    };
}

mod linux;
mod region;
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
    push_cause(error: PushError<T>) -> GrowError { error.into() }
    full_errno(error: &FullError<T>) -> i32 { error.errno() }
}

/// What has no type of entry.
mod plain {
    use super::*;

    operations! {
        layout() -> [usize; 3] {
            [
                Set::<T, Incoming, SIZE>::LAYOUT.capacity(),
                Set::<T, Incoming, SIZE>::CAPACITY_PER_BLOCK,
                Set::<T, Incoming, SIZE>::MAX_BLOCKS,
            ]
        }
        layout_new(entry_size: usize, block_size: usize) -> Option<ChainLayout> {
            ChainLayout::new(entry_size, block_size)
        }
        layout_sizes(layout: ChainLayout) -> [usize; 3] {
            [layout.entry_size(), layout.block_size(), layout.capacity()]
        }
        per_block(block_size: usize, entry_size: usize) -> usize {
            entries_per_block(block_size, entry_size)
        }

        block_addrs_clone<'s>(addrs: &BlockAddrs<'s>) -> BlockAddrs<'s> { addrs.clone() }
        block_addrs_next(addrs: &mut BlockAddrs<'_>) -> Option<PhysAddr> { addrs.next() }
        block_addrs_next_back(addrs: &mut BlockAddrs<'_>) -> Option<PhysAddr> { addrs.next_back() }
        block_addrs_nth(addrs: &mut BlockAddrs<'_>, n: usize) -> Option<PhysAddr> { addrs.nth(n) }
        block_addrs_nth_back(addrs: &mut BlockAddrs<'_>, n: usize) -> Option<PhysAddr> {
            addrs.nth_back(n)
        }
        block_addrs_len(addrs: &BlockAddrs<'_>) -> usize { addrs.len() }
        block_addrs_fold(addrs: BlockAddrs<'_>, see: fn(PhysAddr)) { addrs.for_each(see) }

        addr_new(addr: u64) -> Option<PhysAddr> { PhysAddr::new(addr) }
        addr_get(addr: PhysAddr) -> u64 { addr.get() }
        addr_to_wire(addr: Option<PhysAddr>) -> u64 { PhysAddr::to_wire(addr) }
        addr_is_aligned_to(addr: PhysAddr, align: u64) -> bool { addr.is_aligned_to(align) }
        addr_checked_add(addr: PhysAddr, offset: u64) -> Option<PhysAddr> {
            addr.checked_add(offset)
        }
        addr_from(addr: NonZeroU64) -> PhysAddr { addr.into() }
        addr_into(addr: PhysAddr) -> NonZeroU64 { addr.into() }
        addr_into_number(addr: PhysAddr) -> u64 { addr.into() }

        descriptor_head(descriptor: &Descriptor) -> Option<PhysAddr> { descriptor.head() }
        descriptor_check(descriptor: &Descriptor, layout: ChainLayout, tag: u64)
            -> Result<RestoreChecks, DescriptorError> { descriptor.check(layout, tag) }
        descriptor_read(root: &[u8]) -> Option<Descriptor> {
            Some(Descriptor::read_from_prefix(root).ok()?.0)
        }
        descriptor_write(descriptor: &Descriptor, root: &mut [u8]) -> bool {
            descriptor.write_to_prefix(root).is_ok()
        }
        flags_from_bits(bits: u32) -> Option<DescriptorFlags> { DescriptorFlags::from_bits(bits) }
        checks_from_bits(bits: u32) -> Option<RestoreChecks> { RestoreChecks::from_bits(bits) }

        alloc_errno(error: &AllocError) -> i32 { error.errno() }
        grow_errno(error: &GrowError) -> i32 { error.errno() }
        capacity_errno(error: &CapacityError) -> i32 { error.errno() }
        restore_errno(error: &RestoreError) -> i32 { error.errno() }
        descriptor_errno(error: &DescriptorError) -> i32 { error.errno() }
        restore_from_errno(error: &RestoreFromError) -> i32 { error.errno() }
        restore_from_descriptor(error: DescriptorError) -> RestoreFromError { error.into() }
        restore_from_chain(error: RestoreError) -> RestoreFromError { error.into() }
        restore_from_source(error: &RestoreFromError) -> bool {
            core::error::Error::source(error).is_some()
        }
    }
}

/// A set behind a lock, but for `read` and `try_read`: the lock panics at the 2^61st reader.
mod shared {
    use kho_block::SharedBlockSet;

    use super::*;

    type Shared<T, const SIZE: usize> = SharedBlockSet<T, Kernel, Outgoing, SIZE>;

    operations! {
        share(set: Set<T, Outgoing, SIZE>) -> Shared<T, SIZE> { SharedBlockSet::new(set) }
        write(shared: &Shared<T, SIZE>, entry: T) -> bool { shared.write().push(entry).is_ok() }
        try_write(shared: &Shared<T, SIZE>, entry: T) -> Option<bool> {
            Some(shared.try_write()?.push(entry).is_ok())
        }
        get_mut(shared: &mut Shared<T, SIZE>) -> &mut Set<T, Outgoing, SIZE> { shared.get_mut() }
        into_inner(shared: Shared<T, SIZE>) -> Set<T, Outgoing, SIZE> { shared.into_inner() }
        drop_shared(shared: Shared<T, SIZE>) { drop(shared) }
    }
}

/// What prints, to a console that the compiler does not know.
mod printing {
    use core::fmt::{self, Write};

    use super::*;

    operations! {
        dump(set: &Set<T, Incoming, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{}", set.dump())
        }
        debug_set(set: &Set<T, Incoming, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{set:?}")
        }
        debug_sealed(sealed: &Sealed<Set<T, Outgoing, SIZE>>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{sealed:?}")
        }
        debug_writer(writer: &Writer<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{writer:?}")
        }
        debug_cursor(cursor: &Cursor<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{cursor:?}")
        }
        debug_iter(iter: &Iter<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{iter:?}")
        }
        debug_blocks(blocks: &Blocks<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{blocks:?}")
        }
        debug_iter_mut(iter: &IterMut<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{iter:?}")
        }
        debug_blocks_mut(blocks: &BlocksMut<'_, T, SIZE>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{blocks:?}")
        }
        debug_block_addrs(addrs: &BlockAddrs<'_>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{addrs:?}")
        }
        alloc_error(error: &AllocError, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        addr(addr: PhysAddr, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{addr} {addr:?} {addr:x} {addr:X}")
        }
        grow_error(error: &GrowError, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        push_error(error: &PushError<T>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        full_error(error: &FullError<T>, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        capacity_error(error: &CapacityError, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        restore_error(error: &RestoreError, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        restore_error_kind(kind: &RestoreErrorKind, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{kind} {kind:?}")
        }
        descriptor_error(error: &DescriptorError, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        restore_from_error(error: &RestoreFromError, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{error} {error:?}")
        }
        descriptor_record(descriptor: &Descriptor, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{descriptor:?}")
        }
        checks(checks: RestoreChecks, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{checks:?}")
        }
        flags(flags: DescriptorFlags, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{flags:?}")
        }
        layout(layout: ChainLayout, to: &mut dyn Write) -> fmt::Result {
            write!(to, "{layout:?}")
        }
    }
}

macro_rules! tables {
    ($($name:ident: $all:expr;)+) => {$(
        /// A table of operations, which keeps them all from the linker's collection of garbage.
        #[unsafe(no_mangle)]
        pub fn $name() -> &'static [*const ()] {
            $all
        }
    )+};
}

tables! {
    operations_on_odd: Operations::<Odd, 4096>::ALL;
    operations_on_words: Operations::<u64, 8192>::ALL;
    operations_on_wide: Operations::<[u128; 4], 8192>::ALL;
    operations_on_shared: shared::Operations::<Odd, 4096>::ALL;
    operations_on_plain: plain::Operations::<Odd, 4096>::ALL;
    operations_on_slots_of_words: slots::Operations::<u64, 8192>::ALL;
    operations_on_slots_of_bytes: slots::Operations::<[u8; 24], 4096>::ALL;
    operations_on_region: region::Operations::<Odd, 4096>::ALL;
    operations_on_linux: linux::Operations::<Odd, 4096>::ALL;
    printing_of_odd: printing::Operations::<Odd, 4096>::ALL;
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
