//! What a table of the previous kernel can do: be taken over, and given back.

#![forbid(unsafe_code)]

use crate::abi::addr::PhysAddr;
use crate::abi::checks::RestoreChecks;
use crate::abi::descriptor::Descriptor;
use crate::abi::key::Stamp;
use crate::chain::entry::Entry;
use crate::chain::owned::Fate;
use crate::error::restore::{RestoreError, RestoreErrorKind, RestoreFromError};
use crate::memory::allocator::PreservedAllocator;
use crate::set::origin::Incoming;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, const BLOCK_SIZE: usize> Slots<T, A, Incoming, BLOCK_SIZE> {
    /// Takes over the table whose chain starts at `head`; without a head, an empty one.
    ///
    /// The chain is input, and is walked as that of a [set](crate::BlockSet::restore); then each stamp
    /// is looked at once, and nothing else of a slot. A table is dense: a block in its middle that is
    /// not full would give other numbers to the slots behind it.
    ///
    /// # Errors
    ///
    /// [`RestoreError`], of the earliest damaged block, as from
    /// [`BlockSet::restore_with`](crate::BlockSet::restore_with) with [`RestoreChecks::DENSE`], and
    /// [`RestoreErrorKind::Stamp`] for a slot whose stamp is none. Every claim is given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{IncomingSlots, Slots};
    ///
    /// let mut mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// let head = table.seal().leave();
    ///
    /// mem.reboot();
    /// let table = IncomingSlots::<u64, _>::restore(&mem, head)?;
    /// assert_eq!(table.get(key), Some(&2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(alloc: A, head: Option<PhysAddr>) -> Result<Self, RestoreError> {
        let (table, error) = Self::salvage(alloc, head);
        error.map_or(Ok(table), Err)
    }

    /// Takes over the table that `descriptor` describes, and refuses it if it is not what was
    /// expected: other sizes, another `tag`, another number of slots, if that is promised.
    ///
    /// # Errors
    ///
    /// [`RestoreFromError::Descriptor`] names the field that differs; [`RestoreFromError::Chain`] is as
    /// from [`restore`](Self::restore), and holds the chain to what the descriptor's flags promise.
    /// Every claim is given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::mock::Mock;
    /// use kho_block::{IncomingSlots, Slots};
    ///
    /// let mut mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// let sealed = table.seal();
    /// let root = sealed.descriptor(0xde7);
    /// sealed.leave();
    ///
    /// mem.reboot();
    /// assert!(IncomingSlots::<u64, _>::restore_from(&mem, &root, 0x5e55).is_err());
    /// let table = IncomingSlots::<u64, _>::restore_from(&mem, &root, 0xde7)?;
    /// assert_eq!(table.get(key), Some(&2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore_from(
        alloc: A,
        descriptor: &Descriptor,
        tag: u64,
    ) -> Result<Self, RestoreFromError> {
        let (table, error) = Self::salvage_from(alloc, descriptor, tag);
        error.map_or(Ok(table), Err)
    }

    /// Takes over the sound part of a table that [`restore`](Self::restore) refuses: the blocks before
    /// the first damaged one. What is wrong with that one comes with them; the claims on it and on what
    /// is behind it are given back. Without an error, the whole table was sound.
    ///
    /// ```
    /// # use kho_block::{IncomingSlots, RestoreErrorKind, Slots, mock::Mock};
    /// # let mut mem = Mock::new();
    /// let mut table = Slots::<u64, _, _, 64>::new(&mem); // three to a block
    /// let keys = [2, 3, 5, 7, 11, 13, 17].map(|entry| table.insert(entry).unwrap());
    /// let second = table.block_addrs().nth(1).unwrap();
    /// let head = table.seal().leave();
    /// mem.reboot();
    /// mem.write(second.get() + 16 + 16, &u64::MAX.to_ne_bytes()); // damage a stamp
    ///
    /// let (table, damage) = IncomingSlots::<u64, _, 64>::salvage(&mem, head);
    /// let damage = damage.unwrap();
    /// assert_eq!((damage.block, damage.addr), (1, second));
    /// assert_eq!(damage.kind, RestoreErrorKind::Stamp { slot: 4, stamp: u64::MAX });
    /// assert_eq!((table.len(), table.get(keys[2])), (3, Some(&5)));
    /// ```
    #[must_use = "a table that is dropped gives its claims back"]
    pub fn salvage(alloc: A, head: Option<PhysAddr>) -> (Self, Option<RestoreError>) {
        Self::walk(alloc, head, RestoreChecks::empty(), false)
    }

    /// [`salvage`](Self::salvage) of the table that `descriptor` describes, held to what it promises.
    /// If it does not describe such a table, nothing is claimed and the table is empty; if only the
    /// number of slots differs, the table has them all.
    ///
    /// ```
    /// # use kho_block::{Descriptor, IncomingSlots, Slots, mock::Mock};
    /// # let mut mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// let sealed = table.seal();
    /// let root = Descriptor { entries: 4, ..sealed.descriptor(0xde7) };
    /// sealed.leave();
    /// mem.reboot();
    /// let (table, damage) = IncomingSlots::<u64, _>::salvage_from(&mem, &root, 0xde7);
    /// assert_eq!(table.get(key), Some(&2));
    /// assert_eq!(damage.unwrap().to_string(), "descriptor: says 4 entries, the chain 1");
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use = "a table that is dropped gives its claims back"]
    pub fn salvage_from(
        alloc: A,
        descriptor: &Descriptor,
        tag: u64,
    ) -> (Self, Option<RestoreFromError>) {
        let checks = match descriptor.check(Self::LAYOUT, tag) {
            Ok(checks) => checks,
            Err(error) => return (Self::empty(alloc, Fate::Unclaim), Some(error.into())),
        };
        let (table, damage) = Self::walk(alloc, descriptor.head(), checks, true);
        let error = damage.map(RestoreFromError::from);
        let miscounted = || descriptor.check_entries(table.slot_count()).err().map(From::from);
        let error = error.or_else(miscounted);
        (table, error)
    }

    /// Restores as far as the chain is sound, and the stamps are.
    fn walk(
        alloc: A,
        head: Option<PhysAddr>,
        checks: RestoreChecks,
        empty_is_fine: bool,
    ) -> (Self, Option<RestoreError>) {
        let mut table = Self::empty(alloc, Fate::Unclaim);
        let checks = checks | RestoreChecks::DENSE;
        let mut error = table.chain.walk(head, checks, empty_is_fine).err();
        if let Err(damage) = table.count() {
            // It lies before what the walk may have found.
            error = Some(damage);
            table.chain.give_back(damage.block);
            // No stamp is damaged in what is left.
            let _ = table.count();
        }
        (table, error)
    }

    /// Counts entries and retired slots.
    ///
    /// # Errors
    ///
    /// The first slot whose stamp is none.
    fn count(&mut self) -> Result<(), RestoreError> {
        let (mut len, mut retired) = (0_usize, 0_usize);
        for (slot, stamp) in self.stamps().enumerate() {
            match Stamp::read(stamp) {
                Some(Stamp::Free { .. }) => {}
                Some(Stamp::Used { .. }) => len = len.saturating_add(1),
                Some(Stamp::Retired) => retired = retired.saturating_add(1),
                None => {
                    let kind = RestoreErrorKind::Stamp { slot, stamp };
                    let block = slot.checked_div(Self::SLOTS_PER_BLOCK).unwrap_or_default();
                    let addr = self.chain.index().addr(block);
                    if let Some(addr) = addr {
                        return Err(RestoreError { kind, block, addr });
                    }
                }
            }
        }
        // INVARIANT: 1. the walk has checked it. 2. as counted. 3. there are no holes.
        self.len = len;
        self.retired = retired;
        Ok(())
    }

    /// Gives every claim back, unfreed, so that the table can be restored again; returns its head.
    /// Dropping it does the same.
    ///
    /// ```
    /// # use kho_block::{IncomingSlots, Slots, mock::Mock};
    /// # let mut mem = Mock::new();
    /// # let mut table = Slots::<u64, _>::new(&mem);
    /// # table.insert(2)?;
    /// # let head = table.seal().leave();
    /// # mem.reboot();
    /// let table = IncomingSlots::<u64, _>::restore(&mem, head)?;
    /// assert_eq!(table.release(), head);
    /// assert!(IncomingSlots::<u64, _>::restore(&mem, head).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(self) -> Option<PhysAddr> {
        self.first_block()
    }
}
