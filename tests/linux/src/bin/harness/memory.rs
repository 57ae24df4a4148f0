//! The guest's memory, which is a file that both QEMU and the harness have mapped.
//!
//! Unsafe is open here to map the file and to reach into it. The harness does so while the guest is
//! stopped: QEMU leaves it alone then, and nobody else has it.

#![expect(unsafe_code, reason = "maps and reaches the guest's memory")]

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::os::fd::{AsRawFd, OwnedFd};

use kho_block::PhysAddr;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::Failed;

/// All of the guest's memory. Its physical addresses are offsets into the file.
///
/// # Invariants
///
/// 1. `base` is where `len` bytes of the file are mapped, readable and writable, until drop.
/// 2. Nobody keeps a reference into them.
pub(crate) struct Memory {
    file: OwnedFd,
    base: NonNull<u8>,
    len: usize,
}

impl Memory {
    /// # Errors
    ///
    /// If the host has not so much.
    pub(crate) fn new(len: usize) -> Result<Self, Failed> {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, len as u64)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the mapping is a new one, over nothing else.
        let base = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, &file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or("mapped at address 0")?;
        // INVARIANT: 1. just mapped; 2. and known to nobody else.
        Ok(Self { file, base, len })
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// By what name another process opens it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Where the harness reaches `size` bytes at a physical address, if they are all there.
    pub(crate) fn reach(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let start = usize::try_from(addr.get()).ok()?;
        let end = start.checked_add(size)?;
        if end > self.len {
            return None;
        }
        // SAFETY: `start` is within the mapping (1), as is everything up to `end`.
        Some(unsafe { self.base.add(start) })
    }

    /// Reads a word.
    pub(crate) fn word(&self, addr: PhysAddr) -> Option<u64> {
        let word = self.reach(addr, 8)?.cast::<u64>();
        // SAFETY: `reach` says that all of it is there; any bytes are a word.
        Some(unsafe { word.read_unaligned() })
    }

    /// Copies `size` bytes out.
    pub(crate) fn bytes(&self, addr: PhysAddr, size: usize) -> Option<Vec<u8>> {
        let start = self.reach(addr, size)?;
        // SAFETY: `reach` says that all of it is there. The slice is gone before anything writes (2).
        Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), size) }.to_vec())
    }

    /// Overwrites what is at an address.
    ///
    /// # Errors
    ///
    /// If there is no such memory.
    pub(crate) fn put(&self, addr: PhysAddr, bytes: &[u8]) -> Result<(), Failed> {
        let start = self.reach(addr, bytes.len()).ok_or_else(|| format!("no memory at {addr}"))?;
        // SAFETY: `reach` says that all of it is there, and `bytes` lie elsewhere, since nobody has a
        // reference into it (2).
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let base = self.base.as_ptr().cast::<c_void>();
        // SAFETY: this is what was mapped (1), and nobody has a reference into it (2).
        let unmapped = unsafe { munmap(base, self.len) };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}
