//! Everything that can be read from a set, against the list.

use core::fmt::Debug;

use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{
    BlockSet, Descriptor, DescriptorFlags, HEADER_SIZE, Incoming, Origin, Outgoing, PhysAddr,
};

use super::list::{Model, Sample};
use super::plan::{Finish, Move, Step};

/// What the entries are, in a descriptor.
pub(super) const TAG: u64 = 0x7461_6700;

/// The descriptor of a chain that starts at `head`, of which nothing is promised but the sizes.
pub(super) fn promise<T, const B: usize>(head: Option<PhysAddr>) -> Descriptor {
    Descriptor {
        magic: Descriptor::MAGIC,
        version: Descriptor::VERSION,
        flags: 0,
        entry_size: u32::try_from(size_of::<T>()).unwrap(),
        block_size: u32::try_from(B).unwrap(),
        head: PhysAddr::to_wire(head),
        entries: 0,
        tag: TAG,
    }
}

/// Compares two iterators step by step, and to their ends.
pub(crate) fn read<I, J>(mut ours: I, mut lists: J, steps: &[Step], finish: Finish, capacity: usize)
where
    I: DoubleEndedIterator<Item = J::Item> + ExactSizeIterator,
    J: DoubleEndedIterator + ExactSizeIterator,
    J::Item: PartialEq + Debug,
{
    for step in steps {
        let left = lists.len();
        match step {
            Step::Next => assert_eq!(ours.next(), lists.next()),
            Step::NextBack => assert_eq!(ours.next_back(), lists.next_back()),
            Step::Nth(at) => {
                let n = at.of(left, capacity);
                assert_eq!(ours.nth(n), lists.nth(n));
            }
            Step::NthBack(at) => {
                let n = at.of(left, capacity);
                assert_eq!(ours.nth_back(n), lists.nth_back(n));
            }
        }
        assert_eq!(ours.len(), lists.len());
        assert_eq!(ours.size_hint(), lists.size_hint());
    }
    let collect = |mut all: Vec<J::Item>, item| {
        all.push(item);
        all
    };
    match finish {
        Finish::Drain => {
            assert!(ours.by_ref().eq(lists));
            assert_eq!((ours.next(), ours.next_back(), ours.len()), (None, None, 0));
        }
        Finish::Count => assert_eq!(ours.count(), lists.len()),
        Finish::Last => assert_eq!(ours.last(), lists.next_back()),
        Finish::Fold => {
            assert_eq!(ours.fold(Vec::new(), collect), lists.fold(Vec::new(), collect));
        }
        Finish::Rfold => {
            assert_eq!(ours.rfold(Vec::new(), collect), lists.rfold(Vec::new(), collect));
        }
        Finish::Rev => assert!(ours.rev().eq(lists.rev())),
    }
}

/// Moves a cursor about, and with it an index into the list.
pub(super) fn walk<T: Sample, O: Origin, const B: usize>(
    set: &BlockSet<T, &Mock, O, B>,
    model: &Model<T>,
    back: bool,
    moves: &[Move],
) {
    let list = &model.entries;
    let mut cursor = if back { set.cursor_back() } else { set.cursor() };
    let mut position = if back { list.len() } else { 0 };
    for step in moves {
        match step {
            Move::Next => {
                assert_eq!(cursor.next(), list.get(position));
                position = list.len().min(position + 1);
            }
            Move::Prev => {
                assert_eq!(cursor.prev(), position.checked_sub(1).map(|before| &list[before]));
                position = position.saturating_sub(1);
            }
            Move::Seek(at) => {
                let to = at.of(list.len(), model.capacity);
                assert_eq!(cursor.seek(to), to <= list.len(), "seek to {to}");
                position = if to <= list.len() { to } else { position };
            }
            Move::Nth(at) => {
                let n = at.of(list.len() - position, model.capacity);
                assert_eq!(cursor.nth(n), list.get(position + n), "nth {n}");
                position = list.len().min(position + n + 1);
            }
        }
        assert_eq!(cursor.position(), position);
        assert_eq!(cursor.len(), list.len() - position);
        assert_eq!(cursor.peek_next(), list.get(position));
        assert_eq!(cursor.peek_prev(), list[..position].last());
    }
    assert!(cursor.clone().eq(&list[position..]));
    assert!(core::iter::from_fn(|| cursor.prev()).eq(list[..position].iter().rev()));
    assert_eq!((cursor.position(), cursor.prev()), (0, None));
}

