//! Linux's live update, as user space sees it: a device, sessions, and files in them.
//!
//! Unsafe is open here for `ioctl`, which trusts the caller to know what a request reads and writes.

#![expect(unsafe_code, reason = "makes requests of a device")]

use core::ffi::c_int;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result};
use rustix::ioctl::{self, Opcode, Updater, opcode};

const CREATE_SESSION: Opcode = opcode::none(0xba, 0);
const RETRIEVE_SESSION: Opcode = opcode::none(0xba, 1);
const PRESERVE_FILE: Opcode = opcode::none(0xba, 0x40);
const RETRIEVE_FILE: Opcode = opcode::none(0xba, 0x41);

/// The argument of both requests of the device.
#[repr(C)]
struct SessionRequest {
    size: u32,
    fd: c_int,
    name: [u8; 64],
}

/// The argument of both requests of a session.
#[repr(C)]
struct FileRequest {
    size: u32,
    fd: c_int,
    token: u64,
}

/// `/dev/liveupdate`.
pub(crate) struct LiveUpdate {
    device: OwnedFd,
}

/// Files that are kept together, under a name.
pub(crate) struct Session {
    fd: OwnedFd,
}

impl LiveUpdate {
    /// # Errors
    ///
    /// If there is no such device, or the kernel will not take up what it was handed.
    pub(crate) fn open() -> Result<Self> {
        let device = open("/dev/liveupdate", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { device })
    }

    /// # Errors
    ///
    /// If the name is taken.
    pub(crate) fn create(&self, name: &str) -> Result<Session> {
        self.session::<CREATE_SESSION>(name)
    }

    /// # Errors
    ///
    /// If the previous kernel left no session of this name.
    pub(crate) fn retrieve(&self, name: &str) -> Result<Session> {
        self.session::<RETRIEVE_SESSION>(name)
    }

    fn session<const REQUEST: Opcode>(&self, name: &str) -> Result<Session> {
        let mut request =
            SessionRequest { size: size_of::<SessionRequest>() as u32, fd: -1, name: [0; 64] };
        // The name ends in a zero byte.
        let room = request.name.get_mut(..name.len()).filter(|room| room.len() < 64);
        room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name.as_bytes());
        // SAFETY: the requests of the device read and write this struct, and name its size.
        let request_ioctl = unsafe { Updater::<REQUEST, _>::new(&mut request) };
        // SAFETY: the device is LUO's, whose request this is.
        unsafe { ioctl::ioctl(&self.device, request_ioctl) }?;
        Ok(Session { fd: owned(request.fd)? })
    }
}

impl Session {
    /// # Errors
    ///
    /// If the file is of no kind that can be preserved, or the token is taken.
    pub(crate) fn preserve(&self, file: impl AsFd, token: u64) -> Result<()> {
        self.file::<PRESERVE_FILE>(file.as_fd().as_raw_fd(), token).map(drop)
    }

    /// # Errors
    ///
    /// If the session has no file of this token.
    pub(crate) fn retrieve(&self, token: u64) -> Result<File> {
        let fd = self.file::<RETRIEVE_FILE>(-1, token)?;
        Ok(owned(fd)?.into())
    }

    fn file<const REQUEST: Opcode>(&self, fd: RawFd, token: u64) -> Result<RawFd> {
        let mut request = FileRequest { size: size_of::<FileRequest>() as u32, fd, token };
        // SAFETY: the requests of a session read and write this struct, and name its size.
        let request_ioctl = unsafe { Updater::<REQUEST, _>::new(&mut request) };
        // SAFETY: the session is LUO's, whose request this is.
        unsafe { ioctl::ioctl(&self.fd, request_ioctl) }?;
        Ok(request.fd)
    }
}

/// # Errors
///
/// If the kernel named no open file.
fn owned(fd: RawFd) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the kernel has just opened it for this process, and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
