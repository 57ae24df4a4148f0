//! Descriptors that do not fit the chain, or the kernel that reads them.

use kho_block::RestoreErrorKind::{Empty, Misaligned, NotFull};
use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{
    ChainLayout, Descriptor, DescriptorField, PhysAddr, RestoreChecks, RestoreFromError,
};

use super::Damage::{Count, Next};
use super::{ADDRS, CAPACITY, NOT_PRESERVED, Set, TAG, apply, assert_restores, bytes, chain};

#[test]
fn every_field_of_a_descriptor_is_checked() {
    use DescriptorField::{BlockSize, Entries, EntrySize, Flags, Magic, Tag, Version};
    const MAGIC: u64 = Descriptor::MAGIC;
    let good = chain().1;
    let rows = [
        (Descriptor { magic: 0, ..good }, Magic, 0, MAGIC),
        (Descriptor { magic: MAGIC + 1, ..good }, Magic, MAGIC + 1, MAGIC),
        (Descriptor { magic: MAGIC.swap_bytes(), ..good }, Magic, MAGIC.swap_bytes(), MAGIC),
        (Descriptor { version: 0, ..good }, Version, 0, 1),
        (Descriptor { version: 2, ..good }, Version, 2, 1),
        (Descriptor { version: u32::MAX, ..good }, Version, 0xffff_ffff, 1),
        (Descriptor { flags: 0b1000, ..good }, Flags, 0b1000, 0b111),
        (Descriptor { flags: 0b1111, ..good }, Flags, 0b1111, 0b111),
        (Descriptor { flags: 1 << 31, ..good }, Flags, 1 << 31, 0b111),
        (Descriptor { entry_size: 0, ..good }, EntrySize, 0, 10),
        (Descriptor { entry_size: 9, ..good }, EntrySize, 9, 10),
        (Descriptor { entry_size: 11, ..good }, EntrySize, 11, 10),
        (Descriptor { block_size: 0, ..good }, BlockSize, 0, 64),
        (Descriptor { block_size: 32, ..good }, BlockSize, 32, 64),
        (Descriptor { block_size: 65, ..good }, BlockSize, 65, 64),
        (Descriptor { tag: 0, ..good }, Tag, 0, TAG),
        (Descriptor { tag: TAG + (1 << 32), ..good }, Tag, TAG + (1 << 32), TAG),
        (Descriptor { entries: 0, ..good }, Entries, 0, 14),
        (Descriptor { entries: 13, ..good }, Entries, 13, 14),
        (Descriptor { entries: 15, ..good }, Entries, 15, 14),
        (Descriptor { entries: 14 + (1 << 32), ..good }, Entries, 14 + (1 << 32), 14),
        (Descriptor { entries: u64::MAX, ..good }, Entries, u64::MAX, 14),
        // The chain of another set, or none.
        (Descriptor { head: ADDRS[1], ..good }, Entries, 14, 10),
        (Descriptor { head: 0, ..good }, Entries, 14, 0),
        // Of another version nothing else is believed to mean what it means in this one.
        (Descriptor { version: 2, flags: 0b1000, entry_size: 9, ..good }, Version, 2, 1),
        (Descriptor { magic: 0, version: 0, ..good }, Magic, 0, MAGIC),
    ];
    for (descriptor, field, found, expected) in rows.into_iter().step_by(super::STEP) {
        assert_not_restored_from(&descriptor, |error| {
            let RestoreFromError::Descriptor(error) = error else { return false };
            (error.field, error.found, error.expected) == (field, found, expected)
        });
    }
    let rows = [
        (Descriptor { head: ADDRS[0] + 8, ..good }, Misaligned, ADDRS[0] + 8),
        (Descriptor { head: ADDRS[0] + (1 << 32), ..good }, NOT_PRESERVED, ADDRS[0] + (1 << 32)),
        (
            Descriptor { head: ADDRS[0] & 0xffff_ffff, ..good },
            NOT_PRESERVED,
            ADDRS[0] & 0xffff_ffff,
        ),
    ];
    for (descriptor, kind, addr) in rows {
        assert_not_restored_from(&descriptor, |error| {
            let RestoreFromError::Chain(error) = error else { return false };
            (error.kind, error.block, error.addr.get()) == (kind, 0, addr)
        });
    }
}

