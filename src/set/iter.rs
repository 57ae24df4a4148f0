//! Iterators over the entries, and over the blocks that hold them.

#![forbid(unsafe_code)]

use core::iter::FusedIterator;
use core::slice;

use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::block::Block;
use crate::chain::entry::Entry;

/// The entries of each block as a slice; see [`BlockSet::blocks`](crate::BlockSet::blocks).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Blocks<'a, T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE>(
    slice::Iter<'a, Block<T, BLOCK_SIZE>>,
);

/// The entries of each block as a mutable slice; see
/// [`BlockSet::blocks_mut`](crate::BlockSet::blocks_mut).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct BlocksMut<'a, T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE>(
    slice::IterMut<'a, Block<T, BLOCK_SIZE>>,
);

/// The entries of a set; see [`BlockSet::iter`](crate::BlockSet::iter).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Iter<'a, T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE>(
    Flat<Blocks<'a, T, BLOCK_SIZE>, slice::Iter<'a, T>>,
);

/// The entries of a set, mutable; see [`BlockSet::iter_mut`](crate::BlockSet::iter_mut).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct IterMut<'a, T, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE>(
    Flat<BlocksMut<'a, T, BLOCK_SIZE>, slice::IterMut<'a, T>>,
);

impl<'a, T, const BLOCK_SIZE: usize> Blocks<'a, T, BLOCK_SIZE> {
    pub(crate) fn new(blocks: &'a [Block<T, BLOCK_SIZE>]) -> Self {
        Self(blocks.iter())
    }
}

impl<'a, T, const BLOCK_SIZE: usize> BlocksMut<'a, T, BLOCK_SIZE> {
    pub(crate) fn new(blocks: &'a mut [Block<T, BLOCK_SIZE>]) -> Self {
        Self(blocks.iter_mut())
    }
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> Iter<'a, T, BLOCK_SIZE> {
    /// The `len` entries of `blocks`.
    pub(crate) fn new(blocks: Blocks<'a, T, BLOCK_SIZE>, len: usize) -> Self {
        Self(Flat { front: [].iter(), blocks, unopened: len, back: [].iter() })
    }
}

impl<'a, T: Entry, const BLOCK_SIZE: usize> IterMut<'a, T, BLOCK_SIZE> {
    /// The `len` entries of `blocks`.
    pub(crate) fn new(blocks: BlocksMut<'a, T, BLOCK_SIZE>, len: usize) -> Self {
        Self(Flat { front: [].iter_mut(), blocks, unopened: len, back: [].iter_mut() })
    }
}

impl<T, const BLOCK_SIZE: usize> Clone for Blocks<'_, T, BLOCK_SIZE> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, const BLOCK_SIZE: usize> Clone for Iter<'_, T, BLOCK_SIZE> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The items of all blocks in a row, from either end, a block at a time wherever that is possible.
#[derive(Clone)]
struct Flat<Outer, Inner> {
    /// What is left of the block opened last from the front.
    front: Inner,
    /// The blocks not opened yet.
    blocks: Outer,
    /// Items in them.
    unopened: usize,
    /// What is left of the block opened last from the back.
    back: Inner,
}

