//! What is left of a damaged chain: the blocks before the first damaged one, and nothing of it.

use kho_block::RestoreErrorKind::{CountTooLarge, TooManyBlocks};
use kho_block::mock::{Calls, Mock};
use kho_block::zerocopy::{FromBytes, IntoBytes};
use kho_block::{
    BlockHeader, Descriptor, DescriptorField, IncomingSet, MAX_BLOCKS, PhysAddr, RestoreChecks,
    RestoreErrorKind, RestoreFromError,
};

use super::Damage::{Byte, Count, Head, Next};
use super::{
    ADDRS, ALL, CAPACITY, DENSE, ENTRIES, NO_EMPTY_BLOCKS, NOT_PRESERVED, NOWHERE, Record, Set,
    TAG, apply, assert_restores, bytes, chain, phys, records,
};

/// The entries that the first `n` blocks from `head` on count, none above the capacity.
fn prefix(mem: &mut Mock, head: Option<PhysAddr>, n: usize) -> Vec<Record> {
    let mut link = PhysAddr::to_wire(head);
    let mut entries = Vec::new();
    for _ in 0..n {
        let bytes = mem.read(link, super::BLOCK_SIZE);
        let (header, slots) = BlockHeader::read_from_prefix(&bytes).unwrap();
        let count = usize::try_from(header.count).unwrap();
        entries
            .extend(slots.chunks_exact(10).take(count).map(|slot| Record::try_from(slot).unwrap()));
        link = header.next;
    }
    entries
}

/// Asserts that of a chain that restoring refuses with this error, by these checks, the blocks before
/// the damage are salvaged, with the same error; that nothing is written, the damaged block's claim
/// is given back at once, and the others with the set.
///
/// A descriptor cannot ask for [`RestoreChecks::ZERO_TAIL`]: nor can whoever salvages.
pub(super) fn assert_salvaged(
    mem: &mut Mock,
    head: Option<PhysAddr>,
    checks: RestoreChecks,
    error: (RestoreErrorKind, usize, u64),
) {
    if checks.contains(RestoreChecks::ZERO_TAIL) {
        return;
    }
    let (kind, sound, addr) = error;
    let entries = prefix(mem, head, sound);
    let before = bytes(mem);
    let calls = mem.calls();

    let (set, found) = if checks.is_empty() {
        let (set, error) = Set::salvage(&*mem, head);
        (set, error.map(RestoreFromError::from))
    } else {
        let head = PhysAddr::to_wire(head);
        let root = Descriptor { head, flags: checks.bits(), ..chain().1 };
        Set::salvage_from(&*mem, &root, TAG)
    };
    let Some(RestoreFromError::Chain(found)) = found else { panic!("{found:?}") };
    assert_eq!((found.kind, found.block, found.addr.get()), (kind, sound, addr));
    assert_eq!((mem.live(), mem.unclaimed()), (sound, ADDRS.len() - sound), "{found}");
    set.audit().unwrap();
    assert_eq!((set.block_count(), set.len()), (sound, entries.len()), "{found}");
    assert!(set.iter().eq(&entries), "{found}");
    let first = head.filter(|_| sound > 0);
    assert_eq!((set.first_block(), set.release()), (first, first), "{found}");

    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()), "{found}");
    let (asked, claimed) = super::walked(kind, sound);
    let (restore, unrestore) = (calls.restore + asked, calls.unrestore + claimed);
    assert_eq!(mem.calls(), Calls { restore, unrestore, ..calls }, "{found}: each once, and back");
    assert_eq!(bytes(mem), before, "{found}: salvaging has written");
}

#[test]
fn of_a_sound_chain_all_is_salvaged_and_nothing_is_wrong() {
    let (mut mem, root) = chain();
    let undamaged = bytes(&mut mem);
    let head = Some(phys(ADDRS[0]));
    let (set, error) = Set::salvage(&mem, head);
    assert_eq!(error, None);
    set.audit().unwrap();
    assert!(set.iter().eq(&records(0..ENTRIES)));
    assert_eq!((set.head(), set.release()), (head, head));
    let (set, error) = Set::salvage_from(&mem, &root, TAG);
    assert_eq!(error, None);
    assert!(set.iter().eq(&records(0..ENTRIES)));
    drop(set);
    assert_restores(mem, &undamaged);

    let mem = Mock::new();
    let (set, error) = Set::salvage(&mem, None);
    assert_eq!((set.len(), set.block_count(), set.first_block(), error), (0, 0, None, None));
}

