//! Damaged chains: each kind of damage in each place, and the exact error it is refused with.

use kho_block::RestoreErrorKind::{
    CountTooLarge, Cycle, DirtyTail, Empty, Misaligned, NotFull, NotPreserved, OutOfMemory,
    TooManyBlocks,
};
use kho_block::mock::{Calls, Fault, Mock};
use kho_block::zerocopy::IntoBytes;
use kho_block::{BlockSet, Descriptor, IncomingSet, PhysAddr, RestoreChecks, RestoreErrorKind};

mod bits;
mod claims;
mod descriptor;
mod salvage;

/// Four of them fit into a block, and eight bytes are left over.
type Record = [u8; 10];
const BLOCK_SIZE: usize = 64;
const CAPACITY: usize = 4;
/// Three full blocks, and two entries in the fourth.
const ENTRIES: usize = 14;
/// Out of order, and all beyond 32 bits: cut to those, two are zero and the others the same.
pub(crate) const ADDRS: [u64; 4] =
    [0x1_0000_0040, 0x2_0000_0000, 0x1_0000_0000, 0xffff_ffff_0000_0040];
/// The address of no block.
pub(crate) const NOWHERE: u64 = 0x1_0000_0080;
/// A test tries one damage of so many: Miri takes a second for two.
const STEP: usize = if cfg!(miri) { 7 } else { 1 };
/// What [`chain`] says its entries are.
const TAG: u64 = 0x7a67;

/// What is wrong with an address at which there is no block of this chain's size.
pub(crate) const NOT_PRESERVED: RestoreErrorKind = NotPreserved { block_size: BLOCK_SIZE };

const NONE: RestoreChecks = RestoreChecks::empty();
const DENSE: RestoreChecks = RestoreChecks::DENSE;
const NO_EMPTY_BLOCKS: RestoreChecks = RestoreChecks::NO_EMPTY_BLOCKS;
const ZERO_TAIL: RestoreChecks = RestoreChecks::ZERO_TAIL;
const ALL: RestoreChecks = RestoreChecks::all();

type Set<'a> = IncomingSet<Record, &'a Mock, BLOCK_SIZE>;

/// Something about a chain that is not as its writer left it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    /// The chain is said to start here.
    Head(u64),
    /// The link of a block.
    Next(usize, u64),
    /// The count of a block.
    Count(usize, u64),
    /// The byte at an offset of a block.
    Byte(usize, usize, u8),
}
use Damage::{Byte, Count, Head, Next};

pub(crate) fn phys(addr: u64) -> PhysAddr {
    PhysAddr::new(addr).unwrap()
}

/// Entry `number`, without a zero byte.
fn record(number: usize) -> Record {
    [u8::try_from(number + 1).unwrap(); 10]
}

fn records(numbers: impl IntoIterator<Item = usize>) -> Vec<Record> {
    numbers.into_iter().map(record).collect()
}

/// A machine in which the previous kernel left an undamaged chain, and the chain's descriptor, which
/// promises all that there is to promise.
fn chain() -> (Mock, Descriptor) {
    let mut mem = Mock::new();
    mem.place(ADDRS);
    let mut set = BlockSet::<Record, _, _, BLOCK_SIZE>::new(&mem);
    set.extend_from_slice(&records(0..ENTRIES)).unwrap();
    let sealed = set.seal();
    let descriptor = sealed.descriptor(TAG);
    assert_eq!(sealed.leave(), Some(phys(ADDRS[0])));
    mem.reboot();
    (mem, descriptor)
}

/// The bytes of all blocks.
pub(crate) fn bytes(mem: &mut Mock) -> [Vec<u8>; 4] {
    ADDRS.map(|addr| mem.read(addr, BLOCK_SIZE))
}

