//! Chains without a wrong byte that are not to be had: claimed already, of another size, too long.

use kho_block::RestoreErrorKind::{Cycle, Misaligned, NotPreserved, TooManyBlocks};
use kho_block::mock::{Calls, Fault, Mock};
use kho_block::zerocopy::IntoBytes;
use kho_block::{BlockSet, Descriptor, IncomingSet, MAX_BLOCKS, PhysAddr, RestoreChecks};

use super::Damage::Next;
use super::{
    ADDRS, BLOCK_SIZE, ENTRIES, NOT_PRESERVED, Record, Set, TAG, apply, assert_restores, bytes,
    chain, phys, records,
};

#[test]
fn restoring_a_chain_twice_is_an_error_until_it_is_released() {
    let (mut mem, _) = chain();
    let undamaged = bytes(&mut mem);
    let head = Some(phys(ADDRS[0]));
    let refused = |head: u64| {
        let error = Set::restore(&mem, Some(phys(head))).unwrap_err();
        assert_eq!((error.kind, error.block, error.addr.get()), (NOT_PRESERVED, 0, head));
    };
    let set = Set::restore(&mem, head).unwrap();
    ADDRS.into_iter().for_each(refused);
    set.audit().unwrap();
    assert!(set.iter().eq(&records(0..ENTRIES)), "the refused call has harmed the set");
    set.release();
    Set::restore(&mem, head).unwrap().destroy();
    ADDRS.into_iter().for_each(refused);
    mem.assert_clean();

    // A chain that leads into one which is restored already is no cycle, but no chain either.
    let (mut mem, _) = chain();
    let other = 0x3_0000_0000;
    let block = [ADDRS[1].as_bytes(), 0_u64.as_bytes(), &[0; BLOCK_SIZE - 16]].concat();
    mem.leave(other, &block);
    let set = Set::restore(&mem, head).unwrap();
    let error = Set::restore(&mem, PhysAddr::new(other)).unwrap_err();
    assert_eq!((error.kind, error.block, error.addr.get()), (NOT_PRESERVED, 1, ADDRS[1]));
    assert_eq!((mem.live(), mem.unclaimed()), (ADDRS.len(), 1));
    set.release();
    mem.write(other, 0_u64.as_bytes());
    Set::restore(&mem, PhysAddr::new(other)).unwrap().destroy();
    assert_restores(mem, &undamaged);
}

#[test]
fn what_this_kernel_preserves_is_not_for_it_to_restore() {
    let mem = Mock::new();
    let mut set = BlockSet::<Record, _, _, BLOCK_SIZE>::new(&mem);
    set.extend_from_slice(&records(0..ENTRIES)).unwrap();
    let error = Set::restore(&mem, set.head()).unwrap_err();
    assert_eq!((error.kind, error.block, Some(error.addr)), (NOT_PRESERVED, 0, set.head()));
    drop(set);
    mem.assert_clean();
}

#[test]
fn without_a_head_the_set_is_empty() {
    let (mem, descriptor) = chain();
    let before = mem.calls();
    for checks in (0..8).map(RestoreChecks::from_bits_retain) {
        let set = Set::restore_with(&mem, None, checks).unwrap();
        set.audit().unwrap();
        assert_eq!((set.len(), set.block_count(), set.head()), (0, 0, None));
    }
    let descriptor = Descriptor { head: 0, entries: 0, ..descriptor };
    assert!(Set::restore_from(&mem, &descriptor, TAG).unwrap().is_empty());
    assert_eq!(mem.calls(), before);
}

