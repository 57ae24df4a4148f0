//! Records that live through many kernels where they are.

use kho_block::mock::{Calls, Mock};
use kho_block::{
    AdoptErrorKind, BlockSet, IncomingSet, Link, OutgoingSet, PhysAddr, RestoreChecks,
};

/// Two entries to a block.
const BLOCK_SIZE: usize = 32;

type Set<'m> = OutgoingSet<u64, &'m Mock, BLOCK_SIZE>;
type Taken<'m> = IncomingSet<u64, &'m Mock, BLOCK_SIZE>;

/// What the previous kernel left: `entries`, and room for two blocks more in which there are none.
fn left(entries: u64) -> (Mock, Option<PhysAddr>) {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&(0..entries).collect::<Vec<_>>()).unwrap();
    let head = set.into_head();
    mem.reboot();
    (mem, head)
}

/// A chain of blocks with these counts, as another writer leaves it, dirty where nothing is counted.
fn chain(counts: &[u64]) -> (Mock, Option<PhysAddr>) {
    let mut mem = Mock::new();
    let addr = |block: usize| 0x4000 + 32 * u64::try_from(block).unwrap();
    let mut entries = 0..;
    for (block, &count) in counts.iter().enumerate() {
        let next = if block + 1 == counts.len() { 0 } else { addr(block + 1) };
        let slots = [0, 1].map(|slot| if slot < count { entries.next().unwrap() } else { 0xdead });
        let words = [next, count, slots[0], slots[1]];
        mem.leave(addr(block), words.map(u64::to_ne_bytes).as_flattened());
    }
    (mem, PhysAddr::new(addr(0)).filter(|_| !counts.is_empty()))
}

#[test]
fn a_million_records_pass_through_three_kernels_where_they_are() {
    const RECORDS: u64 = if cfg!(miri) { 1000 } else { 1_000_000 };
    const NEW: u64 = if cfg!(miri) { 200 } else { 1000 };
    type Files<'m> = IncomingSet<[u64; 8], &'m Mock>;
    let record = |i: u64| [i, !i, 0, 0, 0, 0, 0, i];
    let mut mem = Mock::new();
    let mut set = BlockSet::<[u64; 8], _>::new(&mem);
    set.try_extend((0..RECORDS).map(record)).unwrap();
    let places = |set: &BlockSet<[u64; 8], &Mock>| {
        [0, 1, 126, 127, RECORDS / 2, RECORDS / 10 * 9]
            .map(|i| usize::try_from(i).unwrap())
            .map(|i| (set.entry_ptr(i), set.phys_addr(i)))
    };
    let before = places(&set);
    let mut head = set.into_head();
    let mut model: Vec<[u64; 8]> = (0..RECORDS).map(record).collect();
    for kernel in 1..=3 {
        mem.reboot();
        let calls = mem.calls();
        let blocks = model.len().div_ceil(127);
        let mut set = Files::restore(&mem, head).unwrap().adopt().unwrap();
        assert_eq!(places(&set), before, "no entry has moved");
        let claimed = Calls { restore: blocks, preserve: blocks, ..Calls::default() };
        let spent = Calls { alloc_preserve: calls.alloc_preserve, ..mem.calls() };
        let sum = Calls {
            restore: calls.restore + claimed.restore,
            preserve: calls.preserve + claimed.preserve,
            ..calls
        };
        assert_eq!(spent, sum, "a claim and a call for each block, and no more");

        // Some change, some go, some come.
        for i in [3, 700, model.len() / 14] {
            set.get_mut(i).unwrap()[1] = kernel;
            model[i][1] = kernel;
        }
        assert_eq!(set.swap_remove(77).unwrap(), model.swap_remove(77));
        assert_eq!(set.pop(), model.pop());
        let new: Vec<_> = (0..NEW).map(|i| record(kernel << 32 | i)).collect();
        set.extend_from_slice(&new).unwrap();
        model.extend(&new);
        let added = model.len().div_ceil(127) - blocks;
        assert_eq!(mem.calls().alloc_preserve, calls.alloc_preserve + added);
        set.audit().unwrap();
        head = set.into_head();
    }
    mem.reboot();
    let mut set = Files::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().eq(&model));
    set.destroy();
    mem.assert_clean();
}

