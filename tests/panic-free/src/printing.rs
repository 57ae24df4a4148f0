//! What prints, to a console that the compiler does not know.

use core::fmt::{self, Write};

use kho_block::PreservedBlock;

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
    layout(layout: ChainLayout, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{layout:?}")
    }
    origins(outgoing: Outgoing, incoming: Incoming, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{outgoing:?} {incoming:?}")
    }
    block(block: &PreservedBlock, to: &mut dyn Write) -> fmt::Result { write!(to, "{block:?}") }
}
