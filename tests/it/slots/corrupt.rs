//! Damaged tables: what is wrong is named, what is sound is salvaged, and nothing else is touched.

use kho_block::mock::{Calls, Mock};
use kho_block::{Key, PhysAddr, RestoreErrorKind};

use super::{NUMBERS, Table, Taken, number};
use crate::corrupt::{ADDRS, bytes, phys, walked};

mod chains;
mod stamps;

/// Slots in the four blocks: the last block has one.
const SLOTS: usize = 10;

/// A machine in which the previous kernel left a table: slot 1 is free again, slot 5 is in use for
/// the second time, and all others are for the first.
fn table() -> (Mock, Vec<Key>) {
    let mut mem = Mock::new();
    mem.place(ADDRS);
    let mut table = Table::new(&mem);
    let mut keys = Vec::new();
    for number in &NUMBERS[..SLOTS] {
        keys.push(table.insert(*number).unwrap());
    }
    table.remove(keys[5]);
    keys[5] = table.insert(NUMBERS[5]).unwrap();
    assert_eq!(keys[5], Key { slot: 5, life: 3 });
    table.remove(keys.remove(1));
    assert_eq!(table.seal().leave(), Some(phys(ADDRS[0])));
    mem.reboot();
    (mem, keys)
}

/// Where the stamp of a slot is.
fn stamp_addr(slot: usize) -> u64 {
    ADDRS[slot / 3] + 16 + 16 * u64::try_from(slot % 3).unwrap()
}

/// Asserts that a damaged table is refused with this error, and that what is before it is salvaged:
/// exactly those blocks, and the claims of no others. Nothing is written, and it can be repeated.
fn assert_refused(
    mem: &mut Mock,
    head: Option<PhysAddr>,
    keys: &[Key],
    error: (RestoreErrorKind, usize, u64),
) {
    let (kind, sound, addr) = error;
    let damaged = bytes(mem);
    let asked = asked(mem, head, kind, sound);
    let before = mem.calls();
    let found = Taken::restore(&*mem, head).unwrap_err();
    assert_eq!((found.kind, found.block, found.addr.get(), found.errno()), (kind, sound, addr, 22));
    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()), "{found}");
    let spent = mem.calls();
    assert_eq!(spent.restore - before.restore, asked, "{found}");

    let (table, damage) = Taken::salvage(&*mem, head);
    assert_eq!(damage, Some(found));
    assert_eq!((mem.live(), mem.unclaimed()), (sound, ADDRS.len() - sound), "{found}");
    table.audit().unwrap();
    assert_eq!((table.block_count(), table.slot_count()), (sound, 3 * sound), "{found}");
    let kept = |key: &Key| usize::try_from(key.slot).unwrap() < 3 * sound;
    let sound_keys = keys.iter().copied().filter(kept);
    assert!(table.iter().eq(sound_keys.map(|key| (key, number(key)))), "{found}");
    for &key in keys {
        assert_eq!(table.get(key), Some(number(key)).filter(|_| kept(&key)), "{found}: {key}");
    }
    let first = head.filter(|_| sound > 0);
    assert_eq!((table.first_block(), table.release()), (first, first), "{found}");
    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()), "{found}");
    let calls = Calls { restore: before.restore + 2 * asked, ..spent };
    let unrestore = before.unrestore + 2 * (spent.unrestore - before.unrestore);
    assert_eq!(mem.calls(), Calls { unrestore, ..calls }, "{found}: each once, and back");
    assert_eq!(bytes(mem), damaged, "{found}: restoring has written");
}

/// How many blocks a walk asks for that ends with this error. A stamp is looked at only once the
/// walk has come to its end, which may be another damage.
fn asked(mem: &mut Mock, head: Option<PhysAddr>, kind: RestoreErrorKind, sound: usize) -> usize {
    if !matches!(kind, RestoreErrorKind::Stamp { .. }) {
        return walked(kind, sound).0;
    }
    let headers = kho_block::IncomingSet::<[u64; 2], _, 64>::restore_with(
        &*mem,
        head,
        kho_block::RestoreChecks::DENSE,
    );
    headers.err().map_or(ADDRS.len(), |error| walked(error.kind, error.block).0)
}
