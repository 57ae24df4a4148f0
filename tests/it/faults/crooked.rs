//! An allocator whose blocks are not where they should be: it is found out before it does harm.

use core::cell::Cell;

use kho_block::mock::{Calls, Mock};
use kho_block::zerocopy::IntoBytes;
use kho_block::{BlockHeader, GrowErrorKind, IncomingSet, OutgoingSet, PhysAddr, RestoreErrorKind};

use crate::altered::{Altered, Change};

/// What is crooked about a block, and by how many bytes: up to its size.
#[derive(Clone, Copy, Debug)]
enum Shift {
    Addr(u64),
    Ptr(usize),
}
use Shift::{Addr, Ptr};

/// Shifts one block (and that alone), after so many. All that is lent is memory of the mock, whose
/// blocks are twice as large, so that a crooked block is one that may be used all the same.
struct Crook {
    until: Cell<usize>,
    shift: Shift,
}

impl Change for Crook {
    const TIMES: usize = 2;

    fn shift(&self) -> (u64, usize) {
        match (self.until.replace(self.until.get().wrapping_sub(1)), self.shift) {
            (0, Addr(shift)) => (shift, 0),
            (0, Ptr(shift)) => (0, shift),
            _ => (0, 0),
        }
    }
}

type Crooked<'m> = Altered<'m, Crook>;

fn crook(mem: &Mock, until: usize, shift: Shift) -> Crooked<'_> {
    Altered::new(mem, Crook { until: Cell::new(until), shift })
}

/// Grows a set of `before` blocks to four, of which one is not aligned.
fn refused<const B: usize>(shift: Shift, before: usize, crooked: usize) {
    type Set<'m, const B: usize> = OutgoingSet<u64, Crooked<'m>, B>;
    let capacity = Set::<B>::CAPACITY_PER_BLOCK;
    let mem = Mock::new();
    // The blocks lie at known addresses, two sizes apart.
    let place = |block: usize| u64::try_from(B * 2 * (block + 8)).unwrap();
    mem.place((0..4).map(place));
    let mut set = Set::<B>::new(crook(&mem, crooked, shift));
    let entries: Vec<u64> = (0..).take(before * capacity).collect();
    set.extend_from_slice(&entries).unwrap();
    let (first, live) = (set.first_block(), mem.live());
    let calls = mem.calls();

    let error = set.grow(4 * capacity).unwrap_err();

    let shifted = if let Addr(shift) = shift { shift } else { 0 };
    let addr = PhysAddr::new(place(crooked) + shifted).unwrap();
    let message = format!("the allocator's block at {addr} is not aligned to its size");
    assert_eq!(error.kind, GrowErrorKind::Misaligned { addr }, "{shift:?}");
    assert_eq!((error.wanted, error.obtained), (4 - before, crooked - before), "{shift:?}");
    assert_eq!((error.errno(), error.to_string()), (22, message));
    // It is given back, and so is what was obtained before it.
    let taken = crooked - before + 1;
    let expected = Calls {
        alloc_preserve: calls.alloc_preserve + taken,
        unpreserve_free: calls.unpreserve_free + taken,
        ..calls
    };
    assert_eq!((mem.calls(), mem.live()), (expected, live), "{shift:?}");
    set.audit().unwrap();
    assert_eq!((set.block_count(), set.first_block()), (before, first));
    assert!(set.iter().eq(&entries));

    // The next ones are straight.
    set.grow(4 * capacity).unwrap();
    set.audit().unwrap();
    assert!(set.iter().eq(&entries));
    drop(set);
    mem.assert_clean();
}

#[test]
fn a_block_that_is_not_aligned_is_given_back_and_so_are_those_before_it() {
    const ALL: &[(usize, usize)] = &[(1, 3), (0, 0), (0, 1), (0, 3), (1, 1), (3, 3)];
    const TRIED: usize = if cfg!(miri) { 1 } else { ALL.len() };
    for &(before, crooked) in &ALL[..TRIED] {
        for shift in [Addr(1), Addr(8), Addr(16), Ptr(1), Ptr(8), Ptr(16)] {
            refused::<32>(shift, before, crooked);
        }
        for shift in [Addr(16), Addr(32), Addr(2048), Ptr(16), Ptr(2048)] {
            // Under Miri, those that are smaller and larger than a page will do.
            if !cfg!(miri) {
                refused::<4096>(shift, before, crooked);
            }
        }
        // A physical address is a multiple of the size, a pointer that of a page.
        for shift in [Addr(16), Addr(4096), Ptr(16), Ptr(2048), Ptr(4096 + 2048)] {
            refused::<8192>(shift, before, crooked);
        }
    }
}

