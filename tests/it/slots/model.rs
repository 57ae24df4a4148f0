//! Random operations against a plain map: whatever is done to a table, by however many kernels, it
//! stays the map it would be, and no key finds what is not its own.

mod perform;
mod plan;
mod table;

use kho_block::mock::Mock;
use kho_block::{Descriptor, IncomingSlots, OutgoingSlots, PhysAddr};

use self::perform::{apply, apply_work, check, check_bytes, stamp_addr};
use self::plan::{End, Kernel, kernels};
use self::table::Model;
use crate::model::list::Sample;
use crate::model::{on, tried};

/// What the entries are, in a descriptor.
const TAG: u64 = 0x7461_6200;

/// The table that the previous kernel left, worked on in turns as it is found, and adopted.
fn carry_on<'m, T: Sample, const B: usize>(
    mem: &'m Mock,
    model: &mut Model<T>,
    root: &Descriptor,
    turns: &[Vec<plan::Change>],
) -> OutgoingSlots<T, &'m Mock, B> {
    let mut root = *root;
    for turn in turns {
        let mut table = IncomingSlots::<T, _, B>::restore_from(mem, &root, TAG).unwrap();
        check(&table, model);
        for change in turn {
            apply(&mut table, model, change);
            check(&table, model);
        }
        root = table.descriptor(TAG);
        let first = table.first_block();
        assert_eq!(table.release(), first);
    }
    let table = IncomingSlots::<T, _, B>::restore_from(mem, &root, TAG).unwrap();
    check(&table, model);
    let places: Vec<_> = model.entries.keys().map(|&key| table.entry_ptr(key)).collect();
    let table = table.adopt().unwrap();
    check(&table, model);
    assert!(model.entries.keys().map(|&key| table.entry_ptr(key)).eq(places), "none has moved");
    table
}

/// A table, from kernel to kernel.
fn live<T: Sample, const B: usize>(kernels: &[Kernel]) {
    let mut mem = Mock::new();
    let mut model = Model::<T>::new(OutgoingSlots::<T, &Mock, B>::SLOTS_PER_BLOCK);
    let mut root = OutgoingSlots::<T, _, B>::new(&mem).descriptor(TAG);
    let mut addrs: Vec<PhysAddr> = Vec::new();
    for (number, Kernel { old, found, works, end }) in kernels.iter().enumerate() {
        for &parts in old {
            let slot = usize::from(parts) * model.lives.len().saturating_sub(1) / 255;
            let slot = u32::try_from(slot).unwrap();
            if model.stamp_of(slot).is_some_and(|stamp| stamp < 100 && stamp % 2 == 0) {
                model.grow_old(slot);
                let stamp = model.stamp(slot).to_ne_bytes();
                mem.write(stamp_addr(&model, &addrs, slot), &stamp);
            }
        }

        let adopted = number > 0;
        let mut table = if adopted {
            carry_on::<T, B>(&mem, &mut model, &root, found)
        } else {
            OutgoingSlots::<T, _, B>::new(&mem)
        };
        root = table.descriptor(TAG);
        for work in works {
            apply_work(&mut table, &mut model, work);
            check(&table, &model);
            // Written anew if it does not name the first block, and only then.
            if root.head() != table.first_block() {
                root = table.descriptor(TAG);
            }
        }

        let linked = model.lives.len().div_ceil(model.capacity);
        let named = linked.max(model.blocks.min(1));
        addrs = table.block_addrs().take(named).collect();
        let spare = model.blocks - named;
        let in_chain = match end {
            End::Leave => {
                let sealed = table.seal();
                root = sealed.descriptor(TAG);
                assert_eq!(sealed.leave(), root.head());
                linked
            }
            End::Die => {
                core::mem::forget(table);
                named
            }
            End::Drop => {
                drop(table);
                if !adopted {
                    model.destroy();
                    root = OutgoingSlots::<T, _, B>::new(&mem).descriptor(TAG);
                }
                if adopted { named } else { 0 }
            }
        };
        let lost = if matches!(end, End::Die) { spare } else { 0 };
        addrs.truncate(in_chain);
        model.blocks = in_chain;
        assert_eq!(mem.live(), in_chain + lost);
        mem.reboot();
        check_bytes(&mut mem, &model, &addrs);
        let table = IncomingSlots::<T, _, B>::restore_from(&mem, &root, TAG).unwrap();
        check(&table, &model);
        // Spare blocks of a kernel that dies are named by nobody.
        assert_eq!(mem.discard_unclaimed(), lost);
    }
    let mut table = IncomingSlots::<T, _, B>::restore_from(&mem, &root, TAG).unwrap();
    check(&table, &model);
    table.destroy();
    mem.assert_clean();
}

/// A test for each entry, in blocks of several sizes.
macro_rules! tables {
    ($($(#[$attribute:meta])* $name:ident: $entry:ty, in $($size:literal),+;)+) => {$(
        mod $name {
            #[test]
            $(#[$attribute])*
            fn stay_the_map_they_would_be_through_every_change_and_reboot() {
                $(if super::tried(8 + size_of::<$entry>(), $size) {
                    super::on(super::kernels(), |kernels| super::live::<$entry, $size>(kernels));
                })+
            }
        }
    )+};
}

tables! {
    entries_of_8_bytes: u64, in 32, 64, 4096;
    entries_of_8_bytes_aligned_to_1: [u8; 8], in 32, 128;
    entries_of_16_bytes: [u64; 2], in 64, 256;
    entries_of_80_bytes: [u64; 10], in 128, 256, 8192;
    #[cfg_attr(miri, ignore = "entries of a page take a minute, and those of 80 bytes are tried")]
    entries_that_fill_a_block: [u64; 509], in 4096;
}
