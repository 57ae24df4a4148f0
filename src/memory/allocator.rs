//! The memory underneath: the one trait that a kernel implements.
//!
//! Unsafe is open here because the trait's contract is: what an implementation promises is what the
//! rest of the crate dereferences.

#![expect(unsafe_code, reason = "declares the unsafe trait and forwards it through `&A` and `Arc`")]

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::fmt;
use core::ptr::NonNull;

use crate::abi::addr::PhysAddr;

/// A block fresh from [`PreservedAllocator::alloc_preserve`], by both of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreservedBlock {
    /// Where this kernel reaches the block.
    pub ptr: NonNull<u8>,
    /// Where the next kernel will find it.
    pub addr: PhysAddr,
}

/// No preserved memory of the size asked for is to be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocError;

impl AllocError {
    /// The number C callers know this error by: `ENOMEM`, 12.
    ///
    /// ```
    /// assert_eq!(kho_block::AllocError.errno(), 12);
    /// ```
    #[must_use]
    pub const fn errno(&self) -> i32 {
        crate::abi::errno::ENOMEM
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of preserved memory")
    }
}

impl core::error::Error for AllocError {}

/// Memory that outlives the kernel: what a set takes blocks from, and gives them back to.
///
/// A kernel implements this once, over KHO or its like. `&A` and `Arc<A>` are allocators wherever
/// `A` is. In every method `size` is a power of two of at least 32 bytes, and a set always passes
/// its own `BLOCK_SIZE`. The crate documentation shows an implementation method by method, and
/// [`mock`](crate#the-mock) one that runs on a host.
///
/// # Safety
///
/// An implementation has these duties; "lent" is a block from the moment
/// [`alloc_preserve`](Self::alloc_preserve) or [`restore`](Self::restore) hands it out until it is
/// freed, given back by [`unrestore`](Self::unrestore), or left to the next kernel.
///
/// 1. *Valid.* All `size` bytes of a lent block can be read and written through the pointer, from
///    any thread, and are initialised, wherever the allocator is moved meanwhile. What is left to
///    the next kernel stays as it is when the allocator is dropped.
/// 2. *Exclusive.* Only its holder reads or writes a lent block: the allocator does not, nor does
///    another CPU, and no two lent blocks overlap. (What a device does that the holder told the
///    physical address, the holder does.)
/// 3. *Aligned.* The physical address of a block is a multiple of `size`, the pointer one of the
///    smaller of `size` and 4096, and the block ends within the address space. A set refuses a
///    block that is not so when it obtains it.
/// 4. *Zeroed.* Every byte of a block from `alloc_preserve` is zero.
/// 5. *Once.* `restore` lends a block only if the previous kernel preserved one of exactly this
///    size at exactly this address, and not while it is lent.
/// 6. *Total.* `restore` takes any address, and dereferences none that it does not know.
/// 7. *Found again.* The address from `alloc_preserve` is the one by which the next kernel's
///    `restore` finds the block, with the bytes that were last written.
/// 8. *Calm.* No method unwinds out of a call that keeps to this contract. (That of an allocator
///    for tests may, before anything has changed, if the test asked for what is impossible.)
/// 9. *Same.* `&A`, `Arc<A>` and clones stand for the same memory: a block lent by one may be given
///    back to another.
/// 10. *Fit at every instant.* A kexec may come between any two instructions, the allocator's own
///     included. What the next kernel finds of its books then says of each block that it is
///     preserved or that it is not, and lets none be lent twice.
/// 11. *Claims at a kexec.* The allocator's documentation says whether a block that is claimed, and
///     neither freed nor preserved again, is there for the kernel after. (Over KHO it is not.)
pub unsafe trait PreservedAllocator {
    /// Allocates a block that the next kernel will find. In KHO: `kho_alloc_preserve`.
    ///
    /// # Guarantees
    ///
    /// The block is lent to the caller by duties 1 to 4, and is preserved from here on (duties 7
    /// and 10).
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is no such block; nothing has changed then.
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError>;

