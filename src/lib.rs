// The examples run on the mock, which the published crate has with its feature only. When examples
// are tested without it, this takes away the whole crate, and with it the text below and its
// examples.
#![cfg(any(not(doctest), feature = "mock"))]

//! Chains of fixed-size records in preserved memory, handed from one kernel to the next by kexec.
//!
//! A host replaces its kernel in place: the old one saves what must not be lost, jumps into the new
//! one by kexec, and the new one finds the state in memory that was left alone. Linux does this
//! with KHO (kexec handover) and LUO (live update orchestrator), and keeps the records in chains of
//! memory blocks, linked by physical address. This crate reads and writes the same bytes, for
//! kernels written in Rust. It needs `core`, `alloc`, and [memory](#the-memory) from you.
//!
//! # The bytes
//!
//! ```text
//!   head: the physical address of the first block, passed on in a root page or device tree
//!    |
//!    v
//!  +------+-------+---------+---------+-- ... --+-----------+--------+
//!  | next | count | entry 0 | entry 1 |         | entry n-1 | unused |   one block, BLOCK_SIZE bytes
//!  +--|---+-------+---------+---------+-- ... --+-----------+--------+
//!     |   0       8        16
//!     v
//!  +------+-------+---------+-- ... --+-----------------------------+
//!  |  0   | count | entry n |         |                      unused |   the last block: `next` is 0
//!  +------+-------+---------+-- ... --+-----------------------------+
//! ```
//!
//! `next` and `count` are native-endian `u64`s ([`BlockHeader`]); entries lie one behind the other
//! from offset 16. Blocks are aligned to their size: 8 KiB unless the set says otherwise, 4 KiB in
//! Linux mainline. A chain has at most [`MAX_BLOCKS`] of them.
//!
//! # The life of a set
//!
//! | the old kernel | |
//! |---|---|
//! | [`BlockSet::new`] | plan: an empty set, which may be a `static` |
//! | [`grow`](BlockSet::grow) | while there is time: every block that the save will take |
//! | [`descriptor`](BlockSet::descriptor) | into the root page, ahead of time: true whenever the kexec comes |
//! | [`writer`](BlockSet::writer), [`push`](Writer::push) | fill, in the blackout: append, never allocating |
//! | [`seal`](BlockSet::seal), [`Sealed::descriptor`] | close the set, and say exactly what it is |
//! | the jump, then [`unseal`](Sealed::unseal) if it comes back | or [`leave`](Sealed::leave), for good |
//!
//! | the new kernel | |
//! |---|---|
//! | [`restore`](BlockSet::restore), [`restore_from`](BlockSet::restore_from) | claim and check every block; any fault is an error, and gives every claim back |
//! | [`salvage`](BlockSet::salvage) | or, of a damaged chain, what is sound before the damage |
//! | [`iter`](BlockSet::iter), [`get`](BlockSet::get), [`cursor`](BlockSet::cursor) | take the records over |
//! | `Drop`, [`release`](BlockSet::release) | something failed: the claims are back, try again |
//! | [`destroy`](BlockSet::destroy) | all is taken over: free the blocks |
//! | [`adopt`](BlockSet::adopt) | or go on with the set for the next kernel, [no entry copied](#carrying-on) |
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//! use kho_block::{BlockSet, IncomingSet};
//!
//! #[derive(Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! #[zerocopy(crate = "kho_block::zerocopy")]
//! struct File {
//!     token: u64,
//!     inode: u64,
//! }
//!
//! let mut memory = Mock::new(); // your kernel's `PreservedAllocator`
//!
//! let mut files = BlockSet::<File, _>::new(&memory);
//! files.grow(2)?;
//! let mut writer = files.writer();
//! writer.push(File { token: 1, inode: 52 })?;
//! writer.push(File { token: 2, inode: 87 })?;
//! let sealed = files.seal();
//! let head = sealed.head(); // into a root page
//! sealed.leave();
//!
//! memory.reboot(); // kexec
//!
//! let mut files = IncomingSet::<File, _>::restore(&memory, head)?;
//! assert_eq!(files.len(), 2);
//! assert_eq!(files.get(1), Some(&File { token: 2, inode: 87 }));
//! files.destroy(); // taken over
//! memory.assert_clean();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The memory
//!
//! There are two ways to preserved memory:
//!
//! - **[`Region`]**: a range of physical memory that every kernel reserves, with books of its own inside.
//!   Two unsafe calls, and nothing to implement.
//! - **[`PreservedAllocator`]**: the one trait to implement over what your kernel has, such as
//!   [KHO](#implementing-the-allocator); and [`CarryAllocator`], to [carry records on](#carrying-on).
//!
//! ```
#![doc = include_str!("../docs/region.rs")]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Before there is a heap
//!
//! [`scan`] walks a chain with nothing but a way to read sixteen bytes at a physical address. A kernel
//! counts what is coming, and which memory to keep its hands off, before it has an allocator:
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::zerocopy::FromBytes;
//! use kho_block::{BlockHeader, BlockSet, ChainLayout, scan};
//!
//! let mut memory = Mock::new();
//! let mut files = BlockSet::<u64, _>::new(&memory);
//! files.try_extend(0..5000)?;
//! let head = files.into_head();
//! memory.reboot();
//!
//! let layout = ChainLayout::new(size_of::<u64>(), 8192).unwrap();
//! let (mut files, mut blocks) = (0, 0);
//! for block in scan(head, layout, |addr| {
//!     BlockHeader::read_from_bytes(&memory.read(addr.get(), 16)).ok()
//! }) {
//!     files += block?.count; // a damaged block is an error, and the end
//!     blocks += 1;
//! }
//! assert_eq!((files, blocks), (5000, 5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Carrying on
//!
//! Records that outlive more than one kernel need not be copied each time. Over a [`CarryAllocator`],
//! which a [`Region`] is, [`adopt`](BlockSet::adopt) makes an incoming set one of this kernel, with
//! every entry where it was:
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::{BlockSet, IncomingSet};
//!
//! let mut memory = Mock::new();
//! let mut files = BlockSet::<u64, _>::new(&memory);
//! files.extend_from_slice(&[2, 3, 5])?;
//! let mut head = files.into_head();
//! for kernel in 1..=3 {
//!     memory.reboot();
//!     let files = IncomingSet::<u64, _>::restore(&memory, head)?;
//!     // An error has the set, as it was; here it is dropped, and can be restored again.
//!     let mut files = files.adopt().map_err(|error| error.into_kind())?;
//!     files.push(kernel)?;
//!     head = files.into_head();
//! }
//! memory.reboot();
//! assert!(IncomingSet::<u64, _>::restore(&memory, head)?.iter().eq(&[2, 3, 5, 1, 2, 3]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which one: `BlockSet` or `Slots`?
//!
//! | | [`BlockSet`] | [`Slots`] |
//! |---|---|---|
//! | is like | `Vec` | a slot map |
//! | for | what is saved at the end, in one go: sessions, files | what lives: devices, page tables, interrupts |
//! | an entry is named by | its position, which [`swap_remove`](BlockSet::swap_remove) and [`retain`](BlockSet::retain) change | a [`Key`], which stays its own through every kernel, and never names another |
//! | removing in the middle | moves another entry, or all behind it | moves none; the slot is free for the next |
//! | pointers to entries | good until the entry is removed or moved | good until it is removed |
//! | bytes beside the entries | none | 8 for each; an entry's size is a multiple of 8, and its alignment at most 8 |
//! | Linux reads it | yes, with its own records | as a chain of larger records |
//! | an update | is a save and a restore, or [`adopt`](BlockSet::adopt) | is [`adopt`](Slots::adopt) |
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::{IncomingSlots, OutgoingSlots};
//!
//! let mut memory = Mock::new();
//! let mut devices = OutgoingSlots::<u64, _>::new(&memory);
//! let keys = [10, 20, 30].map(|address| devices.insert(address).unwrap());
//! let root = devices.descriptor(0xde71); // into a root page
//! devices.seal().leave();
//!
//! memory.reboot(); // kexec
//!
//! let devices = IncomingSlots::<u64, _>::restore_from(&memory, &root, 0xde71)?;
//! let mut devices = devices.adopt().map_err(|error| error.into_kind())?;
//! devices.remove(keys[1]); // unplugged
//! let new = devices.insert(40)?; // plugged in, in the same slot
//! assert_eq!((devices.get(keys[1]), devices.get(new)), (None, Some(&40)));
//! assert_eq!(devices.get(keys[2]), Some(&30));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When a record changes
//!
//! The tag of a [`Descriptor`] says what the entries are. A record that changes gets a new tag. The new
//! kernel restores either, converts the old one, and frees it then. A fleet that rolls back asks the new
//! kernel to save under the old tag: the old kernel knows no other, and refuses it with an error before
//! it claims a block. What the old record cannot hold is not to be cut off in silence, but not saved.
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//! use kho_block::{Descriptor, IncomingSet, OutgoingSet};
//! # use std::error::Error;
//!
//! #[derive(Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! #[zerocopy(crate = "kho_block::zerocopy")]
//! struct File1 { token: u32, inode: u32 }
//! const TAG_1: u64 = 0xf11e_0001;
//!
//! #[derive(Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! #[zerocopy(crate = "kho_block::zerocopy")]
//! struct File2 { token: u64, inode: u64 }
//! const TAG_2: u64 = 0xf11e_0002;
//!
//! type Files<'m> = OutgoingSet<File2, &'m Mock>;
//!
//! /// What the new kernel does, whichever kernel came before.
//! fn take_over<'m>(memory: &'m Mock, root: &Descriptor) -> Result<Files<'m>, Box<dyn Error>> {
//!     if root.tag != TAG_1 {
//!         let files = IncomingSet::restore_from(memory, root, TAG_2)?;
//!         return Ok(files.adopt().map_err(|error| error.into_kind())?);
//!     }
//!     let mut old = IncomingSet::<File1, _>::restore_from(memory, root, TAG_1)?;
//!     let mut files = Files::new(memory);
//!     files.try_extend(old.iter().map(|&File1 { token, inode }| File2 {
//!         token: token.into(),
//!         inode: inode.into(),
//!     }))?;
//!     old.destroy(); // all are converted
//!     Ok(files)
//! }
//!
//! /// What the new kernel hands over if the old one is to come after it.
//! fn as_before<'m>(files: &Files<'m>) -> Result<OutgoingSet<File1, &'m Mock>, Box<dyn Error>> {
//!     let mut old = OutgoingSet::new(*files.allocator());
//!     for file in files {
//!         old.push(File1 { token: file.token.try_into()?, inode: file.inode.try_into()? })?;
//!     }
//!     Ok(old)
//! }
//!
//! let mut memory = Mock::new();
//! let mut files = OutgoingSet::<File1, _>::new(&memory); // the old kernel
//! files.push(File1 { token: 1, inode: 52 })?;
//! let sealed = files.seal();
//! let root = sealed.descriptor(TAG_1);
//! sealed.leave();
//!
//! memory.reboot(); // the update
//! let mut files = take_over(&memory, &root)?;
//! files.push(File2 { token: 2, inode: 87 })?;
//! let sealed = as_before(&files)?.seal();
//! let root = sealed.descriptor(TAG_1);
//! sealed.leave();
//! files.destroy();
//! # drop(files);
//!
//! memory.reboot(); // and back
//! let mut files = IncomingSet::<File1, _>::restore_from(&memory, &root, TAG_1)?;
//! assert!(files.iter().eq(&[File1 { token: 1, inode: 52 }, File1 { token: 2, inode: 87 }]));
//! # files.destroy();
//! # memory.assert_clean();
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! # How a set ends
//!
//! A record that came from the previous kernel is freed by a call that says so, never by a `?`, a
//! panic or a drop.
//!
//! | | dropped | `destroy()` | handed over by |
//! |---|---|---|---|
//! | an outgoing set, or table | frees its blocks | frees its blocks | `seal`, `into_head` |
//! | a [`Sealed`] one | leaves them to the next kernel | `unseal` first | `leave`, or the jump itself |
//! | an incoming set | gives its claims back: it can be restored again | frees its blocks | |
//! | an [adopted](BlockSet::adopt) one | frees spare blocks; the chain stays, linked and preserved | frees its blocks | `seal`, `into_head` |
//!
//! Besides `destroy`, [`shrink`](BlockSet::shrink) frees blocks, those without entries, and of
//! [`Slots`] those in which no slot was ever used. Over KHO
//! what is claimed at a kexec, and not freed, is gone for the kernel after; other allocators may
//! keep it: each says so, as [the contract](PreservedAllocator#safety) asks.
//!
//! # Which call when something fails
//!
//! | what failed | the call | and then |
//! |---|---|---|
//! | growing, before the blackout | none: the set is as it was | give up, or go on with less |
//! | a push through a writer | none: the entry is in the error | [`Writer::pop`] takes back what was written |
//! | the jump, after `seal` | [`unseal`](Sealed::unseal); withdraw the root | every entry is there: go on |
//! | a kernel that panics in between | none | the root page's [`descriptor`](BlockSet::descriptor) is true at every instant |
//! | restoring one of several chains | none: drop the others | all claims are back: repair, [`salvage`](BlockSet::salvage), or try again |
//! | taking records over | drop, or [`release`](BlockSet::release) | the chain can be restored again |
//! | adopting | none: the error has the set, as it was | try again, or copy the records |
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::{BlockSet, PhysAddr};
//!
//! /// Jumps into the next kernel; returns if that fails.
//! fn kexec(_root: Option<PhysAddr>) {}
//!
//! let memory = Mock::new();
//! let mut sessions = BlockSet::<u64, _>::new(&memory);
//! sessions.extend_from_slice(&[2, 3, 5])?;
//!
//! let sealed = sessions.seal();
//! kexec(sealed.head());
//!
//! let mut sessions = sealed.unseal(); // still here
//! sessions.push(7)?;
//! assert!(sessions.iter().eq(&[2, 3, 5, 7]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Implementing the allocator
//!
//! Over KHO, method by method:
//!
//! | method | in KHO | to watch |
//! |---|---|---|
//! | [`alloc_preserve`](PreservedAllocator::alloc_preserve) | `kho_alloc_preserve` | KHO keeps whole pages: refuse what is smaller |
//! | [`unpreserve_free`](PreservedAllocator::unpreserve_free) | `kho_unpreserve_free` | or, if `kho_preserve_folio` preserved it, `kho_unpreserve_folio` and an ordinary free |
//! | [`restore`](PreservedAllocator::restore) | none: look at the page | the address is input: it must be that of the first page of a marked block of exactly this order; lend it once |
//! | [`unrestore`](PreservedAllocator::unrestore) | none | forget that it is lent |
//! | [`restore_free`](PreservedAllocator::restore_free) | `kho_restore_free`, which restores by itself | or, if the block is restored, an ordinary free |
//! | [`preserve`](CarryAllocator::preserve) | `kho_restore_folio`, `kho_preserve_folio` | the first once, since it cannot be undone |
//! | [`unpreserve`](CarryAllocator::unpreserve) | `kho_unpreserve_folio` | the block stays restored |
//!
//! In KHO restoring takes the mark off a page and cannot be undone. So a claim restores nothing: it
//! could not be given back, and `kho_restore_free` would find no mark and leak the block. What is
//! claimed, and neither freed nor preserved again, is gone for the kernel after this one.
//!
//! **Whose a page is, KHO does not say.** One that another user of KHO preserved, of the same order,
//! looks just like a block, and so may its bytes: no check of a chain tells, [`RestoreChecks`]
//! included. What tells is the chain's root, your root page or the [`Descriptor`] in it. Restore only
//! from a root that you trust to be yours: a set over another's pages lends them to you as well, and
//! destroying it frees them.
//!
//! The whole allocator, with what it takes to preserve a claimed block again:
//!
//! ```no_run
//! # mod spin {
//! #     pub(crate) struct Mutex<T>(std::sync::Mutex<T>);
//! #     impl<T> Mutex<T> {
//! #         pub(crate) const fn new(value: T) -> Self {
//! #             Self(std::sync::Mutex::new(value))
//! #         }
//! #         pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
//! #             self.0.lock().unwrap()
//! #         }
//! #     }
//! # }
#![doc = include_str!("../docs/kho.rs")]
//! # fn main() {}
//! ```
//!
//! On bare metal there is no KHO to ask: reserve a range, and take a [`Region`]. The repository has two
//! kernels that do, and hand over to each other in a virtual machine: `tests/kexec`.
//!
//! # When the kexec comes early
//!
//! A panic of the old kernel may start the new one in the middle of a save. At every instant the
//! chain in memory is valid, holds a prefix of what was pushed, and has no block without entries (but
//! for the only block of a set without any), so that Linux accepts it too:
//!
//! - an entry is written before the `count` that covers it, and un-counted before it is zeroed;
//! - a block that has no entries yet is spare: it is linked behind the last one in use once its first
//!   entry is written and counted, and unlinked before its last entry is un-counted;
//! - a block is unlinked before it is freed.
//!
//! The order is that of the instructions of the CPU that writes, which is the order that counts once
//! the other CPUs have been stopped. A 32-bit processor without 64-bit stores writes a link in two
//! halves; only a link above 4 GiB shows it.
//!
//! Spare blocks of a kernel that did not seal are named by nobody: over KHO they stay until a boot
//! without a handover. Where a save was called off, [`shrink`](BlockSet::shrink).
//!
//! Entries lent by [`push_zeroed`](Writer::push_zeroed), [`get_mut`](BlockSet::get_mut),
//! [`iter_mut`](BlockSet::iter_mut) and [`blocks_mut`](BlockSet::blocks_mut) are counted already:
//! what is half written through them is half written in the chain.
//!
//! # The mock
//!
//! With the feature `mock`, `kho_block::mock::Mock` is a machine on your host: physical memory,
//! reboots, refused allocations, damage, and a report of what went wrong. The examples here run on
//! it, and so can the tests of your kernel:
//!
//! ```toml
//! [dev-dependencies]
//! kho-block = { version = "0.1", features = ["mock"] }
//! ```
//!
//! `mock::conformance::check` tries the duties of an allocator of yours, as far as any can be tried,
//! and names the one that is broken; `check_carry` those of a [`CarryAllocator`] too.
//!
//! # Beside Linux
//!
//! The module [`linux`] leads from what a Linux kernel hands over, beginning at `setup_data`, to its
//! sessions and files: the records of LUO, the map of what is preserved, and every name on the way. It
//! says, step by step, how a kernel finds them, and where Linux does otherwise.
//!
//! # From C
//!
//! The C code was posted as `luo_block.c` (its names start with `luo_block_`) and merged as
//! `kho_block.c` (`kho_block_set_`). What its operations are here:
//!
//! | C, as posted | C, as merged | here |
//! |---|---|---|
//! | `luo_block_grow(bs, n)` makes room for `n + 1` | `kho_block_set_grow(bs, n)` for `n` | [`grow(n + 1)`](BlockSet::grow); [`grow(n)`](BlockSet::grow) |
//! | shrink | shrink | [`shrink`](BlockSet::shrink); before a handover, [`seal`](BlockSet::seal) |
//! | restore | restore | [`restore`](BlockSet::restore) |
//! | destroy | destroy | [`destroy`](BlockSet::destroy) |
//! | iterator: reserve and write an entry | the same | [`writer`](BlockSet::writer), [`Writer::push`], [`Writer::push_zeroed`] |
//! | iterator: read the next entry | the same | [`iter`](BlockSet::iter), [`cursor`](BlockSet::cursor) |
//! | iterator: step back | the same | [`Writer::pop`], [`Cursor::prev`] |
//! | `luo_block_it_finalize` stores the count | none | none: each count is stored as soon as it holds |
//! | `kho_alloc_preserve`, `kho_unpreserve_free`, `kho_restore_folio`, `kho_restore_free` | the same | [`PreservedAllocator`] |
//!
//! Where the behaviour differs, it does so on purpose:
//!
//! - The two C versions give `grow` its argument in different units; here it is the number of
//!   entries, as in `kho_block_set_grow`.
//! - A chain with an empty block makes Linux mainline panic. Here it is accepted, or refused with
//!   an error by [`RestoreChecks::NO_EMPTY_BLOCKS`], and never handed over.
//! - C looks for a cycle with two pointers and then walks the chain again to restore it. Here a
//!   block can be claimed only once, so the one walk that restores finds the cycle too.
//! - Walking backwards goes over the entries that each block counts, never over its capacity.
//!
//! # Features
//!
//! - `spin` (default): `SharedBlockSet`, a set behind a reader-writer lock that spins, where the
//!   processor has compare-and-swap.
//! - `mock`: the module `mock` and `BlockSet::audit`; links `std`.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(test, all(feature = "mock", not(target_os = "none"))))]
extern crate std;

