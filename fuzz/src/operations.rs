//! Operations on a set and on a list, over several kernels, some without memory.

use core::fmt::Debug;
use core::mem;

use arrayvec::ArrayVec;
use kho_block::{
    BlockSet, Descriptor, GrowError, GrowErrorKind, IncomingSet, MAX_BLOCKS, Origin, PhysAddr,
    RestoreChecks, RestoreErrorKind, RestoreFromError,
};

use crate::arena::Arena;
use crate::input::Input;
use crate::{List, Record, heap, record};

const TAG: u64 = 0x5e55;

/// The target `operations`: nothing is refused but what does not fit the arena.
pub(crate) fn unlimited<T: Record, const SIZE: usize>(arena: &Arena<SIZE>, input: Input<'_>) {
    run::<T, SIZE>(arena, input, false);
}

/// The target `refuse`: some operations say which allocation, counted from there, is refused.
pub(crate) fn refusing<T: Record, const SIZE: usize>(arena: &Arena<SIZE>, input: Input<'_>) {
    run::<T, SIZE>(arena, input, true);
}

fn run<T: Record, const SIZE: usize>(arena: &Arena<SIZE>, mut input: Input<'_>, refusals: bool) {
    arena.reset(input.byte());
    heap::refuse(0);
    heap::take_refused();
    let mut kernel =
        Kernel { arena, set: BlockSet::new(arena), list: List::<T>::new(), blocks: 0, serial: 0 };
    while let Some(operation) = input.next() {
        let n = input.byte();
        match operation % 32 {
            24..28 if refusals => arena.refuse(n.into()),
            28..32 if refusals => heap::refuse((n % 8).into()),
            20..24 => kernel.handover(n, &mut input),
            operation => kernel.change(operation % 20, n),
        }
        kernel.glance();
    }
    heap::refuse(0);
    kernel.compare();
    drop(kernel);
    assert_eq!(arena.lent(), 0, "dropping frees every block");
}

/// A kernel that saves: its set, and the list that the set should be.
struct Kernel<'a, T: Record, const SIZE: usize> {
    arena: &'a Arena<SIZE>,
    set: BlockSet<T, &'a Arena<SIZE>, kho_block::Outgoing, SIZE>,
    list: List<T>,
    blocks: usize,
    serial: u8,
}

impl<'a, T: Record, const SIZE: usize> Kernel<'a, T, SIZE> {
    const CAPACITY: usize =
        BlockSet::<T, &'a Arena<SIZE>, kho_block::Outgoing, SIZE>::CAPACITY_PER_BLOCK;

    fn record(&mut self) -> T {
        self.serial = self.serial.wrapping_add(1);
        record(self.serial)
    }

    fn records(&mut self, n: usize) -> ArrayVec<T, 23> {
        (0..n).map(|_| self.record()).collect()
    }

    fn room(&self) -> usize {
        self.blocks * Self::CAPACITY - self.list.len()
    }

    /// Does an operation that changes entries or blocks, and compares its result.
    fn change(&mut self, operation: u8, n: u8) {
        let some = usize::from(n % 24);
        match operation {
            0 | 1 => {
                let entry = self.record();
                let result = self.set.push(entry);
                assert!(result.as_ref().err().is_none_or(|error| error.entry == entry));
                if self.grew(self.list.len() + 1, result.map_err(|error| error.cause)) {
                    self.list.push(entry);
                }
            }
            2 | 3 => {
                let entries = self.records(some);
                let result = self.set.extend_from_slice(&entries);
                if self.grew(self.list.len() + some, result) {
                    self.list.extend(entries.iter().copied());
                }
            }
            4 => {
                let count = usize::from(n);
                let result = self.set.grow(count);
                self.grew(count, result);
            }
            5 => {
                let count = (MAX_BLOCKS * Self::CAPACITY).saturating_add(usize::from(n).pow(8));
                let result = self.set.grow(count + 1);
                self.grew(count + 1, result);
            }
            6 => {
                let entry = self.record();
                match self.set.writer().push(entry) {
                    Ok(()) => self.list.push(entry),
                    Err(back) => assert_eq!((back, self.room()), (entry, 0)),
                }
            }
            7 => {
                let entry = self.record();
                match self.set.writer().push_zeroed() {
                    Some(slot) => {
                        assert_eq!(*slot, T::new_zeroed());
                        *slot = entry;
                        self.list.push(entry);
                    }
                    None => assert_eq!(self.room(), 0),
                }
            }
            8 => {
                let entries = self.records(some);
                match self.set.writer().extend_from_slice(&entries) {
                    Ok(()) => self.list.extend(entries.iter().copied()),
                    Err(error) => {
                        assert_eq!((error.wanted, error.available), (some, self.room()));
                        assert!(some > self.room());
                    }
                }
            }
            9 => {
                let entries = self.records(some);
                let mut rest = entries.iter().copied();
                let taken = self.set.writer().extend(&mut rest);
                assert_eq!((taken, rest.len()), (some.min(self.room()), some - taken));
                self.list.extend(entries.iter().copied().take(taken));
            }
            10 => {
                let mut writer = self.set.writer();
                for _ in 0..n % 8 {
                    assert_eq!(writer.prev(), self.list.pop());
                }
            }
            11 => {
                self.set.shrink(n.into());
                self.blocks =
                    self.blocks.min(self.needed().max(usize::from(n).div_ceil(Self::CAPACITY)));
            }
            12 => {
                let head = self.set.publish();
                self.blocks = self.needed();
                assert_eq!(head.is_some(), self.blocks > 0);
            }
            13 => {
                self.set.destroy();
                self.list.clear();
                self.blocks = 0;
            }
            14 => {
                self.described();
            }
            15 => self.compare(),
            _ => remove_or_rewrite(&mut self.set, &mut self.list, operation, n),
        }
    }

