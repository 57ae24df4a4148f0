//! Tables: records that keep their number, through every kernel that works in them.

use kho_block::mock::Mock;
use kho_block::{IncomingSlots, Key, OutgoingSlots, PhysAddr};

mod carry;
mod corrupt;
mod cost;
mod faults;
mod golden;
mod keys;
mod model;
mod pointers;
mod retired;
mod saying;

/// Three slots to a block.
const BLOCK_SIZE: usize = 64;

type Table<'m> = OutgoingSlots<u64, &'m Mock, BLOCK_SIZE>;
type Taken<'m> = IncomingSlots<u64, &'m Mock, BLOCK_SIZE>;

/// The entry of each key that [`left`] gives, by its slot.
const NUMBERS: [u64; 16] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];

fn number(key: Key) -> &'static u64 {
    &NUMBERS[usize::try_from(key.slot).unwrap()]
}

/// What the previous kernel left: so many entries, in as many slots.
fn left(entries: usize) -> (Mock, Option<PhysAddr>, Vec<Key>) {
    let mut mem = Mock::new();
    let mut table = Table::new(&mem);
    let keys = NUMBERS[..entries].iter().map(|&number| table.insert(number).unwrap()).collect();
    let head = table.seal().leave();
    mem.reboot();
    (mem, head, keys)
}
