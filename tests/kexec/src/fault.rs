//! A kernel that faults, and the one that it has loaded beforehand for that case.
//!
//! Unsafe is open here for the table of interrupts, and to jump out of a fault.

#![expect(unsafe_code, reason = "faults, and leaves this kernel for another")]

use alloc::boxed::Box;
use alloc::string::String;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use spin::Mutex;

use crate::boot::{self, Exit, say};
use crate::jump::Kernel;

/// The processor's number of the fault.
const INVALID_OPCODE: usize = 6;

/// Where a fault leads.
pub(crate) struct Next {
    /// What the kernel has done until it faults, as a sentence without its end.
    pub(crate) done: String,
    /// The one to jump into.
    pub(crate) kernel: Kernel,
}

static NEXT: Mutex<Option<Next>> = Mutex::new(None);
/// Whether the fault is the one that is meant.
static IS_MEANT: AtomicBool = AtomicBool::new(false);

/// What the processor is told of the table of interrupts.
#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Has an invalid instruction lead into another kernel.
///
/// # Safety
///
/// The bytes that this was loaded from do not change any more.
pub(crate) unsafe fn arm(next: Next) {
    *NEXT.lock() = Some(next);
    let handler: extern "C" fn() -> ! = faulted;
    let handler = handler as usize as u64;
    // A gate of the code segment, 8, that is there and keeps interrupts masked.
    let low = handler & 0xffff | 8 << 16 | 0x8e00 << 32 | (handler >> 16 & 0xffff) << 48;
    let mut gates = Box::new([[0; 2]; INVALID_OPCODE + 1]);
    gates[INVALID_OPCODE] = [low, handler >> 32];
    let limit = size_of_val(&*gates) as u16 - 1;
    let base = Box::leak(gates).as_ptr().expose_provenance() as u64;
    let pointer = Pointer { limit, base };
    // SAFETY: the table is there for good. Its one gate leads to a function that never returns and
    // finds the stack as after a call, since the processor pushes 5 words for this fault.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack)) };
}

/// Faults.
pub(crate) fn fault() -> ! {
    IS_MEANT.store(true, Relaxed);
    // SAFETY: the instruction does nothing but fault, and no fault returns.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// What the processor calls then.
extern "C" fn faulted() -> ! {
    let next = NEXT.try_lock().and_then(|mut next| next.take());
    let next = next.filter(|_| IS_MEANT.load(Relaxed));
    let Some(Next { done, kernel }) = next else {
        say(format_args!("FAIL  an invalid instruction"));
        boot::exit(Exit::Failure)
    };
    say(format_args!("ok    {done}, and faults"));
    // SAFETY: by the word of `arm`'s caller.
    unsafe { kernel.enter() }
}
