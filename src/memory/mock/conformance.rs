//! A check of anybody's allocator: every duty of the contract that can be tried is.
//!
//! An allocator over KHO, over a device, or over a model of either has the duties that
//! [`PreservedAllocator`](crate::PreservedAllocator#safety) numbers. [`check`] tries them, over
//! several kernels, and says which one is broken. It is told how a machine is started, and how it goes
//! from one kernel to the next:
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::mock::conformance;
//!
//! /// Your allocator, here the mock: that of a fresh machine, or of the next kernel.
//! fn kexec(previous: Option<Mock>) -> Mock {
//!     let Some(mut machine) = previous else { return Mock::new() };
//!     machine.reboot();
//!     machine
//! }
//!
//! conformance::check(kexec)?;
//! conformance::check_carry(kexec)?; // if it is a `CarryAllocator` too
//! # Ok::<(), conformance::Broken>(())
//! ```
//!
//! An allocator that borrows its machine owns it here, by an `Arc`: `previous` is dropped, the machine
//! made to go on, and an allocator made of it. Machines are started several times, each with no block
//! preserved; at the end of each all blocks are freed.
//!
//! # What is not tried
//!
//! - Duty 10: that a kexec may come between two instructions of the allocator. It comes between two
//!   calls. (This crate's own tests stop a process after each instruction; nothing less shows it.)
//! - Of duty 6, that no unknown address is dereferenced: one that is followed and happens to be mapped
//!   goes unnoticed, and one that is not takes the test's process down.
//! - Of duty 9, clones: only that an allocator may be moved, and used by any reference to it. `&A` and
//!   `Arc<A>` are this crate's and pass every call on.
//! - Calls on two processors at once. Other threads do read what is lent.
//! - That memory which is freed is ever lent again. If it is, it has to be zero.

mod broken;
mod carried;
mod kernel;
mod pattern;
mod scenarios;

use alloc::format;
use alloc::vec::Vec;

pub use self::broken::{Broken, Duty};
use self::kernel::Kernel;
use self::scenarios::Scenario;
use crate::abi::sizes::MIN_BLOCK_SIZE;
use crate::memory::allocator::{CarryAllocator, PreservedAllocator};

/// Tries every duty of an allocator that can be tried on any: [`Conformance::check`], with nothing
/// declared.
///
/// # Errors
///
/// [`Broken`], with the first duty that is seen to be broken.
///
/// # Examples
///
/// An allocator whose blocks are not where it says:
///
/// ```
/// use core::ptr::NonNull;
/// use kho_block::mock::Mock;
/// use kho_block::mock::conformance::{Duty, check};
/// use kho_block::{AllocError, PhysAddr, PreservedAllocator, PreservedBlock};
///
/// struct Shifted(Mock);
///
/// // SAFETY: none is given, which is what is to be found out.
/// unsafe impl PreservedAllocator for Shifted {
///     fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
///         let block = self.0.alloc_preserve(size)?;
///         Ok(PreservedBlock { addr: block.addr.checked_add(16).ok_or(AllocError)?, ..block })
///     }
///     // The others pass the call on.
/// #   unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, size: usize) {
/// #       unsafe { self.0.unpreserve_free(ptr, size) }
/// #   }
/// #   fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
/// #       self.0.restore(addr, size)
/// #   }
/// #   unsafe fn unrestore(&self, ptr: NonNull<u8>, size: usize) {
/// #       unsafe { self.0.unrestore(ptr, size) }
/// #   }
/// #   unsafe fn restore_free(&self, ptr: NonNull<u8>, size: usize) {
/// #       unsafe { self.0.restore_free(ptr, size) }
/// #   }
/// }
///
/// let broken = check(|previous: Option<Shifted>| {
///     let mut machine = previous.map_or_else(Mock::new, |shifted| shifted.0);
///     machine.reboot();
///     Shifted(machine)
/// });
/// assert_eq!(broken.unwrap_err().duty, Duty::Aligned);
/// ```
pub fn check<A: PreservedAllocator>(kexec: impl FnMut(Option<A>) -> A) -> Result<(), Broken> {
    Conformance::new().check(kexec)
}

