//! The first kernel: it is booted by QEMU, and has kernel B as its boot module.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "is entered from assembly")]

use kexec::{boot, handover};

#[unsafe(no_mangle)]
extern "C" fn kernel(start_info: u64) -> ! {
    // SAFETY: it is the first call.
    unsafe { boot::make_heap() };
    // SAFETY: `boot.s` passes on what the loader did, and the heap is the only memory written to.
    let module = unsafe { boot::module(start_info) };
    let Some(image) = module else { panic!("there is no boot module") };
    // SAFETY: 1. The rest of the kernel is below, the module copied. 2. It is the first call.
    let running = unsafe { handover::begin(image) };
    boot::say(format_args!("size  of the library in kernel A: {} bytes", boot::library_size()));
    // SAFETY: they are below this kernel, and what the loader left there was read.
    unsafe { handover::save_and_jump(running) }
}
