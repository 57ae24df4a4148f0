//! Any memory, any head: what is a table in it, and whatever can be done with that.

use kho_block::{
    Descriptor, DescriptorFlags, IncomingSlots, PhysAddr, RestoreChecks, RestoreFromError,
};

use super::kernel::{Kernel, TAG};
use super::model::{Found, compare, find, touch};
use crate::Record;
use crate::arena::{Arena, addr_of};
use crate::image::{Image, damage};
use crate::input::Input;

type Taken<'a, T, const SIZE: usize> = IncomingSlots<T, &'a Arena<SIZE>, SIZE>;

/// What to do, the head, which blocks are preserved, the bytes of those, and then operations.
pub(super) fn run<T: Record, S: Record, const SIZE: usize>(
    arena: &Arena<SIZE>,
    mut input: Input<'_>,
) {
    let [end, changes, order] = input.bytes();
    let head = u64::from_ne_bytes(input.bytes());
    let preserved = u16::from_ne_bytes(input.bytes());
    let mut image = Image::empty();
    for (index, block) in image.blocks.iter_mut().enumerate() {
        *block = (preserved >> index & 1 == 1).then(|| input.bytes());
    }
    arena.reset(order);
    arena.leave(&image);
    restored::<T, S, SIZE>(arena, &image, head);
    described::<T, S, SIZE>(arena, &image, head, end);

    let (mut table, mut found) = salvaged::<T, S, SIZE>(arena, &image, head);
    for _ in 0..changes % 16 {
        let [way, n] = input.bytes();
        touch(&mut table, &mut found.model, way % 8, n);
    }
    compare(&table, &found.model);
    if end & 0x40 != 0 {
        // What is given back is found again, as it was left.
        let head = PhysAddr::to_wire(table.release());
        assert_eq!(arena.lent(), 0, "a table that is released gives its claims back");
        let again = arena.image();
        (table, found) = salvaged::<T, S, SIZE>(arena, &again, head);
    }
    if end & 0x80 != 0 {
        table.destroy();
        assert_eq!((table.first_block(), table.slot_count(), arena.lent()), (None, 0, 0));
        return;
    }
    // Bytes that adopting would write are here, so that one that is refused shows them untouched.
    arena.refuse((changes >> 4).into());
    Kernel::<T, S, SIZE>::adopt(arena, table, found.model).run(&mut input);
}

/// Restores the table at `head`, or is refused for what is wrong with it.
fn restored<T: Record, S: Record, const SIZE: usize>(
    arena: &Arena<SIZE>,
    image: &Image<SIZE>,
    head: u64,
) {
    let found = find::<T, S, SIZE>(image, head, RestoreChecks::empty(), false);
    let table = Taken::<T, SIZE>::restore(arena, PhysAddr::new(head));
    assert_eq!(table.as_ref().err().copied().map(damage), found.damage);
    if let Ok(table) = table {
        compare(&table, &found.model);
        assert_eq!(PhysAddr::to_wire(table.release()), head);
    }
    assert_eq!(arena.lent(), 0, "every claim is given back");
    assert!(arena.image() == *image, "a restore writes nothing");
}

/// Restores the table at `head` by a descriptor with some promises, which are kept or are refused.
fn described<T: Record, S: Record, const SIZE: usize>(
    arena: &Arena<SIZE>,
    image: &Image<SIZE>,
    head: u64,
    promises: u8,
) {
    let flags = DescriptorFlags::from_bits_truncate(promises.into());
    let checks = RestoreChecks::from_bits_truncate(flags.bits() & 3);
    let found = find::<T, S, SIZE>(image, head, checks, true);
    let entries = u64::from(promises >> 3 & 7);
    let descriptor = Descriptor {
        magic: Descriptor::MAGIC,
        version: Descriptor::VERSION,
        flags: flags.bits(),
        entry_size: size_of::<S>() as u32,
        block_size: SIZE as u32,
        head,
        entries,
        tag: TAG,
    };
    let counted = flags.contains(DescriptorFlags::COUNTED);
    let right = !counted || entries == found.model.0.len() as u64;
    match Taken::<T, SIZE>::restore_from(arena, &descriptor, TAG) {
        Ok(table) => {
            assert!(right && found.damage.is_none(), "it is not as promised");
            compare(&table, &found.model);
        }
        Err(RestoreFromError::Chain(error)) => {
            assert_eq!(Some(damage(error)), found.damage);
        }
        Err(error) => assert!(found.damage.is_none() && !right, "{error}"),
    }
    let (table, _) = Taken::<T, SIZE>::salvage_from(arena, &descriptor, TAG);
    compare(&table, &found.model);
    drop(table);
    assert_eq!(arena.lent(), 0, "every claim is given back");
    assert!(arena.image() == *image, "a restore writes nothing");
}

/// Salvages the table at `head`, which is as [`find`] has it.
fn salvaged<'a, T: Record, S: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    image: &Image<SIZE>,
    head: u64,
) -> (Taken<'a, T, SIZE>, Found<T>) {
    let found = find::<T, S, SIZE>(image, head, RestoreChecks::empty(), false);
    let (table, error) = Taken::<T, SIZE>::salvage(arena, PhysAddr::new(head));
    assert_eq!(error.map(damage), found.damage);
    assert_eq!(arena.lent(), found.blocks.len(), "the claim on what is damaged is given back");
    assert_eq!(table.block_count(), found.blocks.len());
    let addrs = found.blocks.iter().map(|&block| addr_of::<SIZE>(block));
    assert!(table.block_addrs().map(PhysAddr::get).eq(addrs));
    compare(&table, &found.model);
    (table, found)
}