    /// Blocks that the entries need.
    fn needed(&self) -> usize {
        self.list.len().div_ceil(Self::CAPACITY)
    }

    /// Checks the result of an operation that made room for `count` entries in all; whether it did.
    fn grew(&mut self, count: usize, result: Result<(), GrowError>) -> bool {
        let (granted, no_heap) = (self.arena.take_granted(), heap::take_refused());
        let no_blocks = self.arena.take_refused();
        let blocks = count.div_ceil(Self::CAPACITY);
        let wanted = blocks.saturating_sub(self.blocks);
        let error = if wanted > 0 && blocks > MAX_BLOCKS {
            assert!(
                granted == 0 && !no_heap && !no_blocks,
                "the limit comes before all allocation"
            );
            Some((GrowErrorKind::TooManyBlocks, wanted, 0))
        } else if no_heap || no_blocks {
            Some((GrowErrorKind::OutOfMemory, wanted, granted))
        } else {
            assert_eq!(granted, wanted);
            None
        };
        assert_eq!(result.err().map(|error| (error.kind, error.wanted, error.obtained)), error);
        if error.is_none() {
            self.blocks += wanted;
        }
        error.is_none()
    }

    /// The descriptor, which describes what it should.
    fn described(&mut self) -> Descriptor {
        let it = self.set.descriptor(TAG);
        self.blocks = self.needed();
        assert_eq!(it.entries, self.list.len() as u64);
        assert_eq!(it.head, PhysAddr::to_wire(self.set.head()));
        it
    }

    /// What is known without reading entries.
    fn glance(&self) {
        assert_eq!((self.set.len(), self.set.block_count()), (self.list.len(), self.blocks));
        assert_eq!(self.arena.lent(), self.blocks);
    }

    /// Reads everything, and what a kexec would find at this moment.
    fn compare(&self) {
        assert_eq!(self.set.capacity(), self.blocks * Self::CAPACITY);
        compare(&self.set, &self.list);
        let head = PhysAddr::to_wire(self.set.head());
        let found = self.arena.image().walk::<T>(head, RestoreChecks::ZERO_TAIL);
        assert!(
            found.is_ok_and(|walk| walk.entries == self.list),
            "the chain is valid as it stands"
        );
    }

