//! Allocators that break one duty each: a mock, with one thing that it does wrong.
//!
//! Unsafe is open here to implement them. None leads to memory that is not there: a mock keeps all
//! that it ever lent, but for what is freed, up to a limit that is not reached.

#![expect(unsafe_code, reason = "implements `PreservedAllocator`, wrongly")]

mod how;
mod known;

use core::cell::{Cell, RefCell, UnsafeCell};
use core::ptr::{NonNull, from_ref};
use std::thread;

use kho_block::mock::{Fault, Mock};
use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

pub(super) use self::how::{Call, How};
use self::known::{Known, spoil};

#[repr(align(64))]
struct Within(UnsafeCell<[u8; 64]>);

pub(super) struct Faulty {
    mem: Mock,
    how: How,
    keeps_claims: bool,
    known: RefCell<Vec<Known>>,
    /// Freed, to be lent again; outgoing ones as the mock has it.
    pool: RefCell<Vec<Known>>,
    /// Where the allocator was when it first lent something in this kernel.
    home: Cell<usize>,
    within: Within,
}

impl Faulty {
    /// The next kernel's, which preserves no more than `carries` blocks again.
    pub(super) fn kexec(
        previous: Option<Self>,
        how: How,
        keeps_claims: bool,
        carries: usize,
    ) -> Self {
        let mut this = previous.unwrap_or_else(|| Self {
            mem: Mock::new(),
            how,
            keeps_claims,
            known: RefCell::default(),
            pool: RefCell::default(),
            home: Cell::new(0),
            within: Within(UnsafeCell::new([0; 64])),
        });
        let lost = |known: &&Known| known.call == Some(Call::Unpreserve);
        for lost in this.known.borrow().iter().filter(lost).filter(|_| how == How::LosesUnpreserved)
        {
            // SAFETY: it is claimed, and whoever holds it is gone.
            unsafe { this.mem.restore_free(lost.ptr, lost.size) };
        }
        for pooled in this.pool.take() {
            // SAFETY: it was taken back from who had it, and is outgoing or carried.
            unsafe { this.mem.unpreserve_free(pooled.ptr, pooled.size) };
        }
        if keeps_claims {
            this.mem.reboot_keeping_claims()
        } else {
            this.mem.reboot()
        }
        this.mem.refuse_preserve_after(carries);
        for known in this.known.get_mut() {
            known.call = None;
            known.carried = false;
            // What was freed is the host's again.
            let left = (how == How::Damages).then(|| this.mem.restore(known.addr, known.size));
            if let Some(ptr) = left.flatten() {
                // SAFETY: it is lent here.
                unsafe { spoil(ptr, known.size - 1) };
                // SAFETY: it was claimed above.
                unsafe { this.mem.unrestore(ptr, known.size) };
            }
        }
        this.home.set(0);
        this
    }

    fn find(&self, is: impl Fn(&Known) -> bool) -> Option<Known> {
        self.known.borrow().iter().rev().copied().find(is)
    }

    fn by_ptr(&self, ptr: NonNull<u8>) -> Option<Known> {
        self.find(|known| known.ptr == ptr)
    }

    fn note(&self, ptr: NonNull<u8>, call: Call) {
        let mut known = self.known.borrow_mut();
        for known in known.iter_mut().filter(|known| known.ptr == ptr) {
            known.call = Some(call);
            known.returned |= call == Call::Unrestore;
            known.carried |= call == Call::Preserve;
        }
    }

    fn is_at_home(&self) -> bool {
        let here = from_ref(self).addr();
        if self.home.get() == 0 {
            self.home.set(here);
        }
        self.home.get() == here
    }

    /// Does what is wrong with a call that gets a block; whether the call is to be made.
    fn does(&self, call: Call, ptr: NonNull<u8>, size: usize) -> bool {
        assert!(self.how != How::Panics(call), "as planned");
        let at_home = self.is_at_home();
        self.scribble(call, Some(ptr));
        if self.how == How::Changes(call) {
            // SAFETY: a mock keeps the block; its holder waits for this call.
            unsafe { spoil(ptr, size / 2) };
        }
        if self.how == How::Unclaims(call) {
            // SAFETY: it is claimed, or the mock does nothing.
            unsafe { self.mem.unrestore(ptr, size) };
        }
        let carried = self.by_ptr(ptr).is_some_and(|known| known.carried);
        self.note(ptr, call);
        let ignores = match self.how {
            How::Ignores(ignored) | How::Keeps(ignored) => call == ignored,
            How::KeepsCarried => call == Call::UnpreserveFree && carried,
            _ => false,
        };
        !ignores && (self.how != How::IsAtHome(call) || at_home)
    }

