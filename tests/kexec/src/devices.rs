//! A table of devices in which every kernel works where it is, and the keys of all devices there ever
//! were.
//!
//! The first kernel fills the table. Each of the next ones adopts it, finds by their keys the devices
//! that are there, and none by the keys of those that are not, removes a third and puts as many others
//! in; the last one frees it. The keys are records themselves, in a set that is carried on beside it.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{Descriptor, IncomingSet, IncomingSlots, Key, OutgoingSet, OutgoingSlots, Region};

use crate::verdict::{Verdict, ensure};

/// Devices in the table whenever a kernel leaves it, and how many each kernel replaces.
const DEVICES: usize = 100_000;
const REPLACED: usize = DEVICES / 3;

/// What the descriptors call the table and the keys.
pub(crate) const TAGS: [u64; 2] = [0x6465_7669_6365_7300, 0x6b65_7973_0000_0000];

type Table = OutgoingSlots<Device, &'static Region>;
type Keys = OutgoingSet<Key, &'static Region>;

/// A device, which knows as how many-th it came.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Device {
    number: u64,
    words: [u64; 5],
}

impl Device {
    fn new(number: usize) -> Self {
        let number = number as u64;
        Self { number, words: [1, 2, 3, 4, 5].map(|n| number.wrapping_mul(n * 0x9e37_79b9) ^ n) }
    }
}

/// Which devices are there, of all that there ever were, in the order in which they came.
struct There(Vec<bool>);

impl There {
    /// As kernel `number` finds them.
    fn found_by(number: u64) -> Self {
        let mut there = Self(vec![true; DEVICES]);
        for kernel in 2..number {
            there.removed_by(kernel).into_iter().for_each(|device| there.0[device] = false);
            there.0.resize(there.0.len() + REPLACED, true);
        }
        there
    }

    /// Those that kernel `number` removes then: every third that is there.
    fn removed_by(&self, number: u64) -> Vec<usize> {
        let there = (0..self.0.len()).filter(|&device| self.0[device]);
        there.skip(number as usize % 3).step_by(3).take(REPLACED).collect()
    }
}

/// The table as a kernel goes on with it.
pub(crate) struct Devices {
    table: Table,
    keys: Keys,
}

impl Devices {
    /// Fills the table, as the first kernel.
    pub(crate) fn create(region: &'static Region) -> Verdict<Self> {
        let mut devices = Self { table: Table::new(region), keys: Keys::new(region) };
        devices.table.grow(DEVICES)?;
        devices.put_in(DEVICES)?;
        Ok(devices)
    }

    /// Takes the table over as kernel `number`, where it is, and finds every device that has to be
    /// there by its key, and no other.
    pub(crate) fn adopt(
        region: &'static Region,
        number: u64,
        [table, keys]: &[Descriptor; 2],
    ) -> Verdict<Self> {
        let table = IncomingSlots::<Device, _>::restore_from(region, table, TAGS[0])?;
        let keys = IncomingSet::<Key, _>::restore_from(region, keys, TAGS[1])?;
        let table = table.adopt().map_err(|error| error.into_kind())?;
        let keys = keys.adopt().map_err(|error| error.into_kind())?;
        let devices = Self { table, keys };
        devices.verify(&There::found_by(number))?;
        Ok(devices)
    }

    /// Finds the devices that have to be there, and no other.
    fn verify(&self, there: &There) -> Verdict {
        ensure(self.keys.len() == there.0.len(), "another number of keys")?;
        ensure(self.table.len() == DEVICES, "another number of devices")?;
        for (number, (key, &there)) in self.keys.iter().zip(&there.0).enumerate() {
            let device = self.table.get(*key);
            if device.copied() != there.then(|| Device::new(number)) {
                return Err(format!("device {number}, {key}, is not what it has to be").into());
            }
        }
        Ok(())
    }

    /// Replaces a third of the devices as kernel `number`: others come into the same slots.
    pub(crate) fn change(&mut self, number: u64) -> Verdict {
        let blocks = self.table.block_count();
        for device in There::found_by(number).removed_by(number) {
            let key = self.keys.get(device).ok_or("there is no such key")?;
            let removed = self.table.remove(*key);
            ensure(removed == Some(Device::new(device)), "another device was removed")?;
        }
        self.put_in(REPLACED)?;
        ensure(self.table.block_count() == blocks, "devices came into other slots")?;
        self.verify(&There::found_by(number + 1))
    }

    fn put_in(&mut self, count: usize) -> Verdict {
        for number in self.keys.len()..self.keys.len() + count {
            let key = self.table.insert(Device::new(number)).map_err(|error| error.cause)?;
            self.keys.push(key).map_err(|error| error.cause)?;
        }
        Ok(())
    }

    /// What names both to the next kernel, whatever changes.
    pub(crate) fn descriptors(&self) -> [Descriptor; 2] {
        [self.table.descriptor(TAGS[0]), self.keys.descriptor(TAGS[1])]
    }

    /// Bytes of the blocks that they are in.
    pub(crate) fn bytes(&self) -> u64 {
        (self.table.block_count() + self.keys.block_count()) as u64 * 8192
    }

    /// Leaves both to the next kernel.
    pub(crate) fn leave(self) -> [Descriptor; 2] {
        let (table, keys) = (self.table.seal(), self.keys.seal());
        let descriptors = [table.descriptor(TAGS[0]), keys.descriptor(TAGS[1])];
        table.leave();
        keys.leave();
        descriptors
    }

    /// Frees both, which no root names any more.
    pub(crate) fn free(mut self) {
        self.table.destroy();
        self.keys.destroy();
    }
}