#[cfg(all(feature = "mock", target_os = "none"))]
compile_error!("`mock` is for a host: enable it in [dev-dependencies] alone, with resolver 2 or 3");

mod abi;
mod chain;
mod error;
pub mod linux;
mod memory;
mod set;
mod slots;

pub use zerocopy;

pub use crate::abi::addr::PhysAddr;
pub use crate::abi::checks::RestoreChecks;
pub use crate::abi::descriptor::{Descriptor, DescriptorError, DescriptorField, DescriptorFlags};
pub use crate::abi::key::Key;
pub use crate::abi::layout::ChainLayout;
pub use crate::abi::link::Link;
pub use crate::abi::sizes::{
    BlockHeader, DEFAULT_BLOCK_SIZE, HEADER_SIZE, MAX_BLOCKS, MAX_ENTRY_ALIGN, MIN_BLOCK_SIZE,
    entries_per_block,
};
pub use crate::chain::entry::Entry;
pub use crate::chain::scan::{Scan, ScannedBlock, scan};
pub use crate::error::adopt::{AdoptError, AdoptErrorKind};
pub use crate::error::append::{CapacityError, FullError, PushError};
pub use crate::error::grow::{GrowError, GrowErrorKind};
pub use crate::error::link::LinkError;
pub use crate::error::region::{BookFault, RegionError};
pub use crate::error::restore::{RestoreError, RestoreErrorKind, RestoreFromError};
pub use crate::memory::allocator::{
    AllocError, CarryAllocator, PreservedAllocator, PreservedBlock,
};
#[cfg(all(feature = "mock", not(target_os = "none")))]
pub use crate::memory::mock;
pub use crate::memory::region::Region;
pub use crate::memory::region::image::RegionImage;
pub use crate::memory::region::left::{PreservedRanges, Unclaimed, UnclaimedBlock};
#[cfg(all(feature = "mock", not(target_os = "none")))]
pub use crate::set::audit::AuditError;
pub use crate::set::block_addrs::BlockAddrs;
pub use crate::set::block_set::{BlockSet, IncomingSet, OutgoingSet};
pub use crate::set::cursor::Cursor;
pub use crate::set::iter::{Blocks, BlocksMut, Iter, IterMut};
pub use crate::set::origin::{Incoming, Origin, Outgoing};
pub use crate::set::sealed::Sealed;
#[cfg(all(feature = "spin", target_has_atomic = "ptr"))]
pub use crate::set::shared::{SharedBlockSet, SharedReadGuard, SharedWriteGuard};
pub use crate::set::writer::Writer;
pub use crate::slots::iter::{SlotsIter, SlotsIterMut};
pub use crate::slots::table::{IncomingSlots, OutgoingSlots, Slots};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