/// Tries, besides what [`check`] tries, what it takes to preserve a claimed block again:
/// [`Conformance::check_carry`], with nothing declared.
///
/// # Errors
///
/// [`Broken`], with the first duty that is seen to be broken.
///
/// # Examples
///
/// What becomes of a block that cannot be preserved is tried on an allocator that refuses some:
///
/// ```
/// use kho_block::mock::{Mock, conformance};
///
/// for granted in 1..10 {
///     conformance::check_carry(|previous: Option<Mock>| {
///         let mut machine = previous.unwrap_or_default();
///         machine.reboot();
///         machine.refuse_preserve_after(granted);
///         machine
///     })?;
/// }
/// # Ok::<(), conformance::Broken>(())
/// ```
pub fn check_carry<A: CarryAllocator>(kexec: impl FnMut(Option<A>) -> A) -> Result<(), Broken> {
    Conformance::new().check_carry(kexec)
}

/// A check, with what is declared of the allocator.
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::mock::conformance::Conformance;
///
/// Conformance::new().claims_survive(true).sizes(&[8192]).check(|previous: Option<Mock>| {
///     let mut machine = previous.unwrap_or_default();
///     machine.reboot_keeping_claims();
///     machine
/// })?;
/// # Ok::<(), kho_block::mock::conformance::Broken>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Conformance {
    claims_survive: Option<bool>,
    sizes: Vec<usize>,
}

impl Conformance {
    /// A check with nothing declared, of blocks from 32 bytes to 64 KiB.
    pub fn new() -> Self {
        Self { claims_survive: None, sizes: [MIN_BLOCK_SIZE, 512, 4096, 8192, 65536].to_vec() }
    }

    /// Declares what becomes of a block that is claimed at a kexec, and neither freed nor preserved
    /// again: whether the kernel after finds it (duty 11). Not tried if it is not declared.
    pub const fn claims_survive(mut self, survive: bool) -> Self {
        self.claims_survive = Some(survive);
        self
    }

    /// Tries blocks of these sizes, in bytes. One that the allocator does not grant on a fresh
    /// machine is left out; one at least it has to grant. It should have room for eight blocks of
    /// each, and does with less, but less is tried then.
    ///
    /// # Panics
    ///
    /// If a size is no power of two, or below [`MIN_BLOCK_SIZE`]: no set asks for one.
    pub fn sizes(mut self, sizes: &[usize]) -> Self {
        for &size in sizes {
            assert!(size.is_power_of_two() && size >= MIN_BLOCK_SIZE, "{size} is no block size");
        }
        self.sizes = sizes.to_vec();
        self
    }

    /// Tries every duty that can be tried on any allocator. `kexec` returns the allocator of a fresh
    /// machine for `None`, and that of the next kernel for the previous one's.
    ///
    /// # Errors
    ///
    /// [`Broken`], with the first duty that is seen to be broken. The allocator may be in any state
    /// then.
    pub fn check<A: PreservedAllocator>(
        &self,
        mut kexec: impl FnMut(Option<A>) -> A,
    ) -> Result<(), Broken> {
        let mut scenario = self.scenario(&mut kexec)?;
        scenario.fresh()?;
        scenario.handover()?;
        scenario.moved()?;
        match self.claims_survive {
            Some(survive) => scenario.claimed(survive),
            None => Ok(()),
        }
    }

    /// Tries, besides what [`check`](Self::check) tries, what it takes to preserve a claimed block
    /// again.
    ///
    /// # Errors
    ///
    /// [`Broken`], with the first duty that is seen to be broken. The allocator may be in any state
    /// then.
    pub fn check_carry<A: CarryAllocator>(
        &self,
        mut kexec: impl FnMut(Option<A>) -> A,
    ) -> Result<(), Broken> {
        self.check(&mut kexec)?;
        self.scenario(&mut kexec)?.carried(self.claims_survive)
    }

    /// What is tried, with the sizes that are granted.
    ///
    /// # Errors
    ///
    /// If none is, or a block is not as it has to be.
    fn scenario<'k, A: PreservedAllocator>(
        &self,
        kexec: &'k mut dyn FnMut(Option<A>) -> A,
    ) -> Result<Scenario<'k, A>, Broken> {
        let alloc = kexec(None);
        let mut kernel = Kernel::new(&alloc, 0);
        let mut sizes = Vec::new();
        for &size in &self.sizes {
            if let Some(lent) = kernel.alloc(size)? {
                kernel.unpreserve_free(lent)?;
                sizes.push(size);
            }
        }
        if sizes.is_empty() {
            let what = format!("no size is granted, of {:?}", self.sizes);
            return Err(Broken::new(Duty::NotTried, what));
        }
        Ok(Scenario { kexec, sizes })
    }
}

impl Default for Conformance {
    fn default() -> Self {
        Self::new()
    }
}
