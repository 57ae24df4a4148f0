//! Salvaging while heap is refused: the index has room for so many blocks, and so many are salvaged.

use kho_block::{Descriptor, DescriptorFlags, RestoreError, RestoreErrorKind, RestoreFromError};

use super::{CAPACITY, Mock, Sheltered, Taken, addr_of, heap, left, sheltered};

/// Salvages a chain with all but the first `n` requests for heap refused, for every `n` until it
/// succeeds. Returns how many blocks were salvaged each time.
fn refused(
    counts: &[u64],
    salvage: impl for<'m> Fn(Sheltered<'m>) -> (Taken<'m>, Option<RestoreError>),
) -> Vec<usize> {
    let mut mem = Mock::new();
    let entries = left(&mut mem, counts);
    let mem = &mem;
    let mut salvaged = Vec::with_capacity(counts.len());
    let held = heap::held();
    loop {
        let calls = mem.calls();
        let (set, error) = heap::refusing(salvaged.len(), || salvage(sheltered(mem)));
        let blocks = set.block_count();
        set.audit().unwrap();
        assert!(set.iter().eq(&entries[..set.len()]));
        let counted: u64 = counts[..blocks].iter().sum();
        assert_eq!(u64::try_from(set.len()), Ok(counted), "all entries of {blocks} blocks");
        assert_eq!((mem.live(), mem.unclaimed()), (blocks, counts.len() - blocks));
        drop(set);
        assert_eq!((mem.live(), mem.unclaimed()), (0, counts.len()));
        let claims = mem.calls().restore - calls.restore;
        assert_eq!(mem.calls().unrestore - calls.unrestore, claims);
        assert_eq!(heap::held(), held, "refused at block {blocks}");
        salvaged.push(blocks);
        let Some(RestoreError { kind, block, addr, .. }) = error else { break };
        assert_eq!((kind, block), (RestoreErrorKind::OutOfMemory, blocks));
        assert_eq!((addr, error.unwrap().errno()), (addr_of(blocks), 12));
    }
    assert_eq!(salvaged.last(), Some(&counts.len()));
    assert_eq!(mem.faults(), []);
    salvaged
}

#[test]
fn as_many_blocks_are_salvaged_as_the_heap_has_room_for() {
    let head = Some(addr_of(0));
    const BLOCKS: usize = if cfg!(miri) { 20 } else { 40 };
    let mut dense = [CAPACITY; BLOCKS];
    dense[BLOCKS - 1] = 1;
    let plain = refused(&dense, |mem| Taken::salvage(mem, head));
    assert_eq!(plain.first(), Some(&0));
    assert!(
        plain.len() >= if cfg!(miri) { 3 } else { 4 } && plain.is_sorted_by(|a, b| a < b),
        "{plain:?}"
    );

    let descriptor = Descriptor {
        magic: Descriptor::MAGIC,
        version: Descriptor::VERSION,
        flags: DescriptorFlags::all().bits(),
        entry_size: 8,
        block_size: 32,
        head: addr_of(0).get(),
        entries: CAPACITY * u64::try_from(BLOCKS).unwrap() - 1,
        tag: 7,
    };
    let described = refused(&dense, |mem| {
        let (set, error) = Taken::salvage_from(mem, &descriptor, 7);
        let error = error.map(|error| match error {
            RestoreFromError::Chain(error) => error,
            other => panic!("{other}: a chain cut short has other things wrong with it first"),
        });
        (set, error)
    });
    assert_eq!(described, plain, "both walk alike");

    let mut sparse = [CAPACITY; BLOCKS];
    sparse[2..6].copy_from_slice(&[1, 0, 0, 1]);
    let gaps = refused(&sparse, |mem| Taken::salvage(mem, head));
    assert!(gaps.contains(&5), "the sums begin at block 5: {gaps:?}");
}
