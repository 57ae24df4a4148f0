//! A pointer to an entry: good for as long as the entry stays, whatever happens to the others.
//!
//! Under Miri this shows that no other operation makes a reference to an entry that is not its own.

use core::ptr::NonNull;

use kho_block::mock::Mock;
use kho_block::{
    AdoptErrorKind, BlockSet, Descriptor, DescriptorFlags, IncomingSet, Origin, OutgoingSet,
    PhysAddr, RestoreChecks, SharedBlockSet,
};

use crate::device::{TURNS, count, while_it_counts};

/// Two entries to a block.
type Set<'m> = OutgoingSet<u64, &'m Mock, 32>;

/// Six entries to a block: others come and go in the one that is written through a pointer.
type Wide<'m> = OutgoingSet<u64, &'m Mock, 64>;
type Taken<'m> = IncomingSet<u64, &'m Mock, 64>;

#[test]
fn it_stays_good_while_others_are_pushed_popped_swapped_and_changed() {
    let mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[10, 20, 30]).unwrap();
    let [first, third] = [0, 2].map(|index| set.entry_ptr(index).unwrap());
    let mut turns = 0;
    let mut turn = |set: &Set<'_>| {
        assert_eq!((count(first), count(third)), (10 + turns, 30 + turns));
        turns += 1;
        assert_eq!((set.entry_ptr(0), set.entry_ptr(2)), (Some(first), Some(third)));
    };
    turn(&set);
    set.push(40).unwrap();
    turn(&set);
    set.grow(20).unwrap();
    turn(&set);
    set.extend_from_slice(&[50, 60, 70]).unwrap();
    turn(&set);
    set.try_extend([80, 90]).unwrap();
    turn(&set);
    let mut writer = set.writer();
    writer.push(100).unwrap();
    *writer.push_zeroed().unwrap() = 110;
    writer.extend_from_slice(&[120, 130]).unwrap();
    assert_eq!((writer.extend([140]), writer.pop()), (1, Some(140)));
    turn(&set);
    assert_eq!((set.pop(), set.get(1), set.last()), (Some(130), Some(&20), Some(&120)));
    turn(&set);
    *set.get_mut(1).unwrap() = 21;
    *set.last_mut().unwrap() = 121;
    turn(&set);
    // Each other one may go, and the last one comes in its place: beside the first, and the third.
    assert_eq!((set.swap_remove(1), set.swap_remove(3)), (Some(21), Some(40)));
    turn(&set);
    assert_eq!((set.get(1), set.get(3)), (Some(&121), Some(&110)));
    set.truncate(3);
    turn(&set);
    set.shrink(0);
    turn(&set);
    assert_eq!((set.phys_addr(2), set.first_block().is_some()), (set.phys_addr(2), true));
    let sealed = set.seal();
    turn(&sealed);
    let set = sealed.unseal();
    turn(&set);
    set.audit().unwrap();
    assert_eq!(turns, 13);
    assert!(set.iter().eq(&[10 + turns, 121, 30 + turns]));
}

/// All that can be asked of a set, and of entry 1, without a look at entry 0.
fn ask<O: Origin>(set: &BlockSet<u64, &Mock, O, 64>, second: u64) {
    assert_eq!((set.get(1), set.is_empty()), (Some(&second), false));
    assert_eq!(set.phys_addr(0), set.first_block().unwrap().checked_add(16));
    assert_eq!((set.head(), set.descriptor(7).head()), (set.first_block(), set.head()));
    assert_eq!(set.capacity(), set.block_count() * 6);
    assert_eq!(
        (set.block_addrs().next(), set.block_addrs().len()),
        (set.head(), set.block_count())
    );
    assert_eq!(set.allocator().faults(), []);
    assert!(format!("{set:?}").starts_with("BlockSet"));
}

/// All that can be done in a set whose entries, but for the first one, are 20 and 30, to other entries
/// than that, beside it in its block and in other blocks. They are 20 and 30 again then.
fn work_beside_the_first<'m>(mem: &'m Mock, mut set: Wide<'m>) -> Wide<'m> {
    ask(&set, 20);
    set.grow(12).unwrap();
    let mut writer = set.writer();
    writer.push(40).unwrap();
    *writer.push_zeroed().unwrap() = 50;
    writer.extend_from_slice(&[60]).unwrap();
    assert_eq!((writer.extend([70, 80]), writer.available()), (2, 4));
    // Back into the first block.
    assert_eq!([(); 3].map(|()| writer.pop()), [Some(80), Some(70), Some(60)]);
    assert_eq!(writer.extend([60]), 1);
    set.extend_from_slice(&[70]).unwrap();
    set.try_extend([80, 90]).unwrap();
    ask(&set, 20);
    assert_eq!((set.pop(), set.last()), (Some(90), Some(&80)));
    *set.get_mut(1).unwrap() += 1;
    *set.last_mut().unwrap() += 1;
    assert_eq!((set.swap_remove(2), set.swap_remove(1)), (Some(30), Some(21)));
    assert_eq!((set.pop(), set.get(1), set.get(2)), (Some(60), Some(&70), Some(&81)));

    // What fails, halfway, gives back what it has done.
    mem.refuse_after(1);
    assert_eq!(set.grow(30).unwrap_err().obtained, 1);
    set.extend_from_slice(&[0; 20]).unwrap_err();
    assert_eq!(set.try_extend(0..20).unwrap_err().entry, 7);
    assert_eq!(set.push(1).unwrap_err().entry, 1);
    assert_eq!(set.writer().push(2).unwrap_err().entry, 2);
    assert_eq!(set.writer().extend_from_slice(&[3]).unwrap_err().available, 0);
    mem.refuse_none();
    set.truncate(5);
    assert_eq!((set.get(1), set.block_count()), (Some(&70), 2));

    // A set of the same allocator comes and goes, and this one goes through many hands.
    set.shrink(0);
    let mut other = Wide::new(mem);
    other.extend_from_slice(&[1; 10]).unwrap();
    other.destroy();
    let shared = SharedBlockSet::new(set);
    shared.write().push(5).unwrap();
    assert_eq!(shared.read().get(1), Some(&70));
    assert_eq!(shared.write().pop(), Some(5));
    let mut boxed = Box::new(shared.into_inner());
    core::mem::swap(&mut *boxed, &mut other);
    let sealed = other.take().seal();
    ask(&sealed, 70);
    assert_eq!((sealed.descriptor(7).entries, sealed.link().len()), (5, 5));
    let mut set = sealed.unseal();

    set.truncate(1);
    set.extend_from_slice(&[20, 30]).unwrap();
    set
}

