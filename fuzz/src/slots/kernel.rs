//! Operations on a table and on its model, over several kernels, some without memory.

use core::marker::PhantomData;

use arrayvec::ArrayVec;
use kho_block::{
    AdoptErrorKind, Descriptor, DescriptorFlags, GrowError, GrowErrorKind, HEADER_SIZE,
    IncomingSlots, MAX_BLOCKS, OutgoingSlots, PhysAddr, RestoreChecks, RestoreErrorKind,
    RestoreFromError, Slots,
};

use super::model::{Model, compare, find, touch};
use crate::arena::{Arena, addr_of, index_of};
use crate::image::Image;
use crate::input::Input;
use crate::{Record, heap, record};

pub(super) const TAG: u64 = 0x5107;

type Table<'a, T, const SIZE: usize> = OutgoingSlots<T, &'a Arena<SIZE>, SIZE>;
type Taken<'a, T, const SIZE: usize> = IncomingSlots<T, &'a Arena<SIZE>, SIZE>;

/// From a new table on.
pub(super) fn run<T: Record, S: Record, const SIZE: usize>(
    arena: &Arena<SIZE>,
    mut input: Input<'_>,
) {
    arena.reset(input.byte());
    heap::refuse(0);
    heap::take_refused();
    let kernel = Kernel::<T, S, SIZE> {
        arena,
        table: Slots::new(arena),
        model: Model(ArrayVec::new()),
        blocks: 0,
        root: None,
        adopted: false,
        serial: 0,
        slots: PhantomData,
    };
    kernel.run(&mut input);
}

/// A kernel that works with a table, and the model of what the table should be.
pub(super) struct Kernel<'a, T: Record, S, const SIZE: usize> {
    arena: &'a Arena<SIZE>,
    table: Table<'a, T, SIZE>,
    model: Model<T>,
    blocks: usize,
    /// What a root page says that was written some time ago. It is withdrawn when the table has lost
    /// its last block.
    root: Option<Descriptor>,
    /// Whether the table is left where it is when it is dropped.
    adopted: bool,
    serial: u8,
    slots: PhantomData<S>,
}

impl<'a, T: Record, S: Record, const SIZE: usize> Kernel<'a, T, S, SIZE> {
    const PER_BLOCK: usize = (SIZE - HEADER_SIZE) / size_of::<S>();

    /// Makes a table this kernel's, if need be in several attempts.
    pub(super) fn adopt(
        arena: &'a Arena<SIZE>,
        mut table: Taken<'a, T, SIZE>,
        model: Model<T>,
    ) -> Self {
        arena.sweep();
        let blocks = table.block_count();
        let adopted = loop {
            let before = arena.image();
            heap::take_refused();
            arena.take_refused();
            match table.adopt() {
                Ok(table) => break table,
                Err(error) => {
                    let kind = error.kind();
                    table = error.into_set();
                    match kind {
                        AdoptErrorKind::OutOfMemory => assert!(heap::take_refused()),
                        AdoptErrorKind::Refused { block } => {
                            assert!(block < blocks && arena.take_refused());
                        }
                        _ => panic!("a table is never sparse: {kind}"),
                    }
                    compare(&table, &model);
                    assert!(arena.image() == before, "an adoption that fails writes nothing");
                }
            }
        };
        let table = adopted;
        Self {
            arena,
            table,
            model,
            blocks,
            root: None,
            adopted: true,
            serial: 0,
            slots: PhantomData,
        }
    }

    /// Does what the input says.
    pub(super) fn run(mut self, input: &mut Input<'_>) {
        while let Some(operation) = input.next() {
            let n = input.byte();
            match operation % 32 {
                0..=7 => self.insert(),
                8..=15 => touch(&mut self.table, &mut self.model, operation % 8, n),
                16..=19 => self = self.handover(operation % 4, n, input),
                20 => self.arena.refuse(n.into()),
                21 => heap::refuse((n % 8).into()),
                operation => self.change(operation, n),
            }
            self.glance();
        }
        heap::refuse(0);
        self.arena.refuse(0);
        self.compare();
        let linked = self.model.0.len().div_ceil(Self::PER_BLOCK);
        let (arena, left) = (self.arena, linked.max(usize::from(self.blocks > 0)));
        let left = if self.adopted { left } else { 0 };
        drop(self);
        assert_eq!(arena.lent(), left, "an own table is freed, an adopted one stays");
        arena.reboot();
    }

