//! A pointer to an entry: good for as long as the entry stays, whatever happens to the others.
//!
//! Unsafe is open here to read and write through such pointers. Under Miri this shows that no other
//! operation makes a reference to an entry that is not its own.

#![expect(unsafe_code, reason = "reads and writes through `entry_ptr`")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kho_block::mock::Mock;
use kho_block::{IncomingSet, OutgoingSet};

/// Two entries to a block.
type Set<'m> = OutgoingSet<u64, &'m Mock, 32>;

/// Six entries to a block: others come and go in the one that is written through a pointer.
type Wide<'m> = OutgoingSet<u64, &'m Mock, 64>;

/// Counts one more in an entry, as a device or another CPU does, and says what it was.
fn count(entry: NonNull<u64>) -> u64 {
    // SAFETY: `entry_ptr` lent the pointer, which is aligned, and its entry is still in its set. No
    // one else uses it meanwhile.
    let entry = unsafe { AtomicU64::from_ptr(entry.as_ptr()) };
    entry.fetch_add(1, Ordering::Relaxed)
}

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

#[test]
fn it_may_be_written_through_while_other_entries_are_worked_on() {
    let mem = Mock::new();
    let mut set = Wide::new(&mem);
    set.extend_from_slice(&[0, 20, 30]).unwrap();
    let first = set.entry_ptr(0).unwrap();
    // SAFETY: aligned, and its entry stays; nothing but this counts in it.
    let counter = unsafe { AtomicU64::from_ptr(first.as_ptr()) };
    let (begun, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                counter.fetch_add(1, Ordering::Relaxed);
                begun.store(true, Ordering::Relaxed);
            }
        });
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        for turn in 0..30 {
            set.push(40).unwrap();
            set.extend_from_slice(&[50, 60]).unwrap();
            set.try_extend([70]).unwrap();
            assert_eq!((set.get(1), set.last()), (Some(&20), Some(&70)));
            assert_eq!((set.pop(), set.writer().pop()), (Some(70), Some(60)));
            *set.get_mut(1).unwrap() = 20;
            assert_eq!(set.swap_remove(2), Some(if turn == 0 { 30 } else { 50 }));
            set.truncate(2);
            set.push(50).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(set.get(0).is_some_and(|&count| count > 0));
    assert!(set.iter().skip(1).eq(&[20, 50]));
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
