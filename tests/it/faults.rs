//! Memory refused: every operation that allocates, at its first call, its second, until it succeeds.

use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{
    BlockHeader, BlockSet, Descriptor, DescriptorField, DescriptorFlags, GrowError, GrowErrorKind,
    IncomingSet, MAX_BLOCKS, Outgoing, PhysAddr, RestoreChecks, RestoreError, RestoreErrorKind,
    RestoreFromError,
};

use crate::heap::{self, Sheltered, sheltered};

mod crooked;
mod extending;
mod salvaging;

/// Two entries to a block, so that few entries make many blocks.
const BLOCK_SIZE: usize = 32;
const CAPACITY: u64 = 2;

type Set<'m> = BlockSet<u64, Sheltered<'m>, Outgoing, BLOCK_SIZE>;
type Taken<'m> = IncomingSet<u64, Sheltered<'m>, BLOCK_SIZE>;

/// Who refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    Mock,
    Heap,
}

/// Runs `op` on a set of `entries` entries, with all but the first `n` requests refused, for every
/// `n` until it succeeds. Each time but the last the set must be as it was, `check` gets the error,
/// and `op` must then succeed. Returns how often it was refused.
fn refused<E>(
    by: By,
    entries: u64,
    op: impl Fn(&mut Set<'_>) -> Result<(), E>,
    check: impl Fn(usize, E),
) -> usize {
    for n in 0.. {
        let mem = Mock::new();
        let held = heap::held();
        let mut set = Set::new(sheltered(&mem));
        set.extend_from_slice(&(0..entries).collect::<Vec<_>>()).unwrap();
        let shape = |set: &Set<'_>| {
            (set.len(), set.block_count(), set.first_block(), set.head(), mem.live())
        };
        let before = shape(&set);

        let result = match by {
            By::Heap => heap::refusing(n, || op(&mut set)),
            By::Mock => {
                mem.refuse_after(n);
                op(&mut set)
            }
        };
        mem.refuse_none();
        set.audit().unwrap();
        let Err(error) = result else { return n };

        assert_eq!(shape(&set), before, "refusal {n} by the {by:?}");
        assert!(set.iter().copied().eq(0..entries));
        check(n, error);

        assert!(op(&mut set).is_ok(), "there is memory again");
        set.audit().unwrap();
        assert!(set.len() >= before.0);
        drop(set);
        mem.assert_clean();
        assert_eq!(heap::held(), held, "refusal {n} by the {by:?} leaked heap");
    }
    unreachable!("there is an end to every operation")
}

/// The error of a set that needs `wanted` blocks and got `obtained`.
#[track_caller]
pub(crate) fn assert_refused(error: GrowError, wanted: usize, obtained: usize) {
    assert_eq!(error.kind, GrowErrorKind::OutOfMemory);
    assert_eq!((error.wanted, error.obtained), (wanted, obtained));
    assert_eq!(error.errno(), 12);
}

#[test]
fn a_refused_grow_leaves_nothing_behind() {
    // From no blocks, from full ones, and from one that is half full.
    const ALL: &[(u64, usize, usize)] = &[(0, 1, 1), (7, 11, 2), (0, 9, 5), (8, 9, 1), (8, 30, 11)];
    const TRIED: usize = if cfg!(miri) { 2 } else { ALL.len() };
    for &(entries, count, wanted) in &ALL[..TRIED] {
        let grow = |set: &mut Set<'_>| set.grow(count);
        let refusals = refused(By::Mock, entries, grow, |n, e| assert_refused(e, wanted, n));
        assert_eq!(refusals, wanted, "one for each block");

        let refusals = refused(By::Heap, entries, grow, |_, e| assert_refused(e, wanted, 0));
        assert_eq!(refusals, 1, "the index has to grow, and does so at once");
    }
}

#[test]
fn a_refused_push_gives_its_entry_back() {
    // The sets have as much index as they have blocks, so that each push needs block and index.
    for entries in [0, 8, 20] {
        let push = |set: &mut Set<'_>| {
            set.push(77).map_err(|error| {
                assert_eq!(error.errno(), 12);
                (error.entry, error.cause)
            })
        };
        let check = |_, (entry, cause)| {
            assert_eq!(entry, 77);
            assert_refused(cause, 1, 0);
        };
        assert_eq!(refused(By::Mock, entries, push, check), 1);
        assert_eq!(refused(By::Heap, entries, push, check), 1);
    }
}

#[test]
fn a_push_into_a_free_slot_asks_nobody() {
    let mem = Mock::refusing(1);
    let mut set = Set::new(sheltered(&mem));
    set.push(0).unwrap();
    heap::refusing(0, || set.push(1)).unwrap();
    assert_eq!(set.push(2).unwrap_err().entry, 2);
    assert!(set.iter().eq(&[0, 1]));
}

