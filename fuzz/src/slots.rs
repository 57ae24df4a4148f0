//! Tables of slots: any memory taken for one, and operations on one over several kernels.

mod any;
mod kernel;
mod model;

use crate::Record;
use crate::arena::Arena;
use crate::input::Input;

/// The target, for entries of type `T`, which make slots that are as large as `S`.
pub(crate) fn run<T: Record, S: Record, const SIZE: usize>(
    arena: &Arena<SIZE>,
    mut input: Input<'_>,
) {
    const { assert!(size_of::<S>() == 8 + size_of::<T>()) };
    if input.byte() & 1 == 0 {
        any::run::<T, S, SIZE>(arena, input);
    } else {
        kernel::run::<T, S, SIZE>(arena, input);
    }
}
