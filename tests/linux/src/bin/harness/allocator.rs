//! The crate's allocator over the guest's memory. It believes the map of preserved blocks, and nothing
//! else.
//!
//! Unsafe is open here to implement the allocator's traits.

#![expect(unsafe_code, reason = "implements the allocator's traits")]

use core::cell::RefCell;
use core::ptr::NonNull;
use std::collections::BTreeMap;

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

use crate::handover::Handover;

/// Blocks that the first kernel preserved, and what became of each that was asked for.
///
/// What is claimed, and neither freed nor preserved again, is there for the second kernel: it is in
/// the map as before. That goes for freed blocks too, which are the ones to be allocated.
pub(crate) struct Preserved<'h> {
    handover: &'h Handover<'h>,
    /// Whether any page is believed to be preserved. It must be found out.
    gullible: bool,
    /// By address; a block that is not here is as the first kernel left it.
    books: RefCell<BTreeMap<u64, Entry>>,
}

/// What the books say of a block.
#[derive(Clone, Copy)]
struct Entry {
    ptr: NonNull<u8>,
    size: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Left by the first kernel, and claimed.
    Claimed,
    /// Left by the first kernel, and to be claimed again.
    Unclaimed,
    /// Freed: whoever allocates gets it.
    Free,
    /// Allocated or carried on.
    Outgoing,
}

impl<'h> Preserved<'h> {
    pub(crate) const fn new(handover: &'h Handover<'h>) -> Self {
        Self { handover, gullible: false, books: RefCell::new(BTreeMap::new()) }
    }

    /// The same, but that it takes any page for a preserved one.
    pub(crate) fn gullible(self) -> Self {
        Self { gullible: true, ..self }
    }

    /// How many blocks are claimed at present.
    pub(crate) fn claimed(&self) -> usize {
        self.books.borrow().values().filter(|entry| entry.state == State::Claimed).count()
    }

    /// Changes the state of a lent block.
    fn becomes(&self, ptr: NonNull<u8>, size: usize, from: State, to: State) {
        let mut books = self.books.borrow_mut();
        let entry = books.values_mut().find(|entry| entry.ptr == ptr && entry.size == size);
        match entry.filter(|entry| entry.state == from) {
            Some(entry) => entry.state = to,
            None => panic!("the crate gives back {size} bytes at {ptr:p} that it was not lent"),
        }
    }
}

// SAFETY:
// 1, 2. A block is lent while its entry says `Claimed` or `Outgoing`, through a pointer into the
//    guest's memory, which outlives `self`; the guest is stopped.
// 3. What the map knows lies at a multiple of its size, and the memory is mapped at a page.
// 4. A block is zeroed when it is allocated.
// 5, 6. `restore` asks the map, and then whether the block is there (unless it is gullible, to be
//    found out); an entry is `Claimed` once.
// 7. Only what the first kernel preserved is ever lent, and the map is what the second one reads.
// 8. A panic aborts the harness. 9. Clones there are none. 10, 11. The map is never written.
unsafe impl PreservedAllocator for Preserved<'_> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let mut books = self.books.borrow_mut();
        // The last one first, so that a chain that is written anew begins with another block.
        let free = |entry: &Entry| entry.size == size && entry.state == State::Free;
        let (&addr, entry) = books.iter_mut().rfind(|(_, entry)| free(entry)).ok_or(AllocError)?;
        let addr = PhysAddr::new(addr).ok_or(AllocError)?;
        entry.state = State::Outgoing;
        // SAFETY: `size` bytes are there, since the block was lent before, and nobody has them now.
        unsafe { entry.ptr.write_bytes(0, size) };
        Ok(PreservedBlock { ptr: entry.ptr, addr })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        self.becomes(ptr, size, State::Outgoing, State::Free);
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let known = self.gullible || self.handover.is_preserved(addr, size);
        let ptr = self.handover.memory().reach(addr, size).filter(|_| known)?;
        let mut books = self.books.borrow_mut();
        let fresh = Entry { ptr, size, state: State::Unclaimed };
        let entry = books.entry(addr.get()).or_insert(fresh);
        if entry.state != State::Unclaimed || entry.size != size {
            return None;
        }
        entry.state = State::Claimed;
        Some(entry.ptr)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        self.becomes(ptr, size, State::Claimed, State::Unclaimed);
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        self.becomes(ptr, size, State::Claimed, State::Free);
    }
}

// SAFETY: a carried block is `Outgoing` at the address and pointer that it had, in the map as before.
unsafe impl CarryAllocator for Preserved<'_> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        self.becomes(ptr, size, State::Claimed, State::Outgoing);
        Ok(())
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        self.becomes(ptr, size, State::Outgoing, State::Claimed);
    }
}
