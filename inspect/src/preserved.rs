//! Who says which blocks are preserved.

use kho_block::{PhysAddr, RegionImage};

use crate::map::LinuxMap;

/// The books that tell of blocks.
#[derive(Clone, Copy)]
pub(crate) enum Preserved<'i, 's> {
    /// There are none: whatever the image holds is taken.
    Unknown,
    /// The map of Linux.
    Linux(&'i LinuxMap<'i, 's>),
    /// Those of a region.
    Region(&'i RegionImage<'i>),
}

impl Preserved<'_, '_> {
    /// Whether a block of exactly this size is preserved there; `None` if there is no telling.
    pub(crate) fn has(self, addr: u64, bytes: u64) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Linux(map) => map.has(addr, bytes),
            Self::Region(region) => {
                let found = PhysAddr::new(addr).and_then(|addr| region.block_at(addr));
                Some(found == Some(bytes))
            }
        }
    }

    /// The block of another size that is preserved there, or that covers the address: where it starts,
    /// and its bytes.
    pub(crate) fn covering(self, addr: u64) -> Option<(u64, u64)> {
        match self {
            Self::Unknown => None,
            Self::Linux(map) => map.covering(addr),
            Self::Region(region) => {
                let mut blocks = region.blocks().map(|(addr, bytes)| (addr.get(), bytes));
                blocks.find(|&(start, bytes)| (start..start.saturating_add(bytes)).contains(&addr))
            }
        }
    }
}
