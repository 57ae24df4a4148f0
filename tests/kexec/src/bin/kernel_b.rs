//! The second kernel, and the third and the fourth: it is entered by a jump, and jumps into itself.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "is entered from assembly")]

use kexec::{boot, handover};

#[unsafe(no_mangle)]
extern "C" fn kernel(root: u64, table: u64) -> ! {
    // SAFETY: `boot.s` passes on what the previous kernel jumped with, and this is the first call.
    let (number, image) = unsafe { handover::restore_all(root, table) };
    boot::say(format_args!("size  of the library in kernel B: {} bytes", boot::library_size()));
    handover::exit_if_failed();
    if number == handover::LAST {
        boot::exit(boot::Exit::Success);
    }
    // SAFETY: `restore_all` has put `PAGES` in charge, and nothing else lies below this kernel.
    unsafe { handover::save_and_jump(number, &image) }
}
