//! A valid chain with flipped bits: an error, or exactly what the bytes now say.

use kho_block::zerocopy::{FromBytes, IntoBytes};
use kho_block::{
    Descriptor, DescriptorField, DescriptorFlags, HEADER_SIZE, IncomingSet, RestoreChecks,
    RestoreFromError,
};

use crate::arena::{Arena, BLOCKS, addr_of};
use crate::image::{Image, damage};
use crate::input::Input;
use crate::restore::{compare, restored, salvaged};
use crate::{Record, record};

const TAG: u64 = 0x5e55;

/// A chain as it is handed over: its memory, and what the root page says of it.
struct Handover<const SIZE: usize> {
    image: Image<SIZE>,
    descriptor: Descriptor,
}

/// The target: what to check, how many blocks, their order, their counts, and then bits to flip.
pub(crate) fn run<T: Record, const SIZE: usize>(arena: &Arena<SIZE>, mut input: Input<'_>) {
    let checks = RestoreChecks::from_bits_truncate(input.byte().into());
    let mut damaged = valid::<T, SIZE>(&mut input);
    while !input.is_empty() {
        damaged.flip(u16::from_le_bytes(input.bytes()).into());
    }

    arena.reset(0);
    arena.leave(&damaged.image);
    let (image, head) = (&damaged.image, damaged.head());
    if let Some((set, walk)) = restored::<T, SIZE>(arena, image, head, checks) {
        compare(&set, &walk);
        set.release();
    }
    let (set, walk) = salvaged::<T, SIZE>(arena, image, head);
    compare(&set, &walk);
    drop(set);
    damaged.restore_described::<T>(arena);
}

/// A chain of up to eight blocks, whose counts need not be full.
fn valid<T: Record, const SIZE: usize>(input: &mut Input<'_>) -> Handover<SIZE> {
    let capacity = (SIZE - HEADER_SIZE) / size_of::<T>();
    let [length, order] = input.bytes().map(usize::from);
    let number = |position: usize| (order + position * (order / BLOCKS * 2 + 1)) % BLOCKS;
    let length = length % 9;
    let mut image = Image::empty();
    let (mut dense, mut no_empty_blocks) = (true, true);
    let mut entries = 0;
    for position in 0..length {
        let last = position + 1 == length;
        let count = usize::from(input.byte()) % (capacity + 1);
        dense &= last || count == capacity;
        no_empty_blocks &= count > 0 || length == 1;
        entries += count;

        let mut bytes = [0; SIZE];
        let (header, slots) = bytes.split_at_mut(HEADER_SIZE);
        let next = if last { 0 } else { addr_of::<SIZE>(number(position + 1)) };
        header[..8].copy_from_slice(&next.to_ne_bytes());
        header[8..].copy_from_slice(&(count as u64).to_ne_bytes());
        for (slot, serial) in slots.chunks_exact_mut(size_of::<T>()).take(count).zip(0..) {
            slot.copy_from_slice(record::<T>(serial).as_bytes());
        }
        image.blocks[number(position)] = Some(bytes);
    }
    let mut flags = DescriptorFlags::COUNTED;
    flags.set(DescriptorFlags::DENSE, dense);
    flags.set(DescriptorFlags::NO_EMPTY_BLOCKS, no_empty_blocks);
    let descriptor = Descriptor {
        magic: Descriptor::MAGIC,
        version: Descriptor::VERSION,
        flags: flags.bits(),
        entry_size: size_of::<T>() as u32,
        block_size: SIZE as u32,
        head: if length == 0 { 0 } else { addr_of::<SIZE>(number(0)) },
        entries: entries as u64,
        tag: TAG,
    };
    Handover { image, descriptor }
}

impl<const SIZE: usize> Handover<SIZE> {
    fn head(&self) -> u64 {
        self.descriptor.head
    }