#[test]
fn any_flipped_bit_of_a_descriptor_is_refused_unless_it_only_promises_less() {
    let (mem, good) = chain();
    let mut accepted = Vec::new();
    // Under Miri those of the flags and a few others.
    let some = |&bit: &usize| !cfg!(miri) || bit % 32 < 3;
    for bit in (0..8 * size_of::<Descriptor>()).filter(some) {
        let mut descriptor = good;
        descriptor.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
        if let Ok(set) = Set::restore_from(&mem, &descriptor, TAG) {
            set.release();
            accepted.push(descriptor);
        }
        assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()), "bit {bit} keeps a claim");
    }
    accepted.sort_by_key(|descriptor| descriptor.flags);
    assert_eq!(accepted, [0b011, 0b101, 0b110].map(|flags| Descriptor { flags, ..good }));
}

/// Asserts that a descriptor is refused with the error that is `right`, and that all claims are
/// given back.
fn assert_not_restored_from(descriptor: &Descriptor, right: impl Fn(RestoreFromError) -> bool) {
    let (mut mem, good) = chain();
    let undamaged = bytes(&mut mem);
    let error = Set::restore_from(&mem, descriptor, TAG).unwrap_err();
    assert!(right(error), "{error:x?}");
    assert_eq!(error.errno(), 22);
    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()), "{error} keeps a claim");
    assert_eq!(mem.faults(), [], "{error}");
    Set::restore_from(&mem, &good, TAG).unwrap().release();
    assert_restores(mem, &undamaged);
}

#[test]
fn the_chain_is_held_to_the_flags_of_its_descriptor() {
    let (mut mem, good) = chain();
    let undamaged = bytes(&mut mem);
    let refused = |mem: &Mock, flags, entries| {
        // The right number of entries where it is promised, and any number where it is not.
        let [counted, uncounted] =
            [(flags | 0b100, entries), (flags, 77)].map(|(flags, entries)| {
                let descriptor = Descriptor { flags, entries, ..good };
                match Set::restore_from(mem, &descriptor, TAG) {
                    Ok(set) => {
                        set.release();
                        None
                    }
                    Err(RestoreFromError::Chain(error)) => Some((error.kind, error.block)),
                    Err(error) => unreachable!("{error}"),
                }
            });
        assert_eq!(counted, uncounted, "flags {flags:#b}");
        counted
    };
    apply(&mut mem, &[Count(1, 3)]);
    let not_full = |count| NotFull { count, capacity: CAPACITY };
    assert_eq!(refused(&mem, 0b00, 13), None);
    assert_eq!(refused(&mem, 0b01, 13), Some((not_full(3), 1)));
    assert_eq!(refused(&mem, 0b10, 13), None);
    assert_eq!(refused(&mem, 0b11, 13), Some((not_full(3), 1)));
    apply(&mut mem, &[Count(1, 0)]);
    assert_eq!(refused(&mem, 0b00, 10), None);
    assert_eq!(refused(&mem, 0b01, 10), Some((not_full(0), 1)));
    assert_eq!(refused(&mem, 0b10, 10), Some((Empty, 1)));
    assert_eq!(refused(&mem, 0b11, 10), Some((Empty, 1)));
    assert_restores(mem, &undamaged);
}