#[test]
fn a_device_may_write_through_it_while_other_entries_are_worked_on() {
    let mem = Mock::new();
    let mut set = Wide::new(&mem);
    set.extend_from_slice(&[0, 20, 30]).unwrap();
    let first = set.entry_ptr(0).unwrap();
    let (times, set) =
        while_it_counts(first, || (0..TURNS).fold(set, |set, _| work_beside_the_first(&mem, set)));
    assert!(set.iter().eq(&[times, 20, 30]), "no count is lost");
    assert_eq!(set.entry_ptr(0), Some(first));
    set.audit().unwrap();
}

/// What the previous kernel left: entries in five blocks, a number that a device counts in the first.
fn left() -> (Mock, NonNull<u64>, Option<PhysAddr>) {
    let mut mem = Mock::new();
    let mut set = Wide::new(&mem);
    set.extend_from_slice(&[0, 20, 30]).unwrap();
    set.extend_from_slice(&[40; 25]).unwrap();
    let first = set.entry_ptr(0).unwrap();
    let head = set.into_head();
    mem.reboot();
    (mem, first, head)
}

#[test]
fn a_device_that_is_not_stopped_for_the_jump_may_write_while_its_set_is_restored() {
    let (mem, first, head) = left();
    let (times, set) = while_it_counts(first, || {
        let set = Taken::restore(&mem, head).unwrap();
        let root = set.descriptor(7);
        assert_eq!(set.release(), head);
        let set = Taken::restore_with(&mem, head, RestoreChecks::all()).unwrap();
        assert_eq!(set.release(), head);
        let set = Taken::restore_from(&mem, &root, 7).unwrap();
        assert_eq!(set.release(), head);
        // Given back when all of it has been walked.
        let flags = DescriptorFlags::COUNTED.bits();
        let wrong = Descriptor { flags, entries: 29, ..root };
        Taken::restore_from(&mem, &wrong, 7).unwrap_err();
        Taken::salvage(&mem, head).0
    });
    assert!(set.iter().take(3).eq(&[times, 20, 30]), "no count is lost");
    assert_eq!((set.entry_ptr(0), set.len()), (Some(first), 28));
    set.audit().unwrap();
}

#[test]
fn a_device_may_write_through_it_while_its_set_is_cut_and_carried_on() {
    let (mem, first, head) = left();
    let mut set = Taken::restore(&mem, head).unwrap();
    let (times, set) = while_it_counts(first, || {
        ask(&set, 20);
        assert_eq!((set.pop(), set.swap_remove(2)), (Some(40), Some(30)));
        *set.get_mut(2).unwrap() = 30;
        *set.last_mut().unwrap() += 1;
        assert_eq!((set.last(), set.len()), (Some(&41), 26));
        set.truncate(19);
        set.shrink(0);
        assert_eq!((set.entry_ptr(0), set.block_count()), (Some(first), 4));

        mem.refuse_preserve_after(1);
        let (set, kind) = set.adopt().unwrap_err().into_parts();
        assert_eq!(kind, AdoptErrorKind::Refused { block: 1 });
        mem.refuse_none();
        let mut set = set.adopt().unwrap();
        set.truncate(3);
        set.shrink(0);
        work_beside_the_first(&mem, set)
    });
    assert!(set.iter().eq(&[times, 20, 30]), "no count is lost");
    assert_eq!(set.entry_ptr(0), Some(first));
    set.audit().unwrap();
}

#[test]
fn it_is_where_the_entry_is_and_where_the_next_kernel_finds_it() {
    let mut mem = Mock::new();
    let mut set = Set::new(&mem);
    set.extend_from_slice(&[10, 20, 30, 40, 50]).unwrap();
    set.grow(10).unwrap();
    for index in 0..5 {
        let entry = set.entry_ptr(index).unwrap();
        assert_eq!(entry.as_ptr().cast_const(), core::ptr::from_ref(set.get(index).unwrap()));
        count(entry);
    }
    for index in [5, 6, 10, usize::MAX] {
        assert_eq!(set.entry_ptr(index), None, "{index}: a slot without an entry");
    }
    let head = set.into_head();
    mem.reboot();
    let mut set = IncomingSet::<u64, _, 32>::restore(&mem, head).unwrap();
    assert!(set.iter().eq(&[11, 21, 31, 41, 51]));
    let [second, last] = [1, 4].map(|index| set.entry_ptr(index).unwrap());
    assert_eq!((count(second), count(last)), (21, 51));
    assert_eq!((set.swap_remove(0), set.entry_ptr(4)), (Some(11), None));
    assert_eq!((count(second), set.get(0), set.get(1)), (22, Some(&52), Some(&23)));
    set.destroy();
    mem.assert_clean();
}