#[test]
fn a_refusal_gives_the_set_back_as_it_was_whichever_block_it_is() {
    for refused in 0..4 {
        let (mem, head) = left(7);
        let set = Taken::restore(&mem, head).unwrap();
        mem.refuse_preserve_after(refused);
        let error = set.adopt().unwrap_err();
        assert_eq!(error.kind(), AdoptErrorKind::Refused { block: refused });
        assert_eq!(error.errno(), 12);
        assert_eq!(error.to_string(), format!("block {refused} cannot be preserved again"));
        assert_eq!(mem.calls().unpreserve, refused, "what was preserved is no more");
        let (set, kind) = error.into_parts();
        assert_eq!(kind, AdoptErrorKind::Refused { block: refused });
        assert!(set.iter().copied().eq(0..7));
        set.audit().unwrap();
        assert_eq!((mem.live(), mem.unclaimed()), (4, 0));
        mem.refuse_none();
        let mut set = set.adopt().unwrap();
        set.audit().unwrap();
        set.destroy();
        mem.assert_clean();
    }
    // Dropped with the error, it is there to be restored again.
    let (mem, head) = left(7);
    mem.refuse_preserve_after(2);
    let kind = Taken::restore(&mem, head).unwrap().adopt().map(drop).unwrap_err().into_kind();
    assert_eq!(kind, AdoptErrorKind::Refused { block: 2 });
    assert!(Taken::restore(&mem, head).unwrap().iter().copied().eq(0..7));
    assert_eq!(mem.faults(), []);
}

#[test]
fn an_adopted_set_that_is_dropped_leaves_every_record_at_any_point_of_its_life() {
    type Life = fn(&mut Set<'_>, &mut Vec<u64>);
    let lives: [Life; 8] = [
        |_, _| {},
        |set, list| {
            set.push(70).unwrap();
            list.push(70);
        },
        |set, _| set.grow(40).unwrap(),
        |set, list| {
            set.extend_from_slice(&[70, 71, 72, 73]).unwrap();
            list.extend([70, 71, 72, 73]);
            set.grow(40).unwrap();
        },
        |set, list| assert_eq!((set.pop(), set.pop()), (list.pop(), list.pop())),
        |set, list| {
            set.truncate(2);
            list.truncate(2);
        },
        |set, list| {
            set.clear();
            list.clear();
            set.grow(6).unwrap();
        },
        |set, list| {
            let mut sealed = set.take().seal().unseal();
            sealed.push(70).unwrap();
            list.push(70);
            *set = sealed;
        },
    ];
    const ENTRIES: &[u64] = if cfg!(miri) { &[0, 7] } else { &[0, 1, 2, 7] };
    for &entries in ENTRIES {
        for (number, life) in lives.iter().enumerate() {
            let (mut mem, head) = left(entries);
            let mut list: Vec<u64> = (0..entries).collect();
            let mut set = Taken::restore(&mem, head).unwrap().adopt().unwrap();
            // Of what was taken the set that is left behind is this kernel's own.
            life(&mut set, &mut list);
            set.audit().unwrap();
            // Without a block to start with, the first one that it gets is as good.
            let root = set.descriptor(9);
            drop(set);
            mem.reboot();
            let mut set = Taken::restore_from(&mem, &root, 9).unwrap();
            assert!(set.iter().eq(&list), "life {number} of {entries} entries");
            set.destroy();
            mem.assert_clean();
        }
    }
}

#[test]
fn a_chain_of_another_writer_is_adopted_if_it_is_not_sparse() {
    for counts in
        [&[][..], &[0], &[1], &[2], &[2, 1], &[2, 0], &[2, 2, 1, 0, 0], &[0, 0], &[2, 0, 0]]
    {
        let (mut mem, head) = chain(counts);
        let entries: u64 = counts.iter().sum();
        let mut set = Taken::restore(&mem, head).unwrap().adopt().unwrap();
        set.audit().unwrap();
        assert!(set.iter().copied().eq(0..entries), "{counts:?}");
        assert_eq!(set.block_count(), counts.len(), "those without entries are spare");
        let free = set.writer().available();
        assert_eq!(free, counts.len() * 2 - usize::try_from(entries).unwrap());
        while set.writer().push(77).is_ok() {}
        set.audit().unwrap();
        let head = set.into_head();
        mem.reboot();
        let set = Taken::restore_with(&mem, head, RestoreChecks::all()).unwrap();
        assert_eq!(set.len(), counts.len() * 2);
    }
    let sparse =
        [(&[1, 1][..], 0), (&[0, 2], 0), (&[2, 1, 1], 1), (&[2, 0, 1], 1), (&[2, 2, 1, 0, 2], 2)];
    for (counts, block) in sparse {
        let (mem, head) = chain(counts);
        let error = Taken::restore(&mem, head).unwrap().adopt().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (AdoptErrorKind::Sparse { block }, 22));
        assert_eq!(mem.calls().preserve, 0, "nothing was begun");
        let set = error.into_set();
        set.audit().unwrap();
        assert_eq!(set.release(), head);
    }
}

