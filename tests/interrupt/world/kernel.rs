//! The kernel that is stopped: two sets, a table and blocks that are in neither, all from one region,
//! in which a set of descriptors names them.
//!
//! Unsafe is open here to be a kernel: to fill blocks, and to give them back.

#![expect(unsafe_code, reason = "fills, carries and frees blocks")]

use core::mem;
use core::ptr::NonNull;

use kho_block::{
    CarryAllocator, Descriptor, IncomingSet, IncomingSlots, Key, OutgoingSet, OutgoingSlots,
    PhysAddr, PreservedAllocator, Region, Sealed,
};

use super::plan::{Change, Op, Turn, has};
use super::{BLOCK_SIZE, FILLED, NAMES, NAMES_SIZE, Other, Raw, Record, TABLE, number};
use crate::region::kernels::{create_over, open};
use crate::slots::kernels::LAST_LIFE;
use crate::{Entry, entry, stepper};

type Set<T> = OutgoingSet<T, &'static Region, BLOCK_SIZE>;
type Table = OutgoingSlots<Entry, &'static Region, BLOCK_SIZE>;
type Names = OutgoingSet<Descriptor, &'static Region, NAMES_SIZE>;

pub(super) struct Kernel {
    memory: NonNull<u8>,
    region: &'static Region,
    first: Set<Entry>,
    second: Set<Other>,
    table: Table,
    names: Option<Sealed<Names>>,
    /// The first blocks that the names tell: of both sets and the table.
    named: [Option<PhysAddr>; 3],
    raws: Vec<Raw>,
}

/// A record of one of the two sets.
trait Kept: Record {
    fn set(kernel: &mut Kernel) -> &mut Set<Self>;
}

impl Kept for Entry {
    fn set(kernel: &mut Kernel) -> &mut Set<Self> {
        &mut kernel.first
    }
}

impl Kept for Other {
    fn set(kernel: &mut Kernel) -> &mut Set<Self> {
        &mut kernel.second
    }
}

/// A region for as long as its kernel lives, which ends without a word.
fn for_good(region: Region) -> &'static Region {
    Box::leak(Box::new(region))
}

impl Kernel {
    /// The first kernel of a machine, with three entries and two in its sets, and a table whose slots
    /// have few lives left.
    pub(super) fn boot(memory: NonNull<u8>) -> Self {
        let region = for_good(create_over(memory));
        let (first, second, table) = (Set::new(region), Set::new(region), Table::new(region));
        let (names, named) = (None, [None; 3]);
        let raws = Vec::new();
        let mut kernel = Self { memory, region, first, second, table, names, named, raws };
        kernel.first.extend_from_slice(&[0, 1, 2].map(Record::number)).unwrap();
        kernel.second.extend_from_slice(&[3, 4].map(Record::number)).unwrap();
        let keys = [0, 1, 2].map(|i| kernel.table.insert(entry(i)).unwrap());
        for (key, lives) in keys.into_iter().zip([1, 2, 3]) {
            let entry = kernel.table.entry_ptr(key).unwrap().cast::<u64>();
            kernel.table.remove(key).unwrap();
            let before = u64::from(LAST_LIFE).checked_sub(2 * lives - 1).unwrap();
            // SAFETY: the stamp is in front of its entry.
            let stamp = unsafe { entry.sub(1) };
            // SAFETY: it is in a block of this kernel, and aligned.
            unsafe { stamp.write(before) };
        }
        assert!(kernel.publish(None));
        kernel
    }

    /// Performs operation `n`. What comes of it that the plan does not tell: how many entries the set
    /// has, the key, or the address; zero if there is none.
    pub(super) fn perform(&mut self, n: usize, op: &Op) -> u64 {
        match op {
            Op::First(change) => self.change::<Entry>(change, number(n)),
            Op::Second(change) => self.change::<Other>(change, number(n)),
            Op::Table(turn) => self.turn(turn, number(n)),
            Op::Publish => u64::from(self.publish(None)),
            &Op::Allocate(size) => self.allocate(size, u8::try_from(n).unwrap()),
            &Op::Free(which) => self.free(which),
            Op::Sweep => {
                let swept = self.region.sweep();
                self.raws.retain(|raw| !raw.left);
                u64::try_from(swept).unwrap()
            }
            &Op::Kexec { left, claimed } => self.kexec(left, claimed),
        }
    }