impl<Outer, Inner> Flat<Outer, Inner>
where
    Outer: DoubleEndedIterator<Item: IntoIterator<IntoIter = Inner>>,
    Inner: DoubleEndedIterator + ExactSizeIterator,
{
    fn open(&mut self, block: Option<Outer::Item>) -> Option<Inner> {
        let items = block?.into_iter();
        self.unopened = self.unopened.saturating_sub(items.len());
        Some(items)
    }

    fn open_front(&mut self) -> Option<Inner> {
        let block = self.blocks.next();
        self.open(block)
    }

    fn open_back(&mut self) -> Option<Inner> {
        let block = self.blocks.next_back();
        self.open(block)
    }

    fn len(&self) -> usize {
        self.front.len().saturating_add(self.unopened).saturating_add(self.back.len())
    }

    fn next(&mut self) -> Option<Inner::Item> {
        loop {
            if let Some(item) = self.front.next() {
                return Some(item);
            }
            match self.open_front() {
                Some(items) => self.front = items,
                None => return self.back.next(),
            }
        }
    }

    fn next_back(&mut self) -> Option<Inner::Item> {
        loop {
            if let Some(item) = self.back.next_back() {
                return Some(item);
            }
            match self.open_back() {
                Some(items) => self.back = items,
                None => return self.front.next_back(),
            }
        }
    }

    fn nth(&mut self, mut n: usize) -> Option<Inner::Item> {
        loop {
            match n.checked_sub(self.front.len()) {
                None => return self.front.nth(n),
                Some(beyond) => n = beyond,
            }
            match self.open_front() {
                Some(items) => self.front = items,
                None => {
                    self.front.by_ref().for_each(drop);
                    return self.back.nth(n);
                }
            }
        }
    }

    fn nth_back(&mut self, mut n: usize) -> Option<Inner::Item> {
        loop {
            match n.checked_sub(self.back.len()) {
                None => return self.back.nth_back(n),
                Some(beyond) => n = beyond,
            }
            match self.open_back() {
                Some(items) => self.back = items,
                None => {
                    self.back.by_ref().for_each(drop);
                    return self.front.nth_back(n);
                }
            }
        }
    }

    /// Reads the header of each block before it folds the entries of the block before: by the time
    /// the count is needed, it has come out of memory.
    fn fold<B>(mut self, init: B, mut f: impl FnMut(B, Inner::Item) -> B) -> B {
        let mut folded = self.front.fold(init, &mut f);
        if let Some(first) = self.blocks.next() {
            let (last, before) = self.blocks.fold((first, folded), |(block, folded), next| {
                (next, block.into_iter().fold(folded, &mut f))
            });
            folded = last.into_iter().fold(before, &mut f);
        }
        self.back.fold(folded, f)
    }

    fn rfold<B>(mut self, init: B, mut f: impl FnMut(B, Inner::Item) -> B) -> B {
        let mut folded = self.back.rfold(init, &mut f);
        if let Some(last) = self.blocks.next_back() {
            let (first, behind) = self.blocks.rfold((last, folded), |(block, folded), next| {
                (next, block.into_iter().rfold(folded, &mut f))
            });
            folded = first.into_iter().rfold(behind, &mut f);
        }
        self.front.rfold(folded, f)
    }
}

/// Implements the iterator traits for a wrapper of [`Flat`].
macro_rules! iterate_entries {
    ($name:ident, $item:ty) => {
        impl<'a, T: Entry, const BLOCK_SIZE: usize> Iterator for $name<'a, T, BLOCK_SIZE> {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                self.0.next()
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                let len = self.0.len();
                (len, Some(len))
            }

            fn count(self) -> usize {
                self.0.len()
            }

            fn last(mut self) -> Option<$item> {
                self.0.next_back()
            }

            fn nth(&mut self, n: usize) -> Option<$item> {
                self.0.nth(n)
            }

            fn fold<B, F: FnMut(B, $item) -> B>(self, init: B, f: F) -> B {
                self.0.fold(init, f)
            }
        }

        impl<T: Entry, const BLOCK_SIZE: usize> DoubleEndedIterator for $name<'_, T, BLOCK_SIZE> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back()
            }

            fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
                self.0.nth_back(n)
            }

            fn rfold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, f: F) -> B {
                self.0.rfold(init, f)
            }
        }

        impl<T: Entry, const BLOCK_SIZE: usize> ExactSizeIterator for $name<'_, T, BLOCK_SIZE> {}
        impl<T: Entry, const BLOCK_SIZE: usize> FusedIterator for $name<'_, T, BLOCK_SIZE> {}
    };
}

iterate_entries!(Iter, &'a T);
iterate_entries!(IterMut, &'a mut T);

/// Implements the iterator traits for a wrapper of a slice's iterator over blocks.
macro_rules! iterate_blocks {
    ($name:ident, $item:ty, $open:path) => {
        impl<'a, T: Entry, const BLOCK_SIZE: usize> Iterator for $name<'a, T, BLOCK_SIZE> {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                self.0.next().map($open)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }

            fn nth(&mut self, n: usize) -> Option<$item> {
                self.0.nth(n).map($open)
            }

            fn fold<B, F: FnMut(B, $item) -> B>(self, init: B, f: F) -> B {
                self.0.map($open).fold(init, f)
            }
        }

        impl<T: Entry, const BLOCK_SIZE: usize> DoubleEndedIterator for $name<'_, T, BLOCK_SIZE> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back().map($open)
            }

            fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
                self.0.nth_back(n).map($open)
            }

            fn rfold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, f: F) -> B {
                self.0.map($open).rfold(init, f)
            }
        }

        impl<T: Entry, const BLOCK_SIZE: usize> ExactSizeIterator for $name<'_, T, BLOCK_SIZE> {}
        impl<T: Entry, const BLOCK_SIZE: usize> FusedIterator for $name<'_, T, BLOCK_SIZE> {}
    };
}

iterate_blocks!(Blocks, &'a [T], Block::entries);
iterate_blocks!(BlocksMut, &'a mut [T], Block::entries_mut);
