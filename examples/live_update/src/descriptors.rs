//! Open descriptors across `execve`: left by one generation, taken up once by the next.
//!
//! Everything that this program opens is close-on-exec, as is everything that `std` opens. A
//! descriptor without that flag is therefore owned by nobody in the process, and [`take_inherited`]
//! sets it as it takes ownership. [`exec`] clears it for the length of the call alone, in which
//! nothing else runs: if there is no next generation, everything is as it was.
//!
//! Unsafe is open here to own a descriptor that is known by its number alone.

#![expect(unsafe_code, reason = "owns descriptors that were open when the program started")]

use core::error::Error;
use core::ffi::CStr;
use core::mem::MaybeUninit;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::unistd::execv;
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::Result;

/// Replaces the process by `program`, which finds the descriptors in `open` as it starts. The first
/// of its `arguments` is its name.
///
/// Returns what kept it from doing so, if anything did; `open` is then as it was.
pub(crate) fn exec(program: &CStr, arguments: &[&CStr], open: &[BorrowedFd<'_>]) -> Box<dyn Error> {
    let cleared = open.iter().try_for_each(|fd| fcntl_setfd(fd, FdFlags::empty()));
    let error = match cleared {
        Ok(()) => match execv(program, arguments) {
            Err(error) => error.into(),
        },
        Err(error) => error.into(),
    };
    for fd in open {
        // Nothing but a descriptor that is not open could keep it from being set.
        let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
    }
    error
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

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_exec_that_fails_leaves_no_descriptor_open() {
        let files = [File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap()];

        let open = [files[0].as_fd(), files[1].as_fd()];
        let error = exec(c"/proc/self/absent", &[c"absent"], &open);

        assert!(error.to_string().contains("No such file"), "{error}");
        for file in &files {
            assert_eq!(fcntl_getfd(file).unwrap(), FdFlags::CLOEXEC);
        }
    }
}
