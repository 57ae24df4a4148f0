//! Open descriptors across `execve`: left by one generation, taken up once by the next.
//!
//! Everything that this program opens is close-on-exec, as is everything that `std` opens. A
//! descriptor without that flag is therefore owned by nobody in the process: [`leave`] clears the
//! flag as it gives up ownership, and [`take_inherited`] sets it as it takes ownership.
//!
//! Unsafe is open here to own a descriptor that is known by its number alone.

#![expect(unsafe_code, reason = "owns descriptors that were open when the program started")]

use core::mem::MaybeUninit;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::Result;

/// Leaves a descriptor open for the next generation; returns its number.
///
/// # Errors
///
/// If its flag cannot be cleared; it is closed then.
pub(crate) fn leave(fd: OwnedFd) -> Result<u64> {
    fcntl_setfd(&fd, FdFlags::empty())?;
    Ok(u64::try_from(fd.into_raw_fd())?)
}

/// Takes over every descriptor that was left open, by its number, the standard streams excepted.
///
/// What the caller does not remove from the map is closed with it.
///
/// # Errors
///
/// If `/proc` is not there to list them.
pub(crate) fn take_inherited() -> Result<BTreeMap<u64, OwnedFd>> {
    let mut inherited = BTreeMap::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, "/proc/self/fd", flags, Mode::empty())
        .map_err(|error| format!("cannot list the open descriptors in /proc/self/fd: {error}"))?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let Ok(number) = entry?.file_name().to_string_lossy().parse::<RawFd>() else { continue };
        if number <= 2 || number == directory.as_raw_fd() {
            continue;
        }
        // SAFETY: the number was listed as open a moment ago, no other thread runs that could have
        // closed it since, and nothing closes it in the next statement.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl_getfd(borrowed)?.contains(FdFlags::CLOEXEC) {
            continue;
        }
        fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
        // SAFETY: it is open, and without the flag it had no owner; with the flag, set on the line
        // above, it does not come by here again.
        let owned = unsafe { OwnedFd::from_raw_fd(number) };
        inherited.insert(u64::try_from(number)?, owned);
    }
    Ok(inherited)
}
