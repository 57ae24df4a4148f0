//! Beside Linux: what a kernel must know to find its way from the handover of a Linux kernel, which
//! has started it by kexec, to the chains that this crate reads and writes.
//!
//! All of it is plain data of Linux 7.3 (`kho-v4`, `luo-v5`): native-endian, in pages of 4096 bytes. It
//! was tried on a running Linux 7.3.4, in both directions. No byte of it is believed: whatever the
//! memory holds, there is an error that says where and what, or exactly what is counted.
//!
//! # From `setup_data` to the sessions
//!
//! ```text
//!  setup_data, type 10   device tree              the map: blocks that can be claimed
//!  +-----------------+   +--------------------+   +---------+
//!  | fdt_addr        |-->| preserved-memory-  |-->| 512 x   |--> 512 --> 512 --> 512 --> 512 --> bitmap
//!  | fdt_size        |   |   map              |   | address |
//!  | scratch_addr    |   | LUO                |   +---------+
//!  | scratch_size    |   |   preserved-data   |--> LuoState --> Session, Session, ... --> File, ...
//!  +-----------------+   +--------------------+       \-------> SharedObjects
//! ```
//!
//! A kernel that such a Linux has started, step by step, in what was the memory of one:
//!
//! ```
//! use kho_block::linux::{
//!     BLOCK_SIZE, DATA_PROPERTY, FDT_MAGIC, KHO_COMPATIBLE, KhoData, LUO_NODE, LuoState,
//!     MEMORY_MAP_PROPERTY, PreservedMap, Session,
//! };
//! use kho_block::mock::Mock;
//! use kho_block::zerocopy::FromBytes;
//! use kho_block::{IncomingSet, PhysAddr};
//! #
//! # /// Physical memory, from an ELF core file.
//! # struct Ram(&'static [u8]);
//! #
//! # impl Ram {
//! #     fn number<const N: usize>(&self, at: usize) -> u64 {
//! #         self.0[at..at + N].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
//! #     }
//! #
//! #     fn segments(&self, wanted: u64) -> impl Iterator<Item = (u64, &'static [u8])> {
//! #         let headers = (0..self.number::<2>(56) as usize).map(|n| 64 + 56 * n);
//! #         headers.filter(move |&at| self.number::<4>(at) == wanted).map(|at| {
//! #             let [offset, size] = [8, 32].map(|field| self.number::<8>(at + field) as usize);
//! #             (self.number::<8>(at + 24), &self.0[offset..offset + size])
//! #         })
//! #     }
//! #
//! #     fn bytes(&self, addr: PhysAddr, len: usize) -> Option<&'static [u8]> {
//! #         self.segments(1).find_map(|(start, bytes)| {
//! #             let offset = usize::try_from(addr.get().checked_sub(start)?).ok()?;
//! #             bytes.get(offset..offset.checked_add(len)?)
//! #         })
//! #     }
//! #
//! #     fn word(&self, addr: PhysAddr) -> Option<u64> {
//! #         u64::read_from_bytes(self.bytes(addr, 8)?).ok()
//! #     }
//! # }
//! #
//! # /// A property of a node below the root, or with no name of the root.
//! # fn property(tree: &'static [u8], node: &str, name: &str) -> Option<&'static [u8]> {
//! #     let bytes = |at: usize| tree.get(at..at + 4)?.try_into().ok();
//! #     let word = |at| Some(u32::from_be_bytes(bytes(at)?) as usize);
//! #     let text = |at: usize| tree.get(at..)?.split(|&byte| byte == 0).next();
//! #     let (mut at, mut inside) = (word(8)?, false);
//! #     loop {
//! #         match word(at)? {
//! #             1 => {
//! #                 let found = text(at + 4)?;
//! #                 inside = found == node.as_bytes();
//! #                 at += 4 + (found.len() + 4) / 4 * 4;
//! #             }
//! #             3 => {
//! #                 let (len, value) = (word(at + 4)?, at + 12);
//! #                 if inside && text(word(12)? + word(at + 8)?)? == name.as_bytes() {
//! #                     return tree.get(value..value + len);
//! #                 }
//! #                 at = value + len.div_ceil(4) * 4;
//! #             }
//! #             2 | 4 => at += 4,
//! #             _ => return None,
//! #         }
//! #     }
//! # }
//! #
//! # fn addr_in(tree: &'static [u8], node: &str, name: &str) -> Option<PhysAddr> {
//! #     PhysAddr::new(u64::read_from_bytes(property(tree, node, name)?).ok()?)
//! # }
//! #
//! # let ram = Ram(include_bytes!(concat!(
//! #     env!("CARGO_MANIFEST_DIR"),
//! #     "/tests/golden/linux/sessions-120-files-210.core"
//! # )));
//! # let fdt = ram.segments(4).next().ok_or("no note")?.1[16..].to_vec();
//! # let setup_data = [&fdt[..], &4096_u64.to_le_bytes(), &[0; 16]].concat();
//!
//! // In the list of `setup_data`, the entry of `SETUP_DATA_TYPE`.
//! let boot = KhoData::read_from_bytes(&setup_data).map_err(|_| "not of this size")?;
//!
//! // The device tree, read by whatever your kernel reads such trees with.
//! let tree = boot.fdt().and_then(|fdt| ram.bytes(fdt, 4096)).ok_or("no device tree")?;
//! assert_eq!(tree[..4], FDT_MAGIC.to_be_bytes());
//! let version = property(tree, "", "compatible").ok_or("not KHO's")?;
//! assert_eq!(version, [KHO_COMPATIBLE.as_bytes(), b"\0"].concat());
//!
//! // The map says what is preserved: whatever else there is, nobody must touch that.
//! let root = addr_in(tree, "", MEMORY_MAP_PROPERTY).ok_or("no map")?;
//! let map = PreservedMap::new(root, |addr| ram.word(addr));
//! let mut preserved = 0;
//! for block in map.blocks() {
//!     let (_addr, size) = block?;
//!     preserved += size;
//! }
//! assert_eq!(preserved, 853 * 4096);
//!
//! // The state of LUO, if there is one.
//! let state = addr_in(tree, LUO_NODE, DATA_PROPERTY).ok_or("no live update")?;
//! let (state, _) = LuoState::read_from_prefix(ram.bytes(state, 4096).ok_or("no state")?).unwrap();
//! state.check()?;
//!
//! // The sessions and their files, over your kernel's `PreservedAllocator`: its `restore` lends, once,
//! // what `PreservedMap::contains` says is there.
//! let mut memory = Mock::new();
//! # for block in map.blocks() {
//! #     if let Some(bytes) = ram.bytes(block?.0, BLOCK_SIZE) {
//! #         memory.leave(block?.0, bytes);
//! #     }
//! # }
//! let sessions = IncomingSet::<Session, _, BLOCK_SIZE>::restore(&memory, state.sessions())?;
//! assert_eq!(sessions.len(), 120);
//! let mut names = vec![];
//! for session in sessions.iter().filter(|session| !session.files.is_empty()) {
//!     let files = session.files.restore(&memory)?;
//!     let kind = files.first().map(|file| file.compatible).unwrap();
//!     names.push(format!("{}: {} files, {kind}", session.name, files.len()));
//! }
//! assert_eq!(names[2], "session-000002: 70 files, memfd-v2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The other way round, a kernel that starts a Linux writes the same: chains in blocks of
//! [`BLOCK_SIZE`] bytes, a [`Session`] with the [`link`](crate::Sealed::into_link) to its files, a
//! [`LuoState`] with the head of the sessions.
//!
//! # Where Linux 7.3 does otherwise
//!
//! | | Linux, as was seen with 7.3.4 | here |
//! |---|---|---|
//! | A block without entries, which a session whose name is refused as a duplicate is enough to leave linked | the next kernel panics | accepted as what it is, or refused with its position and address by [`NO_EMPTY_BLOCKS`](crate::RestoreChecks::NO_EMPTY_BLOCKS); never handed over |
//! | A damaged chain, of thirteen kinds | a count that does not fit or is zero, and a loop: six panics; a link that is misaligned, beyond the memory or not canonical, and a header with its words swapped: four faults | all refused, each with the position and address of the block |
//! | A link, or a head, to a page that was not preserved | followed: what lies there is taken for sessions | refused, by the map of what was preserved |
//! | A session looked up by its name | in a list: 20 000 sessions took 25 s to retrieve, under emulation | entries are read in order or by number, and looked up in what the kernel makes of them |

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
