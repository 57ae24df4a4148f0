//! Memory that outlives the program: a [`Region`] in a `memfd`.
//!
//! The file stands for a range of physical memory, at an address that is made up and the same in
//! every generation. Where it is mapped differs from one to the next, so a pointer into it never is
//! in it. Which of its blocks are in use, and where the next generation starts to read, the region
//! keeps in the file itself.
//!
//! Unsafe is open here to map the file, and to vouch for the mapping.

#![expect(unsafe_code, reason = "maps memory and makes a region of it")]

use core::ptr::{self, NonNull};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kho_block::{PhysAddr, Region};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::Result;

#[cfg(test)]
mod tests;

/// Bytes of the file, 64 MiB. Those never written cost nothing.
const FILE_SIZE: usize = 64 << 20;

/// The physical address of the file's first byte.
pub(crate) const BASE: PhysAddr = PhysAddr::new(1 << 30).expect("it is not zero");

/// What keeps the size of the file as it is.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Memory that the next generation finds again.
///
/// # Invariants
///
/// 1. `region` is all of `file`, which is mapped until the process ends or is replaced.
/// 2. The size of `file` is sealed, and no other process or mapping uses it.
pub(crate) struct Memory {
    file: OwnedFd,
    region: Region,
}

impl Memory {
    /// New memory, all of it free.
    ///
    /// # Errors
    ///
    /// If the system has none.
    pub(crate) fn create() -> Result<Self> {
        let file = memfd_create("live_update", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, u64::try_from(FILE_SIZE)?)?;
        fcntl_add_seals(&file, SEALS)?;
        let memory = map(&file)?;
        // SAFETY:
        // 1. Mapped: the line above has done it, nothing undoes it, and by the seals the file cannot
        //    be cut short. Bytes of a file are initialised.
        // 2. At `BASE`: so it is said here, and no other memory of the program has such an address.
        // 3. Alone: the file is new.
        let region = unsafe { Region::create(BASE, memory) }?;
        // INVARIANT: 1. by the call above. 2. the file is sealed, and new.
        Ok(Self { file, region })
    }

    /// The memory that the previous generation left in `file`. All that it had and did not free can
    /// be claimed now: what it had allocated, what it had claimed, and what it had not.
    ///
    /// # Errors
    ///
    /// If the file is not of its making, is damaged, or cannot be mapped. No byte of it has changed
    /// then.
    pub(crate) fn inherit(file: OwnedFd) -> Result<Self> {
        let size = fstat(&file)?.st_size;
        if usize::try_from(size) != Ok(FILE_SIZE) || !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err("the inherited memory is not that of a live update".into());
        }
        let memory = map(&file)?;
        // SAFETY:
        // 1. Mapped: as in `create`; size and seals were looked at above.
        // 2. At `BASE`: as in `create`.
        // 3. Alone: a memfd has no name, and its one descriptor went from the previous generation,
        //    which is no more, to this one.
        let region = unsafe { Region::open(BASE, memory) }?;
        // INVARIANT: 1. by the call above. 2. the file is sealed, and this generation's alone.
        Ok(Self { file, region })
    }

    /// The same memory, as the next generation finds it; whatever this one had lent is not used again.
    ///
    /// # Errors
    ///
    /// Those of [`inherit`](Self::inherit).
    #[cfg(test)]
    pub(crate) fn pass_on(self) -> Result<Self> {
        Self::inherit(self.file)
    }

    /// The allocator, which also knows the root.
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// The descriptor that the next generation [inherits](Self::inherit) the memory by.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Maps a file of `FILE_SIZE` bytes wherever there is room, to be read and written, for good.
///
/// # Errors
///
/// If there is none.
fn map(file: &OwnedFd) -> Result<NonNull<[u8]>> {
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: a new mapping at an address of the kernel's choice, which affects no other.
    let start = unsafe { mmap(ptr::null_mut(), FILE_SIZE, access, flags, file, 0) }?;
    let start = NonNull::new(start.cast::<u8>()).ok_or("mapped at address zero")?;
    Ok(NonNull::slice_from_raw_parts(start, FILE_SIZE))
}
