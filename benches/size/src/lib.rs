//! The operations that C has too, for a record of 64 bytes, and with the feature `second` for
//! one of 80 bytes too: functions that `measure` weighs.

#![no_std]

#[path = "../../../tests/panic-free/src/kernel.rs"]
mod kernel;

use kho_block::{
    BlockSet, Cursor, FullError, GrowError, IncomingSet, PhysAddr, RestoreError, Writer,
};

use crate::kernel::Kernel;

/// The record: 64 bytes, as LUO keeps of a file.
pub type Record = [u64; 8];

/// Another record: 80 bytes, as LUO keeps of a session.
#[cfg(feature = "second")]
pub type Session = [u64; 10];

/// Exports the operations on sets of a record, under the names by which `measure` finds them.
macro_rules! export {
    ($record:ty: $new:ident $grow:ident $shrink:ident $writer:ident $write:ident $restore:ident
        $cursor:ident $next:ident $prev:ident $destroy:ident $destroy_incoming:ident) => {
        export! {
            // A set that this kernel fills, and one that it took over.
            $new() -> BlockSet<$record, Kernel> { BlockSet::new(Kernel) }
            $grow(set: &mut BlockSet<$record, Kernel>, count: usize) -> Result<(), GrowError> {
                set.grow(count)
            }
            $shrink(set: &mut BlockSet<$record, Kernel>, count: usize) { set.shrink(count) }
            $writer(set: &mut BlockSet<$record, Kernel>) -> Writer<'_, $record, 8192> { set.writer() }
            $write(writer: &mut Writer<'_, $record, 8192>, record: $record)
                -> Result<(), FullError<$record>> { writer.push(record) }
            $restore(head: Option<PhysAddr>) -> Result<IncomingSet<$record, Kernel>, RestoreError> {
                IncomingSet::restore(Kernel, head)
            }
            $cursor(set: &IncomingSet<$record, Kernel>) -> Cursor<'_, $record, 8192> { set.cursor() }
            $next(cursor: &mut Cursor<'_, $record, 8192>) -> Option<u64> {
                cursor.next().map(|r| r[0])
            }
            $prev(cursor: &mut Cursor<'_, $record, 8192>) -> Option<u64> {
                cursor.prev().map(|r| r[0])
            }
            $destroy(set: &mut BlockSet<$record, Kernel>) { set.destroy() }
            $destroy_incoming(set: &mut IncomingSet<$record, Kernel>) { set.destroy() }
        }
    };
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {$(
        #[doc = concat!("`", stringify!($name), "`, as the library has it.")]
        // SAFETY: no other symbol has such a name.
        #[unsafe(no_mangle)]
        pub fn $name($($arg: $type),*) $(-> $result)? $body
    )*};
}

export! {
    Record: size_new size_grow size_shrink size_writer size_write size_restore
        size_cursor size_next size_prev size_destroy size_destroy_incoming
}

#[cfg(feature = "second")]
export! {
    Session: second_new second_grow second_shrink second_writer second_write second_restore
        second_cursor second_next second_prev second_destroy second_destroy_incoming
}
