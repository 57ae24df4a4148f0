//! What a kernel is told of KHO as it starts, and the names in KHO's device tree.

#![forbid(unsafe_code)]

use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::addr::PhysAddr;

/// The type of the entry in the `setup_data` list of an x86 kernel that holds a [`KhoData`].
pub const SETUP_DATA_TYPE: u32 = 10;

/// The first four bytes of a device tree, as a big-endian number.
pub const FDT_MAGIC: u32 = 0xd00d_feed;

/// What the root of KHO's device tree is `compatible` with.
pub const KHO_COMPATIBLE: &str = "kho-v4";

/// The property of the root that holds the physical address of the root of the map of preserved
/// blocks: a native-endian `u64`. See [`PreservedMap`](super::PreservedMap).
pub const MEMORY_MAP_PROPERTY: &str = "preserved-memory-map";

/// The property of a subsystem's node that holds the physical address of what it handed over: a
/// native-endian `u64`.
pub const DATA_PROPERTY: &str = "preserved-data";

/// The property of a subsystem's node that holds how many bytes that are: a native-endian `u64`.
pub const DATA_SIZE_PROPERTY: &str = "blob-size";

/// Bytes of a page, as all this is written: of a table of the map, and of the smallest block in it.
pub const PAGE_SIZE: usize = 4096;

/// The data of the entry of type [`SETUP_DATA_TYPE`] in `setup_data`.
///
/// # Examples
///
/// ```
/// use kho_block::PhysAddr;
/// use kho_block::linux::KhoData;
/// use kho_block::zerocopy::{FromBytes, IntoBytes};
///
/// let bytes = [0x23_5000_u64, 4096, 0x100_0000, 48];
/// let data = KhoData::read_from_bytes(bytes.as_bytes()).unwrap();
/// assert_eq!(data.fdt(), PhysAddr::new(0x23_5000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KhoData {
    /// Physical address of KHO's device tree.
    pub fdt_addr: u64,
    /// Bytes of the device tree.
    pub fdt_size: u64,
    /// Physical address of the table of scratch areas: memory in which nothing is preserved.
    pub scratch_addr: u64,
    /// Bytes of that table.
    pub scratch_size: u64,
}

const_assert_eq!(size_of::<KhoData>(), 32);
const_assert_eq!(offset_of!(KhoData, fdt_addr), 0);
const_assert_eq!(offset_of!(KhoData, fdt_size), 8);
const_assert_eq!(offset_of!(KhoData, scratch_addr), 16);
const_assert_eq!(offset_of!(KhoData, scratch_size), 24);

impl KhoData {
    /// Where KHO's device tree is; `None` if there is none.
    #[must_use]
    pub const fn fdt(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.fdt_addr)
    }
}
