//! The kexec: the next kernel's ELF is copied over this kernel, and entered.
//!
//! Unsafe is open here for the very thing that Rust cannot promise: that nothing of this program is
//! there afterwards.

#![expect(unsafe_code, reason = "leaves this kernel for another")]

use core::mem;
use core::ptr::{self, NonNull};

use kho_block::PhysAddr;
use kho_block::zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::boot::{HEAP, IMAGE, reach};

/// The pages that the jump runs in, below every image: three page tables, code, and a list.
const TABLES: [u64; 3] = [0x1000, 0x2000, 0x3000];
const CODE: u64 = 0x4000;
const LIST: u64 = 0x5000;

/// Start of an ELF file, as far as it is read here.
#[derive(FromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Elf {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    segments: u64,
    sections: u64,
    flags: u32,
    header_size: u16,
    segment_size: u16,
    segment_count: u16,
    section_info: [u16; 3],
}

/// A program header.
#[derive(FromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    virt: u64,
    phys: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// What the trampoline copies: `bytes` from one physical address to another, and zeros behind them.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Piece {
    to: u64,
    from: u64,
    bytes: u64,
    zeros: u64,
}

/// A kernel that can be jumped into.
pub(crate) struct Kernel {
    entry: u64,
}

impl Kernel {
    /// Prepares the jump into the kernel whose ELF file is `elf`, a copy of what lies in preserved
    /// memory at `addr`. `None` if it is no such file, or does not fit between `IMAGE` and `HEAP`.
    ///
    /// # Safety
    ///
    /// 1. The pages of the jump are no one else's.
    /// 2. The previous value of this function's is not used again.
    pub(crate) unsafe fn load(elf: &[u8], addr: PhysAddr) -> Option<Self> {
        const LOAD: u32 = 1;
        const EXECUTABLE_64: &[u8] = b"\x7fELF\x02\x01\x01";
        let (header, _) = Elf::ref_from_prefix(elf).ok()?;
        if !header.ident.starts_with(EXECUTABLE_64) {
            return None;
        }
        let segments = elf.get(usize::try_from(header.segments).ok()?..)?;
        let count = header.segment_count.into();
        let (segments, _) = <[Segment]>::ref_from_prefix_with_elems(segments, count).ok()?;

        let mut list = [Piece::default(); 8];
        let mut pieces = list.iter_mut();
        for segment in segments.iter().filter(|segment| segment.kind == LOAD) {
            let end = segment.phys.checked_add(segment.memory_size)?;
            let zeros = segment.memory_size.checked_sub(segment.file_size)?;
            let from = addr.checked_add(segment.offset)?.get();
            let file_end = segment.offset.checked_add(segment.file_size)?;
            if segment.phys < IMAGE || end > HEAP || file_end > elf.len() as u64 {
                return None;
            }
            let bytes = segment.file_size;
            *pieces.next()? = Piece { to: segment.phys, from, bytes, zeros };
        }
        // SAFETY: the page is the caller's by duty 1.
        unsafe { reach(LIST).cast().write(list) };

        // All memory at its own addresses, and again from `UPPER` on, in pages of 2 MiB.
        let mut top = [0; 512];
        (top[0], top[256]) = (TABLES[1] | 3, TABLES[1] | 3);
        let mut middle = [0; 512];
        middle[0] = TABLES[2] | 3;
        let bottom: [u64; 512] = core::array::from_fn(|page| (page as u64) << 21 | 0x83);
        for (table, entries) in TABLES.into_iter().zip([top, middle, bottom]) {
            // SAFETY: the page is the caller's by duty 1.
            unsafe { reach(table).cast().write(entries) };
        }

        // `boot.s` defines both.
        unsafe extern "C" {
            safe static trampoline: u8;
            safe static trampoline_end: u8;
        }
        let code = NonNull::from(&trampoline);
        let len = (&raw const trampoline_end).addr() - (&raw const trampoline).addr();
        // SAFETY: the code lies between its two names, is less than a page long, and the page is
        // the caller's by duty 1.
        unsafe { reach(CODE).copy_from_nonoverlapping(code, len) };
        Some(Self { entry: header.entry })
    }

    /// Jumps: the next kernel's `kernel` is called. Of this one nothing but the region is left.
    ///
    /// # Safety
    ///
    /// The bytes that were loaded from have not changed.
    pub(crate) unsafe fn enter(self) -> ! {
        type Trampoline = extern "C" fn(u64, u64, u64) -> !;
        let code = ptr::with_exposed_provenance::<()>(CODE as usize);
        // SAFETY: `load` has put the trampoline there, which never returns, and the page is mapped
        // at its own address, by these page tables and the trampoline's.
        let trampoline: Trampoline = unsafe { mem::transmute(code) };
        trampoline(self.entry, LIST, TABLES[0])
    }
}