    fn insert(&mut self) {
        self.serial = self.serial.wrapping_add(1);
        let entry = record(self.serial);
        self.arena.take_granted();
        let result = self.table.insert(entry);
        let slots = self.blocks * Self::PER_BLOCK;
        let expected = self.model.insert(entry, slots);
        match (expected, result) {
            (Some(key), result) => {
                let untouched = self.arena.take_granted() == 0 && !self.arena.take_refused();
                assert!(untouched && !heap::take_refused(), "there is a free slot");
                assert_eq!(result.map_err(|error| error.cause), Ok(key));
            }
            (None, result) => {
                let cause = result.as_ref().map(|_| ()).map_err(|error| error.cause);
                assert!(result.as_ref().err().is_none_or(|error| error.entry == entry));
                if self.grew(slots + 1 - self.model.retired(), cause) {
                    let key = self.model.insert(entry, slots + Self::PER_BLOCK);
                    assert_eq!(result.ok(), key, "in the new block");
                }
            }
        }
    }

    fn change(&mut self, operation: u8, n: u8) {
        let count = usize::from(n % 64);
        match operation {
            22 | 23 => {
                let result = self.table.grow(count);
                self.grew(count, result);
            }
            24 => {
                let count =
                    (MAX_BLOCKS * Self::PER_BLOCK).saturating_add(usize::from(n).pow(8)) + 1;
                let result = self.table.grow(count);
                self.grew(count, result);
            }
            25 | 26 => {
                self.table.shrink(count);
                self.blocks = self.blocks.min(self.needed(count));
            }
            27 => {
                let sealed = self.table.take().seal();
                self.blocks = self.needed(0);
                assert_eq!(
                    (sealed.block_count(), sealed.slot_count()),
                    (self.blocks, self.model.0.len())
                );
                self.table = sealed.unseal();
            }
            28 if n < 32 => {
                self.table.destroy();
                self.model.0.clear();
                self.blocks = 0;
            }
            29 => self.root = (self.blocks > 0).then(|| self.described()),
            _ => self.compare(),
        }
    }

    /// Blocks that `count` entries need, and those that hold the slots that were ever used.
    fn needed(&self, count: usize) -> usize {
        (count + self.model.retired()).max(self.model.0.len()).div_ceil(Self::PER_BLOCK)
    }

