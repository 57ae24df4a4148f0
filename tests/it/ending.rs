//! How a set ends, and what is there afterwards: nothing is lost by accident.

use kho_block::mock::Mock;
use kho_block::{BlockSet, IncomingSet, Outgoing, PhysAddr, RestoreError, RestoreErrorKind};

/// Two entries to a block.
const BLOCK_SIZE: usize = 32;

type Set<'m> = BlockSet<u64, &'m Mock, Outgoing, BLOCK_SIZE>;
type Taken<'m> = IncomingSet<u64, &'m Mock, BLOCK_SIZE>;

fn saved(mem: &Mock, entries: &[u64]) -> Option<PhysAddr> {
    let mut set = Set::new(mem);
    set.extend_from_slice(entries).unwrap();
    set.into_head()
}

/// The entries of two chains; whatever was claimed ends with this call.
fn both(
    mem: &Mock,
    a: Option<PhysAddr>,
    b: Option<PhysAddr>,
) -> Result<(Vec<u64>, Vec<u64>), RestoreError> {
    let a = Taken::restore(mem, a)?;
    let b = Taken::restore(mem, b)?;
    Ok((a.iter().copied().collect(), b.iter().copied().collect()))
}

#[test]
fn what_was_restored_before_an_error_can_be_restored_again() {
    let mut mem = Mock::new();
    let (a, b) = (saved(&mem, &[1, 2, 3]), saved(&mem, &[4, 5, 6]));
    mem.reboot();
    let count = b.unwrap().get() + 8;
    mem.write(count, &3_u64.to_ne_bytes());

    let refused = both(&mem, a, b).unwrap_err();
    assert_eq!(refused.kind, RestoreErrorKind::CountTooLarge { count: 3, capacity: 2 });
    assert_eq!((mem.live(), mem.unclaimed()), (0, 4), "both chains are there");

    mem.write(count, &2_u64.to_ne_bytes());
    assert_eq!(both(&mem, a, b), Ok((vec![1, 2, 3], vec![4, 5, 6])));
}

#[test]
fn a_panic_while_records_are_taken_over_loses_none() {
    let mut mem = Mock::new();
    let head = saved(&mem, &[1, 2, 3]);
    mem.reboot();
    let mem = &mem;
    let panicked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        let set = Taken::restore(mem, head).unwrap();
        assert_eq!(set.get(1), Some(&7), "a bug in the kernel");
    }));
    assert!(panicked.is_err());
    assert!(Taken::restore(mem, head).unwrap().iter().eq(&[1, 2, 3]));
}

#[test]
fn a_descriptor_stays_true_while_the_set_is_filled() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.push(1).unwrap();
    let descriptor = set.descriptor(7);
    set.extend_from_slice(&[2, 3]).unwrap();
    core::mem::forget(set);
    mem.reboot();

    let set = Taken::restore_from(&mem, &descriptor, 7).unwrap();
    assert!(set.iter().eq(&[1, 2, 3]));
}

#[test]
fn asking_for_a_descriptor_gives_no_room_away() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.grow(6).unwrap();
    let _ = set.descriptor(7);
    assert_eq!(set.capacity(), 6);
    set.push(1).unwrap();
    let _ = set.descriptor(7);
    assert_eq!(set.capacity(), 6);
}