    /// Names all that have a block, but for the one `without` which it is to be, and then frees the
    /// names there were. Tells whether there was memory for that.
    fn publish(&mut self, without: Option<usize>) -> bool {
        let mut names = Names::new(self.region);
        let mut named = [None; 3];
        let descriptors = [
            self.first.descriptor(Entry::TAG),
            self.second.descriptor(Other::TAG),
            self.table.descriptor(TABLE),
        ];
        for (which, name) in descriptors.into_iter().enumerate() {
            if name.head().is_some() && without != Some(which) {
                if names.push(name).is_err() {
                    return false;
                }
                named[which] = name.head();
            }
        }
        let names = names.seal();
        self.region.set_root(Some(&names.descriptor(NAMES)));
        if let Some(before) = self.names.replace(names) {
            before.unseal().destroy();
        }
        self.named = named;
        true
    }

    /// Changes a set, which is named as long as it has entries, and is not when its first block goes.
    fn change<T: Kept>(&mut self, change: &Change, from: usize) -> u64 {
        let named = self.named[T::WHICH];
        let set = T::set(self);
        let ready = match change {
            Change::Destroy => named.is_none() || self.publish(Some(T::WHICH)),
            Change::Shrink(_) | Change::Seal if set.is_empty() => {
                named.is_none() || self.publish(Some(T::WHICH))
            }
            Change::Push | Change::Slice(_) | Change::Write(_) | Change::Extend(_) => {
                set.grow(1).is_ok() && (named == set.first_block() || self.publish(None))
            }
            _ => true,
        };
        if ready {
            apply(T::set(self), change, from);
        }
        u64::try_from(T::set(self).len()).unwrap()
    }

    fn turn(&mut self, turn: &Turn, from: usize) -> u64 {
        let table = &mut self.table;
        match *turn {
            Turn::Insert => {
                let Ok(Key { slot, life }) = table.insert(entry(from)) else { return 0 };
                return u64::from(life) << 32 | u64::from(slot);
            }
            Turn::Remove(which) => {
                let which = which.checked_rem(table.len());
                let key = which.and_then(|which| table.iter().nth(which)).map(|(key, _)| key);
                assert_eq!(key.is_some(), key.and_then(|key| table.remove(key)).is_some());
            }
            Turn::Retain(bits) => {
                table.retain(|key, _| has(bits, usize::try_from(key.slot).unwrap()))
            }
            Turn::Clear => table.clear(),
            Turn::Grow(count) => {
                let _ = table.grow(count);
            }
            Turn::Shrink(count) => table.shrink(count),
            Turn::Seal => *table = table.take().seal().unseal(),
        }
        0
    }

    fn allocate(&mut self, size: usize, fill: u8) -> u64 {
        let Ok(block) = self.region.alloc_preserve(size) else { return 0 };
        // SAFETY: the block is larger, and lent to this kernel.
        unsafe { block.ptr.write_bytes(fill, FILLED) };
        self.raws.push(Raw { addr: block.addr, size, fill, left: false });
        block.addr.get()
    }

    fn free(&mut self, which: usize) -> u64 {
        let Some(which) = which.checked_rem(self.raws.len()) else { return 0 };
        let Raw { addr, size, left, .. } = self.raws.remove(which);
        let offset = addr.get().checked_sub(self.region.base().get()).unwrap();
        // SAFETY: a block lies in the region.
        let ptr = unsafe { self.memory.add(usize::try_from(offset).unwrap()) };
        if left {
            assert_eq!(self.region.restore(addr, size), Some(ptr));
            // SAFETY: 1. claimed in the line above. 2. Once.
            unsafe { self.region.restore_free(ptr, size) };
        } else {
            // SAFETY: 1. allocated by this kernel, or carried. 2. Once.
            unsafe { self.region.unpreserve_free(ptr, size) };
        }
        0
    }

