//! The machine: where its memory is, what it starts with, and how to talk to it.
//!
//! ```text
//!   physical
//!          0  firmware, start info, and the pages that a jump runs in   |
//!      1 MiB  IMAGE: the running kernel, with its stack                 | mapped here, and
//!      8 MiB  HEAP                                                      | again at UPPER
//!     16 MiB  REGION: kept free for a `kho_block::Region`               | mapped at UPPER only
//!    352 MiB  RAM: the end
//! ```
//!
//! A kernel for more machines than this one reads the last two from its memory map.
//!
//! Unsafe is open here to run assembly and to turn addresses into pointers.

#![expect(unsafe_code, reason = "assembly, ports, and physical memory")]

use alloc::vec::Vec;
use core::arch::{asm, global_asm};
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr::{self, NonNull};
use core::slice;

use kho_block::zerocopy::FromBytes;
use linked_list_allocator::LockedHeap;

/// Where a kernel's image starts; `link.ld` says the same.
pub const IMAGE: u64 = 1 << 20;
/// Where the heap starts.
pub const HEAP: u64 = 8 << 20;
/// Where the memory starts that every kernel keeps free for the region.
pub const REGION: u64 = 16 << 20;
/// The end of memory, and of the region.
pub const RAM: u64 = 352 << 20;
/// From a physical address to the one where all of memory is mapped.
pub const UPPER: u64 = 0xffff_8000_0000_0000;
/// What memory is filled with that no kernel may believe to be anything.
pub const POISON: u64 = 0xdead_beef_dead_beef;

global_asm!(
    include_str!("boot.s"),
    IMAGE = const IMAGE,
    REGION = const REGION,
    RAM = const RAM,
    UPPER = const UPPER,
    POISON = const POISON,
);

#[global_allocator]
static HEAP_ALLOCATOR: LockedHeap = LockedHeap::empty();

/// Whether the heap is as the jump left it: poison from end to end.
///
/// # Safety
///
/// There is no heap yet.
#[must_use]
pub unsafe fn heap_is_poisoned() -> bool {
    let words = (REGION - HEAP) as usize / size_of::<u64>();
    let start = ptr::with_exposed_provenance::<u64>(HEAP as usize);
    // SAFETY: the heap's memory is mapped, is initialised as memory is, and nobody's.
    unsafe { slice::from_raw_parts(start, words) }.iter().all(|&word| word == POISON)
}

/// Makes the heap.
///
/// # Safety
///
/// It is the kernel's first call of this function.
pub unsafe fn make_heap() {
    let start = ptr::with_exposed_provenance_mut(HEAP as usize);
    // SAFETY: the memory from `HEAP` to `REGION` is mapped, and nobody's before this call.
    unsafe { HEAP_ALLOCATOR.lock().init(start, (REGION - HEAP) as usize) };
}

/// Where this kernel reaches a physical address; only an address.
#[must_use]
pub fn reach(addr: u64) -> NonNull<u8> {
    let ptr = ptr::with_exposed_provenance_mut(UPPER.wrapping_add(addr) as usize);
    NonNull::new(ptr).unwrap_or(NonNull::dangling())
}

/// The inverse of [`reach`].
#[must_use]
pub fn physical(ptr: NonNull<u8>) -> u64 {
    (ptr.as_ptr().expose_provenance() as u64).wrapping_sub(UPPER)
}

/// PVH's start info, as far as it is read here.
#[derive(FromBytes)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
}

/// An entry of PVH's list of modules.
#[derive(FromBytes)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Module {
    addr: u64,
    size: u64,
}

/// Copies the boot module to the heap: QEMU's `-initrd`.
///
/// # Safety
///
/// `start_info` is what a PVH loader entered this kernel with, and nothing has been written to the
/// memory that it names.
#[must_use]
pub unsafe fn module(start_info: u64) -> Option<Vec<u8>> {
    // SAFETY: it is the address of a `StartInfo`.
    let info: StartInfo = unsafe { reach(start_info).cast().read() };
    if info.magic != 0x336e_c578 || info.modules == 0 {
        return None;
    }
    // SAFETY: there is a module, so this is the address of a `Module`.
    let module: Module = unsafe { reach(info.module_list).cast().read() };
    // SAFETY: by the caller's word, these are the module's bytes still.
    Some(unsafe { slice::from_raw_parts(reach(module.addr).as_ptr(), module.size as usize) }.into())
}

/// Bytes of the library's functions in this kernel, those inlined elsewhere not counted.
#[must_use]
pub fn library_size() -> usize {
    // `link.ld` defines both, and only their addresses are used.
    unsafe extern "C" {
        safe static library_start: u8;
        safe static library_end: u8;
    }
    (&raw const library_end).addr() - (&raw const library_start).addr()
}

/// Ticks of the processor since it was switched on.
#[must_use]
pub fn ticks() -> u64 {
    // SAFETY: every processor with a 64-bit mode has this instruction, and it only reads.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn write_port(port: u16, byte: u8) {
    // SAFETY: the ports written to are those of the serial line and of QEMU's exit device, and
    // neither touches memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack)) };
}

fn read_port(port: u16) -> u8 {
    let byte;
    // SAFETY: as for `write_port`.
    unsafe { asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack)) };
    byte
}

/// The serial line.
struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const DATA: u16 = 0x3f8;
        const STATUS: u16 = DATA + 5;
        const READY: u8 = 1 << 5;
        for byte in text.bytes() {
            while read_port(STATUS) & READY == 0 {}
            write_port(DATA, byte);
        }
        Ok(())
    }
}

/// Prints a line on the serial line.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(Serial, "{line}");
}

/// How a run ends; QEMU's exit status is twice the number, and one more.
#[derive(Clone, Copy, Debug)]
pub enum Exit {
    /// Every verdict was good: 33, which nothing else ends with.
    Success = 16,
    /// Some was not: 35.
    Failure = 17,
}

/// Switches the machine off.
pub fn exit(how: Exit) -> ! {
    write_port(0xf4, how as u8);
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say(format_args!("FAIL  {info}"));
    exit(Exit::Failure)
}
