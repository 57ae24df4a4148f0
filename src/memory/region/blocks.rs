//! The allocator that a region is.
//!
//! Unsafe is open here to implement its trait.

#![expect(unsafe_code, reason = "implements `PreservedAllocator` over raw memory")]

use core::ptr::NonNull;

use crate::abi::addr::PhysAddr;
use crate::abi::region::{BookByte, Claim};
use crate::memory::allocator::{AllocError, CarryAllocator, PreservedAllocator, PreservedBlock};
use crate::memory::region::Region;

impl Region {
    /// Changes what this kernel has to do with a block, if the books know one of this very size at
    /// this very unit, with a claim that is one of `from`.
    #[inline]
    fn turn(&self, unit: usize, size: usize, from: &[Claim], to: Claim) -> Option<()> {
        let to = BookByte::of_block(size, to)?;
        self.state.with(|_| {
            let byte = self.books.get(unit);
            if !from.iter().any(|&claim| byte == to.with(claim)) {
                return None;
            }
            self.books.set(unit, to);
            Some(())
        })
    }

    /// Frees a block that the books know as this one, and of which the claim is `from`.
    ///
    /// # Safety
    ///
    /// No one uses it any more.
    #[inline]
    unsafe fn free(&self, ptr: NonNull<u8>, size: usize, from: Claim) {
        let Some(unit) = self.books.ground.unit_of(ptr) else { return };
        let Some(byte) = BookByte::of_block(size, from) else { return };
        // A block of another size or claim is left alone: better lost than freed under its owner.
        // SAFETY: the caller's duty.
        let _ = unsafe { self.free_booked(unit, byte) };
    }
}

// SAFETY:
// 1. *Valid.* A block lies in the region's memory, which is mapped and initialised, for any thread and
//    for as long as anything of it is used (`create` and `open`, duty 1). It moves with no value, and
//    dropping the region does nothing.
// 2. *Exclusive.* What is allocated was on the free lists, and is on them no more (`FreeBlocks`, 1);
//    what is restored was not lent, by its claim. Blocks do not overlap: `open` has checked those of
//    the previous kernel, and free ones are what is left over. To a lent block nothing is written
//    here, and no one else has a free one (`create` and `open`, duty 3).
// 3. *Aligned.* `FreeBlocks`, 1, and `Books::check` for those that were left; smaller ones start a unit.
//    The pointer is a multiple of a unit, as `Ground::new` has checked. All is within the region.
// 4. *Zeroed.* By `alloc_preserve`, while the block is neither free nor preserved.
// 5. *Once.* `turn` makes `Claimed` of `Left` and `GivenBack` alone, under the lock, and looks for the
//    size and the first unit. `Left` is made by `open`, of what was preserved, and `GivenBack` of
//    `Claimed`.
// 6. *Total.* An address is looked up in the books, and followed only if they know it.
// 7. *Found again.* The address is the physical one, and the books are in the region (duty 2 of
//    `create` and `open`). `open` writes to free blocks alone.
// 8. *Calm.* Nothing here panics.
// 9. *Same.* A region is not cloned.
// 10. *Fit at every instant.* One byte of the books says whether a block is preserved, and `Books::set`
//     stores it in one go: after the zeroes, and before the memory is anyone else's. All claims mean
//     the same to the next kernel, and so do free and busy.
// 11. *Claims at a kexec.* What is claimed is there for the kernel after, as `Region` says.
unsafe impl PreservedAllocator for Region {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        let byte = BookByte::of_block(size, Claim::Held).ok_or(AllocError)?;
        let unit = self.state.with(|state| {
            let unit = state.free.take(byte.order())?;
            // From here on it is not for a neighbour to join, while the lock is others'.
            self.books.set(unit, BookByte::BUSY);
            Some(unit)
        });
        let unit = unit.ok_or(AllocError)?;
        let ptr = self.books.ground.ptr(unit).ok_or(AllocError)?;
        // SAFETY: the block is mapped and as long, and was taken off the free lists above.
        unsafe { ptr.write_bytes(0, size) };
        self.books.set(unit, byte);
        Ok(PreservedBlock { ptr, addr: self.books.ground.addr(unit) })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller no longer uses it, by duty 2.
        unsafe { self.free(ptr, size, Claim::Held) }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let unit = self.books.ground.unit_at(addr)?;
        self.turn(unit, size, &[Claim::Left, Claim::GivenBack], Claim::Claimed)?;
        self.books.ground.ptr(unit)
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
        let unit = self.books.ground.unit_of(ptr);
        let _ = unit.and_then(|unit| self.turn(unit, size, &[Claim::Claimed], Claim::GivenBack));
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
        // SAFETY: the caller no longer uses it, by duty 2.
        unsafe { self.free(ptr, size, Claim::Claimed) }
    }
}

// SAFETY: as above. The claim changes, and nothing else: the block is preserved either way.
unsafe impl CarryAllocator for Region {
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let unit = self.books.ground.unit_of(ptr).ok_or(AllocError)?;
        self.turn(unit, size, &[Claim::Claimed], Claim::Held).ok_or(AllocError)
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
        let unit = self.books.ground.unit_of(ptr);
        let _ = unit.and_then(|unit| self.turn(unit, size, &[Claim::Held], Claim::Claimed));
    }
}