    /// Flips a bit of the descriptor, or of a preserved block.
    fn flip(&mut self, bit: usize) {
        let (byte, mask) = (bit / 8, 1 << (bit % 8));
        let blocks = self.image.blocks.iter_mut().flatten().flatten();
        let mut bytes = self.descriptor.as_mut_bytes().iter_mut().chain(blocks);
        if let Some(byte) = bytes.nth(byte) {
            *byte ^= mask;
        }
    }

    /// Restores and salvages by the descriptor: an error that names the first field that is wrong,
    /// or the chain, and what is sound of that.
    fn restore_described<T: Record>(&self, arena: &Arena<SIZE>) {
        let descriptor = Descriptor::read_from_bytes(self.descriptor.as_bytes()).expect("48 bytes");
        let wrong = self.wrong_field::<T>();
        let flags = DescriptorFlags::from_bits_truncate(descriptor.flags);
        let checks = promised(flags);
        let checked = descriptor.check(IncomingSet::<T, &Arena<SIZE>, SIZE>::LAYOUT, TAG);
        match (checked, wrong) {
            (Ok(to_pass), None) => assert_eq!(to_pass, checks),
            (Err(error), Some(field)) => assert_eq!(error.field, field),
            (checked, wrong) => panic!("{checked:?}, but wrong is {wrong:?}"),
        }

        let head = if wrong.is_some() { 0 } else { self.head() };
        let walk = self.image.walk::<T>(head, checks, true);
        let entries = walk.entries.len() as u64;
        let set = IncomingSet::<T, _, SIZE>::restore_from(arena, &descriptor, TAG);
        let error = set.as_ref().err().copied();
        match (error, wrong, walk.damage) {
            (Some(RestoreFromError::Descriptor(error)), Some(wrong), _) => {
                assert_eq!(error.field, wrong);
            }
            (Some(RestoreFromError::Chain(error)), None, Some(expected)) => {
                assert_eq!(damage(error), expected);
            }
            (Some(RestoreFromError::Descriptor(error)), None, None) => {
                assert_eq!(error.field, DescriptorField::Entries);
                assert!(flags.contains(DescriptorFlags::COUNTED) && descriptor.entries != entries);
            }
            (None, None, None) => {
                assert!(!flags.contains(DescriptorFlags::COUNTED) || descriptor.entries == entries);
            }
            (error, wrong, damage) => panic!("{error:?} instead of {wrong:?} or {damage:?}"),
        }
        if let Ok(set) = set {
            compare(&set, &walk);
            assert_eq!(set.release(), descriptor.head());
        }
        assert_eq!(arena.lent(), 0, "every claim was given back");

        let (set, same) = IncomingSet::<T, _, SIZE>::salvage_from(arena, &descriptor, TAG);
        assert_eq!(same, error);
        compare(&set, &walk);
        drop(set);
        assert_eq!(arena.lent(), 0, "every claim was given back");
        assert!(arena.image() == self.image, "restoring writes nothing");
    }

    /// The first field that does not describe a set of `T`, whatever the chain.
    fn wrong_field<T: Record>(&self) -> Option<DescriptorField> {
        let it = &self.descriptor;
        [
            (it.magic == Descriptor::MAGIC, DescriptorField::Magic),
            (it.version == Descriptor::VERSION, DescriptorField::Version),
            (it.flags & !7 == 0, DescriptorField::Flags),
            (it.tag == TAG, DescriptorField::Tag),
            (it.entry_size as usize == size_of::<T>(), DescriptorField::EntrySize),
            (it.block_size as usize == SIZE, DescriptorField::BlockSize),
        ]
        .into_iter()
        .find_map(|(right, field)| (!right).then_some(field))
    }
}

/// The checks that a chain with these flags has to pass.
fn promised(flags: DescriptorFlags) -> RestoreChecks {
    let mut checks = RestoreChecks::empty();
    checks.set(RestoreChecks::DENSE, flags.contains(DescriptorFlags::DENSE));
    let no_empty_blocks = flags.contains(DescriptorFlags::NO_EMPTY_BLOCKS);
    checks.set(RestoreChecks::NO_EMPTY_BLOCKS, no_empty_blocks);
    checks
}
