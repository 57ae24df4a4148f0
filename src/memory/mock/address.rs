//! What a mock takes for a physical address.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;

/// A physical address, as [`place`](super::Mock::place), [`leave`](super::Mock::leave),
/// [`read`](super::Mock::read) and [`write`](super::Mock::write) take it: a number or a
/// [`PhysAddr`].
///
/// A plain `Into<u64>` would not let a literal be an address: there are too many types that it might
/// have. A kernel may have its own type of address be one:
///
/// ```
/// use kho_block::mock::{Address, Mock};
///
/// struct Frame(u64);
///
/// impl From<Frame> for u64 {
///     fn from(frame: Frame) -> Self {
///         frame.0 << 12
///     }
/// }
///
/// impl Address for Frame {}
///
/// let mut machine = Mock::new();
/// machine.leave(Frame(2), &[7; 32]);
/// assert_eq!(machine.read(0x2001, 1), [7]);
/// ```
pub trait Address: Into<u64> {}

impl Address for u64 {}

impl Address for PhysAddr {}
