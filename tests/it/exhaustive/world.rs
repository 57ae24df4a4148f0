//! The memory underneath: four blocks at one thread's disposal, loaded anew for each case.

use core::array;
use core::cell::Cell;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use super::checker::{BLOCK_SIZE, BLOCKS, Link};
use crate::ram::{Books, Ram};

const WORDS: usize = BLOCK_SIZE / size_of::<u64>();

const ADDRS: [u64; BLOCKS] =
    [Link::Block(0).addr(), Link::Block(1).addr(), Link::Block(2).addr(), Link::Block(3).addr()];

/// The words of all blocks.
pub(super) type Image = [[u64; WORDS]; BLOCKS];

/// The memory underneath. No kernel comes after, to find what is claimed.
#[repr(C, align(64))]
pub(super) struct World {
    words: [AtomicU64; WORDS * BLOCKS],
    books: Books,
    /// The bits of the blocks that were there at first.
    loaded: Cell<u64>,
}

impl World {
    pub(super) fn new() -> Self {
        let words = array::from_fn(|_| AtomicU64::new(0));
        Self { words, books: Books::default(), loaded: Cell::new(0) }
    }

    pub(super) fn ram(&self) -> Ram<'_> {
        Ram::new(&self.words, &ADDRS, &self.books)
    }

    /// Makes memory what `image` has, with the first `preserved` blocks for the taking.
    pub(super) fn load(&self, preserved: usize, image: &Image) {
        for (word, &value) in self.words.iter().zip(image.as_flattened()) {
            word.store(value, Relaxed);
        }
        self.loaded.set((1 << preserved) - 1);
        self.books.preserved.store(self.loaded.get(), Relaxed);
        self.books.reboot();
    }

    pub(super) fn image(&self) -> Image {
        array::from_fn(|block| array::from_fn(|i| self.words[block * WORDS + i].load(Relaxed)))
    }

    /// The bits of the blocks that are claimed, and of those that are freed.
    pub(super) fn taken(&self) -> (u64, u64) {
        let preserved = self.books.preserved.load(Relaxed);
        assert_eq!(preserved & !self.loaded.get(), 0, "nothing is allocated");
        (self.books.claimed.load(Relaxed), self.loaded.get() & !preserved)
    }
}