#[test]
fn what_is_salvaged_is_the_holders_alone_until_it_is_dropped_or_freed() {
    let (mut mem, _) = chain();
    let undamaged = bytes(&mut mem);
    let head = apply(&mut mem, &[Count(2, 5)]);
    let (mut set, error) = Set::salvage(&mem, head);
    assert_eq!(error.unwrap().kind, CountTooLarge { count: 5, capacity: CAPACITY });

    // A second one finds the first block taken, and so nothing at all.
    let (second, error) = Set::salvage(&mem, head);
    let error = error.unwrap();
    assert_eq!((error.kind, error.block, error.addr), (NOT_PRESERVED, 0, phys(ADDRS[0])));
    assert_eq!((second.len(), second.block_count()), (0, 0));
    drop(second);
    // The damaged block itself, and what is behind it, is there to be looked at.
    let behind = Set::restore(&mem, Some(phys(ADDRS[3]))).unwrap();
    assert!(behind.iter().eq(&records(12..ENTRIES)));
    drop(behind);

    set.get_mut(3).unwrap().fill(0xee);
    assert_eq!(set.swap_remove(0), Some(records([0])[0]));
    set.audit().unwrap();
    drop(set);
    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()));
    let (set, _) = Set::salvage(&mem, head);
    assert_eq!(
        (set.len(), set.first(), set.get(3)),
        (7, Some(&records([7])[0]), Some(&[0xee; 10]))
    );
    drop(set);
    assert_restores(mem, &undamaged);

    // Freed, it is gone, and no other block is.
    let (mut mem, _) = chain();
    let head = apply(&mut mem, &[Next(1, NOWHERE)]);
    let (mut set, error) = Set::salvage(&mem, head);
    assert_eq!((error.unwrap().kind, set.block_count()), (NOT_PRESERVED, 2));
    set.destroy();
    assert_eq!((set.first_block(), mem.calls().restore_free), (None, 2));
    assert_eq!((mem.live(), mem.unclaimed(), mem.faults()), (0, 2, vec![]));
}

#[test]
fn a_salvaged_chain_keeps_its_last_link_until_its_last_block_is_freed() {
    let (mut mem, _) = chain();
    let head = apply(&mut mem, &[Count(2, 5)]);
    let (mut set, _) = Set::salvage(&mem, head);
    // Entries come and go without a link being written.
    set.clear();
    assert_eq!((set.len(), set.block_count()), (0, 2));
    set.audit().unwrap();
    drop(set);
    assert_eq!(mem.read(ADDRS[1], 8), ADDRS[2].as_bytes());
    assert!(Set::restore(&mem, head).is_err(), "the damage is still there");
    // Freeing the last one cuts the chain before it.
    let (mut set, _) = Set::salvage(&mem, head);
    set.shrink(1);
    assert_eq!((set.block_count(), set.first_block()), (1, head));
    set.audit().unwrap();
    drop(set);
    assert_eq!(mem.read(ADDRS[0], 8), [0; 8]);
    assert_eq!(Set::restore(&mem, head).unwrap().block_count(), 1);
    assert_eq!((mem.live(), mem.unclaimed(), mem.faults()), (0, 3, vec![]));
}

#[test]
fn of_what_a_descriptor_does_not_describe_nothing_is_salvaged() {
    let (mut mem, good) = chain();
    let undamaged = bytes(&mut mem);
    let calls = mem.calls();
    let others = [
        (Descriptor { magic: 0, ..good }, DescriptorField::Magic),
        (Descriptor { version: 2, ..good }, DescriptorField::Version),
        (Descriptor { flags: 8, ..good }, DescriptorField::Flags),
        (Descriptor { entry_size: 9, ..good }, DescriptorField::EntrySize),
        (Descriptor { block_size: 32, ..good }, DescriptorField::BlockSize),
        (Descriptor { tag: 0, ..good }, DescriptorField::Tag),
    ];
    for (root, field) in others {
        let (set, error) = Set::salvage_from(&mem, &root, TAG);
        assert_eq!((set.len(), set.block_count(), set.first_block()), (0, 0, None));
        assert_eq!(error, Set::restore_from(&mem, &root, TAG).err());
        let Some(RestoreFromError::Descriptor(error)) = error else { panic!("{error:?}") };
        assert_eq!(error.field, field);
        set.audit().unwrap();
    }
    assert_eq!(mem.calls(), calls, "nothing was claimed");
    assert_restores(mem, &undamaged);
}