/// What the descriptor of a set promises of its chain while the set is in use.
pub(super) trait Promising: Origin {
    const PROMISED: DescriptorFlags;
}

impl Promising for Outgoing {
    const PROMISED: DescriptorFlags =
        DescriptorFlags::DENSE.union(DescriptorFlags::NO_EMPTY_BLOCKS);
}

impl Promising for Incoming {
    const PROMISED: DescriptorFlags = DescriptorFlags::empty();
}

/// Compares everything that can be read from a set.
pub(super) fn check<T: Sample, O: Promising, const B: usize>(
    set: &BlockSet<T, &Mock, O, B>,
    model: &Model<T>,
) {
    set.audit().unwrap();
    let len = model.entries.len();
    assert_eq!((set.len(), set.is_empty()), (len, len == 0));
    assert_eq!(set.block_count(), model.counts.len());
    assert_eq!(set.capacity(), model.counts.len() * model.capacity);
    assert_eq!(set.first_block().is_some(), !model.counts.is_empty());
    assert_eq!(set.head(), set.first_block().filter(|_| len > 0));
    assert_eq!((set.first(), set.last()), (model.entries.first(), model.entries.last()));
    assert!(set.iter().eq(&model.entries));
    assert!(set.blocks().eq(model.blocks()));
    assert!(set.blocks().rev().eq(model.blocks().into_iter().rev()));

    let addrs: Vec<_> = set.block_addrs().collect();
    assert_eq!((addrs.len(), addrs.first().copied()), (model.counts.len(), set.first_block()));
    assert!(set.block_addrs().rev().eq(addrs.iter().rev().copied()));
    let mut firsts = 0;
    for (addr, count) in addrs.iter().zip(&model.counts).filter(|(_, count)| **count > 0) {
        assert_eq!(set.phys_addr(firsts), addr.checked_add(u64::try_from(HEADER_SIZE).unwrap()));
        firsts += count;
    }
    let flags = O::PROMISED.bits();
    let promised = Descriptor { flags, ..promise::<T, B>(set.first_block()) };
    assert_eq!(set.descriptor(TAG), promised);

    let starts = model.counts.iter().scan(0, |start, count| {
        *start += count;
        Some(*start)
    });
    let edges = starts.flat_map(|start: usize| [start.saturating_sub(1), start, start + 1]);
    for index in edges.chain([0, 1, usize::MAX]) {
        assert_eq!(set.get(index), model.entries.get(index));
        let ptr = set.entry_ptr(index).map(|ptr| ptr.as_ptr().cast_const());
        assert_eq!(ptr, set.get(index).map(core::ptr::from_ref));
        let offset = model.slot(index).map(|slot| HEADER_SIZE + slot * size_of::<T>());
        let addr = set.phys_addr(index).map(PhysAddr::get);
        let size = u64::try_from(B).unwrap();
        assert_eq!(addr.map(|addr| usize::try_from(addr % size).unwrap()), offset);
    }
}

/// Follows the chain from `head` in memory, and compares every byte of it. Slots that were in use
/// once are zero; the bytes behind them are `rest`. The last block links to `end`.
pub(super) fn check_bytes<T: Sample, const B: usize>(
    mem: &mut Mock,
    head: Option<PhysAddr>,
    model: &Model<T>,
    rest: u8,
    end: u64,
) {
    assert_eq!(model.used.len(), model.counts.len());
    let mut next = PhysAddr::to_wire(head);
    for (entries, &used) in model.blocks().into_iter().zip(&model.used) {
        let bytes = mem.read(next, B);
        let mut expected = vec![rest; B];
        let (slots, _) = expected[HEADER_SIZE..].split_at_mut(used * size_of::<T>());
        let (in_use, removed) = slots.split_at_mut(size_of_val(entries));
        in_use.copy_from_slice(entries.as_bytes());
        removed.fill(0);
        assert_eq!(bytes[HEADER_SIZE..], expected[HEADER_SIZE..]);

        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(usize::try_from(word(8)).unwrap(), entries.len());
        next = word(0);
    }
    assert_eq!(next, end, "the link of the last block");
}
