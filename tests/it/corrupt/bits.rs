//! Headers with a bit flipped, each of them.

use kho_block::BlockHeader;
use kho_block::zerocopy::FromBytes;

use super::Damage::Byte;
use super::salvage::assert_salvaged;
use super::{ADDRS, NONE, Record, Set, apply, assert_restores, bytes, chain};

/// What a walk over the headers meets: the address of each block, and of what follows the last one
/// that there is; and the entries that are counted up to there, none above the capacity.
fn survey(blocks: &[Vec<u8>; 4]) -> (Vec<u64>, Vec<Record>) {
    let (mut addrs, mut entries) = (vec![ADDRS[0]], Vec::new());
    while let Some(found) = ADDRS.iter().position(|addr| addrs.last() == Some(addr)) {
        let (header, slots) = BlockHeader::read_from_prefix(&blocks[found]).unwrap();
        let count = usize::try_from(header.count).unwrap_or(usize::MAX);
        entries
            .extend(slots.chunks_exact(10).take(count).map(|slot| Record::try_from(slot).unwrap()));
        addrs.push(header.next);
        if header.next == 0 || addrs.len() > ADDRS.len() {
            break;
        }
    }
    (addrs, entries)
}

#[test]
fn any_flipped_bit_of_a_header_is_an_error_or_yields_exactly_the_counted_entries() {
    let (mut mem, _) = chain();
    let undamaged = bytes(&mut mem);
    let (mut refused, mut accepted) = (0, 0);
    // Miri takes a second for a few of them.
    const STEP: usize = if cfg!(miri) { 29 } else { 1 };
    let bits = (0..4 * 16 * 8).step_by(STEP);
    for (block, offset, bit) in bits.clone().map(|i| (i / 128, i / 8 % 16, i % 8)) {
        let byte = undamaged[block][offset] ^ (1 << bit);
        let head = apply(&mut mem, &[Byte(block, offset, byte)]);
        let (addrs, entries) = survey(&bytes(&mut mem));
        let restored = Set::restore(&mem, head).map(|set| {
            set.audit().unwrap();
            assert!(set.iter().eq(&entries), "block {block}, byte {offset}, bit {bit}");
        });
        match restored {
            Ok(()) => accepted += 1,
            Err(error) => {
                // The damage shows in the block itself, or in the one that its link leads to.
                let expected = if offset < 8 { block + 1 } else { block };
                assert_eq!((error.block, error.addr.get()), (expected, addrs[expected]));
                let error = (error.kind, error.block, error.addr.get());
                assert_salvaged(&mut mem, head, NONE, error);
                refused += 1;
            }
        }
        assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()));
        apply(&mut mem, &[Byte(block, offset, undamaged[block][offset])]);
    }
    // Three counts of 4 can become 0, the count of 2 can become 0 or 3, and two links have but one
    // bit to lose.
    assert!(cfg!(miri) || accepted == 7, "{accepted}");
    assert_eq!(refused + accepted, bits.len());
    assert_restores(mem, &undamaged);
}