    /// Checks the result of an operation that made room for `count` entries in all; whether it did.
    fn grew(&mut self, count: usize, result: Result<(), GrowError>) -> bool {
        let (granted, no_heap) = (self.arena.take_granted(), heap::take_refused());
        let no_blocks = self.arena.take_refused();
        let blocks = count.saturating_add(self.model.retired()).div_ceil(Self::PER_BLOCK);
        let wanted = blocks.saturating_sub(self.blocks);
        let error = if wanted > 0 && blocks > MAX_BLOCKS {
            assert!(granted == 0 && !no_heap && !no_blocks, "the limit comes before allocation");
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

    fn described(&self) -> Descriptor {
        let it = self.table.descriptor(TAG);
        let promised = DescriptorFlags::DENSE | DescriptorFlags::NO_EMPTY_BLOCKS;
        assert_eq!((it.flags, it.entries), (promised.bits(), 0));
        assert_eq!(it.head(), self.table.first_block());
        it
    }

    /// Hands the table over: sealed and left, sealed and dropped, dropped as it is if it was adopted,
    /// or in the middle of its work. The next kernel changes what it likes, and goes on with it.
    fn handover(mut self, jump: u8, n: u8, input: &mut Input<'_>) -> Self {
        let arena = self.arena;
        let in_the_middle = jump == 3 || (jump == 2 && self.adopted);
        let ahead = self.root.filter(|_| self.blocks > 0);
        let mut root = ahead.unwrap_or_else(|| self.described());
        if jump == 3 {
            let mut image = arena.image();
            self.age(&mut image, n);
            // The kexec has not waited for this.
            self.table.destroy();
            arena.leave(&image);
        } else if in_the_middle {
            drop(self.table);
            arena.reboot();
        } else {
            let sealed = self.table.seal();
            // Of a table in which no slot was ever used no block is left: the root was withdrawn.
            if n & 1 == 0 || self.model.0.is_empty() {
                root = sealed.descriptor(TAG);
                assert_eq!((root.flags, root.entries), (7, self.model.0.len() as u64));
            }
            assert_eq!(sealed.head(), root.head());
            if jump == 0 {
                drop(sealed)
            } else {
                assert_eq!(sealed.leave(), root.head())
            }
            arena.reboot();
        }

        let (mut table, mut model) = (restore(arena, &root, n), self.model);
        compare(&table, &model);
        assert!(in_the_middle || arena.sweep() == 0, "a sealed table has no spare blocks");
        for _ in 0..n >> 2 & 7 {
            let [way, n] = input.bytes();
            touch(&mut table, &mut model, way % 8, n);
        }
        Self { serial: self.serial, ..Self::adopt(arena, table, model) }
    }

    /// Lets a slot be one that has had nearly all its lives.
    fn age(&mut self, image: &mut Image<SIZE>, n: u8) {
        let slot = usize::from(n / 4);
        let addr = self.table.block_addrs().nth(slot / Self::PER_BLOCK).map(PhysAddr::get);
        let (Some(at), Some((stamp, _))) =
            (addr.and_then(index_of::<SIZE>), self.model.0.get_mut(slot))
        else {
            return;
        };
        *stamp = (*stamp % 2) + u64::from(u32::MAX) - 5;
        let block = image.blocks[at].as_mut().expect("it is preserved");
        let place = HEADER_SIZE + slot % Self::PER_BLOCK * size_of::<S>();
        block[place..place + 8].copy_from_slice(&stamp.to_ne_bytes());
    }

    /// What is known without reading slots.
    fn glance(&mut self) {
        let (len, slots) = (self.model.len(), self.model.0.len());
        assert_eq!((self.table.len(), self.table.slot_count()), (len, slots));
        assert_eq!((self.table.block_count(), self.arena.lent()), (self.blocks, self.blocks));
        self.root = self.root.filter(|_| self.blocks > 0);
        assert!(self.root.is_none_or(|root| root.head() == self.table.first_block()));
    }

    /// Reads everything, and what a kexec would find at this moment.
    fn compare(&self) {
        compare(&self.table, &self.model);
        let image = self.arena.image();
        let root = self.root.unwrap_or_else(|| self.described());
        let found = find::<T, S, SIZE>(&image, root.head, RestoreChecks::all(), true);
        assert_eq!((found.damage, &found.model.0), (None, &self.model.0), "fit as it stands");

        // The others are spare: a chain of their own, of blocks that could be new.
        let addrs = self.table.block_addrs();
        let first = PhysAddr::to_wire(addrs.clone().nth(found.blocks.len()));
        let spare = image.walk::<S>(first, RestoreChecks::ZERO_TAIL, false);
        assert_eq!((spare.damage, spare.entries.len()), (None, 0));
        let spare = spare.blocks.iter().map(|&(block, _)| block);
        let all = found.blocks.iter().copied().chain(spare).map(addr_of::<SIZE>);
        assert!(addrs.map(PhysAddr::get).eq(all), "the addresses of all blocks");
    }
}

/// Restores by the descriptor, and again if memory was refused.
fn restore<'a, T: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    root: &Descriptor,
    n: u8,
) -> Taken<'a, T, SIZE> {
    loop {
        heap::take_refused();
        let restored = if n & 2 == 0 || root.check(Table::<'a, T, SIZE>::LAYOUT, TAG).is_err() {
            Taken::restore_from(arena, root, TAG)
        } else {
            Taken::restore(arena, root.head()).map_err(RestoreFromError::Chain)
        };
        match restored {
            Ok(table) => return table,
            Err(RestoreFromError::Chain(error)) => {
                assert_eq!(error.kind, RestoreErrorKind::OutOfMemory);
                assert!(heap::take_refused(), "memory was not refused");
                assert_eq!(arena.lent(), 0, "a failed restore gives every claim back");
            }
            Err(error) => panic!("a sound table was refused: {error}"),
        }
    }
}