#[test]
fn blocks_of_another_size_are_not_preserved_blocks() {
    // All of them: the chain is of blocks of 64 bytes, the kernel asks for half and for twice that.
    let (mut mem, _) = chain();
    let undamaged = bytes(&mut mem);
    let error = IncomingSet::<Record, _, 32>::restore(&mem, PhysAddr::new(ADDRS[0])).unwrap_err();
    let kind = NotPreserved { block_size: 32 };
    assert_eq!((error.kind, error.block, error.addr.get()), (kind, 0, ADDRS[0]));
    let error = IncomingSet::<Record, _, 128>::restore(&mem, PhysAddr::new(ADDRS[0])).unwrap_err();
    assert_eq!((error.kind, error.block, error.addr.get()), (Misaligned, 0, ADDRS[0]));
    let error = IncomingSet::<Record, _, 128>::restore(&mem, PhysAddr::new(ADDRS[1])).unwrap_err();
    let kind = NotPreserved { block_size: 128 };
    assert_eq!((error.kind, error.block, error.addr.get()), (kind, 0, ADDRS[1]));
    let wrong_size = |addr, size, said| Fault::WrongSizeClaim { addr, size, said };
    assert_eq!(mem.faults(), [wrong_size(ADDRS[0], 64, 32), wrong_size(ADDRS[1], 64, 128)]);
    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len()));

    // One of them: the chain goes on in a block of 128 bytes.
    let large = 0x3_0000_0000;
    mem.leave(large, &[0; 128]);
    apply(&mut mem, &[Next(1, large)]);
    let error = Set::restore(&mem, PhysAddr::new(ADDRS[0])).unwrap_err();
    assert_eq!((error.kind, error.block, error.addr.get()), (NOT_PRESERVED, 2, large));
    assert_eq!(mem.faults().last(), Some(&wrong_size(large, 128, 64)));
    assert_eq!((mem.live(), mem.unclaimed()), (0, ADDRS.len() + 1));

    apply(&mut mem, &[Next(1, ADDRS[2])]);
    assert_eq!(bytes(&mut mem), undamaged);
    Set::restore(&mem, PhysAddr::new(ADDRS[0])).unwrap().destroy();
    assert_eq!((mem.live(), mem.unclaimed()), (0, 1));
}

#[test]
#[cfg_attr(miri, ignore = "the limit is 10 000 blocks, which take minutes")]
fn a_chain_of_max_blocks_is_restored_and_one_of_one_more_is_refused() {
    type Set<'a> = IncomingSet<u64, &'a Mock, 32>;
    let addr = |block: usize| 0x1_0000_0000 + 32 * u64::try_from(block).unwrap();
    let last = MAX_BLOCKS - 1;
    let mut mem = Mock::new();
    for block in 0..=MAX_BLOCKS {
        let next = if block < MAX_BLOCKS { addr(block + 1) } else { 0 };
        mem.leave(addr(block), [next, 1, addr(block), 0].as_bytes());
    }
    let head = PhysAddr::new(addr(0));

    // Whatever the link of the last possible block says, there is one.
    for next in [addr(MAX_BLOCKS), addr(0), addr(last), addr(0) + 1, 32, 1 << 63] {
        mem.write(addr(last), next.as_bytes());
        let before = mem.calls();
        let error = Set::restore(&mem, head).unwrap_err();
        assert_eq!((error.kind, error.block), (TooManyBlocks, MAX_BLOCKS));
        assert_eq!((error.addr.get(), error.errno()), (next, 22));
        assert_eq!((mem.live(), mem.unclaimed()), (0, MAX_BLOCKS + 1));
        let (restore, unrestore) = (before.restore + MAX_BLOCKS, before.unrestore + MAX_BLOCKS);
        assert_eq!(mem.calls(), Calls { restore, unrestore, ..before });
    }
    // One block earlier a link back is what it is.
    mem.write(addr(last - 1), addr(0).as_bytes());
    let error = Set::restore(&mem, head).unwrap_err();
    assert_eq!((error.kind, error.block), (Cycle { first: 0 }, last));
    mem.write(addr(last - 1), addr(last).as_bytes());

    mem.write(addr(last), 0_u64.as_bytes());
    let mut set = Set::restore(&mem, head).unwrap();
    set.audit().unwrap();
    assert!(set.iter().copied().eq((0..MAX_BLOCKS).map(addr)));
    set.destroy();
    assert_eq!((mem.live(), mem.unclaimed()), (0, 1), "all but the one too many are freed");
    Set::restore(&mem, PhysAddr::new(addr(MAX_BLOCKS))).unwrap().destroy();
    mem.assert_clean();
}
