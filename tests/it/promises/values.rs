//! The small values: addresses, errors that become others, and what there is by default.

use core::num::NonZeroU64;

use kho_block::mock::Mock;
use kho_block::{BlockSet, GrowError, Link, OutgoingSlots, PhysAddr};

#[test]
fn an_address_is_any_number_but_zero_and_stays_that_number() {
    assert_eq!(PhysAddr::new(0), None);
    assert_eq!(PhysAddr::to_wire(None), 0);
    for number in [1, 0x2000, 1 << 32, u64::MAX] {
        let addr = PhysAddr::new(number).unwrap();
        let non_zero = NonZeroU64::new(number).unwrap();
        assert_eq!(
            (addr.get(), u64::from(addr), PhysAddr::to_wire(Some(addr))),
            (number, number, number)
        );
        assert_eq!((NonZeroU64::from(addr), PhysAddr::from(non_zero)), (non_zero, addr));
    }
}

#[test]
fn an_address_is_aligned_to_what_divides_it() {
    let addr = PhysAddr::new(0x6000).unwrap();
    assert!([1, 2, 3, 0x1000, 0x2000, 0x6000].into_iter().all(|align| addr.is_aligned_to(align)));
    assert!(![0, 5, 0x4000, 0xc000, u64::MAX].into_iter().any(|align| addr.is_aligned_to(align)));
}

#[test]
fn an_address_does_not_leave_the_address_space() {
    let last = PhysAddr::new(u64::MAX).unwrap();
    let addr = PhysAddr::new(u64::MAX - 7).unwrap();
    assert_eq!((addr.checked_add(0), addr.checked_add(7)), (Some(addr), Some(last)));
    assert_eq!((addr.checked_add(8), last.checked_add(u64::MAX)), (None, None));
}

#[test]
fn a_set_is_by_default_a_new_one_with_an_allocator_of_its_own() {
    let mut set = BlockSet::<u64, Mock>::default();
    assert_eq!((set.len(), set.block_count(), set.head()), (0, 0, None));
    set.push(7).unwrap();
    assert!(set.iter().eq(&[7]));
}

#[test]
fn a_failed_push_passes_for_a_failed_grow() {
    let mem = Mock::refusing(0);
    let mut set = BlockSet::<u64, _>::new(&mem);
    let grow = |set: &mut BlockSet<_, _>| Ok::<(), GrowError>(set.push(7)?);
    assert_eq!(grow(&mut set), set.grow(1));
    mem.refuse_none();
    assert_eq!(grow(&mut set), Ok(()));
}

#[test]
fn a_link_is_the_head_and_the_number_of_entries() {
    let mem = Mock::new();
    let link = |entries: &[u64]| {
        let mut set = BlockSet::<u64, _>::new(&mem);
        set.extend_from_slice(entries).unwrap();
        set.seal().into_link()
    };
    let links: [Link<u64>; 3] = [link(&[1, 2]), link(&[1, 2]), link(&[])];
    for (link, len) in links.iter().zip([2, 2, 0]) {
        assert_eq!((link.len(), link.is_empty(), link.head().is_some()), (len, len == 0, len > 0));
        #[expect(clippy::clone_on_copy, reason = "it is what is tried")]
        let same = link.clone();
        assert_eq!(same, *link);
    }
    assert_ne!(links[0], links[1], "in other blocks");
    assert_eq!(links[2], Link::EMPTY);
    assert_eq!(format!("{:?}", links[2]), "Link { head: None, len: 0 }");
}

#[test]
fn an_empty_link_is_the_default() {
    assert_eq!(Link::<u64>::default(), Link::EMPTY);
}

#[test]
fn a_table_over_an_allocator_of_its_own_starts_empty() {
    let table = OutgoingSlots::<u64, Mock, 64>::default();
    assert_eq!((table.len(), table.slot_count(), table.block_count()), (0, 0, 0));
}
