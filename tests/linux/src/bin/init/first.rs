//! The first kernel's user space: saves what the plan says, and jumps.

use core::error::Error;
use std::fs::File;
use std::io::Write;

use linux_beside::plan::{Plan, command_line, contents, session_name, token};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::system::{RebootCommand, reboot};

use crate::luo::LiveUpdate;

/// # Errors
///
/// If something cannot be saved, or there is no next kernel to jump into.
pub(crate) fn run(plan: &Plan) -> Result<(), Box<dyn Error>> {
    let luo = LiveUpdate::open()?;
    // What is closed is not handed over.
    let mut sessions = Vec::new();
    let mut files = Vec::new();
    for number in 0..plan.sessions {
        let session = luo.create(&session_name(number))?;
        for file in 0..plan.files_of(number) {
            let token = token(number, file);
            let mut file = File::from(memfd_create("saved", MemfdFlags::CLOEXEC)?);
            file.write_all(&contents(token))?;
            session.preserve(&file, token)?;
            files.push(file);
        }
        sessions.push(session);
    }
    if plan.duplicate {
        let refused = luo.create(&session_name(0)).err();
        if refused != Some(Errno::EXIST) {
            return Err(format!("a session of a name that is taken: {refused:?}").into());
        }
    }
    println!("first: {} sessions, {} files", sessions.len(), files.len());
    next_kernel::load(&File::open("/bzImage")?, &File::open("/second")?, &command_line(plan, 2))?;
    reboot(RebootCommand::Kexec)?;
    Err("the jump came back".into())
}

/// The one system call that `rustix` does not have.
mod next_kernel {
    #![expect(unsafe_code, reason = "makes a system call")]

    use std::ffi::CString;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    /// Loads the kernel to jump into.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded.
    pub(super) fn load(kernel: &File, initramfs: &File, command_line: &str) -> io::Result<()> {
        let line = CString::new(command_line)?;
        let length = line.as_bytes_with_nul().len();
        let (kernel, initramfs) = (kernel.as_raw_fd(), initramfs.as_raw_fd());
        let number = libc::SYS_kexec_file_load;
        // SAFETY: both files are open, and the line is `length` bytes with the zero that ends it.
        let result =
            unsafe { libc::syscall(number, kernel, initramfs, length, line.as_ptr(), 0_usize) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}
