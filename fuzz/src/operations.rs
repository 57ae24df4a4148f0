//! Operations on a set and on a list, over several kernels, some without memory.

use arrayvec::ArrayVec;
use kho_block::{
    BlockSet, Descriptor, DescriptorFlags, GrowError, GrowErrorKind, MAX_BLOCKS, OutgoingSet,
    PhysAddr, RestoreChecks, Sealed,
};

use crate::arena::{Arena, addr_of};
use crate::entries::{compare, remove_or_rewrite};
use crate::input::Input;
use crate::{List, Record, heap, record};

mod handover;

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
    let mut kernel = Kernel {
        arena,
        set: BlockSet::new(arena),
        list: List::<T>::new(),
        blocks: 0,
        root: None,
        serial: 0,
    };
    while let Some(operation) = input.next() {
        let n = input.byte();
        match operation % 64 {
            24..28 if refusals => arena.refuse(n.into()),
            28..32 if refusals => heap::refuse((n % 8).into()),
            jump @ 20..24 => kernel.handover(jump - 20, n, &mut input),
            operation @ 0..32 => kernel.change(operation % 20, n),
            operation => kernel.change_more(operation % 8, n),
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
    set: Set<'a, T, SIZE>,
    list: List<T>,
    blocks: usize,
    /// What a root page says that was written some time ago. It is withdrawn when the set has lost
    /// its last block.
    root: Option<Descriptor>,
    serial: u8,
}

type Set<'a, T, const SIZE: usize> = OutgoingSet<T, &'a Arena<SIZE>, SIZE>;

impl<'a, T: Record, const SIZE: usize> Kernel<'a, T, SIZE> {
    const CAPACITY: usize = Set::<'a, T, SIZE>::CAPACITY_PER_BLOCK;

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
                    Err(error) => assert_eq!((error.entry, self.room()), (entry, 0)),
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
                let mut writer = self.set.writer();
                let room = writer.available();
                let taken = writer.extend(&mut rest);
                assert_eq!(room, self.room());
                assert_eq!((taken, rest.len()), (some.min(room), some - taken));
                self.list.extend(entries.iter().copied().take(taken));
            }
            10 => {
                let mut writer = self.set.writer();
                for _ in 0..n % 8 {
                    assert_eq!(writer.pop(), self.list.pop());
                }
            }
            11 => {
                self.set.shrink(n.into());
                self.blocks =
                    self.blocks.min(self.needed().max(usize::from(n).div_ceil(Self::CAPACITY)));
            }
            12 => {
                let sealed = self.set.take().seal();
                self.blocks = self.needed();
                self.exact(&sealed);
                self.set = sealed.unseal();
            }
            13 => {
                self.set.destroy();
                self.list.clear();
                self.blocks = 0;
            }
            14 => self.root = (self.blocks > 0).then(|| self.described()),
            15 => self.compare(),
            _ => remove_or_rewrite(&mut self.set, &mut self.list, operation - 16, n),
        }
    }

    /// As [`change`](Self::change).
    fn change_more(&mut self, operation: u8, n: u8) {
        match operation {
            0 | 1 => self.try_extend((n % 24).into()),
            2 => self.retain(n),
            3 => {
                let taken = self.set.take();
                assert_eq!((self.set.first_block(), self.set.len()), (None, 0));
                if n & 1 == 0 {
                    self.set = taken;
                } else {
                    drop(taken);
                    self.list.clear();
                    self.blocks = 0;
                }
            }
            4 | 5 => remove_or_rewrite(&mut self.set, &mut self.list, 4, n),
            6 => remove_or_rewrite(&mut self.set, &mut self.list, 5, n),
            _ => self.compare(),
        }
    }

    /// Appends what an iterator yields, as far as there is memory.
    fn try_extend(&mut self, some: usize) {
        let entries = self.records(some);
        let mut rest = entries.iter().copied();
        let result = self.set.try_extend(&mut rest);
        let granted = self.arena.take_granted();
        let refused = [heap::take_refused(), self.arena.take_refused()].contains(&true);
        let appended = self.set.len() - self.list.len();
        self.list.extend(entries.iter().copied().take(appended));
        match result {
            Ok(()) => {
                assert_eq!((appended, refused), (some, false));
                assert_eq!(granted, self.needed().saturating_sub(self.blocks));
                self.blocks += granted;
            }
            Err(error) => {
                assert!(refused, "memory was not refused");
                assert_eq!((error.entry, rest.len()), (entries[appended], some - appended - 1));
                let cause = (error.cause.kind, error.cause.wanted, error.cause.obtained);
                assert_eq!(cause, (GrowErrorKind::OutOfMemory, 1, 0));
                self.blocks += granted;
                assert_eq!(self.room(), 0, "every block is full before one more is asked for");
            }
        }
    }

    /// Removes entries here and there. While it is being asked which, entries are in their old
    /// places or in their new ones.
    fn retain(&mut self, n: u8) {
        let (arena, list) = (self.arena, &self.list);
        let first = PhysAddr::to_wire(self.set.first_block());
        let mut now = list.clone();
        let (mut kept, mut seen) = (0, 0);
        self.set.retain(|entry| {
            assert_eq!(*entry, list[seen]);
            if seen % 8 == usize::from(n / 32) {
                let found = arena.image().walk::<T>(first, RestoreChecks::all(), true);
                assert_eq!((found.damage, found.entries), (None, now.clone()));
            }
            let keeps = n >> (seen % 8) & 1 == 1;
            if keeps {
                now[kept] = list[seen];
                kept += 1;
            }
            seen += 1;
            keeps
        });
        assert_eq!(seen, list.len());
        now.truncate(kept);
        self.list = now;
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

    /// The descriptor of the set as it stands, which promises no number of entries.
    fn described(&self) -> Descriptor {
        let it = self.set.descriptor(TAG);
        let promised = DescriptorFlags::DENSE | DescriptorFlags::NO_EMPTY_BLOCKS;
        assert_eq!((it.flags, it.entries), (promised.bits(), 0));
        assert_eq!(it.head(), self.set.first_block());
        it
    }

    /// The descriptor of the sealed set, which promises all.
    fn exact(&self, sealed: &Sealed<Set<'a, T, SIZE>>) -> Descriptor {
        let it = sealed.descriptor(TAG);
        assert_eq!((it.flags, it.entries), (7, self.list.len() as u64));
        assert_eq!((it.head(), sealed.first_block()), (sealed.head(), sealed.head()));
        assert_eq!((sealed.len(), sealed.block_count()), (self.list.len(), self.blocks));
        it
    }

    /// What is known without reading entries.
    fn glance(&mut self) {
        assert_eq!((self.set.len(), self.set.block_count()), (self.list.len(), self.blocks));
        assert_eq!(self.arena.lent(), self.blocks);
        self.root = self.root.filter(|_| self.blocks > 0);
        assert!(self.root.is_none_or(|root| root.head() == self.set.first_block()));
    }

    /// Reads everything, and what a kexec would find at this moment.
    fn compare(&self) {
        assert_eq!(self.set.capacity(), self.blocks * Self::CAPACITY);
        compare(&self.set, &self.list);
        let image = self.arena.image();
        let root = self.root.unwrap_or_else(|| self.described());
        let promised = root.check(Set::<'a, T, SIZE>::LAYOUT, TAG).expect("it is this very set's");
        assert_eq!(promised, RestoreChecks::DENSE | RestoreChecks::NO_EMPTY_BLOCKS);
        let chain = image.walk::<T>(root.head, RestoreChecks::all(), true);
        assert_eq!((chain.damage, &chain.entries), (None, &self.list), "fit as it stands");

        // The others are spare: a chain of their own, of blocks that could be new.
        let addrs = self.set.block_addrs();
        let first = PhysAddr::to_wire(addrs.clone().nth(chain.blocks.len()));
        let spare = image.walk::<T>(first, RestoreChecks::ZERO_TAIL, false);
        assert_eq!((spare.damage, spare.entries.len()), (None, 0));
        let all = chain.blocks.iter().chain(&spare.blocks).map(|&(b, _)| addr_of::<SIZE>(b));
        assert!(addrs.clone().map(PhysAddr::get).eq(all.clone()), "the addresses of all blocks");
        assert!(addrs.rev().map(PhysAddr::get).eq(all.rev()), "backward");
        assert_eq!(chain.blocks.len() + spare.blocks.len(), self.blocks);
    }
}
