//! Physical addresses, kept apart from pointers by their type.

#![forbid(unsafe_code)]

use core::fmt;
use core::num::NonZeroU64;

use static_assertions::assert_eq_size;
use zerocopy::{Immutable, IntoBytes, KnownLayout};

/// A physical address, never zero, so that `Option<PhysAddr>` is the `u64` of the wire.
///
/// It says where memory is, not how to reach it: only a
/// [`PreservedAllocator`](crate::PreservedAllocator) turns an address into a pointer. It prints in
/// hexadecimal.
///
/// # Examples
///
/// ```
/// use kho_block::PhysAddr;
///
/// let addr = PhysAddr::new(0x1_0000_2000).unwrap();
/// assert_eq!(addr.to_string(), "0x100002000");
/// assert!(addr.is_aligned_to(8192));
/// assert_eq!(PhysAddr::new(0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct PhysAddr(NonZeroU64);

assert_eq_size!(Option<PhysAddr>, u64);

impl PhysAddr {
    /// Reads the `u64` of the wire: `None` if it is zero.
    ///
    /// ```
    /// # use kho_block::PhysAddr;
    /// assert!(PhysAddr::new(0x2000).is_some());
    /// assert_eq!(PhysAddr::new(0), None);
    /// ```
    #[must_use]
    #[inline]
    pub const fn new(addr: u64) -> Option<Self> {
        match NonZeroU64::new(addr) {
            Some(addr) => Some(Self(addr)),
            None => None,
        }
    }

    /// The address as a number.
    ///
    /// ```
    /// # use kho_block::PhysAddr;
    /// assert_eq!(PhysAddr::new(0x2000).unwrap().get(), 0x2000);
    /// ```
    #[must_use]
    #[inline]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// Writes the `u64` of the wire: zero for `None`. The inverse of [`new`](Self::new).
    ///
    /// A record that heads another chain keeps the chain's head in this form.
    ///
    /// ```
    /// # use kho_block::PhysAddr;
    /// assert_eq!(PhysAddr::to_wire(PhysAddr::new(0x2000)), 0x2000);
    /// assert_eq!(PhysAddr::to_wire(None), 0);
    /// ```
    #[must_use]
    #[inline]
    pub const fn to_wire(addr: Option<Self>) -> u64 {
        match addr {
            Some(addr) => addr.get(),
            None => 0,
        }
    }

    /// Whether the address is a multiple of `align` bytes; no address is a multiple of zero.
    ///
    /// ```
    /// # use kho_block::PhysAddr;
    /// let addr = PhysAddr::new(0x2000).unwrap();
    /// assert!(addr.is_aligned_to(8192) && !addr.is_aligned_to(16384));
    /// ```
    #[must_use]
    #[inline]
    pub const fn is_aligned_to(self, align: u64) -> bool {
        matches!(self.get().checked_rem(align), Some(0))
    }

    /// The address `offset` bytes further on; `None` past the end of the address space.
    ///
    /// ```
    /// # use kho_block::PhysAddr;
    /// let addr = PhysAddr::new(0x2000).unwrap();
    /// assert_eq!(addr.checked_add(0x10), PhysAddr::new(0x2010));
    /// assert_eq!(addr.checked_add(u64::MAX), None);
    /// ```
    #[must_use]
    #[inline]
    pub const fn checked_add(self, offset: u64) -> Option<Self> {
        match self.0.checked_add(offset) {
            Some(addr) => Some(Self(addr)),
            None => None,
        }
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhysAddr({:#x})", self.0)
    }
}

impl fmt::LowerHex for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

impl fmt::UpperHex for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::UpperHex::fmt(&self.0, f)
    }
}

impl From<NonZeroU64> for PhysAddr {
    fn from(addr: NonZeroU64) -> Self {
        Self(addr)
    }
}

impl From<PhysAddr> for NonZeroU64 {
    fn from(addr: PhysAddr) -> Self {
        addr.0
    }
}

impl From<PhysAddr> for u64 {
    fn from(addr: PhysAddr) -> Self {
        addr.get()
    }
}
