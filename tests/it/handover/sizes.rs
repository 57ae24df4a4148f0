//! Entries of every size, from one byte to all that a block has room for.

use core::array;

use kho_block::mock::Mock;
use kho_block::{BlockSet, HEADER_SIZE, IncomingSet, PhysAddr, RestoreChecks};

const BLOCK_SIZE: usize = 64;
/// Bytes of a block behind its header.
const ROOM: usize = BLOCK_SIZE - HEADER_SIZE;

/// Entry `number`: no two are alike, and none has a zero byte.
fn entry<const N: usize>(number: usize) -> [u8; N] {
    array::from_fn(|j| u8::try_from((number * 31 + j * 7) % 255 + 1).unwrap())
}

/// The bytes of all blocks behind their headers, `N` to an entry: none between two, zeros at the end.
fn expected<const N: usize>(entries: &[[u8; N]]) -> Vec<u8> {
    let blocks = entries.chunks(ROOM / N).map(|block| {
        let mut bytes = block.concat();
        bytes.resize(ROOM, 0);
        bytes
    });
    blocks.flatten().collect()
}

/// Hands over chains of entries of `N` bytes, round the edges of blocks.
fn hand_over<const N: usize>() {
    if cfg!(miri) && ![1, 7, 24, 48].contains(&N) {
        return; // Each takes it a second.
    }
    let capacity = ROOM / N;
    let edges = [1, capacity, capacity + 1, 2 * capacity, 2 * capacity + 1];
    for n in edges.into_iter().filter(|&n| !cfg!(miri) || n == capacity + 1) {
        let entries: Vec<[u8; N]> = (0..n).map(entry).collect();
        let mut mem = Mock::new();
        let mut set = BlockSet::<[u8; N], _, _, BLOCK_SIZE>::new(&mem);
        set.extend_from_slice(&entries[1..]).unwrap();
        set.push(entry(0)).unwrap();
        assert_eq!(set.pop(), Some(entries[0]));
        set.clear();
        entries.iter().for_each(|entry| set.push(*entry).unwrap());
        assert_eq!(set.block_count(), n.div_ceil(capacity));
        let addrs: Vec<_> = (0..n).filter_map(|i| set.phys_addr(i).map(PhysAddr::get)).collect();
        let head = set.into_head();

        mem.reboot();
        let found: Vec<_> = addrs.iter().map(|addr| mem.read(*addr, N)).collect();
        assert_eq!(found, entries, "{n} entries of {N} bytes, each at its address");
        let blocks = addrs.iter().step_by(capacity);
        let found: Vec<_> = blocks.flat_map(|addr| mem.read(*addr, ROOM)).collect();
        assert_eq!(found, expected(&entries), "{n} entries of {N} bytes, and what is around them");

        let all = RestoreChecks::all();
        let mut set = IncomingSet::<_, _, BLOCK_SIZE>::restore_with(&mem, head, all).unwrap();
        set.audit().unwrap();
        assert!(set.iter().eq(&entries));
        assert_eq!((set.get(n - 1), set.get(n)), (entries.last(), None));
        assert_eq!(set.pop().as_ref(), entries.last());
        set.destroy();
        mem.assert_clean();
    }
}

/// Calls the test for each size.
macro_rules! hand_over {
    ($($size:literal)+) => {{
        assert!([$($size),+].into_iter().eq(1..=ROOM), "a size is missing");
        $(hand_over::<$size>();)+
    }};
}

#[test]
fn entries_of_every_size_that_fits_arrive() {
    hand_over!(
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
        25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48
    );
}
