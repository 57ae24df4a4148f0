//! One kernel of a check: it calls the allocator, keeps books of what is lent, and looks at each
//! answer.
//!
//! Unsafe is open here to call the allocator and to use what it lends, which is what is tried.

#![expect(unsafe_code, reason = "uses an allocator as its contract allows")]

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::slice;
use std::panic::catch_unwind;
use std::thread;

use super::broken::{Broken, Duty};
use super::pattern::{fill, wrong_byte};
use crate::abi::addr::PhysAddr;
use crate::abi::sizes::to_wire;
use crate::memory::allocator::{CarryAllocator, PreservedAllocator};

/// Pointers need not be aligned to more than this.
const PAGE_SIZE: usize = 4096;

/// A block that was preserved, by the name that every kernel has for it.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) addr: PhysAddr,
    pub(super) size: usize,
    /// What it is full of.
    pub(super) seed: u64,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the block of {} bytes at {}", self.size, self.addr)
    }
}

/// A block that is lent.
///
/// # Invariants
///
/// 1. The allocator lent it, has not got it back, and lent no other that overlaps with it.
#[derive(Clone, Copy)]
pub(super) struct Lent {
    pub(super) left: Left,
    ptr: NonNull<u8>,
}

/// A kernel that runs on an allocator.
pub(super) struct Kernel<'a, A> {
    alloc: &'a A,
    lent: Vec<Lent>,
    /// The seed of the block that is written next.
    seed: u64,
}

impl<'a, A: PreservedAllocator> Kernel<'a, A> {
    /// A kernel that holds nothing. What it writes, no kernel with another `number` writes.
    pub(super) const fn new(alloc: &'a A, number: u64) -> Self {
        Self::holding(alloc, number, Vec::new())
    }

    /// A kernel that holds blocks: the same one, by way of another reference to its allocator.
    pub(super) const fn holding(alloc: &'a A, number: u64, lent: Vec<Lent>) -> Self {
        Self { alloc, lent, seed: number << 32 }
    }

    /// Takes a new block, and fills it; `None` if the allocator refuses.
    ///
    /// # Errors
    ///
    /// If the block is not as it has to be.
    pub(super) fn alloc(&mut self, size: usize) -> Result<Option<Lent>, Broken> {
        let answer = calm("alloc_preserve", || self.alloc.alloc_preserve(size))?;
        let Ok(block) = answer else { return Ok(None) };
        let left = Left { addr: block.addr, size, seed: 0 };
        let lent = self.lend(left, block.ptr)?;
        if let Some(at) = lent.bytes().iter().position(|&byte| byte != 0) {
            return Err(Broken::new(Duty::Zeroed, format!("byte {at} of {left} is not zero")));
        }
        self.write(lent).map(Some)
    }

    /// Claims a block; `None` if the allocator refuses.
    ///
    /// # Errors
    ///
    /// If what is lent is not as it has to be.
    pub(super) fn restore(&mut self, left: Left) -> Result<Option<Lent>, Broken> {
        let answer = calm("restore", || self.alloc.restore(left.addr, left.size))?;
        let Some(ptr) = answer else { return Ok(None) };
        let lent = self.lend(left, ptr)?;
        self.lent.push(lent);
        Ok(Some(lent))
    }

    /// Claims a block that has to be there, with its bytes.
    ///
    /// # Errors
    ///
    /// With the duty to have it there, if it is not.
    pub(super) fn find(&mut self, left: Left, duty: Duty) -> Result<Lent, Broken> {
        let found = self.restore(left)?;
        let lent = found.ok_or_else(|| Broken::new(duty, format!("{left} is not found")))?;
        lent.verify(duty)?;
        Ok(lent)
    }

    /// Asserts that a claim is refused.
    ///
    /// # Errors
    ///
    /// With the duty to refuse it, if it is not.
    pub(super) fn refuses(
        &self,
        addr: PhysAddr,
        size: usize,
        duty: Duty,
        why: &str,
    ) -> Result<(), Broken> {
        let answer = catch_unwind(AssertUnwindSafe(|| self.alloc.restore(addr, size)));
        let what = match answer {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => "lends",
            Err(_) => "panics on",
        };
        Err(Broken::new(duty, format!("`restore` {what} {size} bytes at {addr}, {why}")))
    }