    /// Hands the set over to the next kernel, which reads it and makes a set of its own.
    fn handover(&mut self, n: u8, input: &mut Input<'_>) {
        let descriptor = self.described();
        let head = mem::replace(&mut self.set, BlockSet::new(self.arena)).into_head();
        assert_eq!(PhysAddr::to_wire(head), descriptor.head);
        self.arena.reboot();
        let found = self.arena.image().walk::<T>(descriptor.head, RestoreChecks::all());
        assert!(found.is_ok_and(|walk| walk.entries == self.list), "the chain is whole");

        let mut restored = mem::take(&mut self.list);
        self.blocks = 0;
        let mut set = restore::<T, SIZE>(self.arena, &descriptor, n);
        compare(&set, &restored);
        for _ in 0..n >> 2 & 7 {
            let Some(operation) = input.next() else { break };
            remove_or_rewrite(&mut set, &mut restored, operation % 4 + 16, input.byte());
        }
        let blocks = set.block_count();
        set.shrink(n.into());
        let needed = restored.len().max(n.into()).div_ceil(Self::CAPACITY);
        assert_eq!(set.block_count(), blocks.min(needed));
        compare(&set, &restored);

        // The new set is made beside the old one, or after it, or not at all.
        self.arena.take_granted();
        self.arena.take_refused();
        heap::take_refused();
        if n & 0x20 == 0 {
            set.destroy();
        }
        if n & 0x40 == 0 {
            let result = self.set.extend_from_slice(&restored);
            if self.grew(restored.len(), result) {
                self.list.extend(restored.iter().copied());
            }
        }
    }
}

/// Restores in one of four ways, and again if memory was refused.
fn restore<'a, T: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    descriptor: &Descriptor,
    n: u8,
) -> IncomingSet<T, &'a Arena<SIZE>, SIZE> {
    let head = PhysAddr::new(descriptor.head);
    loop {
        heap::take_refused();
        let set = match n % 4 {
            0 => IncomingSet::restore(arena, head).map_err(RestoreFromError::Chain),
            1 => IncomingSet::restore_with(arena, head, RestoreChecks::all())
                .map_err(RestoreFromError::Chain),
            _ => IncomingSet::restore_from(arena, descriptor, TAG),
        };
        match set {
            Ok(set) if n % 4 == 3 => {
                assert_eq!(set.release(), head);
                return restore(arena, descriptor, 0);
            }
            Ok(set) => return set,
            Err(RestoreFromError::Chain(error)) => {
                assert_eq!(error.kind, RestoreErrorKind::OutOfMemory);
                assert!(heap::take_refused(), "memory was not refused");
                assert_eq!(arena.lent(), 0, "a failed restore gives every claim back");
            }
            Err(error) => panic!("a sound chain was refused: {error}"),
        }
    }
}

/// Operations of sets of either kernel.
fn remove_or_rewrite<T: Record, O: Origin, const SIZE: usize>(
    set: &mut BlockSet<T, &Arena<SIZE>, O, SIZE>,
    list: &mut List<T>,
    operation: u8,
    n: u8,
) {
    match operation {
        16 => assert_eq!(set.pop(), list.pop()),
        17 => {
            set.truncate(n.into());
            list.truncate(n.into());
        }
        18 => {
            let (entry, in_list) = (set.get_mut(n.into()), list.get_mut(usize::from(n)));
            assert_eq!(entry, in_list);
            if let (Some(entry), Some(in_list)) = (entry, in_list) {
                (*entry, *in_list) = (record(n), record(n));
            }
        }
        _ => {
            let start = usize::from(n % 8);
            let forward = set.iter_mut().skip(start).zip(list.iter_mut().skip(start));
            forward.step_by(2).for_each(|(entry, in_list)| {
                (*entry, *in_list) = (record(n), record(n));
            });
            if let (Some([entry, ..]), Some(in_list)) = (set.blocks_mut().next(), list.first_mut())
            {
                (*entry, *in_list) = (record(!n), record(!n));
            }
        }
    }
}

/// Reads all entries in every way, and compares them with a list.
pub(crate) fn compare<T: Record + Debug, O: Origin, const SIZE: usize>(
    set: &BlockSet<T, &Arena<SIZE>, O, SIZE>,
    list: &[T],
) {
    assert_eq!((set.len(), set.is_empty()), (list.len(), list.is_empty()));
    assert_eq!((set.iter().len(), set.cursor().len()), (list.len(), list.len()));
    assert!(set.iter().eq(list), "forward");
    assert!(set.iter().rev().eq(list.iter().rev()), "backward");
    assert!(set.blocks().flatten().eq(list), "block by block");
    assert!(set.cursor().eq(list), "by a cursor");
    let mut cursor = set.cursor_back();
    assert!(core::iter::from_fn(|| cursor.prev()).eq(list.iter().rev()), "by a cursor, backward");
    for (index, entry) in list.iter().enumerate() {
        assert_eq!(set.get(index), Some(entry));
    }
    assert_eq!((set.get(list.len()), set.phys_addr(list.len())), (None, None));
}
