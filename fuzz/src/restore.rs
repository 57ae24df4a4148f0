//! Any memory, any head: the walk, and whatever can be done with what it found.

use core::fmt::{self, Write};

use kho_block::{HEADER_SIZE, IncomingSet, PhysAddr, RestoreChecks};

use crate::Record;
use crate::arena::{Arena, addr_of};
use crate::image::{Image, Walk, damage};
use crate::input::Input;

type Set<'a, T, const SIZE: usize> = IncomingSet<T, &'a Arena<SIZE>, SIZE>;

/// The target: 15 bytes that say what to do, the head, and memory from the first block on.
pub(crate) fn run<T: Record, const SIZE: usize>(arena: &Arena<SIZE>, mut input: Input<'_>) {
    let checks = RestoreChecks::from_bits_truncate(input.byte().into());
    let [end, pops, len, shrink, place] = input.bytes();
    let preserved = u16::from_ne_bytes(input.bytes());
    let head = u64::from_ne_bytes(input.bytes());

    let mut image = Image::empty();
    for (index, block) in image.blocks.iter_mut().enumerate() {
        let bytes = input.bytes();
        if preserved >> index & 1 == 1 {
            *block = Some(bytes);
        }
    }
    arena.reset(0);
    arena.leave(&image);
    let Some((mut set, mut walk)) = restored(arena, &image, head, checks) else { return };

    compare(&set, &walk);
    step::<T, SIZE>(&set, &walk, place.into());
    if end & 0x80 != 0 {
        print(&set);
    }
    if end & 0x40 != 0 {
        assert_eq!(set.release(), PhysAddr::new(head));
        assert!(
            arena.lent() == 0 && arena.image() == image,
            "a restore and a release write nothing"
        );
        (set, walk) = restored(arena, &image, head, checks).expect("a released chain is whole");
    }
    for _ in 0..pops % 8 {
        assert_eq!(set.pop(), walk.pop());
    }
    set.truncate(len.into());
    while walk.entries.len() > len.into() {
        walk.pop();
    }
    set.shrink(shrink.into());
    let wanted = usize::from(shrink).div_ceil(Set::<T, SIZE>::CAPACITY_PER_BLOCK);
    walk.blocks.truncate(wanted.max(walk.blocks_in_use()));
    compare(&set, &walk);

    if end & 1 == 1 {
        set.clear();
        walk.entries.clear();
        walk.blocks.iter_mut().for_each(|(_, count)| *count = 0);
        compare(&set, &walk);
    }
    set.destroy();
    assert_eq!((set.len(), set.capacity(), set.head()), (0, 0, None));
    assert_eq!(arena.lent(), 0, "destroying frees every block");
}

/// Restores the chain at `head`, which is as [`Image::walk`] has it.
pub(crate) fn restored<'a, T: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    image: &Image<SIZE>,
    head: u64,
    checks: RestoreChecks,
) -> Option<(Set<'a, T, SIZE>, Walk<T>)> {
    let set = Set::<T, SIZE>::restore_with(arena, PhysAddr::new(head), checks);
    match (set, image.walk(head, checks)) {
        (Ok(set), Ok(walk)) => Some((set, walk)),
        (Err(error), Err(expected)) => {
            assert_eq!(damage(error), expected);
            assert_eq!(arena.lent(), 0, "a failed restore gives every claim back");
            assert!(arena.image() == *image, "a failed restore writes nothing");
            None
        }
        (Ok(_), Err(expected)) => panic!("damage was overlooked: {expected:?}"),
        (Err(error), Ok(_)) => panic!("a sound chain was refused: {error}"),
    }
}

/// Reads everything in every way, and compares it with the walk.
pub(crate) fn compare<T: Record, const SIZE: usize>(set: &Set<'_, T, SIZE>, walk: &Walk<T>) {
    let capacity = Set::<T, SIZE>::CAPACITY_PER_BLOCK;
    assert_eq!(set.block_count(), walk.blocks.len());
    assert_eq!(set.capacity(), walk.blocks.len() * capacity);
    assert_eq!(
        set.head().map(PhysAddr::get),
        walk.blocks.first().map(|&(b, _)| addr_of::<SIZE>(b))
    );
    crate::operations::compare(set, &walk.entries);

    let places = walk.blocks.iter().flat_map(|&(b, count)| (0..count).map(move |slot| (b, slot)));
    for (index, (block, slot)) in places.enumerate() {
        let addr = addr_of::<SIZE>(block) + (HEADER_SIZE + slot * size_of::<T>()) as u64;
        assert_eq!(set.phys_addr(index).map(PhysAddr::get), Some(addr));
    }
    let counts = walk.blocks.iter().map(|&(_, count)| count);
    assert!(set.blocks().map(<[T]>::len).eq(counts.clone()));
    assert!(set.blocks().rev().map(<[T]>::len).eq(counts.rev()));
}

/// Leaps into the middle, and goes on from there in both directions.
fn step<T: Record, const SIZE: usize>(set: &Set<'_, T, SIZE>, walk: &Walk<T>, place: usize) {
    let entries = &walk.entries[..];
    let mut cursor = set.cursor();
    assert_eq!(cursor.seek(place), place <= entries.len());
    let place = place.min(entries.len()) * usize::from(place <= entries.len());
    let (before, after) = entries.split_at(place);
    assert_eq!((cursor.position(), cursor.len()), (before.len(), after.len()));
    assert_eq!((cursor.peek_prev(), cursor.peek_next()), (before.last(), after.first()));
    assert!(cursor.clone().eq(after));
    for entry in before.iter().rev() {
        assert_eq!(cursor.prev(), Some(entry));
    }
    assert_eq!(cursor.prev(), None);

    let (mut forward, mut backward) = (set.iter(), set.iter());
    let (mut list_forward, mut list_backward) = (entries.iter(), entries.iter());
    assert_eq!(forward.nth(place), list_forward.nth(place));
    assert_eq!(forward.next_back(), list_forward.next_back());
    assert!(forward.eq(list_forward));
    assert_eq!(backward.nth_back(place), list_backward.nth_back(place));
    assert_eq!(backward.next(), list_backward.next());
    assert!(backward.rev().eq(list_backward.rev()));
}

/// Prints everything that can be printed, to nowhere.
fn print<T: Record, const SIZE: usize>(set: &Set<'_, T, SIZE>) {
    struct Nowhere;
    impl Write for Nowhere {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Ok(())
        }
    }
    let printed = write!(Nowhere, "{set:?}{}{:?}{:?}", set.dump(), set.iter(), set.cursor());
    assert!(printed.is_ok());
}