    /// Writes to the block that was lent last, if that is what is wrong with the call.
    fn scribble(&self, call: Call, but: Option<NonNull<u8>>) {
        let lent = |known: &Known| {
            let held = [Some(Call::AllocPreserve), Some(Call::Restore)].contains(&known.call);
            held && Some(known.ptr) != but
        };
        if self.how == How::Scribbles(call) {
            // SAFETY: a mock keeps the block; its holder waits for this call.
            self.find(lent).into_iter().for_each(|known| unsafe { spoil(known.ptr, 0) });
        }
    }

    /// Keeps a block that is freed, to lend it again.
    fn pools(&self, ptr: NonNull<u8>) -> bool {
        let reuses = [How::Reuses, How::ReusesDirty].contains(&self.how);
        let known = self.by_ptr(ptr).filter(|_| reuses);
        self.pool.borrow_mut().extend(known);
        known.is_some()
    }

    fn pooled(&self, size: usize) -> Option<Known> {
        let mut pool = self.pool.borrow_mut();
        let at = pool.iter().position(|known| known.size == size)?;
        let known = pool.remove(at);
        if self.how == How::Reuses {
            // SAFETY: it is no one's.
            unsafe { known.ptr.write_bytes(0, size) };
        }
        Some(known)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        let sound = matches!(self.how, How::Not | How::Reuses | How::Room(_));
        if !sound || thread::panicking() {
            return;
        }
        // The check has kept the contract, and left nothing.
        let mut faults = self.mem.faults();
        faults.retain(|fault| match fault {
            Fault::DoubleClaim { .. } | Fault::WrongSizeClaim { .. } => false,
            Fault::Lost { .. } => self.keeps_claims,
            _ => true,
        });
        let pooled = self.pool.borrow().len();
        assert_eq!((self.mem.live() - pooled, self.mem.unclaimed(), faults), (0, 0, vec![]));
    }
}