#[test]
fn a_refused_slice_is_appended_not_even_in_part() {
    for (entries, new, wanted) in [(0, 1, 1), (0, 9, 5), (8, 1, 1), (7, 1, 0), (7, 2, 1), (7, 6, 3)]
    {
        let slice: Vec<u64> = (0..new).map(|i| entries + i).collect();
        let extend = |set: &mut Set<'_>| set.extend_from_slice(&slice);
        let refusals = refused(By::Mock, entries, extend, |n, e| assert_refused(e, wanted, n));
        assert_eq!(refusals, wanted, "one for each block");

        let refusals = refused(By::Heap, entries, extend, |_, e| assert_refused(e, wanted, 0));
        assert_eq!(refusals, wanted.min(1), "the index has to grow, and does so at once");
    }
}

#[test]
fn what_never_allocates_cannot_be_refused() {
    let mem = Mock::new();
    let mut set = Set::new(sheltered(&mem));
    set.grow(9).unwrap();
    mem.refuse_after(0);
    let (asked, ()) = heap::counting(|| {
        let mut writer = set.writer();
        writer.push(0).unwrap();
        writer.extend_from_slice(&[1, 2, 3]).unwrap();
        assert_eq!(writer.extend(4..20), 6);
        assert_eq!(writer.pop(), Some(9));
        set.grow(0).unwrap();
        set.grow(10).unwrap();
        set.extend_from_slice(&[]).unwrap();
        assert_eq!(set.iter().rev().chain(set.cursor()).chain(&set).count(), 27);
        assert_eq!((set.pop(), set.get(3)), (Some(8), Some(&3)));
        set.truncate(3);
        set.shrink(5);
        let mut set = set.seal().unseal();
        assert_eq!((set.len(), set.block_count()), (3, 2));
        set.clear();
        set.destroy();
    });
    assert_eq!(asked, 0);
}

/// A chain of blocks with these counts, at known addresses; returns its entries.
fn left(mem: &mut Mock, counts: &[u64]) -> Vec<u64> {
    let mut entries = Vec::new();
    for (number, &count) in counts.iter().enumerate() {
        let new: Vec<u64> = (0..count).map(|slot| 100 + (slot << 32) + count).collect();
        let last = number + 1 == counts.len();
        let next = if last { 0 } else { addr_of(number + 1).get() };
        let mut bytes = BlockHeader { next, count }.as_bytes().to_vec();
        bytes.extend(new.as_bytes());
        bytes.resize(BLOCK_SIZE, 0);
        mem.leave(addr_of(number).get(), &bytes);
        entries.extend(new);
    }
    entries
}

fn addr_of(block: usize) -> PhysAddr {
    PhysAddr::new(u64::try_from(0x4000 + block * BLOCK_SIZE).unwrap()).unwrap()
}

/// Restores a chain with all but the first `n` requests for heap refused, for every `n` until it
/// succeeds. Each time but the last every claim must be given back. Returns the blocks at which it
/// was refused.
fn refused_restore(
    counts: &[u64],
    restore: impl for<'m> Fn(Sheltered<'m>, usize) -> Result<Taken<'m>, RestoreError>,
) -> Vec<usize> {
    let mut mem = Mock::new();
    let entries = left(&mut mem, counts);
    let mem = &mem;
    let mut refusals = Vec::with_capacity(counts.len());
    let held = heap::held();
    let set = loop {
        let calls = mem.calls();
        match heap::refusing(refusals.len(), || restore(sheltered(mem), entries.len())) {
            Ok(set) => break set,
            Err(error) => {
                let RestoreError { kind, block, addr, .. } = error;
                assert_eq!((kind, addr), (RestoreErrorKind::OutOfMemory, addr_of(block)));
                assert_eq!(error.errno(), 12);
                assert_eq!((mem.live(), mem.unclaimed()), (0, counts.len()));
                let claims = mem.calls().restore - calls.restore;
                assert_eq!(mem.calls().unrestore - calls.unrestore, claims);
                assert_eq!(heap::held(), held, "refused at block {block}");
                refusals.push(block);
            }
        }
    };
    set.audit().unwrap();
    assert!(set.iter().eq(&entries));
    drop(set);
    assert_eq!(heap::held(), held);
    assert_eq!((mem.live(), mem.unclaimed()), (0, counts.len()), "dropped, and given back");
    restore(sheltered(mem), entries.len()).unwrap().destroy();
    assert_eq!(heap::held(), held);
    assert_eq!(mem.calls().restore_free, counts.len());
    mem.assert_clean();

    let mut again = Mock::new();
    left(&mut again, counts);
    let restored = heap::counting(|| restore(sheltered(&again), entries.len()).map(drop));
    assert_eq!(restored, (refusals.len(), Ok(())), "one refusal for each allocation");
    refusals
}