/// Does the damage; returns where the chain is now said to start.
pub(crate) fn apply(mem: &mut Mock, damage: &[Damage]) -> Option<PhysAddr> {
    let mut head = ADDRS[0];
    for &damage in damage {
        match damage {
            Head(addr) => head = addr,
            Next(block, next) => mem.write(ADDRS[block], next.as_bytes()),
            Count(block, count) => mem.write(ADDRS[block] + 8, count.as_bytes()),
            Byte(block, offset, byte) => {
                mem.write(ADDRS[block] + u64::try_from(offset).unwrap(), &[byte]);
            }
        }
    }
    PhysAddr::new(head)
}

/// Asserts that the chain, once repaired, is there to be restored in full, and leaves nothing.
fn assert_restores(mut mem: Mock, repair: &[Vec<u8>; 4]) {
    for (addr, bytes) in ADDRS.into_iter().zip(repair) {
        mem.write(addr, bytes);
    }
    let mut set = Set::restore_with(&mem, Some(phys(ADDRS[0])), ALL).unwrap();
    set.audit().unwrap();
    assert!(set.iter().eq(&records(0..ENTRIES)));
    set.destroy();
    mem.assert_clean();
}

/// How many blocks a walk that ends with this error asks for, and how many it claims.
pub(crate) fn walked(kind: RestoreErrorKind, block: usize) -> (usize, usize) {
    match kind {
        Misaligned => (block, block),
        Cycle { .. } | NotPreserved { .. } => (block + 1, block),
        _ => (block + 1, block + 1),
    }
}

/// Asserts that a chain with this damage is refused with this error, by these checks; that it costs
/// no more than the walk up to there, writes nothing, keeps nothing, and can be repeated.
fn assert_refused(
    damage: &[Damage],
    checks: RestoreChecks,
    kind: RestoreErrorKind,
    block: usize,
    addr: u64,
) {
    let (mut mem, _) = chain();
    let undamaged = bytes(&mut mem);
    let head = apply(&mut mem, damage);
    let damaged = bytes(&mut mem);
    let (asked, claimed) = walked(kind, block);
    let before = mem.calls();
    for attempt in 1..=2 {
        let error = Set::restore_with(&mem, head, checks).unwrap_err();

        assert_eq!((error.kind, error.block, error.addr), (kind, block, phys(addr)), "{damage:x?}");
        assert_eq!(error.errno(), 22);
        assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()), "{damage:x?} keeps a claim");
        let (restore, unrestore) = (asked * attempt, claimed * attempt);
        assert_eq!(mem.calls(), Calls { restore, unrestore, ..before }, "{damage:x?}");
    }
    salvage::assert_salvaged(&mut mem, head, checks, (kind, block, addr));
    assert_eq!(bytes(&mut mem), damaged, "{damage:x?}: restoring has written");
    let doubly_claimed = matches!(kind, Cycle { .. });
    // Of the two attempts, and of the one to salvage something.
    let times = if checks.contains(ZERO_TAIL) { 2 } else { 3 };
    let faults = doubly_claimed.then_some(Fault::DoubleClaim { addr });
    assert!(mem.faults().into_iter().eq(faults.into_iter().cycle().take(times)), "{damage:x?}");
    assert_restores(mem, &undamaged);
}

