//! How often restoring looks at a header: not again, once it has gone on to the next block.
//!
//! Unsafe is open here for an allocator that overwrites headers behind the walk's back. It does so
//! where the walk borrows nothing of the block.

#![expect(unsafe_code, reason = "implements `PreservedAllocator`, and writes to lent blocks")]

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use kho_block::mock::Mock;
use kho_block::{
    AllocError, BlockHeader, PhysAddr, PreservedAllocator, PreservedBlock, RestoreChecks,
    RestoreErrorKind,
};

use super::{BLOCK_SIZE, BOUNDARIES, CAPACITY, Restored, blocks_for, left, numbers};

/// An allocator that shows each header once: as soon as the next block is claimed, the header of
/// the one before is garbage, until it is given back or everything is [shown](Self::show) again.
pub(crate) struct OneLook<'a> {
    mem: &'a Mock,
    /// The block claimed last.
    in_view: Cell<Option<NonNull<u8>>>,
    /// The blocks whose headers are garbage, and what these were.
    pub(crate) hidden: RefCell<Vec<(NonNull<u8>, BlockHeader)>>,
}

/// What a second look meets: more entries than fit, and a link to nowhere.
const GARBAGE: BlockHeader = BlockHeader { next: 0xdead_beef_dead_beef, count: u64::MAX };

impl<'a> OneLook<'a> {
    pub(crate) fn new(mem: &'a Mock) -> Self {
        Self { mem, in_view: Cell::new(None), hidden: RefCell::new(Vec::new()) }
    }

    /// Hides the header of a block that is claimed from this allocator.
    fn hide(&self, ptr: NonNull<u8>) {
        // SAFETY: the block is lent, so its first 16 bytes are valid and initialised. It is a raw
        // pointer that is read through: the set, on the same thread, is in a call of this allocator
        // and borrows nothing of the block meanwhile.
        let header = unsafe { ptr.cast::<BlockHeader>().read() };
        self.hidden.borrow_mut().push((ptr, header));
        // SAFETY: as above.
        unsafe { ptr.cast::<BlockHeader>().write(GARBAGE) };
    }

    /// Shows every header that `which` picks, as it was. No set is in use meanwhile.
    pub(crate) fn show(&self, which: impl Fn(NonNull<u8>) -> bool) {
        self.hidden.borrow_mut().retain(|&(ptr, header)| {
            if which(ptr) {
                // SAFETY: as in `hide`: the block is still claimed, since `unrestore` and
                // `restore_free` show what they give back.
                unsafe { ptr.cast::<BlockHeader>().write(header) };
            }
            !which(ptr)
        });
    }

    /// What is about to be given back is as it was, and no longer in view.
    fn forget(&self, ptr: NonNull<u8>) {
        self.show(|hidden| hidden == ptr);
        if self.in_view.get() == Some(ptr) {
            self.in_view.set(None);
        }
    }
}

// SAFETY: the duties are paid by the mock, whose methods these are. Of 2, this allocator writes to
// headers of blocks that are lent, but only within `restore`, and in `show` while no set is in use.
unsafe impl PreservedAllocator for OneLook<'_> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        self.mem.alloc_preserve(size)
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { self.mem.unpreserve_free(ptr, size) }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let ptr = self.mem.restore(addr, size)?;
        if let Some(seen) = self.in_view.replace(Some(ptr)) {
            self.hide(seen);
        }
        Some(ptr)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        self.forget(ptr);
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { self.mem.unrestore(ptr, size) }
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        self.forget(ptr);
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { self.mem.restore_free(ptr, size) }
    }
}

#[test]
fn restoring_looks_at_no_header_again_once_it_has_gone_on() {
    for entries in BOUNDARIES {
        let (mut mem, head) = left(entries);
        for checks in [RestoreChecks::empty(), RestoreChecks::all()] {
            let one_look = OneLook::new(&mem);
            let set = Restored::restore_with(&one_look, head, checks).unwrap();
            let but_the_last = blocks_for(entries).saturating_sub(1);
            assert_eq!(one_look.hidden.borrow().len(), but_the_last);

            one_look.show(|_| true);
            set.audit().unwrap();
            assert!(set.iter().copied().eq(numbers(entries)));
            set.release();
        }

        // Nor does a walk that ends in an error, and what it gives back is as it was.
        let Some(last) = blocks_for(entries).checked_sub(1) else { continue };
        let addr = 0x1_0000_0000 + u64::try_from(last * BLOCK_SIZE).unwrap();
        mem.write(addr + 8, &7_u64.to_ne_bytes());
        let one_look = OneLook::new(&mem);
        let error = Restored::restore(&one_look, head).unwrap_err();
        let kind = RestoreErrorKind::CountTooLarge { count: 7, capacity: CAPACITY };
        assert_eq!((error.kind, error.block, error.addr.get()), (kind, last, addr));
        assert!(one_look.hidden.borrow().is_empty());
        let count = u64::try_from(entries - last * CAPACITY).unwrap();
        mem.write(addr + 8, &count.to_ne_bytes());
        let set = Restored::restore(&mem, head).unwrap();
        assert!(set.iter().copied().eq(numbers(entries)));
    }
}