/// Every way to restore, with its errors brought into one form.
fn refused_restores(counts: &[u64], checks: RestoreChecks, flags: DescriptorFlags) -> Vec<usize> {
    let head = Some(addr_of(0));
    let plain = refused_restore(counts, |mem, _| Taken::restore(mem, head));
    let strict = refused_restore(counts, |mem, _| Taken::restore_with(mem, head, checks));
    let described = refused_restore(counts, |mem, entries| {
        let descriptor = Descriptor {
            magic: Descriptor::MAGIC,
            version: Descriptor::VERSION,
            flags: flags.bits(),
            entry_size: 8,
            block_size: 32,
            head: addr_of(0).get(),
            entries: u64::try_from(entries).unwrap(),
            tag: 7,
        };
        Taken::restore_from(mem, &descriptor, 7).map_err(|error| match error {
            RestoreFromError::Chain(cause) if cause.errno() == error.errno() => cause,
            other => panic!("{other}"),
        })
    });
    assert_eq!((&strict, &described), (&plain, &plain), "all three walk alike");
    plain
}

#[test]
fn a_refused_restore_of_a_dense_chain_gives_every_claim_back() {
    const BLOCKS: usize = if cfg!(miri) { 20 } else { 40 };
    let mut counts = [CAPACITY; BLOCKS];
    counts[BLOCKS - 1] = 1;
    let refusals = refused_restores(&counts, RestoreChecks::all(), DescriptorFlags::all());
    assert_eq!(refusals.first(), Some(&0));
    assert!(
        refusals.len() >= if cfg!(miri) { 2 } else { 3 },
        "the index grows several times: {refusals:?}"
    );
    assert!(refusals.is_sorted_by(|a, b| a < b), "once a block at most: {refusals:?}");
}

#[test]
#[cfg_attr(miri, ignore = "it takes half a minute, and that of a dense chain refuses too")]
fn a_refused_restore_of_a_sparse_chain_gives_every_claim_back() {
    // Where the first block in use follows a gap, the sums of the counts are needed as well.
    let mut counts = [CAPACITY; 20];
    counts[2..6].copy_from_slice(&[1, 0, 0, 1]);
    let refusals = refused_restores(&counts, RestoreChecks::empty(), DescriptorFlags::empty());
    assert!(refusals.contains(&5), "the sums begin at block 5: {refusals:?}");
    assert!(refusals.is_sorted(), "later at each further refusal: {refusals:?}");

    let dense = refused_restores(&[CAPACITY; 20], RestoreChecks::empty(), DescriptorFlags::empty());
    assert!(refusals.len() > dense.len() + 1, "the sums grow as well: {refusals:?}");
}

#[test]
fn a_single_block_needs_an_index_and_no_block_needs_none() {
    assert_eq!(refused_restores(&[1], RestoreChecks::all(), DescriptorFlags::all()), [0]);
    let empty = heap::counting(|| Taken::restore(sheltered(&Mock::new()), None).map(drop));
    assert_eq!(empty, (0, Ok(())), "no blocks, no index");
}

#[test]
fn a_number_of_entries_that_differs_gives_every_claim_back() {
    let mut mem = Mock::new();
    let entries = left(&mut mem, &[CAPACITY, CAPACITY, 1]);
    let descriptor = Descriptor {
        magic: Descriptor::MAGIC,
        version: Descriptor::VERSION,
        flags: DescriptorFlags::COUNTED.bits(),
        entry_size: 8,
        block_size: 32,
        head: addr_of(0).get(),
        entries: 4,
        tag: 7,
    };
    let error = Taken::restore_from(sheltered(&mem), &descriptor, 7).unwrap_err();
    let RestoreFromError::Descriptor(error) = error else { panic!("{error}") };
    assert_eq!((error.field, error.found, error.expected), (DescriptorField::Entries, 4, 5));
    assert_eq!((mem.live(), mem.unclaimed(), mem.calls().unrestore), (0, 3, 3));

    let descriptor = Descriptor { entries: 5, ..descriptor };
    let set = Taken::restore_from(sheltered(&mem), &descriptor, 7).unwrap();
    assert!(set.iter().eq(&entries));
}

#[test]
fn what_exceeds_the_limit_asks_nobody() {
    let mem = Mock::new();
    let mut set = Set::new(sheltered(&mem));
    set.extend_from_slice(&[1, 2, 3]).unwrap();
    let calls = mem.calls();
    for count in [usize::MAX, usize::MAX - 1, MAX_BLOCKS * 2 + 1] {
        let (asked, result) = heap::counting(|| set.grow(count));
        let error = result.unwrap_err();
        assert_eq!((asked, mem.calls()), (0, calls));
        assert_eq!(error.kind, GrowErrorKind::TooManyBlocks);
        assert_eq!((error.wanted, error.obtained), (count.div_ceil(2) - 2, 0));
        assert_eq!(error.errno(), 28);
    }
    assert!(set.iter().eq(&[1, 2, 3]));
    set.audit().unwrap();
}