#[test]
fn every_single_damage_is_refused_with_its_error_position_and_address() {
    const LAST: u64 = u64::MAX - 63;
    let [a, b, c, d] = ADDRS;
    let too_large = |count| CountTooLarge { count, capacity: CAPACITY };
    let not_full = |count| NotFull { count, capacity: CAPACITY };
    let rows = [
        // A head or a link that is no multiple of the block size.
        (Head(1), NONE, Misaligned, 0, 1),
        (Head(a + 8), NONE, Misaligned, 0, a + 8),
        (Head(a + 32), ALL, Misaligned, 0, a + 32),
        (Head(u64::MAX), NONE, Misaligned, 0, u64::MAX),
        (Next(0, b + 16), NONE, Misaligned, 1, b + 16),
        (Next(1, c - 1), NONE, Misaligned, 2, c - 1),
        (Next(2, d + 63), NONE, Misaligned, 3, d + 63),
        (Next(3, a + 1), NONE, Misaligned, 4, a + 1),
        (Next(3, u64::MAX), NONE, Misaligned, 4, u64::MAX),
        // One that is, but of no block: also what would be a block's if cut to 32 bits.
        (Head(NOWHERE), NONE, NOT_PRESERVED, 0, NOWHERE),
        (Head(a & 0xffff_ffff), NONE, NOT_PRESERVED, 0, a & 0xffff_ffff),
        (Head(LAST), NONE, NOT_PRESERVED, 0, LAST),
        (Next(0, NOWHERE), NONE, NOT_PRESERVED, 1, NOWHERE),
        (Next(0, b + (1 << 32)), NONE, NOT_PRESERVED, 1, b + (1 << 32)),
        (Next(1, 1 << 63), NONE, NOT_PRESERVED, 2, 1 << 63),
        (Next(1, 64), NONE, NOT_PRESERVED, 2, 64),
        (Next(2, a + (1 << 32)), NONE, NOT_PRESERVED, 3, a + (1 << 32)),
        (Next(2, d ^ (1 << 63)), NONE, NOT_PRESERVED, 3, d ^ (1 << 63)),
        (Next(3, NOWHERE), NONE, NOT_PRESERVED, 4, NOWHERE),
        (Next(3, 7 << 32), NONE, NOT_PRESERVED, 4, 7 << 32),
        (Next(3, LAST), NONE, NOT_PRESERVED, 4, LAST),
        // A link back, to the block itself or to any before it.
        (Next(0, a), NONE, Cycle { first: 0 }, 1, a),
        (Next(1, a), NONE, Cycle { first: 0 }, 2, a),
        (Next(1, b), NONE, Cycle { first: 1 }, 2, b),
        (Next(2, a), NONE, Cycle { first: 0 }, 3, a),
        (Next(2, b), NONE, Cycle { first: 1 }, 3, b),
        (Next(2, c), NONE, Cycle { first: 2 }, 3, c),
        (Next(3, a), ZERO_TAIL, Cycle { first: 0 }, 4, a),
        (Next(3, b), NONE, Cycle { first: 1 }, 4, b),
        (Next(3, c), NONE, Cycle { first: 2 }, 4, c),
        (Next(3, d), NONE, Cycle { first: 3 }, 4, d),
        // A count above the capacity: also one that would be below it if cut to 32 bits.
        (Count(0, 5), NONE, too_large(5), 0, a),
        (Count(0, 1 << 32), NONE, too_large(1 << 32), 0, a),
        (Count(0, u64::MAX), NONE, too_large(u64::MAX), 0, a),
        (Count(1, 5), NONE, too_large(5), 1, b),
        (Count(1, (1 << 32) + 1), NONE, too_large((1 << 32) + 1), 1, b),
        (Count(2, 1 << 63), NONE, too_large(1 << 63), 2, c),
        (Count(3, 5), NONE, too_large(5), 3, d),
        (Count(3, (1 << 32) + 1), NONE, too_large((1 << 32) + 1), 3, d),
        (Count(3, u64::MAX), NONE, too_large(u64::MAX), 3, d),
        // A block that is not full, but not the last: the same bytes pass without the check.
        (Count(0, 3), DENSE, not_full(3), 0, a),
        (Count(0, 0), DENSE, not_full(0), 0, a),
        (Count(1, 1), DENSE, not_full(1), 1, b),
        (Count(2, 3), DENSE, not_full(3), 2, c),
        (Next(3, NOWHERE), DENSE, not_full(2), 3, d),
        // A block without entries.
        (Count(0, 0), NO_EMPTY_BLOCKS, Empty, 0, a),
        (Count(1, 0), NO_EMPTY_BLOCKS, Empty, 1, b),
        (Count(2, 0), NO_EMPTY_BLOCKS, Empty, 2, c),
        (Count(3, 0), NO_EMPTY_BLOCKS, Empty, 3, d),
        // A byte behind the entries: in an unused slot, or in the eight bytes after the last slot.
        (Byte(0, 56, 1), ZERO_TAIL, DirtyTail { offset: 56 }, 0, a),
        (Byte(0, 63, 0x80), ZERO_TAIL, DirtyTail { offset: 63 }, 0, a),
        (Byte(1, 60, 1), ZERO_TAIL, DirtyTail { offset: 60 }, 1, b),
        (Byte(2, 63, 1), ZERO_TAIL, DirtyTail { offset: 63 }, 2, c),
        (Byte(3, 36, 1), ZERO_TAIL, DirtyTail { offset: 36 }, 3, d),
        (Byte(3, 45, 0xff), ZERO_TAIL, DirtyTail { offset: 45 }, 3, d),
        (Byte(3, 46, 1), ZERO_TAIL, DirtyTail { offset: 46 }, 3, d),
        (Byte(3, 55, 1), ZERO_TAIL, DirtyTail { offset: 55 }, 3, d),
        (Byte(3, 56, 1), ZERO_TAIL, DirtyTail { offset: 56 }, 3, d),
        (Byte(3, 63, 1), ZERO_TAIL, DirtyTail { offset: 63 }, 3, d),
        // Entries that are no longer counted lie there as well.
        (Count(0, 0), ZERO_TAIL, DirtyTail { offset: 16 }, 0, a),
        (Count(1, 3), ZERO_TAIL, DirtyTail { offset: 46 }, 1, b),
        (Count(3, 1), ZERO_TAIL, DirtyTail { offset: 26 }, 3, d),
    ];
    for (damage, checks, kind, block, addr) in rows.into_iter().step_by(STEP) {
        assert_refused(&[damage], checks, kind, block, addr);
    }
}