// SAFETY: none is given: it is to be found out. No memory is lent that is not there.
unsafe impl PreservedAllocator for Faulty {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        assert!(self.how != How::Panics(Call::AllocPreserve), "as planned");
        self.is_at_home();
        self.scribble(Call::AllocPreserve, None);
        let carried = |known: &Known| known.call == Some(Call::Preserve);
        if self.how == How::ScribblesOnCarried {
            // SAFETY: a mock keeps the block; its holder waits for this call.
            self.find(carried).into_iter().for_each(|known| unsafe { spoil(known.ptr, 0) });
        }
        if let How::Room(room) = self.how {
            let used = self.mem.live() + self.mem.unclaimed();
            (used < room).then_some(()).ok_or(AllocError)?;
        }
        if let Some(known) = self.pooled(size) {
            self.note(known.ptr, Call::AllocPreserve);
            return Ok(PreservedBlock { ptr: known.ptr, addr: known.addr });
        }
        let last = self.find(|known| known.size == size && known.call == Some(Call::AllocPreserve));
        let mut block = self.mem.alloc_preserve(size)?;
        let PreservedBlock { ptr, addr } = block;
        let call = Some(Call::AllocPreserve);
        self.known.borrow_mut().push(Known {
            ptr,
            addr,
            size,
            call,
            returned: false,
            carried: false,
        });
        match (self.how, last) {
            (How::Inline, _) if size <= 64 => {
                block.ptr = NonNull::new(self.within.0.get()).unwrap().cast();
            }
            (How::SamePointer, Some(last)) => block.ptr = last.ptr,
            (How::SameAddress, Some(last)) => block.addr = last.addr,
            (How::ShiftedAddress, _) => block.addr = addr.checked_add(16).unwrap(),
            (How::ShiftedPointer, _) => block.ptr = ptr.map_addr(|addr| addr.saturating_add(16)),
            (How::AtTheEnd, _) => {
                let size = u64::try_from(size).unwrap();
                block.addr = PhysAddr::new(0_u64.wrapping_sub(size)).unwrap();
            }
            // SAFETY: it is there, and not lent yet.
            (How::Dirty, _) => unsafe { spoil(ptr, size - 1) },
            _ => {}
        }
        Ok(block)
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        if self.does(Call::UnpreserveFree, ptr, size) && !self.pools(ptr) {
            // SAFETY: the caller's duties are those of the method it forwards to.
            unsafe { self.mem.unpreserve_free(ptr, size) }
        }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let at = self.find(|known| known.addr == addr);
        let freed = |known: &Known| known.call == Some(Call::UnpreserveFree);
        let all_freed = self.known.borrow().iter().all(freed);
        let panics = match self.how {
            How::PanicsAnywhere => at.is_none(),
            How::PanicsBefore => self.known.borrow().is_empty(),
            How::PanicsAfter => all_freed && !self.known.borrow().is_empty() && at.is_none(),
            How::Panics(Call::Restore) => at.is_some(),
            _ => false,
        };
        assert!(!panics, "as planned");
        let at_home = self.is_at_home();
        self.scribble(Call::Restore, at.map(|known| known.ptr));
        if self.how == How::Loses {
            return None;
        }
        let inside = |known: &Known| {
            let end = known.addr.get() + u64::try_from(known.size).unwrap();
            known.addr < addr && addr.get() < end
        };
        let second_half = |known: &Known| {
            let half = u64::try_from(known.size / 2).unwrap();
            known.call.is_none() && known.addr.checked_add(half) == Some(addr)
        };
        let end = |addr: PhysAddr, size: usize| addr.checked_add(u64::try_from(size).unwrap());
        let above = |known: &Known| end(known.addr, known.size) == Some(addr);
        let below = |known: &Known| end(addr, size) == Some(known.addr);
        let aligned = addr.is_aligned_to(16);
        let exact = at.filter(|known| known.size == size);
        let call = exact.and_then(|known| known.call);
        let returned = exact.is_some_and(|known| known.returned);
        let lent = match self.how {
            How::LendsTwice => call == Some(Call::Restore) && !returned,
            How::LendsReturnedTwice => call == Some(Call::Restore) && returned,
            How::LendsOwn => call == Some(Call::AllocPreserve),
            How::LendsLarger => at.is_some_and(|known| size == known.size * 2),
            How::LendsSmaller => at.is_some_and(|known| size == known.size / 2),
            How::LendsFreed(freed) => call == Some(freed),
            How::LendsCarried => call == Some(Call::Preserve),
            How::LendsFreedCarried(freed) => {
                call == Some(freed) && exact.is_some_and(|known| known.carried)
            }
            How::LendsBeside => !aligned && self.find(inside).is_some(),
            How::LendsInside => at.is_none() && self.find(second_half).is_some(),
            How::LendsAbove => at.is_none() && self.find(above).is_some(),
            How::LendsBelow => at.is_none() && self.find(below).is_some(),
            How::LendsAt(only) => at.is_none() && addr.get() == only,
            How::LendsAnywhere => addr.get() > u64::MAX / 2,
            How::IsAtHome(Call::Restore) => call == Some(Call::Restore) && !at_home,
            _ => false,
        };
        if lent {
            return Some(at.map_or(NonNull::dangling(), |known| known.ptr));
        }
        let ptr = self.mem.restore(addr, size)?;
        self.note(ptr, Call::Restore);
        Some(ptr)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        if self.does(Call::Unrestore, ptr, size) {
            // SAFETY: the caller's duties are those of the method it forwards to.
            unsafe { self.mem.unrestore(ptr, size) }
        }
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        if !self.does(Call::RestoreFree, ptr, size) {
            return;
        }
        if self.pools(ptr) {
            self.mem.refuse_none();
            // SAFETY: it is claimed.
            unsafe { self.mem.preserve(ptr, size) }.unwrap();
            return;
        }
        // SAFETY: the caller's duties are those of the method it forwards to.
        unsafe { self.mem.restore_free(ptr, size) }
    }
}

// SAFETY: as above.
unsafe impl CarryAllocator for Faulty {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        if !self.does(Call::Preserve, ptr, size) {
            return Ok(());
        }
        // SAFETY: the caller's duties are those of the method it forwards to.
        let answer = unsafe { self.mem.preserve(ptr, size) };
        match self.how {
            How::RefusesAndUnclaims if answer.is_err() => {
                // SAFETY: it is claimed.
                unsafe { self.mem.unrestore(ptr, size) };
            }
            How::RefusesAndCarries if answer.is_err() => {
                self.mem.refuse_none();
                // SAFETY: it is claimed.
                unsafe { self.mem.preserve(ptr, size) }.unwrap();
                self.mem.refuse_preserve_after(0);
            }
            _ => {}
        }
        answer
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        if self.does(Call::Unpreserve, ptr, size) {
            // SAFETY: the caller's duties are those of the method it forwards to.
            unsafe { self.mem.unpreserve(ptr, size) };
        }
        if self.how == How::Unclaims(Call::Unpreserve) {
            // SAFETY: it is claimed.
            unsafe { self.mem.unrestore(ptr, size) };
        }
    }
}
