//! The header's unit: how a region is recognised, and its two roots.
//!
//! Unsafe is open here to pass on whose duty it is that nobody else writes there.

#![expect(unsafe_code, reason = "passes on a duty")]

use core::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicU32, compiler_fence};

use crate::abi::descriptor::Descriptor;
use crate::abi::region::{ROOTS, RegionHeader, RegionRoot};
use crate::abi::sizes::to_wire;
use crate::error::region::RegionError;
use crate::memory::region::ground::Ground;
use crate::memory::region::judge;

/// One word in one go, in its place among all other accesses to memory.
fn store(word: &AtomicU32, value: u32) {
    compiler_fence(SeqCst);
    word.store(value, Release);
    compiler_fence(SeqCst);
}

/// `N` words from one on.
fn load<const N: usize>(ground: &Ground, word: usize) -> [u32; N] {
    let mut words = [0; N];
    let places = ground.header().iter().skip(word);
    words.iter_mut().zip(places).for_each(|(word, place)| *word = place.load(Relaxed));
    words
}

/// Stores words, one after the other, from a place on.
fn store_all<const N: usize>(ground: &Ground, word: usize, words: [u32; N]) {
    let places = ground.header().iter().skip(word);
    words.iter().zip(places).for_each(|(&word, place)| store(place, word));
}

/// What stands in the header.
fn read(ground: &Ground) -> RegionHeader {
    zerocopy::transmute!(load::<12>(ground, 0))
}

/// Whether there is a region, of whatever version, place and length, or what was one: half of its magic
/// is enough, unless somebody has begun to create another.
pub(crate) fn is_taken(ground: &Ground) -> bool {
    let RegionHeader { magic, state, .. } = read(ground);
    let is_half_there = magic == RegionHeader::MAGIC || state == RegionHeader::READY;
    is_half_there && state != RegionHeader::FORMING
}

/// Checks the header, and writes nothing.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check(ground: &Ground) -> Result<(), RegionError> {
    let is_zero = || ground.header().iter().all(|word| word.load(Relaxed) == 0);
    judge::header(&read(ground), ground.base(), to_wire(ground.bytes()), is_zero)
}

/// Takes a region away, if there was one: from here on the memory is blank. Books are empty.
///
/// # Safety
///
/// Nobody else uses the region, or what was lent of its ground.
pub(crate) unsafe fn begin(ground: &Ground) {
    let [_, state, ..] = ground.header() else { return };
    store(state, u32::from_ne_bytes(RegionHeader::FORMING));
    // SAFETY: the caller's duty, and `state` is used no more.
    unsafe { ground.wipe(2) };
}

/// Writes the header of a region whose books are written, its state last; and no root.
pub(crate) fn finish(ground: &Ground) -> Root {
    let root = Root { place: 0, copy: RegionRoot::new(1, None) };
    root.write(ground);
    let header = RegionHeader::new(ground.base().get(), to_wire(ground.bytes()));
    let [magic, ready, values @ ..]: [u32; 12] = zerocopy::transmute!(header);
    if let [first, state, words @ ..] = ground.header() {
        words.iter().zip(values).for_each(|(word, value)| store(word, value));
        store(first, magic);
        // This one store makes the region.
        store(state, ready);
    }
    root
}

/// The root that stands.
pub(crate) struct Root {
    /// Which of the two copies it is: 0 or 1.
    place: usize,
    copy: RegionRoot,
}

impl Root {
    /// Finds the newer of the two copies that is sound.
    ///
    /// # Errors
    ///
    /// If neither is, or both say that they are the newer one.
    pub(crate) fn read(ground: &Ground) -> Result<Self, RegionError> {
        let copies = ROOTS.map(|word| zerocopy::transmute!(load::<16>(ground, word)));
        let (place, copy) = judge::roots(copies)?;
        Ok(Self { place, copy })
    }

    pub(crate) fn get(&self) -> Option<Descriptor> {
        self.copy.root()
    }

    /// Writes a newer root over the older copy.
    pub(crate) fn set(&mut self, ground: &Ground, root: Option<&Descriptor>) {
        let copy = RegionRoot::new(self.copy.next_sequence(), root);
        *self = Self { place: 1_usize.saturating_sub(self.place), copy };
        self.write(ground);
    }

    /// Writes the copy to its place: first that it is not sound, at last that it is.
    fn write(&self, ground: &Ground) {
        let Some(&word) = ROOTS.get(self.place) else { return };
        store_all(ground, word, [0]);
        let words: [u32; 16] = zerocopy::transmute!(self.copy);
        let [sequence, rest @ ..] = words;
        store_all(ground, word.saturating_add(1), rest);
        store_all(ground, word, [sequence]);
    }
}