#[test]
fn of_several_faults_the_first_in_the_documented_order_is_reported() {
    let [a, b, c, d] = ADDRS;
    let too_large = CountTooLarge { count: 5, capacity: CAPACITY };
    let not_full = |count| NotFull { count, capacity: CAPACITY };
    let rows = [
        // Of two blocks, the earlier one.
        ([Count(2, 5), Count(0, 5)], NONE, too_large, 0, a),
        ([Count(1, 0), Count(0, 5)], ALL, too_large, 0, a),
        ([Count(1, 5), Count(0, 3)], DENSE, not_full(3), 0, a),
        ([Count(2, 5), Count(1, 0)], NO_EMPTY_BLOCKS, Empty, 1, b),
        ([Next(2, NOWHERE), Byte(2, 63, 1)], ZERO_TAIL, DirtyTail { offset: 63 }, 2, c),
        ([Head(a + 1), Count(0, 5)], NONE, Misaligned, 0, a + 1),
        // A link is the next block's matter: its own block's faults come first.
        ([Count(1, 5), Next(1, c + 1)], NONE, too_large, 1, b),
        ([Count(3, 5), Next(3, a)], NONE, too_large, 3, d),
        ([Next(0, NOWHERE), Count(0, 5)], NONE, too_large, 0, a),
        // A block that returns is not read again.
        ([Next(2, a), Byte(2, 16, 0)], ALL, Cycle { first: 0 }, 3, a),
        // Damage before what the checks ask for.
        ([Count(1, 5), Byte(1, 63, 1)], ALL, too_large, 1, b),
        ([Count(3, 5), Byte(3, 36, 1)], ALL, too_large, 3, d),
        // Of the checks: no entries, then too few, then a dirty tail.
        ([Count(1, 0), Byte(1, 63, 1)], ALL, Empty, 1, b),
        ([Count(1, 0), Byte(1, 63, 1)], DENSE | NO_EMPTY_BLOCKS, Empty, 1, b),
        ([Count(1, 0), Byte(1, 63, 1)], NO_EMPTY_BLOCKS | ZERO_TAIL, Empty, 1, b),
        ([Count(1, 0), Byte(1, 63, 1)], DENSE | ZERO_TAIL, not_full(0), 1, b),
        ([Count(1, 3), Byte(1, 63, 1)], ALL, not_full(3), 1, b),
        // Of two bytes, the first one.
        ([Byte(3, 63, 1), Byte(3, 37, 1)], ZERO_TAIL, DirtyTail { offset: 37 }, 3, d),
    ];
    for (damage, checks, kind, block, addr) in rows.into_iter().step_by(STEP) {
        assert_refused(&damage, checks, kind, block, addr);
    }
}