    /// Gives back a block from [`alloc`](Self::alloc), or one that is carried.
    ///
    /// # Errors
    ///
    /// If that unwinds.
    pub(super) fn unpreserve_free(&mut self, lent: Lent) -> Result<(), Broken> {
        self.forget(lent);
        // SAFETY: 1. it came from there, or was carried. 2. it was lent (invariant 1), and is no
        // longer in the books.
        let call = || unsafe { self.alloc.unpreserve_free(lent.ptr, lent.left.size) };
        calm("unpreserve_free", call)
    }

    /// Gives a claim back.
    ///
    /// # Errors
    ///
    /// If that unwinds.
    pub(super) fn unrestore(&mut self, lent: Lent) -> Result<(), Broken> {
        self.forget(lent);
        // SAFETY: 1. it was claimed. 2. it was lent (invariant 1), and is no longer in the books.
        calm("unrestore", || unsafe { self.alloc.unrestore(lent.ptr, lent.left.size) })
    }

    /// Frees a claimed block.
    ///
    /// # Errors
    ///
    /// If that unwinds.
    pub(super) fn restore_free(&mut self, lent: Lent) -> Result<(), Broken> {
        self.forget(lent);
        // SAFETY: 1. it was claimed. 2. it was lent (invariant 1), and is no longer in the books.
        calm("restore_free", || unsafe { self.alloc.restore_free(lent.ptr, lent.left.size) })
    }

    /// Asserts that nobody else has written to what is lent.
    ///
    /// # Errors
    ///
    /// If someone has.
    pub(super) fn verify(&self) -> Result<(), Broken> {
        self.lent.iter().try_for_each(|lent| lent.verify(Duty::Exclusive))
    }

    /// Everything that is lent, in the order in which it came.
    pub(super) fn lent(&self) -> Vec<Lent> {
        self.lent.clone()
    }

    /// Writes to every byte of a lent block, and has another thread read them.
    ///
    /// # Errors
    ///
    /// If it reads something else.
    pub(super) fn write(&mut self, mut lent: Lent) -> Result<Lent, Broken> {
        self.forget(lent);
        self.seed = self.seed.wrapping_add(1);
        lent.left.seed = self.seed;
        lent.fill();
        let (bytes, seed) = (lent.bytes(), lent.left.seed);
        let wrong = thread::scope(|scope| scope.spawn(|| wrong_byte(bytes, seed)).join());
        lent.left.judge(wrong.unwrap_or(Some(0)), Duty::Valid)?;
        self.lent.push(lent);
        Ok(lent)
    }

    /// Looks at a block that the allocator hands out.
    ///
    /// # Errors
    ///
    /// If it is not one that can be used.
    fn lend(&self, left: Left, ptr: NonNull<u8>) -> Result<Lent, Broken> {
        let (addr, size) = (left.addr, left.size);
        let fail = |duty, what: String| Err(Broken::new(duty, what));
        if !addr.is_aligned_to(to_wire(size)) {
            return fail(
                Duty::Aligned,
                format!("the address of {left} is no multiple of its size"),
            );
        }
        if addr.checked_add(to_wire(size)).is_none() {
            return fail(Duty::Aligned, format!("{left} ends behind the address space"));
        }
        if ptr.addr().get() & size.min(PAGE_SIZE).saturating_sub(1) != 0 {
            return fail(Duty::Aligned, format!("the pointer to {left} is not aligned"));
        }
        let itself = range(NonNull::from(self.alloc).cast(), size_of::<A>());
        if overlap(&range(ptr, size), &itself) {
            let what = format!("{left} lies within the allocator, which may be moved");
            return fail(Duty::Valid, what);
        }
        for other in &self.lent {
            if overlap(&range(ptr, size), &range(other.ptr, other.left.size)) {
                let what = format!("the pointer to {left} leads into {}", other.left);
                return fail(Duty::Exclusive, what);
            }
            if overlap(&left.range(), &other.left.range()) {
                return fail(Duty::Exclusive, format!("{left} overlaps with {}", other.left));
            }
        }
        // INVARIANT: 1. it was just lent, and overlaps with no other.
        Ok(Lent { left, ptr })
    }

