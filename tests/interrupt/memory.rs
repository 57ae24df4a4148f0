//! Physical memory in miniature: a root word, a few blocks, and which of them are preserved.
//!
//! Unsafe is open here to map the memory that two processes share.

#![expect(unsafe_code, reason = "maps shared memory")]

use core::array;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;
use std::os::fd::{AsFd, OwnedFd};

use kho_block::PhysAddr;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::ram::{Books, POISON, Ram};

pub(crate) const BLOCKS: usize = 8;
pub(crate) const BLOCK_SIZE: usize = 128;

/// Of a block, and of all.
const BLOCK_WORDS: usize = BLOCK_SIZE / size_of::<u64>();
const WORDS: usize = BLOCKS * BLOCK_WORDS;

/// The physical address of each block: no pointer, and no neighbour of the next one.
const ADDRS: [u64; BLOCKS] = [
    0x1_0000_0000,
    0x1_0000_1000,
    0x1_0000_2000,
    0x1_0000_3000,
    0x1_0000_4000,
    0x1_0000_5000,
    0x1_0000_6000,
    0x1_0000_7000,
];

/// A file of zeros, in memory itself.
pub(crate) fn file(size: usize) -> OwnedFd {
    let file = memfd_create("memory", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, u64::try_from(size).unwrap()).unwrap();
    file
}

/// The first `size` bytes of a file, shared with all who map it for as long as the process lives.
pub(crate) fn map(file: impl AsFd, size: usize) -> NonNull<u8> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without an address asked for, no mapping of this process is replaced.
    let base = unsafe { mmap(null_mut(), size, access, MapFlags::SHARED, file, 0) };
    NonNull::new(base.unwrap()).unwrap().cast()
}

#[repr(C, align(128))]
struct Blocks([AtomicU64; WORDS]);

#[repr(C)]
pub(crate) struct Memory {
    blocks: Blocks,
    root: AtomicU64,
    books: Books,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let blocks = Blocks(array::from_fn(|_| AtomicU64::new(0)));
        Self { blocks, root: AtomicU64::new(0), books: Books::default() }
    }

    /// The allocator of a kernel that runs on it.
    pub(crate) fn ram(&self) -> Ram<'_> {
        Ram::new(&self.blocks.0, &ADDRS, &self.books)
    }

    /// A file with room for a memory.
    pub(crate) fn create() -> OwnedFd {
        file(size_of::<Self>())
    }

    /// The memory in a file from [`create`](Self::create), mapped for as long as the process lives.
    pub(crate) fn shared(file: impl AsFd) -> &'static Self {
        // SAFETY: the mapping is as long as a `Memory`, aligned to a page and never unmapped. Any
        // bytes are valid atomics, and through these alone it is shared with the other process.
        unsafe { map(file, size_of::<Self>()).cast().as_ref() }
    }

    pub(crate) fn poison(&self) {
        self.blocks.0.iter().for_each(|word| word.store(POISON, Relaxed));
    }

    /// The head that the old kernel left where the new one looks for it.
    pub(crate) fn root(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.root.load(Relaxed))
    }

    pub(crate) fn set_root(&self, head: Option<PhysAddr>) {
        compiler_fence(SeqCst);
        self.root.store(PhysAddr::to_wire(head), Relaxed);
        compiler_fence(SeqCst);
    }

    /// Overwrites a word of a block behind everyone's back.
    pub(crate) fn write(&self, addr: PhysAddr, value: u64) {
        let blocks = self.blocks.0.chunks_exact(BLOCK_WORDS);
        let word = ADDRS.iter().zip(blocks).find_map(|(start, words)| {
            let offset = addr.get().checked_sub(*start)?;
            words.get(usize::try_from(offset.checked_div(8)?).ok()?)
        });
        word.unwrap().store(value, Relaxed);
    }

    /// Starts the next kernel, which knows of what is preserved alone.
    pub(crate) fn reboot(&self) {
        self.books.reboot();
    }

    /// Whether no block is preserved.
    pub(crate) fn is_empty(&self) -> bool {
        self.books.preserved.load(Relaxed) == 0
    }

    /// What outlives a kernel.
    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        [&self.root, &self.books.preserved].into_iter().chain(&self.blocks.0)
    }

    /// Becomes a copy of `other`; tells whether it was none.
    pub(crate) fn follow(&self, other: &Self) -> bool {
        let mut changed = false;
        for (to, from) in self.words().zip(other.words()) {
            let value = from.load(Relaxed);
            if to.load(Relaxed) != value {
                to.store(value, Relaxed);
                changed = true;
            }
        }
        changed
    }
}