#[test]
fn what_no_check_was_asked_for_is_accepted_and_yields_exactly_the_counted_entries() {
    let [_, b, c, d] = ADDRS;
    let rows = [
        (Count(0, 0), NONE, records(4..14)),
        (Count(0, 3), NO_EMPTY_BLOCKS, records([0, 1, 2].into_iter().chain(4..14))),
        (Count(1, 1), NO_EMPTY_BLOCKS, records((0..5).chain(8..14))),
        (Count(2, 0), NONE, records((0..8).chain(12..14))),
        (Count(3, 0), DENSE, records(0..12)),
        (Count(3, 1), DENSE | NO_EMPTY_BLOCKS, records(0..13)),
        (Byte(3, 36, 1), DENSE | NO_EMPTY_BLOCKS, records(0..14)),
        (Byte(0, 63, 1), DENSE | NO_EMPTY_BLOCKS, records(0..14)),
        // The bare chain cannot tell that blocks are missing; a descriptor can.
        (Next(0, 0), ALL, records(0..4)),
        (Next(0, c), ALL, records((0..4).chain(8..14))),
        (Next(1, d), ALL, records((0..8).chain(12..14))),
        (Next(2, 0), ALL, records(0..12)),
        (Head(b), ALL, records(4..14)),
        (Head(d), ALL, records(12..14)),
        (Head(0), ALL, records([])),
    ];
    for (damage, checks, expected) in rows.into_iter().step_by(STEP) {
        let (mut mem, _) = chain();
        let undamaged = bytes(&mut mem);
        let head = apply(&mut mem, &[damage]);
        let set = Set::restore_with(&mem, head, checks).unwrap();
        set.audit().unwrap();
        assert!(set.iter().eq(&expected), "{damage:x?}");
        assert_eq!(set.release(), head);
        assert_restores(mem, &undamaged);
    }
}

#[test]
fn an_error_says_where_and_what_but_shows_no_entry() {
    let [a, ..] = ADDRS;
    let rows = [
        (Head(1), "block 0 at 0x1: not aligned to the block size"),
        (
            Next(1, 1 << 63),
            "block 2 at 0x8000000000000000: not preserved as a block of 64 bytes, or claimed \
             already",
        ),
        (Next(2, a), "block 3 at 0x100000040: the chain returns to its block 0"),
        (Count(1, 5), "block 1 at 0x200000000: counts 5 entries where 4 fit"),
        (Count(2, 3), "block 2 at 0x100000000: holds 3 of 4 entries but is not the last block"),
        (Count(3, 0), "block 3 at 0xffffffff00000040: holds no entries"),
        (Byte(3, 37, 9), "block 3 at 0xffffffff00000040: unused byte at offset 37 is not zero"),
    ];
    for (damage, message) in rows {
        let (mut mem, _) = chain();
        let head = apply(&mut mem, &[damage]);
        let error = Set::restore_with(&mem, head, ALL).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.errno()), (message, 22));
    }
    assert_eq!(TooManyBlocks.to_string(), "the chain exceeds 10000 blocks");
    assert_eq!(OutOfMemory.to_string(), "no memory for the index of blocks");
}
