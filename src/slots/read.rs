//! Finding an entry by its key, and changing it where it is.

#![forbid(unsafe_code)]

use core::ptr::NonNull;

use crate::abi::addr::PhysAddr;
use crate::abi::key::{Key, Stamp};
use crate::abi::sizes::{HEADER_SIZE, to_wire};
use crate::chain::entry::{Entry, MAX_SLOTS};
use crate::memory::allocator::PreservedAllocator;
use crate::set::origin::Origin;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    Slots<T, A, O, BLOCK_SIZE>
{
    /// The block that slot `number` lies in, if it is there at all, and which of its slots it is.
    #[inline]
    pub(crate) fn locate(number: u32) -> Option<(usize, usize)> {
        let number = usize::try_from(number).ok().filter(|&number| number < MAX_SLOTS)?;
        // No number exceeds the mask, which tells the compiler how large the dividend can be: it then
        // divides faster.
        let number = number & MAX_SLOTS.saturating_sub(1);
        let capacity = Self::SLOTS_PER_BLOCK;
        Some((number.checked_div(capacity)?, number.checked_rem(capacity)?))
    }

    /// The block and the slot in it that hold the entry of `key`; `None` if there is no such entry.
    #[inline]
    pub(crate) fn find(&self, key: Key) -> Option<(usize, usize)> {
        // Behind the last slot of an outgoing table all is zero, which no stamp in use is.
        if O::INCOMING && !self.has_slot(key.slot) {
            return None;
        }
        let (block, slot) = Self::locate(key.slot)?;
        let stamp = self.chain.blocks().get(block)?.stamp(slot)?;
        Stamp::is_of(stamp, key).then_some((block, slot))
    }

    /// Whether a slot is in the chain.
    #[inline]
    fn has_slot(&self, number: u32) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.slot_count())
    }

    /// The stamps of all slots in the chain, in order.
    pub(crate) fn stamps(&self) -> impl Iterator<Item = u64> {
        let places = move |block| (0..Self::SLOTS_PER_BLOCK).map(move |place| (block, place));
        // All blocks but the last are full.
        let places = self.chain.blocks().iter().flat_map(places).take(self.slot_count());
        places.filter_map(|(block, place)| block.stamp(place))
    }

    /// The entry of `key`; `None` if it was removed, or never there.
    ///
    /// O(1): the stamp is looked at, and nothing of other slots.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// assert_eq!(table.get(key), Some(&2));
    /// table.remove(key);
    /// assert_eq!(table.get(key), None);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let (block, slot) = self.find(key)?;
        self.chain.blocks().get(block)?.entry(slot)
    }

    /// The entry of `key`, to be changed; `None` if it was removed, or never there.
    ///
    /// The entry is in the chain already: a kexec in the middle of a change hands over half of it.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// *table.get_mut(key).unwrap() += 5;
    /// assert_eq!(table.get(key), Some(&7));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (block, slot) = self.find(key)?;
        Some(self.chain.blocks_mut().get_mut(block)?.slot_mut(slot)?.1.entry_mut())
    }

    /// Whether the entry of `key` is there.
    ///
    /// ```
    /// # use kho_block::{Key, Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// assert!(table.contains(key) && !table.contains(Key::NULL));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn contains(&self, key: Key) -> bool {
        self.find(key).is_some()
    }

    /// The key of the entry that is in slot number `slot` now; `None` if there is none.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// assert_eq!((table.key_at(0), table.key_at(1)), (Some(key), None));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn key_at(&self, slot: u32) -> Option<Key> {
        if !self.has_slot(slot) {
            return None;
        }
        let (block, number) = Self::locate(slot)?;
        match Stamp::read(self.chain.blocks().get(block)?.stamp(number)?)? {
            Stamp::Used { life } => Some(Key { slot, life }),
            Stamp::Free { .. } | Stamp::Retired => None,
        }
    }

    /// The physical address of the entry of `key`, for a device or a record that points to it; `None`
    /// if there is no such entry.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// assert_eq!(table.phys_addr(key), table.first_block().unwrap().checked_add(16 + 8));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[must_use]
    pub fn phys_addr(&self, key: Key) -> Option<PhysAddr> {
        let (block, slot) = self.find(key)?;
        let size = Self::LAYOUT.entry_size();
        // The entry ends where its slot ends.
        let end = HEADER_SIZE.saturating_add(slot.saturating_add(1).saturating_mul(size));
        let offset = end.saturating_sub(size_of::<T>());
        self.chain.index().addr(block)?.checked_add(to_wire(offset))
    }

    /// Where the entry of `key` is, for a device, or for whoever counts in it without the lock;
    /// `None` if there is no such entry.
    ///
    /// The pointer has the provenance of the allocator's own, and stays good until the entry is
    /// removed: operations on *other* entries make no reference to this one. [`iter`](Self::iter),
    /// [`iter_mut`](Self::iter_mut), [`retain`](Self::retain), [`clear`](Self::clear) and `audit` must
    /// not run while this one is written through the pointer; nor may [`get`](Self::get) of this one.
    ///
    /// # Examples
    ///
    /// Devices that are found by their address, and freed with their last reference, which is counted
    /// where the entry is:
    ///
    /// ```
    /// use core::sync::atomic::{AtomicU64, Ordering};
    /// use hashbrown::HashMap;
    /// use kho_block::mock::Mock;
    /// use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
    /// use kho_block::{Key, OutgoingSlots};
    ///
    /// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
    /// # #[zerocopy(crate = "kho_block::zerocopy")]
    /// #[repr(C)]
    /// struct Device { address: u64, references: u64 }
    ///
    /// type Devices<'m> = OutgoingSlots<Device, &'m Mock>;
    ///
    /// /// Adds to a device's references; returns how many there were.
    /// fn count(devices: &Devices<'_>, key: Key, n: u64) -> Option<u64> {
    ///     let device = devices.entry_ptr(key)?;
    ///     // SAFETY: the device stays while it has references, and no one borrows it meanwhile.
    ///     let references = unsafe { AtomicU64::from_ptr(&raw mut (*device.as_ptr()).references) };
    ///     Some(references.fetch_add(n, Ordering::AcqRel))
    /// }
    ///
    /// let mem = Mock::new();
    /// let mut devices = Devices::new(&mem);
    /// let mut by_address = HashMap::new();
    /// for address in [0xfeb0_0000, 0xfec0_0000] {
    ///     let key = devices.insert(Device { address, references: 1 })?;
    ///     by_address.insert(address, key);
    /// }
    ///
    /// let disk = by_address[&0xfec0_0000];
    /// assert_eq!(count(&devices, disk, 1), Some(1));
    /// for _ in 0..2 {
    ///     if count(&devices, disk, 1_u64.wrapping_neg()) == Some(1) {
    ///         devices.remove(disk); // that was the last one
    ///     }
    /// }
    /// assert_eq!((devices.len(), devices.get(disk).is_none()), (1, true));
    /// # Ok::<(), kho_block::PushError<Device>>(())
    /// ```
    #[must_use]
    pub fn entry_ptr(&self, key: Key) -> Option<NonNull<T>> {
        let (block, slot) = self.find(key)?;
        self.chain.blocks().get(block)?.entry_ptr(slot)
    }
}
