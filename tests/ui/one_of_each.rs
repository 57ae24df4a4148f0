//! What the other programs do, done right.

use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{BlockSet, IncomingSet, IncomingSlots, Key, OutgoingSlots};

/// As large as a block of 64 bytes allows, and aligned as strictly as any.
#[derive(Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Record {
    words: [u64; 6],
}

fn main() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<Record, _, _, 64>::new(&mem);
    set.grow(2).unwrap();
    set.writer().push(Record::default()).unwrap();
    set.writer().push(Record { words: [7; 6] }).unwrap();
    std::thread::scope(|scope| scope.spawn(|| assert_eq!(set.len(), 2)).join().unwrap());
    assert_eq!(set.cursor_back().prev(), Some(&Record { words: [7; 6] }));
    let head = set.into_head();

    mem.reboot();

    let mut set = IncomingSet::<Record, _, 64>::restore(&mem, head).unwrap();
    assert_eq!(set.pop(), Some(Record { words: [7; 6] }));
    set.destroy();
    mem.assert_clean();
    slots(Mock::new());
}

/// A record that points at another one, as large as a block of 64 bytes allows behind a stamp.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Device {
    words: [u64; 4],
    parent: Key,
}

fn slots(mut mem: Mock) {
    let mut table = OutgoingSlots::<Device, _, 64>::new(&mem);
    let bus = table.insert(Device { words: [1; 4], parent: Key::NULL }).unwrap();
    let disk = table.insert(Device { words: [2; 4], parent: bus }).unwrap();
    let head = table.seal().leave();

    mem.reboot();

    let table = IncomingSlots::<Device, _, 64>::restore(&mem, head).unwrap();
    let mut table = table.adopt().unwrap();
    assert_eq!(table.get(disk).and_then(|disk| table.get(disk.parent)), table.get(bus));
    table.get_mut(bus).unwrap().words = [3; 4];
    table.remove(disk);
    assert!(table.iter().map(|(key, _)| key).eq([bus]));
    table.destroy();
    drop(table);
    mem.assert_clean();
}
