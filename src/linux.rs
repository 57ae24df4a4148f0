//! Beside Linux: what a kernel must know to find its way from the handover of a Linux kernel, which has
//! started it by kexec, to the chains that this crate reads and writes.

#![forbid(unsafe_code)]

mod blocks;
mod keys;
mod kho;
mod luo;
mod map;

pub use self::blocks::MapBlocks;
pub use self::kho::{
    DATA_PROPERTY, DATA_SIZE_PROPERTY, FDT_MAGIC, KHO_COMPATIBLE, KhoData, MEMORY_MAP_PROPERTY,
    PAGE_SIZE, SETUP_DATA_TYPE,
};
pub use self::luo::{
    BLOCK_SIZE, File, LUO_COMPATIBLE, LUO_NODE, LuoState, Session, SharedObject, SharedObjects,
};
pub use self::map::PreservedMap;
pub use crate::abi::name::{Name, NameError};
pub use crate::error::luo::LuoError;
pub use crate::error::map::MapError;