#[test]
fn what_was_sparse_is_adopted_once_its_end_is_gone() {
    let (mem, head) = chain(&[2, 1, 2]);
    let mut set = Taken::restore(&mem, head).unwrap();
    set.truncate(3);
    let mut set = set.adopt().unwrap();
    set.audit().unwrap();
    set.push(9).unwrap();
    assert!(set.iter().eq(&[0, 1, 2, 9]));
    set.destroy();
    mem.assert_clean();
}

#[test]
fn the_sound_part_of_a_damaged_chain_is_carried_on() {
    let (mut mem, head) = left(9);
    let third = head.unwrap().get() + 2 * 32;
    mem.write(third + 8, &3_u64.to_ne_bytes());
    let (set, damage) = Taken::salvage(&mem, head);
    assert_eq!(damage.unwrap().block, 2);
    let mut set = set.adopt().unwrap();
    set.audit().unwrap();
    set.push(4).unwrap();
    assert_eq!(set.into_head(), head);
    mem.discard_unclaimed();
    mem.reboot();
    let set = Taken::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().copied().eq(0..5));
}

#[test]
fn a_spare_block_before_the_damage_leads_nowhere_once_it_is_carried_on() {
    let (mut mem, head) = chain(&[2, 0, 1]);
    mem.write(head.unwrap().get() + 2 * 32 + 8, &3_u64.to_ne_bytes());
    let (set, damage) = Taken::salvage(&mem, head);
    assert_eq!((damage.unwrap().block, set.block_count()), (2, 2));
    let mut set = set.adopt().unwrap();
    set.audit().unwrap();
    set.extend_from_slice(&[2, 3, 4]).unwrap();
    set.audit().unwrap();
    let head = set.into_head();
    mem.discard_unclaimed();
    mem.reboot();
    let set = Taken::restore_with(&mem, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().copied().eq(0..5));
}

#[test]
fn a_link_is_refused_if_a_half_of_it_or_its_count_is_not_so() {
    use kho_block::LinkError;
    use kho_block::zerocopy::{FromBytes, IntoBytes};

    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[1, 2, 3]).unwrap();
    let link: Link<u64, BLOCK_SIZE> = set.seal().into_link();
    let empty: Link<u64, BLOCK_SIZE> = Set::new(&mem).seal().into_link();
    assert!((empty == Link::EMPTY) & empty.is_empty());
    mem.reboot();
    let head = link.head().unwrap().get();
    assert_eq!(link.as_bytes(), [head, 3].as_bytes(), "the bytes of LUO");
    let made = |head: u64, count: u64| {
        Link::<u64, BLOCK_SIZE>::read_from_bytes([head, count].as_bytes()).unwrap()
    };
    let rows = [
        (made(0, 3), LinkError::Half { head: 0, count: 3 }),
        (made(head, 0), LinkError::Half { head, count: 0 }),
        (made(head, 2), LinkError::Entries { found: 2, expected: 3 }),
        (made(head, u64::MAX), LinkError::Entries { found: u64::MAX, expected: 3 }),
    ];
    for (link, expected) in rows {
        let error = link.restore(&mem).unwrap_err();
        assert_eq!((error, error.errno()), (expected, 22));
        assert_eq!(mem.live(), 0, "every claim is given back");
    }
    let error = made(head + 8, 3).restore(&mem).unwrap_err();
    assert!(matches!(error, LinkError::Chain(error) if error.block == 0), "{error}");
    assert!(made(0, 0).restore(&mem).unwrap().is_empty());
    let mut set = link.restore(&mem).unwrap();
    assert!(set.iter().eq(&[1, 2, 3]));
    set.destroy();
    mem.assert_clean();
}
