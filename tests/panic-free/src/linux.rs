//! What finds its way from the handover of a Linux. It knows no type of entry.

use core::fmt::{self, Write};

use kho_block::linux::{
    File, KhoData, LuoError, LuoState, MapBlocks, MapError, Name, NameError, PreservedMap, Session,
    SharedObject, SharedObjects,
};
use kho_block::{IncomingSet, Link, LinkError};

use super::*;

type Map = PreservedMap<fn(PhysAddr) -> Option<u64>>;

operations! {
    map(root: PhysAddr, read: fn(PhysAddr) -> Option<u64>) -> Map { PreservedMap::new(root, read) }
    map_with_max_tables(map: Map, max: usize) -> Map { map.with_max_tables(max) }
    map_root(map: &Map) -> PhysAddr { map.root() }
    map_contains(map: &Map, addr: PhysAddr, size: u64) -> Result<bool, MapError> {
        map.contains(addr, size)
    }
    map_blocks<'m>(map: &'m Map) -> MapBlocks<'m, fn(PhysAddr) -> Option<u64>> { map.blocks() }
    map_block(blocks: &mut MapBlocks<'_, fn(PhysAddr) -> Option<u64>>)
        -> Option<Result<(PhysAddr, u64), MapError>> { blocks.next() }
    kho_data(data: &[u8]) -> Option<KhoData> { Some(KhoData::read_from_prefix(data).ok()?.0) }
    kho_data_fdt(data: &KhoData) -> Option<PhysAddr> { data.fdt() }
    luo_state(number: u64, sessions: Option<PhysAddr>, objects: Option<PhysAddr>) -> LuoState {
        LuoState::new(number, sessions, objects)
    }
    luo_check(state: &LuoState) -> Result<(), LuoError> { state.check() }
    luo_chains(state: &LuoState) -> [Option<PhysAddr>; 2] {
        [state.sessions(), state.shared_objects()]
    }
    session(name: &[u8], files: Link<File, 4096>) -> Result<Session, NameError> {
        Session::new(name, files)
    }
    session_name(session: &Session) -> Result<&[u8], NameError> { session.name.get() }
    session_files(session: &Session)
        -> Result<IncomingSet<File, Kernel, 4096>, LinkError> { session.files.restore(Kernel) }
    file(compatible: &[u8], data: u64, token: u64) -> Result<File, NameError> {
        File::new(compatible, data, token)
    }
    shared_object(name: &[u8], data: u64, count: u64) -> Result<SharedObject, NameError> {
        SharedObject::new(name, data, count)
    }
    name(name: &[u8]) -> Result<Name<48>, NameError> { Name::new(name) }
    errno(map: &MapError, luo: &LuoError, name: &NameError) -> [i32; 3] {
        [map.errno(), luo.errno(), name.errno()]
    }
    print_errors(map: &MapError, luo: &LuoError, name: &NameError, to: &mut dyn Write)
        -> fmt::Result { write!(to, "{map} {map:?} {luo} {luo:?} {name} {name:?}") }
    print_name(name: &Name<64>, to: &mut dyn Write) -> fmt::Result { write!(to, "{name} {name:?}") }
    print_records(session: &Session, file: &File, object: &SharedObject, to: &mut dyn Write)
        -> fmt::Result { write!(to, "{session:?} {file:?} {object:?}") }
    print_roots(data: &KhoData, state: &LuoState, objects: &SharedObjects, to: &mut dyn Write)
        -> fmt::Result { write!(to, "{data:?} {state:?} {objects:?}") }
    print_map(map: &Map, blocks: &MapBlocks<'_, fn(PhysAddr) -> Option<u64>>, to: &mut dyn Write)
        -> fmt::Result { write!(to, "{map:?} {blocks:?}") }
}