    /// Takes a block out of the books.
    fn forget(&mut self, lent: Lent) {
        self.lent.retain(|known| known.ptr != lent.ptr);
    }
}

impl<A: CarryAllocator> Kernel<'_, A> {
    /// Preserves a claimed block again; whether it was granted.
    ///
    /// # Errors
    ///
    /// If that unwinds, or changes the block.
    pub(super) fn preserve(&self, lent: Lent) -> Result<bool, Broken> {
        // SAFETY: it was claimed, and is in the books (invariant 1), not carried as the caller says.
        let call = || unsafe { self.alloc.preserve(lent.ptr, lent.left.size) };
        let granted = calm("preserve", call)?.is_ok();
        lent.verify(Duty::Preserve)?;
        Ok(granted)
    }

    /// Takes [`preserve`](Self::preserve) back.
    ///
    /// # Errors
    ///
    /// If that unwinds.
    pub(super) fn unpreserve(&self, lent: Lent) -> Result<(), Broken> {
        // SAFETY: it is carried, as the caller says, and in the books (invariant 1).
        calm("unpreserve", || unsafe { self.alloc.unpreserve(lent.ptr, lent.left.size) })
    }
}

impl Left {
    fn range(&self) -> Range<u64> {
        self.addr.get()..self.addr.get().saturating_add(to_wire(self.size))
    }

    /// # Errors
    ///
    /// If a byte is wrong: with the duty to keep it.
    fn judge(&self, wrong: Option<usize>, duty: Duty) -> Result<(), Broken> {
        let Some(at) = wrong else { return Ok(()) };
        Err(Broken::new(duty, format!("byte {at} of {self} is not what was written")))
    }
}

impl Lent {
    /// Asserts that the block is full of what was written to it.
    ///
    /// # Errors
    ///
    /// With the duty to keep it so, if it is not.
    pub(super) fn verify(&self, duty: Duty) -> Result<(), Broken> {
        self.left.judge(wrong_byte(self.bytes(), self.left.seed), duty)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `size` initialised bytes, by the allocator's duty 1. Nobody else writes to them, by
        // duty 2, and the functions of this file only while they look at none.
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.left.size) }
    }

    fn fill(&mut self) {
        // SAFETY: `size` initialised bytes, by the allocator's duty 1. Nobody else uses them, by
        // duty 2, and the functions of this file look at none meanwhile.
        let bytes = unsafe { slice::from_raw_parts_mut(self.ptr.as_ptr(), self.left.size) };
        fill(bytes, self.left.seed);
    }
}

fn range(ptr: NonNull<u8>, size: usize) -> Range<usize> {
    let start = ptr.addr().get();
    start..start.saturating_add(size)
}

/// Whether two ranges have something in common, which an empty one has with none.
fn overlap<T: Ord>(a: &Range<T>, b: &Range<T>) -> bool {
    (&a.start).max(&b.start) < (&a.end).min(&b.end)
}

/// Makes a call that must not unwind.
///
/// # Errors
///
/// If it does.
fn calm<R>(method: &str, call: impl FnOnce() -> R) -> Result<R, Broken> {
    let what = || Broken::new(Duty::Calm, format!("`{method}` panics"));
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| what())
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;
    use crate::memory::mock::Mock;

    #[test]
    fn no_kernel_writes_what_another_writes() {
        let mem = Mock::new();
        let seeds = [1, 2, 3].map(|number| {
            let mut kernel = Kernel::new(&mem, number);
            [0; 2].map(|_| kernel.alloc(64).unwrap().unwrap().left.seed)
        });
        assert!(seeds.concat().is_sorted_by(|a, b| a < b), "{seeds:?}");
    }
}