    /// Takes back a block from [`alloc_preserve`](Self::alloc_preserve): it is no longer preserved,
    /// and free. In KHO: `kho_unpreserve_free`.
    ///
    /// # Guarantees
    ///
    /// The next kernel's `restore` refuses the address, unless it is preserved anew. The block is
    /// preserved no more before anyone else gets it (duty 10).
    ///
    /// # Safety
    ///
    /// 1. `ptr` came from `alloc_preserve(size)` of this allocator, or was
    ///    [carried](CarryAllocator::preserve), with this `size`.
    /// 2. It has not been given back since, and the caller no longer uses it.
    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize);

    /// Claims the block that the previous kernel preserved at `addr`. In KHO: a look at the page,
    /// since `kho_restore_folio` cannot be undone.
    ///
    /// # Guarantees
    ///
    /// The block is lent to the caller by duties 1 to 3, its bytes as the previous kernel left
    /// them. `None` for any address that is not the start of a preserved, unclaimed block of
    /// `size` bytes (duties 5 and 6).
    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>>;

    /// Gives a claim back: the block stays preserved and can be claimed again. KHO has no such
    /// call; an implementation forgets that it handed the block out.
    ///
    /// # Guarantees
    ///
    /// The block's bytes are as the caller left them, and `restore` lends them again.
    ///
    /// # Safety
    ///
    /// 1. `ptr` came from `restore(_, size)` of this allocator, with this `size`.
    /// 2. It has not been given back since, and the caller no longer uses it.
    unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize);

    /// Frees a claimed block. In KHO: `kho_restore_free`, which restores it as well.
    ///
    /// # Guarantees
    ///
    /// `restore` refuses the address from here on.
    ///
    /// # Safety
    ///
    /// 1. `ptr` came from `restore(_, size)` of this allocator, with this `size`.
    /// 2. It has not been given back since, and the caller no longer uses it.
    unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize);
}

/// An allocator that can preserve a claimed block again, where it is: what
/// [`adopt`](crate::BlockSet::adopt) asks for, so that records live through many kernels without a
/// copy.
///
/// # Safety
///
/// The duties of [`PreservedAllocator`] hold of a block that is carried as of one from
/// [`alloc_preserve`](PreservedAllocator::alloc_preserve), but that it is not zeroed (duty 4).
pub unsafe trait CarryAllocator: PreservedAllocator {
    /// Makes a claimed block one as from `alloc_preserve`, its bytes, address and pointer as they
    /// are: from here on it is preserved for the next kernel. In KHO: `kho_restore_folio`, unless
    /// that was called already, and `kho_preserve_folio`.
    ///
    /// # Guarantees
    ///
    /// The block stays lent to the caller, who now gives it back by
    /// [`unpreserve_free`](PreservedAllocator::unpreserve_free) or [`unpreserve`](Self::unpreserve).
    ///
    /// # Errors
    ///
    /// [`AllocError`] if it cannot be preserved; it is a claimed block then, as before.
    ///
    /// # Safety
    ///
    /// `ptr` came from `restore(_, size)` of this allocator, with this `size`, and has neither been
    /// given back nor carried since.
    unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError>;

    /// Takes [`preserve`](Self::preserve) back: a claimed block again. Cannot fail. In KHO:
    /// `kho_unpreserve_folio`.
    ///
    /// # Guarantees
    ///
    /// The block stays lent to the caller, who now gives it back by
    /// [`unrestore`](PreservedAllocator::unrestore) or
    /// [`restore_free`](PreservedAllocator::restore_free).
    ///
    /// # Safety
    ///
    /// `ptr` was carried by `preserve(ptr, size)` of this allocator, with this `size`, and has not
    /// been given back since.
    unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize);
}

/// Implements the traits for a pointer to an allocator: every call goes to what it points to.
macro_rules! forward {
    ($(#[$attr:meta])* $pointer:ty) => {
        $(#[$attr])*
        // SAFETY: every duty is paid by `A`, whose methods these are (9: it is the same memory).
        unsafe impl<A: PreservedAllocator + ?Sized> PreservedAllocator for $pointer {
            fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
                (**self).alloc_preserve(size)
            }

            unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
                // SAFETY: the caller's duties are those of the method it forwards to.
                unsafe { (**self).unpreserve_free(ptr, size) }
            }

            fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
                (**self).restore(addr, size)
            }

            unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
                // SAFETY: the caller's duties are those of the method it forwards to.
                unsafe { (**self).unrestore(ptr, size) }
            }

            unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
                // SAFETY: the caller's duties are those of the method it forwards to.
                unsafe { (**self).restore_free(ptr, size) }
            }
        }

        $(#[$attr])*
        // SAFETY: every duty is paid by `A`, whose methods these are.
        unsafe impl<A: CarryAllocator + ?Sized> CarryAllocator for $pointer {
            unsafe fn preserve(&self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
                // SAFETY: the caller's duties are those of the method it forwards to.
                unsafe { (**self).preserve(ptr, size) }
            }

            unsafe fn unpreserve(&self, ptr: NonNull<u8>, size: usize) {
                // SAFETY: the caller's duties are those of the method it forwards to.
                unsafe { (**self).unpreserve(ptr, size) }
            }
        }
    };
}

forward!(&A);
forward!(
    #[cfg(target_has_atomic = "ptr")]
    Arc<A>
);
