//! `MAX_BLOCKS` blocks, and one more.

use kho_block::mock::{Calls, Mock};
use kho_block::{
    AllocError, BlockSet, CapacityError, GrowErrorKind, IncomingSet, MAX_BLOCKS, Outgoing,
    PhysAddr, RestoreChecks,
};

/// Two entries to a block.
type Set<'m> = BlockSet<u64, &'m Mock, Outgoing, 32>;

const FULL: usize = MAX_BLOCKS * 2;

#[test]
#[cfg_attr(miri, ignore = "the limit is 10 000 blocks, which take minutes")]
fn a_set_takes_as_many_blocks_as_there_may_be_and_not_one_more() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    let entries: Vec<u64> = (0..).take(FULL).collect();
    for count in [FULL + 1, usize::MAX] {
        assert_eq!(set.grow(count).unwrap_err().kind, GrowErrorKind::TooManyBlocks);
    }
    assert_eq!(mem.calls(), Calls::default(), "it is refused before the first allocation");
    set.grow(FULL).unwrap();
    assert_eq!(mem.calls(), Calls { alloc_preserve: MAX_BLOCKS, ..Calls::default() });
    set.extend_from_slice(&entries[..FULL - 1]).unwrap();
    let calls = mem.calls();

    // Each way to add a block, and what it wants.
    let check = |set: &Set<'_>, error: kho_block::GrowError, wanted, len: usize| {
        assert_eq!(error.kind, GrowErrorKind::TooManyBlocks);
        assert_eq!((error.wanted, error.obtained, error.errno()), (wanted, 0, 28));
        assert_eq!((set.len(), set.block_count()), (len, MAX_BLOCKS));
    };
    let error = set.extend_from_slice(&[1, 2]).unwrap_err();
    check(&set, error, 1, FULL - 1);
    set.push(entries[FULL - 1]).unwrap();
    let error = set.push(77).unwrap_err();
    assert_eq!((error.entry, error.errno()), (77, 28));
    check(&set, error.cause, 1, FULL);
    let error = set.grow(FULL + 1).unwrap_err();
    check(&set, error, 1, FULL);
    let error = set.grow(usize::MAX).unwrap_err();
    check(&set, error, usize::MAX.div_ceil(2) - MAX_BLOCKS, FULL);
    assert_eq!(
        error.to_string(),
        format!("{} more blocks would exceed the limit of 10000", error.wanted)
    );
    assert_eq!(set.writer().push(77).unwrap_err().entry, 77);
    assert_eq!(set.writer().push_zeroed(), None);
    let error = set.writer().extend_from_slice(&[1]).unwrap_err();
    assert!(matches!(error, CapacityError { wanted: 1, available: 0, .. }));
    assert_eq!(error.errno(), 28);
    let mut more = 0..3;
    assert_eq!((set.writer().extend(&mut more), &more), (0, &(0..3)));
    let error = set.try_extend(&mut more).unwrap_err();
    assert_eq!((error.entry, more), (0, 1..3));
    check(&set, error.cause, 1, FULL);
    assert_eq!(mem.calls(), calls, "nothing was asked of the allocator");
    set.audit().unwrap();

    // All that can be done with fewer blocks can be done with all there may be.
    assert_eq!((set.block_addrs().len(), set.last()), (MAX_BLOCKS, entries.last()));
    let sealed = set.seal();
    assert_eq!(sealed.descriptor(7).entries, u64::try_from(FULL).unwrap());
    let mut set = sealed.unseal();
    assert_eq!(set.swap_remove(0), Some(entries[0]));
    set.retain(|&entry| entry != entries[7]);
    set.audit().unwrap();
    assert_eq!((set.len(), set.block_count()), (FULL - 2, MAX_BLOCKS));
    assert_eq!((set.get(0), set.get(7)), (entries.last(), Some(&entries[8])));
    set.truncate(0);
    set.try_extend(entries.iter().copied()).unwrap();
    set.audit().unwrap();

    let head = set.into_head();
    mem.reboot();
    let mut set =
        IncomingSet::<u64, _, 32>::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    assert_eq!(set.block_count(), MAX_BLOCKS);
    assert!(set.iter().eq(&entries));
    set.audit().unwrap();
    set.destroy();
    mem.assert_clean();
}

#[test]
fn errors_have_the_numbers_that_c_knows() {
    assert_eq!(AllocError.errno(), 12);
    let mem = Mock::refusing(0);
    assert_eq!(Set::new(&mem).grow(1).unwrap_err().errno(), 12);
    assert_eq!(Set::new(&mem).extend_from_slice(&[1]).unwrap_err().errno(), 12);
    assert_eq!(Set::new(&mem).push(1).unwrap_err().errno(), 12);
    assert_eq!(Set::new(&mem).grow(usize::MAX).unwrap_err().errno(), 28);
    assert_eq!(Set::new(&mem).writer().extend_from_slice(&[1]).unwrap_err().errno(), 28);
    assert_eq!(Set::new(&mem).writer().push(1).unwrap_err().errno(), 28);
    assert_eq!(Set::new(&mem).try_extend([1]).unwrap_err().errno(), 12);
    let nowhere = IncomingSet::<u64, _, 32>::restore(&mem, PhysAddr::new(32)).unwrap_err();
    assert_eq!(nowhere.errno(), 22);
    let descriptor = Set::new(&mem).descriptor(7);
    let other = IncomingSet::<u64, _, 32>::restore_from(&mem, &descriptor, 8).unwrap_err();
    assert_eq!(other.errno(), 22);
}
