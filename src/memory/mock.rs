//! Physical memory and reboots, on a host: how a kernel tests its live update.
//!
//! A [`Mock`] is a machine. Sets take their blocks from it, [`reboot`](Mock::reboot) starts the
//! next kernel, and what the sets left is there to be restored:
//!
//! ```
//! use kho_block::mock::Mock;
//! use kho_block::{BlockSet, IncomingSet};
//!
//! let mut machine = Mock::new();
//! let mut files = BlockSet::<u64, _>::new(&machine);
//! files.extend_from_slice(&[3, 4, 5])?; // your save
//! let head = files.into_head();
//! machine.reboot();
//! let mut files = IncomingSet::<u64, _>::restore(&machine, head)?; // your restore
//! assert!(files.iter().eq(&[3, 4, 5]));
//! files.destroy();
//! machine.assert_clean();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Physical addresses start at 4 GiB and are no pointers; a table leads from one to the other, so
//! that tests run under Miri with strict provenance. The machine runs [out of
//! memory](Mock::refuse_after) on request, lets a test [damage](Mock::write) any byte, poisons what
//! is freed, counts calls, and reports misuse. What changes memory behind a set's back takes
//! `&mut self`: the borrow checker sees to it that no set is alive then.

mod address;
mod allocator;
pub mod conformance;
mod machine;
mod memory;
mod report;

use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::address::Address;
use self::machine::{Machine, State};
use self::memory::Memory;
use self::report::Addrs;
pub use self::report::{Calls, Fault};

/// What every byte of a freed block is set to.
pub const POISON: u8 = 0xa5;

/// How many bytes of freed blocks a machine keeps until the next reboot, so that who reads one late
/// meets [`POISON`]: 16 MiB. Of more, those that were freed first are the host's again, where a
/// sanitizer notices.
pub const POISONED_MAX: usize = 16 << 20;

/// A machine with preserved memory, for as long as the value lives; see the [module](self).
///
/// A block that is claimed, and neither freed nor [preserved again](crate::CarryAllocator), is gone
/// at the next [`reboot`](Self::reboot), as over KHO, and there again at a
/// [`reboot_keeping_claims`](Self::reboot_keeping_claims).
///
/// `&Mock` is an allocator, and so is `Mock` itself, for a set in a `static`.
pub struct Mock(Mutex<Machine>);

