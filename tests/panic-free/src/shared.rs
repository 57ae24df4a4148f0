//! A set behind a lock, but for `read` and `try_read`: the lock panics at the 2^61st reader.

use core::fmt::{self, Write};

use kho_block::{SharedBlockSet, SharedReadGuard, SharedWriteGuard};

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
    share_by_default() -> Shared<T, SIZE> { SharedBlockSet::default() }
    share_from(set: Set<T, Outgoing, SIZE>) -> Shared<T, SIZE> { set.into() }
    guarded<'g>(guard: &'g SharedWriteGuard<'_, T, Kernel, Outgoing, SIZE>) -> &'g Set<T, Outgoing, SIZE> {
        guard
    }
    read_guarded<'g>(guard: &'g SharedReadGuard<'_, T, Kernel, Outgoing, SIZE>) -> &'g Set<T, Outgoing, SIZE> {
        guard
    }
    debug_guards(
        reads: &SharedReadGuard<'_, T, Kernel, Outgoing, SIZE>,
        writes: &SharedWriteGuard<'_, T, Kernel, Outgoing, SIZE>,
        to: &mut dyn Write,
    ) -> fmt::Result { write!(to, "{reads:?} {writes:?}") }
}