    /// Ends this kernel, and is the next one from there on, to whom the root alone says what there is;
    /// where blocks are that are in no set it knows otherwise.
    fn kexec(&mut self, left: bool, claimed: u8) -> u64 {
        end(self.first.take(), left);
        end(self.second.take(), left);
        let table = self.table.take();
        if left {
            assert_eq!(Some(table.seal().leave()), self.named.last().copied());
        } else {
            mem::forget(table);
        }
        mem::forget(self.names.take());

        // Thousands of bytes are looked at; `region.rs` stops a kernel that opens one.
        let region = stepper::unstepped(|| open(self.memory).unwrap());
        self.region = for_good(region);
        let region = self.region;
        let root = region.root().unwrap();
        let names = IncomingSet::<Descriptor, _, NAMES_SIZE>::restore_from(region, &root, NAMES);
        let names = names.unwrap();
        self.first = adopted(region, &names);
        self.second = adopted(region, &names);
        let name = names.iter().find(|name| name.tag == TABLE).unwrap();
        let table = IncomingSlots::restore_from(region, name, TABLE).unwrap();
        self.table = table.adopt().map_err(|error| error.into_kind()).unwrap();
        self.named =
            [self.first.first_block(), self.second.first_block(), self.table.first_block()];
        self.names = Some(names.adopt().map_err(|error| error.into_kind()).unwrap().seal());

        for (which, raw) in self.raws.iter_mut().enumerate() {
            raw.left = !has(claimed.into(), which);
            if !raw.left {
                let ptr = region.restore(raw.addr, raw.size).unwrap();
                // SAFETY: claimed in the line above.
                unsafe { region.preserve(ptr, raw.size) }.unwrap();
            }
        }
        0
    }
}

/// What becomes of a set at a kexec: it is sealed, or the kernel just ends. A set without entries would
/// free its first block, which is named.
fn end<T: Kept>(set: Set<T>, left: bool) {
    if left && !set.is_empty() {
        assert!(set.into_head().is_some());
    } else {
        mem::forget(set);
    }
}

/// The set that the names tell, or a new one.
fn adopted<T: Kept>(
    region: &'static Region,
    names: &IncomingSet<Descriptor, &'static Region, NAMES_SIZE>,
) -> Set<T> {
    let Some(name) = names.iter().find(|name| name.tag == T::TAG) else { return Set::new(region) };
    let set = IncomingSet::restore_from(region, name, T::TAG).unwrap();
    set.adopt().map_err(|error| error.into_kind()).unwrap()
}

fn apply<T: Kept>(set: &mut Set<T>, change: &Change, from: usize) {
    let entries = |count| (0..count).map(move |i: usize| T::number(from.saturating_add(i)));
    match *change {
        // If there is no memory, as many are appended as the set says.
        Change::Push => {
            let _ = set.push(T::number(from));
        }
        Change::Pop => {
            set.pop();
        }
        Change::Slice(count) => {
            let _ = set.extend_from_slice(&entries(count).collect::<Vec<_>>());
        }
        Change::Write(count) => {
            let _ = set.grow(set.len().saturating_add(count));
            set.writer().extend(entries(count));
        }
        Change::Extend(count) => {
            let _ = set.try_extend(entries(count));
        }
        Change::Truncate(len) => set.truncate(len),
        Change::Clear => set.clear(),
        Change::Retain(bits) => {
            let mut places = 0..;
            set.retain(|_| has(bits, places.next().unwrap()));
        }
        Change::SwapRemove(index) => {
            set.swap_remove(index);
        }
        Change::Grow(count) => {
            let _ = set.grow(count);
        }
        Change::Shrink(count) => set.shrink(count),
        Change::Seal => *set = set.take().seal().unseal(),
        Change::Destroy => set.destroy(),
    }
}
