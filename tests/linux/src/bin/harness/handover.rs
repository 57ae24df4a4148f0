//! The way from the boot parameters of the second kernel to what the first one left.

use fdt::Fdt;
use kho_block::PhysAddr;
use kho_block::linux::{self, KhoData, LuoState, PreservedMap};
use kho_block::zerocopy::{FromBytes, IntoBytes};

use crate::Failed;
use crate::memory::Memory;

/// What Linux hands over, found in the guest's memory.
pub(crate) struct Handover<'m> {
    memory: &'m Memory,
    /// The root of the map of preserved blocks.
    map: PhysAddr,
    /// Where LUO's state lies.
    luo: PhysAddr,
}

impl<'m> Handover<'m> {
    /// Follows the list of `setup_data` that starts at an address, to the device tree and on.
    ///
    /// # Errors
    ///
    /// If something on the way is missing, or of a version that the crate does not know.
    pub(crate) fn find(memory: &'m Memory, setup_data: u64) -> Result<Self, Failed> {
        let kho = kho_data(memory, setup_data)?;
        let tree = kho.fdt().ok_or("a tree at address 0")?;
        let bytes = memory.bytes(tree, kho.fdt_size.try_into()?).ok_or("a tree beyond memory")?;
        let fdt = Fdt::new(&bytes).map_err(|error| format!("no device tree at {tree}: {error}"))?;
        let root = fdt.find_node("/").ok_or("a tree without a root")?;
        let compatible = root.property("compatible").and_then(|property| property.as_str());
        if compatible != Some(linux::KHO_COMPATIBLE) {
            return Err(format!("the tree is of version {compatible:?}").into());
        }
        let luo = root.children().find(|node| node.name == linux::LUO_NODE);
        let luo = luo.ok_or("the tree has no node of LUO")?;
        let word = |value: &[u8]| Ok::<_, Failed>(u64::from_ne_bytes(value.try_into()?));
        let map = root.property(linux::MEMORY_MAP_PROPERTY).ok_or("the tree has no map")?;
        let data = luo.property(linux::DATA_PROPERTY).ok_or("LUO's node has no data")?;
        let size = luo.property(linux::DATA_SIZE_PROPERTY).ok_or("LUO's data has no size")?;
        let (found, expected) = (word(size.value)?, size_of::<LuoState>() as u64);
        if found != expected {
            return Err(format!("LUO's state has {found} bytes, not {expected}").into());
        }
        let map = PhysAddr::new(word(map.value)?).ok_or("a map at address 0")?;
        let luo = PhysAddr::new(word(data.value)?).ok_or("LUO's state at address 0")?;
        let handover = Self { memory, map, luo };
        handover.state()?.check()?;
        Ok(handover)
    }

    pub(crate) const fn memory(&self) -> &Memory {
        self.memory
    }

    /// # Errors
    ///
    /// If it lies beyond memory.
    pub(crate) fn state(&self) -> Result<LuoState, Failed> {
        let state = self.memory.bytes(self.luo, size_of::<LuoState>());
        let state = state.and_then(|state| LuoState::read_from_bytes(&state).ok());
        state.ok_or_else(|| "LUO's state beyond memory".into())
    }

    /// Says where the chain of sessions begins.
    ///
    /// # Errors
    ///
    /// If LUO's state lies beyond memory.
    pub(crate) fn set_sessions(&self, head: Option<PhysAddr>) -> Result<(), Failed> {
        let mut state = self.state()?;
        state.sessions_pa = head.map_or(0, PhysAddr::get);
        self.memory.put(self.luo, state.as_bytes())
    }

    fn map(&self) -> PreservedMap<impl Fn(PhysAddr) -> Option<u64>> {
        PreservedMap::new(self.map, |addr| self.memory.word(addr))
    }

    /// Whether the first kernel preserved a block of exactly this size at exactly this address.
    pub(crate) fn is_preserved(&self, addr: PhysAddr, size: usize) -> bool {
        self.map().contains(addr, size as u64) == Ok(true)
    }

    /// Reads the whole map: addresses and sizes, in order.
    ///
    /// # Errors
    ///
    /// If it is damaged.
    pub(crate) fn preserved(&self) -> Result<Vec<(PhysAddr, u64)>, Failed> {
        Ok(self.map().blocks().collect::<Result<_, _>>()?)
    }
}

/// Looks for KHO's entry in a list of `setup_data`: a word that is the address of the next, 32 bits of
/// type and 32 of length, and then the data.
fn kho_data(memory: &Memory, first: u64) -> Result<KhoData, Failed> {
    let mut next = PhysAddr::new(first);
    // A list that is longer is a loop.
    for _ in 0..100 {
        let Some(entry) = next else { break };
        let read = |at, size| entry.checked_add(at).and_then(|addr| memory.bytes(addr, size));
        let header = read(0, 16).and_then(|header| <[u64; 2]>::read_from_bytes(&header).ok());
        let [link, kind] = header.ok_or_else(|| format!("setup_data at {entry} beyond memory"))?;
        // The type is the lower half of the word.
        if kind as u32 == linux::SETUP_DATA_TYPE {
            let data = read(16, size_of::<KhoData>());
            let data = data.and_then(|data| KhoData::read_from_bytes(&data).ok());
            return data.ok_or_else(|| "KHO's setup_data beyond memory".into());
        }
        next = PhysAddr::new(link);
    }
    Err("the boot parameters name no handover".into())
}