#[test]
fn one_block_without_entries_or_a_link_is_the_empty_set_whatever_is_promised() {
    let (mut mem, good) = chain();
    let undamaged = bytes(&mut mem);
    let restored = |mem: &Mock, flags, entries, head| {
        Set::restore_from(mem, &Descriptor { flags, entries, head, ..good }, TAG).map(|set| {
            set.audit().unwrap();
            assert_eq!((set.head(), set.first_block()), (None, PhysAddr::new(head)));
            (set.len(), set.block_count())
        })
    };
    apply(&mut mem, &[Count(0, 0), Next(0, 0)]);
    for flags in 0b000..=0b111 {
        assert_eq!(restored(&mem, flags, 0, ADDRS[0]), Ok((0, 1)), "flags {flags:#b}");
    }
    // It still has as many entries as are promised, and whoever asks for none of it gets none.
    let error = restored(&mem, 0b111, 1, ADDRS[0]).unwrap_err();
    assert_eq!(error.to_string(), "descriptor: says 1 entries, the chain 0");
    let head = PhysAddr::new(ADDRS[0]);
    let error = Set::restore_with(&mem, head, RestoreChecks::NO_EMPTY_BLOCKS).unwrap_err();
    assert_eq!((error.kind, error.block), (Empty, 0));

    // A link makes it a block of a chain; so does a block before it.
    apply(&mut mem, &[Next(0, ADDRS[3])]);
    let refused = |mem: &Mock, flags| match restored(mem, flags, 0, ADDRS[0]).unwrap_err() {
        RestoreFromError::Chain(error) => (error.kind, error.block),
        error => panic!("{error}"),
    };
    assert_eq!(refused(&mem, 0b010), (Empty, 0));
    assert_eq!(refused(&mem, 0b011), (Empty, 0));
    assert_eq!(refused(&mem, 0b001), (NotFull { count: 0, capacity: CAPACITY }, 0));
    apply(&mut mem, &[Count(0, 4), Count(3, 0)]);
    assert_eq!(refused(&mem, 0b010), (Empty, 1));
    assert_eq!(refused(&mem, 0b011), (Empty, 1));
    assert_restores(mem, &undamaged);
}

#[test]
fn a_descriptor_is_checked_without_its_chain_too() {
    let good = chain().1;
    for flags in 0b000..=0b111 {
        // Neither the head nor the number of entries can be told without the chain.
        let root = Descriptor { flags, head: 1, entries: 77, ..good };
        let checks = RestoreChecks::from_bits_truncate(flags & 0b011);
        assert_eq!(root.check(Set::LAYOUT, TAG), Ok(checks));
        assert_eq!(root.head(), PhysAddr::new(1));
    }
    let others = [
        Descriptor { magic: 0, ..good },
        Descriptor { version: 0, ..good },
        Descriptor { flags: 8, ..good },
        Descriptor { entry_size: 9, ..good },
        Descriptor { block_size: 65, ..good },
        Descriptor { tag: 0, ..good },
    ];
    for root in others {
        let error = root.check(Set::LAYOUT, TAG).unwrap_err();
        assert_not_restored_from(&root, |refused| refused == error.into());
    }
    let wider = ChainLayout::new(10, 128).unwrap();
    assert_eq!(good.check(wider, TAG).unwrap_err().field, DescriptorField::BlockSize);
    let longer = ChainLayout::new(11, 64).unwrap();
    assert_eq!(good.check(longer, TAG).unwrap_err().field, DescriptorField::EntrySize);
    assert_eq!(Descriptor { head: 0, ..good }.head(), None);
}

#[test]
fn an_error_says_whether_it_is_the_descriptor_or_the_chain_and_what_is_wrong() {
    let good = chain().1;
    let rows = [
        (Descriptor { magic: 0xAB, ..good }, "magic 0xab is not 0x4b484f424c4f434b"),
        (Descriptor { version: 2, ..good }, "version 2 is not 1"),
        (Descriptor { flags: 8, ..good }, "flags 0x8 go beyond 0x7"),
        (Descriptor { entry_size: 9, ..good }, "entry size 9 is not 10"),
        (Descriptor { block_size: 32, ..good }, "block size 32 is not 64"),
        (Descriptor { entries: 13, ..good }, "says 13 entries, the chain 14"),
        (Descriptor { tag: 0xF11E, ..good }, "tag 0xf11e is not 0x7a67"),
    ];
    for (descriptor, message) in rows {
        let error = Set::restore_from(&chain().0, &descriptor, TAG).unwrap_err();
        assert_eq!(error.to_string(), format!("descriptor: {message}"));
        let RestoreFromError::Descriptor(cause) = error else { panic!("{error}") };
        assert_eq!((cause.to_string().as_str(), cause.errno(), error.errno()), (message, 22, 22));
    }
    let descriptor = Descriptor { head: 0xA1, ..good };
    let error = Set::restore_from(&chain().0, &descriptor, TAG).unwrap_err();
    assert_eq!(error.to_string(), "block 0 at 0xa1: not aligned to the block size");
    assert!(matches!(error, RestoreFromError::Chain(_)));
}
