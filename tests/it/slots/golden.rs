//! The bytes of a table, written by hand: what every kernel finds, whichever has written them.
//!
//! They are those of this machine, whatever its byte order is: each word is written as one.

use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    BlockSet, ChainLayout, Descriptor, IncomingSet, IncomingSlots, Key, OutgoingSlots, PhysAddr,
    RestoreChecks,
};

/// A device, with the key of the one that it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Device {
    address: u64,
    behind: Key,
}

/// Four slots to a block, and 16 bytes are left over.
const BLOCK_SIZE: usize = 128;
const FIRST: u64 = 0x1_0000_0000;
const SECOND: u64 = 0x2_0000_0080;

type Devices<'m> = OutgoingSlots<Device, &'m Mock, BLOCK_SIZE>;

fn device(address: u64, behind: Key) -> Device {
    Device { address, behind }
}

/// Words of 64 bits.
fn words<const N: usize>(words: [u64; N]) -> Vec<u8> {
    words.map(u64::to_ne_bytes).as_flattened().to_vec()
}

/// A slot: its stamp, and a device behind slot `slot` in its life `life`.
fn slot(stamp: u64, address: u64, [slot, life]: [u32; 2]) -> Vec<u8> {
    [words([stamp, address]), [slot, life].map(u32::to_ne_bytes).as_flattened().to_vec()].concat()
}

/// Both blocks of the table.
fn image() -> [Vec<u8>; 2] {
    let first = [
        words([SECOND, 4]),
        slot(1, 0xfeb0_0000, [0, 0]),
        slot(3, 0xfec0_0000, [0, 1]),
        slot(2, 0, [0, 0]),
        slot(1, 0xfee0_0000, [1, 3]),
        words([0, 0]),
    ];
    let second = [words([0, 2]), slot(4, 0, [0, 0]), slot(1, 7, [3, 1]), vec![0; 64]];
    [first.concat(), second.concat()]
}

/// The keys of the devices, and the devices.
fn entries() -> [(Key, Device); 4] {
    let key = |slot, life| Key { slot, life };
    [
        (key(0, 1), device(0xfeb0_0000, Key::NULL)),
        (key(1, 3), device(0xfec0_0000, key(0, 1))),
        (key(3, 1), device(0xfee0_0000, key(1, 3))),
        (key(5, 1), device(7, key(3, 1))),
    ]
}

/// Writes the same table, by what a kernel does.
fn write(mem: &Mock) -> Devices<'_> {
    mem.place([FIRST, SECOND]);
    let mut table = Devices::new(mem);
    let bridge = table.insert(device(0xfeb0_0000, Key::NULL)).unwrap();
    let old = table.insert(device(1, bridge)).unwrap();
    let gone = table.insert(device(2, bridge)).unwrap();
    assert_eq!(table.remove(old), Some(device(1, bridge)));
    let disk = table.insert(device(0xfec0_0000, bridge)).unwrap();
    let card = table.insert(device(0xfee0_0000, disk)).unwrap();
    let brief = table.insert(device(3, card)).unwrap();
    let last = table.insert(device(4, card)).unwrap();
    table.remove(brief);
    let brief = table.insert(device(5, card)).unwrap();
    *table.get_mut(last).unwrap() = device(7, card);
    table.remove(brief);
    table.remove(gone);
    table
}

#[test]
fn what_kernels_do_gives_the_bytes_written_by_hand() {
    let mut mem = Mock::new();
    let table = write(&mem);
    table.audit().unwrap();
    assert!(table.iter().map(|(key, entry)| (key, *entry)).eq(entries()));
    // While entries come and go, it is dense and without empty blocks, but not counted.
    assert_eq!(table.descriptor(9).flags, 3);
    let sealed = table.seal();
    let root = sealed.descriptor(9);
    assert_eq!(sealed.leave(), PhysAddr::new(FIRST));
    for (addr, bytes) in [FIRST, SECOND].into_iter().zip(image()) {
        assert_eq!(mem.read(addr, BLOCK_SIZE), bytes);
    }
    let described = Descriptor { flags: 7, entries: 6, ..root };
    assert_eq!((root, root.entry_size, root.block_size), (described, 24, 128));
    assert_eq!(Devices::LAYOUT, ChainLayout::new(24, 128).unwrap());
}

#[test]
fn bytes_written_by_hand_are_a_table() {
    let mut mem = Mock::new();
    for (addr, bytes) in [FIRST, SECOND].into_iter().zip(image()) {
        assert_eq!(bytes.len(), BLOCK_SIZE);
        mem.leave(addr, &bytes);
    }
    let head = PhysAddr::new(FIRST);
    let table = IncomingSlots::<Device, _, BLOCK_SIZE>::restore(&mem, head).unwrap();
    table.audit().unwrap();
    assert!(table.iter().map(|(key, entry)| (key, *entry)).eq(entries()));
    assert_eq!((table.len(), table.slot_count(), table.retired()), (4, 6, 0));
    assert_eq!(table.phys_addr(Key { slot: 5, life: 1 }), PhysAddr::new(SECOND + 16 + 24 + 8));
    assert_eq!(table.release(), head);
    for (addr, bytes) in [FIRST, SECOND].into_iter().zip(image()) {
        assert_eq!(mem.read(addr, BLOCK_SIZE), bytes, "restoring has written");
    }

    let table = IncomingSlots::<Device, _, BLOCK_SIZE>::restore(&mem, head).unwrap();
    let mut table = table.adopt().unwrap();
    let next = [(2, 3), (4, 5), (6, 1)].map(|(slot, life)| Key { slot, life });
    for key in next {
        assert_eq!(table.insert(device(9, Key::NULL)).unwrap(), key);
    }
    table.destroy();
    mem.assert_clean();
}

#[test]
fn a_table_is_an_ordinary_chain_of_stamps_and_entries() {
    let mut mem = Mock::new();
    let head = write(&mem).seal().leave();
    mem.reboot();
    let checks = RestoreChecks::all();
    let set = IncomingSet::<[u64; 3], _, BLOCK_SIZE>::restore_with(&mem, head, checks).unwrap();
    let stamps = set.iter().map(|[stamp, ..]| *stamp);
    assert!(stamps.eq([1, 3, 2, 1, 4, 1]));
    drop(set);

    // And a chain that is one already is a table.
    let mut set = BlockSet::<[u64; 3], _, _, BLOCK_SIZE>::new(&mem);
    set.extend_from_slice(&[[1, 5, 0], [0, 0, 0], [7, 6, 0]]).unwrap();
    let head = set.into_head();
    mem.reboot();
    let table = IncomingSlots::<[u64; 2], _, BLOCK_SIZE>::restore(&mem, head).unwrap();
    let keys = [Key { slot: 0, life: 1 }, Key { slot: 2, life: 7 }];
    assert!(table.iter().eq(keys.into_iter().zip([&[5, 0], &[6, 0]])));
}