#[test]
fn a_push_that_meets_a_block_that_is_not_aligned_gives_its_entry_back() {
    for shift in [Addr(16), Ptr(16)] {
        let mem = Mock::new();
        let mut set = OutgoingSet::<u64, _, 32>::new(crook(&mem, 1, shift));
        let mut entries = 0..9;
        let error = set.try_extend(&mut entries).unwrap_err();
        assert_eq!((error.entry, error.errno(), mem.live()), (2, 22, 1));
        assert_eq!(entries, 3..9);
        assert!(matches!(error.cause.kind, GrowErrorKind::Misaligned { .. }));
        set.push(error.entry).unwrap();
        assert!(set.iter().eq(&[0, 1, 2]));
    }
}

#[test]
fn a_pointer_need_not_be_aligned_to_more_than_a_page() {
    let mut mem = Mock::new();
    let entries: Vec<u64> = (0..3000).collect();
    let mut set = OutgoingSet::<u64, _>::new(crook(&mem, 1, Ptr(4096)));
    set.extend_from_slice(&entries).unwrap();
    set.audit().unwrap();
    let second = set.entry_ptr(1022).unwrap().addr();
    assert_eq!(second.get() % 8192, 4096 + 16);
    assert!(set.iter().eq(&entries));
    drop(set);
    mem.assert_clean();

    let mut bytes = vec![0xff; 2 * 8192];
    bytes[4096..4096 + 24].copy_from_slice([0, 1, 7_u64].as_bytes());
    mem.leave(0x1_0000, &bytes);
    let crooked = crook(&mem, 0, Ptr(4096));
    let set = IncomingSet::<u64, _>::restore(&crooked, PhysAddr::new(0x1_0000)).unwrap();
    assert!(set.iter().eq(&[7]));
    drop(set);
    assert_eq!((mem.live(), mem.unclaimed(), mem.faults()), (0, 1, vec![]));
}

#[test]
fn a_claim_whose_pointer_is_not_aligned_is_given_back_unread_and_so_are_those_before_it() {
    const BLOCKS: usize = 4;
    let addr = |block: usize| u64::try_from(0x8000 + 64 * block).unwrap();
    for crooked in 0..BLOCKS {
        for shift in [1, 8, 16, 24] {
            let mut mem = Mock::new();
            for block in 0..BLOCKS {
                let next = if block + 1 < BLOCKS { addr(block + 1) } else { 0 };
                // Behind the header and two entries lies what a crooked header would be.
                let header = BlockHeader { next, count: 2 };
                let garbage = [u64::MAX; 4];
                let entries = [addr(block), addr(block)];
                let bytes = [header.as_bytes(), entries.as_bytes(), garbage.as_bytes()].concat();
                mem.leave(addr(block), &bytes);
            }
            let head = PhysAddr::new(addr(0));
            let alloc = crook(&mem, crooked, Ptr(shift));

            let error = IncomingSet::<u64, _, 32>::restore(&alloc, head).unwrap_err();
            assert_eq!(error.kind, RestoreErrorKind::MisalignedPointer, "by {shift}");
            assert_eq!((error.block, error.addr.get()), (crooked, addr(crooked)));
            assert_eq!(error.errno(), 22);
            let at = error.addr;
            let message =
                format!("block {crooked} at {at}: lent through a pointer that is not aligned");
            assert_eq!(error.to_string(), message);
            let claims = crooked + 1;
            let calls = Calls { restore: claims, unrestore: claims, ..Calls::default() };
            assert_eq!((mem.calls(), mem.unclaimed()), (calls, BLOCKS), "all are given back");

            // What is before it can be salvaged.
            let alloc = crook(&mem, crooked, Ptr(shift));
            let (set, error) = IncomingSet::<u64, _, 32>::salvage(&alloc, head);
            assert_eq!(error.unwrap().kind, RestoreErrorKind::MisalignedPointer);
            assert!(set.iter().copied().eq((0..crooked).flat_map(|block| [addr(block); 2])));
            assert_eq!((mem.live(), mem.unclaimed()), (crooked, BLOCKS - crooked));
            drop(set);

            // And all of it, from an allocator that is straight.
            let alloc = crook(&mem, usize::MAX, Ptr(shift));
            let mut set = IncomingSet::<u64, _, 32>::restore(&alloc, head).unwrap();
            assert_eq!(set.len(), 2 * BLOCKS);
            set.destroy();
            mem.assert_clean();
        }
    }
}