#[test]
fn where_only_the_number_of_entries_differs_all_are_salvaged() {
    let (mut mem, good) = chain();
    let undamaged = bytes(&mut mem);
    for entries in [0, 13, 15, u64::MAX] {
        let root = Descriptor { entries, ..good };
        let (set, error) = Set::salvage_from(&mem, &root, TAG);
        assert!(set.iter().eq(&records(0..ENTRIES)));
        let Some(RestoreFromError::Descriptor(error)) = error else { panic!("{error:?}") };
        let expected = (DescriptorField::Entries, entries, 14);
        assert_eq!((error.field, error.found, error.expected), expected);
    }
    // A damaged block comes before a number that cannot be right then.
    apply(&mut mem, &[Count(2, 5)]);
    let (set, error) = Set::salvage_from(&mem, &good, TAG);
    assert!(set.iter().eq(&records(0..8)));
    let Some(RestoreFromError::Chain(error)) = error else { panic!("{error:?}") };
    assert_eq!((error.kind, error.block), (CountTooLarge { count: 5, capacity: CAPACITY }, 2));
    drop(set);
    // A shorter chain is sound, but not what was promised.
    apply(&mut mem, &[Count(2, 4), Next(1, 0)]);
    let (set, error) = Set::salvage_from(&mem, &good, TAG);
    assert!(set.iter().eq(&records(0..8)));
    assert_eq!(error.unwrap().to_string(), "descriptor: says 14 entries, the chain 8");
    drop(set);
    assert_restores(mem, &undamaged);
}

#[test]
fn what_a_descriptor_does_not_promise_is_no_damage_to_what_is_salvaged() {
    let (mut mem, good) = chain();
    let undamaged = bytes(&mut mem);
    let head = apply(&mut mem, &[Count(1, 0), Byte(0, 63, 1), Head(ADDRS[0])]);
    let salvaged = |flags: RestoreChecks| {
        let root = Descriptor { flags: flags.bits(), ..good };
        let (set, error) = Set::salvage_from(&mem, &root, TAG);
        (set.block_count(), set.len(), error.map(|error| error.to_string()))
    };
    let (set, error) = Set::salvage(&mem, head);
    assert_eq!((set.block_count(), set.len(), error), (4, 10, None));
    drop(set);
    assert_eq!(salvaged(RestoreChecks::empty()), (4, 10, None));
    let empty = "block 1 at 0x200000000: holds no entries".to_owned();
    assert_eq!(salvaged(NO_EMPTY_BLOCKS), (1, 4, Some(empty.clone())));
    assert_eq!(salvaged(DENSE | NO_EMPTY_BLOCKS), (1, 4, Some(empty)));
    let not_full = "block 1 at 0x200000000: holds 0 of 4 entries but is not the last block";
    assert_eq!(salvaged(DENSE), (1, 4, Some(not_full.to_owned())));
    let dirty = Set::restore_with(&mem, head, ALL).unwrap_err();
    assert_eq!(dirty.block, 0, "only whoever restores can ask for a clean tail");
    assert_restores(mem, &undamaged);
}

#[test]
#[cfg_attr(miri, ignore = "the limit is 10 000 blocks, which take minutes")]
fn of_a_chain_that_is_too_long_as_much_is_salvaged_as_a_set_may_have() {
    type Set<'a> = IncomingSet<u64, &'a Mock, 32>;
    let addr = |block: usize| 0x1_0000_0000 + 32 * u64::try_from(block).unwrap();
    let mut mem = Mock::new();
    for block in 0..=MAX_BLOCKS {
        let next = if block < MAX_BLOCKS { addr(block + 1) } else { 0 };
        mem.leave(addr(block), [next, 1, addr(block), 0].as_bytes());
    }
    let (set, error) = Set::salvage(&mem, PhysAddr::new(addr(0)));
    let error = error.unwrap();
    assert_eq!(
        (error.kind, error.block, error.addr.get()),
        (TooManyBlocks, MAX_BLOCKS, addr(MAX_BLOCKS))
    );
    assert_eq!((mem.live(), mem.unclaimed()), (MAX_BLOCKS, 1));
    assert!(set.iter().copied().eq((0..MAX_BLOCKS).map(addr)));
    set.audit().unwrap();
}
