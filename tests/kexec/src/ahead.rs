//! A set that nobody seals: the root names it before it has an entry, and the kexec comes while
//! it is in use, as after a panic.

#![forbid(unsafe_code)]

use kho_block::{BlockSet, Descriptor, Region};

use crate::memory::in_use;
use crate::verdict::{Verdict, ensure};
use crate::workloads::Handover;

type Set = BlockSet<u64, &'static Region>;

/// What the root calls it.
pub(crate) const TAG: u64 = 0x6168_6561_6400;

/// Blocks of the set, and those of them that are in use at the kexec.
const BLOCKS: usize = 10;
const IN_USE: usize = 4;
/// Words in these: the last one is not full.
const WORDS: usize = IN_USE * Set::CAPACITY_PER_BLOCK - 100;

/// The set, and what the root says of it.
pub(crate) struct Ahead {
    set: Set,
    pub(crate) descriptor: Descriptor,
}

impl Ahead {
    /// Describes a set without entries, which has all its blocks.
    pub(crate) fn new(handover: &Handover) -> Verdict<Self> {
        let mut set = Set::new(handover.region);
        set.grow(BLOCKS * Set::CAPACITY_PER_BLOCK)?;
        Ok(Self { descriptor: set.descriptor(handover.tag), set })
    }

    /// Fills every block, empties the set, and fills it in part: that is when the kexec comes.
    pub(crate) fn fill(&mut self, handover: &Handover) -> Verdict {
        let mut writer = self.set.writer();
        while writer.push(0).is_ok() {}
        self.set.clear();
        let written = self.set.writer().extend((0..WORDS).map(|n| handover.word(n)));
        ensure(written == WORDS, "the writer stopped early")?;
        ensure(self.set.block_count() == BLOCKS, "spare blocks were freed")
    }
}

/// Takes such a set over and sweeps its spare blocks away, says how it went, and frees the set. All
/// else that was left is claimed, or freed.
pub(crate) fn restore_and_sweep(
    handover: &mut Handover,
    descriptor: &Descriptor,
    verdict: impl Fn(&str, Verdict),
) {
    let region = handover.region;
    let set = handover.restore::<u64, 8192>(descriptor);
    let never_claimed = || region.unclaimed().filter(|block| !block.given_back).count();
    let found = ensure(never_claimed() == BLOCKS - IN_USE, "other blocks than the set's are left");
    let before = in_use(region);
    let swept = region.sweep();
    let freed = before - in_use(region);
    let swept = found
        .and_then(|()| ensure(swept == BLOCKS - IN_USE, "another number was swept away"))
        .and_then(|()| ensure(freed == swept as u64 * 8192, "other blocks were swept away"))
        .and_then(|()| ensure(region.unclaimed().next().is_none(), "a block is left"));
    verdict("sweeps away the spare blocks of a set that nobody sealed, and nothing else", swept);
    let verified = set.and_then(|set| handover.verify_and_free(set, WORDS, Handover::word));
    verdict("restores what was pushed into that set", verified);
}
