//! Any memory, any head: the walk, and whatever can be done with what it found.

use core::fmt::{self, Write};

use kho_block::zerocopy::FromBytes;
use kho_block::{BlockHeader, HEADER_SIZE, IncomingSet, PhysAddr, RestoreChecks, scan};

use crate::Record;
use crate::arena::{Arena, BLOCKS, addr_of, index_of};
use crate::image::{Image, Walk, damage};
use crate::input::Input;

type Set<'a, T, const SIZE: usize> = IncomingSet<T, &'a Arena<SIZE>, SIZE>;

/// The target: eight bytes that say what to do, the head, and memory from the first block on.
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
    salvaged::<T, SIZE>(arena, &image, head);
    scanned::<T, SIZE>(&image, head);
    // What is damaged is worked with as far as it is sound.
    let whole = restored(arena, &image, head, checks);
    let sound = whole.is_some();
    let (mut set, mut walk) = whole.unwrap_or_else(|| salvaged(arena, &image, head));
    if !sound && walk.blocks.is_empty() {
        return;
    }

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
        (set, walk) = if sound {
            restored(arena, &image, head, checks).expect("a released chain is whole")
        } else {
            salvaged(arena, &image, head)
        };
    }
    if pops & 0x80 != 0 {
        assert_eq!(set.swap_remove(place.into()), walk.swap_remove(place.into()));
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
    if end & 0x20 != 0 {
        // What is dropped is found again, as it was left.
        let head = PhysAddr::to_wire(set.first_block());
        drop(set);
        assert_eq!(arena.lent(), 0, "a set that is dropped gives its claims back");
        let again;
        (set, again) = salvaged(arena, &arena.image(), head);
        assert_eq!((&again.entries, &again.blocks), (&walk.entries, &walk.blocks));
        assert!(again.damage.is_none() || walk.damage.is_some(), "nothing was damaged since");
    }
    set.destroy();
    assert_eq!((set.len(), set.capacity(), set.first_block()), (0, 0, None));
    assert_eq!(arena.lent(), 0, "destroying frees every block");
}

/// Restores the chain at `head`, which is as [`Image::walk`] has it; `None` if that is damaged.
pub(crate) fn restored<'a, T: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    image: &Image<SIZE>,
    head: u64,
    checks: RestoreChecks,
) -> Option<(Set<'a, T, SIZE>, Walk<T>)> {
    let set = Set::<T, SIZE>::restore_with(arena, PhysAddr::new(head), checks);
    let walk = image.walk(head, checks, false);
    assert_eq!(set.as_ref().err().copied().map(damage), walk.damage);
    let Ok(set) = set else {
        assert_eq!(arena.lent(), 0, "a failed restore gives every claim back");
        assert!(arena.image() == *image, "a failed restore writes nothing");
        return None;
    };
    Some((set, walk))
}

/// Salvages the chain at `head`, which is as [`Image::walk`] has it.
pub(crate) fn salvaged<'a, T: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    image: &Image<SIZE>,
    head: u64,
) -> (Set<'a, T, SIZE>, Walk<T>) {
    let (set, error) = Set::<T, SIZE>::salvage(arena, PhysAddr::new(head));
    let walk = image.walk(head, RestoreChecks::empty(), false);
    assert_eq!(error.map(damage), walk.damage);
    assert_eq!(arena.lent(), walk.blocks.len(), "the claim on what is damaged is given back");
    assert!(set.iter().eq(&walk.entries), "all that is sound");
    assert!(arena.image() == *image, "a salvage writes nothing");
    (set, walk)
}

/// Scans the chain at `head`, which is as [`Image::walk`] has it.
fn scanned<T: Record, const SIZE: usize>(image: &Image<SIZE>, head: u64) {
    let walk = image.walk::<T>(head, RestoreChecks::empty(), false);
    let mut reads = 0;
    let mut scan = scan(PhysAddr::new(head), Set::<T, SIZE>::LAYOUT, |addr| {
        reads += 1;
        let block = image.blocks[index_of::<SIZE>(addr.get())?]?;
        BlockHeader::read_from_prefix(&block).ok().map(|(header, _)| header)
    });
    for (number, &(block, count)) in walk.blocks.iter().enumerate() {
        let found = scan.next().expect("as many blocks").expect("a sound block");
        let addr = addr_of::<SIZE>(block);
        assert_eq!((found.number, found.addr.get(), found.count), (number, addr, count));
    }
    assert_eq!(scan.next().map(|end| damage(end.expect_err("damage, or the end"))), walk.damage);
    assert!(scan.next().is_none(), "it ends after an error, and after the last block");
    // The links alone are followed further, past a block whose count is damaged.
    assert!(reads <= 7 * (BLOCKS + 1), "{reads} reads of {BLOCKS} blocks");
}

/// Reads everything in every way, and compares it with the walk.
pub(crate) fn compare<T: Record, const SIZE: usize>(set: &Set<'_, T, SIZE>, walk: &Walk<T>) {
    let capacity = Set::<T, SIZE>::CAPACITY_PER_BLOCK;
    assert_eq!(set.block_count(), walk.blocks.len());
    assert_eq!(set.capacity(), walk.blocks.len() * capacity);
    let addrs = walk.blocks.iter().map(|&(b, _)| addr_of::<SIZE>(b));
    assert_eq!(set.first_block().map(PhysAddr::get), addrs.clone().next());
    assert!(set.block_addrs().map(PhysAddr::get).eq(addrs.clone()));
    assert!(set.block_addrs().rev().map(PhysAddr::get).eq(addrs.rev()));
    crate::entries::compare(set, &walk.entries);

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
    let printed = write!(Nowhere, "{set:?}{}{:?}", set.dump(), set.block_addrs());
    assert!(printed.is_ok());
    let printed = write!(Nowhere, "{:?}{:?}{:?}", set.blocks(), set.iter(), set.cursor());
    assert!(printed.is_ok());
}
