//! The second kernel, and the third and the fourth: it is entered by a jump, and jumps into itself.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "is entered from assembly")]

use kexec::{boot, handover, verdict};

#[unsafe(no_mangle)]
extern "C" fn kernel() -> ! {
    // SAFETY: 1. The rest of the kernel is below. 2. It is the first call. 3. So are the pages.
    let running = unsafe { handover::restore_all() };
    boot::say(format_args!("size  of the library in kernel B: {} bytes", boot::library_size()));
    verdict::exit_if_failed();
    let Some(running) = running else { boot::exit(boot::Exit::Success) };
    // SAFETY: nothing lies below this kernel but what it was started with.
    unsafe { handover::save_and_jump(running) }
}