impl Mock {
    /// A machine with no preserved memory, and as much free memory as the host has.
    ///
    /// ```
    /// # use kho_block::mock::Mock;
    /// static MACHINE: Mock = Mock::new();
    /// assert_eq!(MACHINE.live(), 0);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Machine::new()))
    }

    /// A machine that grants `n` allocations and refuses every later one.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let machine = Mock::refusing(1);
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// assert!(set.grow(1023).is_err()); // two blocks
    /// assert_eq!(machine.live(), 0);
    /// ```
    #[must_use]
    pub fn refusing(n: usize) -> Self {
        let machine = Self::new();
        machine.refuse_after(n);
        machine
    }

    /// Grants the next `n` allocations and refuses every later one.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let machine = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// machine.refuse_after(0);
    /// assert!(set.push(7).is_err());
    /// machine.refuse_none();
    /// assert!(set.push(7).is_ok());
    /// ```
    pub fn refuse_after(&self, n: usize) {
        self.machine().until_refusal = Some(n);
    }

    /// Grants every allocation again, and preserves every block.
    pub fn refuse_none(&self) {
        let machine = &mut *self.machine();
        machine.until_refusal = None;
        machine.until_preserve_refusal = None;
    }

    /// Preserves the next `n` claimed blocks again, and refuses every later one: they stay claimed.
    ///
    /// ```
    /// # use kho_block::{CarryAllocator, PhysAddr, PreservedAllocator, mock::Mock};
    /// let mut machine = Mock::new();
    /// machine.leave(0x2000, &[7; 32]);
    /// let ptr = machine.restore(PhysAddr::new(0x2000).unwrap(), 32).unwrap();
    /// machine.refuse_preserve_after(0);
    /// // SAFETY: it is claimed, and not given back.
    /// assert!(unsafe { machine.preserve(ptr, 32) }.is_err());
    /// machine.refuse_none();
    /// // SAFETY: it is still claimed.
    /// assert!(unsafe { machine.preserve(ptr, 32) }.is_ok());
    /// machine.reboot();
    /// assert_eq!(machine.unclaimed(), 1);
    /// ```
    pub fn refuse_preserve_after(&self, n: usize) {
        self.machine().until_preserve_refusal = Some(n);
    }

    /// Puts the next blocks at these addresses, in turn.
    ///
    /// ```
    /// # use kho_block::{BlockSet, PhysAddr, mock::Mock};
    /// let machine = Mock::new();
    /// machine.place([0x8000, 0x2000]);
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// set.grow(1)?;
    /// assert_eq!(set.first_block(), PhysAddr::new(0x8000));
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    ///
    /// An allocation panics whose address is zero, not aligned to its size, in use, or too close to
    /// the end of the address space.
    pub fn place(&self, addrs: impl IntoIterator<Item = impl Address>) {
        let addrs: Vec<u64> = addrs.into_iter().map(Into::into).collect();
        self.machine().places.extend(addrs);
    }

    /// Starts the next kernel: what was preserved for it can now be restored, once.
    ///
    /// What was preserved for the kernel that ends here, and not freed by it, is gone, and
    /// [reported](Fault::Lost).
    ///
    /// ```
    /// # use kho_block::{BlockSet, IncomingSet, PhysAddr, mock::Mock};
    /// let mut machine = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// set.push(2)?;
    /// let _ = set.into_head();
    /// machine.reboot();
    /// assert_eq!((machine.live(), machine.unclaimed()), (0, 1));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn reboot(&mut self) {
        self.machine().reboot(&[]);
    }

    /// Starts the next kernel on an allocator that preserves a block until it is freed: what was
    /// left, and what was claimed, is there again, and nothing is lost.
    ///
    /// Over KHO it is not so: there use [`reboot`](Self::reboot).
    ///
    /// ```
    /// # use kho_block::{BlockSet, DEFAULT_BLOCK_SIZE, IncomingSet, PreservedAllocator, mock::Mock};
    /// let mut machine = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// set.push(2)?;
    /// let head = set.into_head();
    /// machine.reboot_keeping_claims();
    /// assert!(machine.restore(head.unwrap(), DEFAULT_BLOCK_SIZE).is_some()); // and dies with the claim
    /// machine.reboot_keeping_claims();
    /// let set = IncomingSet::<u64, _>::restore(&machine, head)?;
    /// assert!(set.iter().eq(&[2]));
    /// assert_eq!(machine.faults(), []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reboot_keeping_claims(&mut self) {
        self.machine().reboot(&[State::Left, State::Claimed]);
    }

    /// Frees what the previous kernel left and nobody has claimed, or has claimed and given back:
    /// the blocks that [`unclaimed`](Self::unclaimed) counts. Returns how many they were.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let mut machine = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// set.extend_from_slice(&[7; 5000])?; // five blocks
    /// set.into_head(); // which nobody wrote down
    /// machine.reboot();
    /// assert_eq!(machine.discard_unclaimed(), 5);
    /// machine.assert_clean();
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    pub fn discard_unclaimed(&self) -> usize {
        self.machine().discard()
    }

    /// Adds a block with these bytes, as if the previous kernel had left it at `addr`: for images
    /// of other origin.
    ///
    /// ```
    /// # use kho_block::{BlockSet, IncomingSet, PhysAddr, mock::Mock};
    /// let mut machine = Mock::new();
    /// let mut block = [0; 32];
    /// block[8..16].copy_from_slice(&1_u64.to_ne_bytes()); // the count
    /// machine.leave(0x2000, &block);
    /// let set = IncomingSet::<u64, _, 32>::restore(&machine, PhysAddr::new(0x2000))?;
    /// assert_eq!(set.len(), 1);
    /// # Ok::<(), kho_block::RestoreError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the length is no power of two, or `addr` is zero, not aligned to it, in use, or too close
    /// to the end of the address space.
    pub fn leave(&mut self, addr: impl Address, bytes: &[u8]) {
        let mut memory = Memory::zeroed(bytes.len()).expect("the length is a power of two");
        memory.write(0, bytes);
        self.machine().add(addr.into(), State::Left, memory);
    }

    /// Reads `len` bytes at a physical address. Takes `&mut self` since a set might be writing.
    ///
    /// # Panics
    ///
    /// If the range is not within one block.
    #[must_use]
    pub fn read(&mut self, addr: impl Address, len: usize) -> Vec<u8> {
        self.machine().at(addr.into(), len, |memory, offset| memory.read(offset, len))
    }

    /// Writes bytes at a physical address: damage, mostly.
    ///
    /// ```
    /// # use kho_block::{BlockSet, IncomingSet, PhysAddr, mock::Mock};
    /// let mut machine = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// set.push(2)?;
    /// let head = set.into_head();
    /// machine.reboot();
    /// let count = head.unwrap().checked_add(8).unwrap();
    /// assert_eq!(machine.read(count, 8), 1_u64.to_ne_bytes());
    /// machine.write(count, &u64::MAX.to_ne_bytes());
    /// assert!(IncomingSet::<u64, _>::restore(&machine, head).is_err());
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the range is not within one block.
    pub fn write(&mut self, addr: impl Address, bytes: &[u8]) {
        self.machine().at(addr.into(), bytes.len(), |memory, offset| memory.write(offset, bytes));
    }

    /// Blocks that this kernel has to give back or leave to the next: allocated, claimed or carried.
    #[must_use]
    pub fn live(&self) -> usize {
        self.machine().count(|state| state != State::Left)
    }

    /// Blocks that the previous kernel left and that are not claimed.
    #[must_use]
    pub fn unclaimed(&self) -> usize {
        self.machine().count(|state| state == State::Left)
    }

    /// How often each method was called since the machine was made.
    ///
    /// ```
    /// # use kho_block::{BlockSet, mock::Mock};
    /// let machine = Mock::new();
    /// let mut set = BlockSet::<u64, _>::new(&machine);
    /// set.grow(5000)?;
    /// assert_eq!(machine.calls().alloc_preserve, 5);
    /// # Ok::<(), kho_block::GrowError>(())
    /// ```
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.machine().calls
    }

    /// What went wrong since the machine was made, in order.
    ///
    /// ```
    /// # use kho_block::PreservedAllocator;
    /// # use kho_block::mock::{Fault, Mock};
    /// let mut machine = Mock::new();
    /// machine.leave(0x2000, &[0; 32]);
    /// let addr = kho_block::PhysAddr::new(0x2000).unwrap();
    /// assert!(machine.restore(addr, 32).is_some());
    /// assert!(machine.restore(addr, 32).is_none());
    /// assert_eq!(machine.faults(), [Fault::DoubleClaim { addr: 0x2000 }]);
    /// ```
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.machine().faults.clone()
    }

    /// Asserts that every block was freed and nothing went wrong. [`Fault::DoubleClaim`] and
    /// [`Fault::WrongSizeClaim`] are allowed: refusing a claim is how a damaged chain is found.
    ///
    /// A restored set that was dropped has given its claims back, and freed nothing: its blocks are
    /// among those that this names.
    ///
    /// # Panics
    ///
    /// With what is left, by address, or what went wrong.
    pub fn assert_clean(&self) {
        let [allocated, left, claimed, carried] =
            [State::Outgoing, State::Left, State::Claimed, State::Carried]
                .map(|state| Addrs(self.machine().addrs(state)));
        assert!(
            allocated.0.is_empty(),
            "allocated, and neither freed nor handed over: {allocated}"
        );
        assert!(claimed.0.is_empty(), "claimed, and neither freed nor given back: {claimed}");
        assert!(
            carried.0.is_empty(),
            "preserved again, and neither freed nor handed over: {carried}"
        );
        assert!(left.0.is_empty(), "left by the previous kernel, and never freed: {left}");
        let mut faults = self.faults();
        faults.retain(|fault| {
            !matches!(fault, Fault::DoubleClaim { .. } | Fault::WrongSizeClaim { .. })
        });
        assert_eq!(faults, [], "the kernel broke the allocator's contract");
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("live", &self.live())
            .field("unclaimed", &self.unclaimed())
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
