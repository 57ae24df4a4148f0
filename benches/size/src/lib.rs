//! The operations that C has too, for one record of 64 bytes: functions that `measure` weighs.

#![no_std]

#[path = "../../../tests/panic-free/src/kernel.rs"]
mod kernel;

use kho_block::{
    BlockSet, Cursor, FullError, GrowError, IncomingSet, PhysAddr, RestoreError, Writer,
};

use crate::kernel::Kernel;

/// The record: 64 bytes, as LUO keeps of a file.
pub type Record = [u64; 8];

/// A set that this kernel fills.
pub type Set = BlockSet<Record, Kernel>;

/// A set that this kernel took over.
pub type Incoming = IncomingSet<Record, Kernel>;

/// Exports functions under the names by which `measure` finds them.
macro_rules! export {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {$(
        #[doc = concat!("`", stringify!($name), "`, as the library has it.")]
        // SAFETY: no other symbol has such a name.
        #[unsafe(no_mangle)]
        pub fn $name($($arg: $type),*) $(-> $result)? $body
    )*};
}

export! {
    size_new() -> Set { Set::new(Kernel) }
    size_grow(set: &mut Set, count: usize) -> Result<(), GrowError> { set.grow(count) }
    size_shrink(set: &mut Set, count: usize) { set.shrink(count) }
    size_writer(set: &mut Set) -> Writer<'_, Record, 8192> { set.writer() }
    size_write(writer: &mut Writer<'_, Record, 8192>, record: Record) -> Result<(), FullError<Record>> {
        writer.push(record)
    }
    size_restore(head: Option<PhysAddr>) -> Result<Incoming, RestoreError> {
        Incoming::restore(Kernel, head)
    }
    size_cursor(set: &Incoming) -> Cursor<'_, Record, 8192> { set.cursor() }
    size_next(cursor: &mut Cursor<'_, Record, 8192>) -> Option<u64> { cursor.next().map(|r| r[0]) }
    size_prev(cursor: &mut Cursor<'_, Record, 8192>) -> Option<u64> { cursor.prev().map(|r| r[0]) }
    size_destroy(set: &mut Set) { set.destroy() }
    size_destroy_incoming(set: &mut Incoming) { set.destroy() }
}
