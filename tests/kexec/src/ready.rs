//! Sets that are ready for a jump, and go on when it has failed.

#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use kho_block::{BlockSet, Descriptor, Entry, Outgoing, Region, Sealed};

use crate::verdict::{Verdict, ensure};
use crate::workloads::{Handover, timed};

/// A set that is sealed, whatever its records are.
pub(crate) trait Ready {
    /// What the root says of it.
    fn descriptor(&self) -> Descriptor;

    /// Takes the set back, finds it as it was, appends what is still to come, and leaves it to the
    /// next kernel for good.
    fn go_on(self: Box<Self>, handover: &mut Handover) -> Verdict<Descriptor>;
}

/// A set of this kernel.
type Set<T, const BLOCK_SIZE: usize> = BlockSet<T, &'static Region, Outgoing, BLOCK_SIZE>;

struct Held<T: Entry, const BLOCK_SIZE: usize> {
    sealed: Sealed<Set<T, BLOCK_SIZE>>,
    descriptor: Descriptor,
    /// Of the entries when the set was sealed.
    hash: u64,
    /// Entries to be appended once the jump has failed.
    more: Vec<T>,
}

/// Seals a set without its last entries, as many as a block holds. They are appended again after
/// the jump that fails, and their block, which is freed here, is allocated anew.
pub(crate) fn seal<T: Entry + Copy + 'static, const BLOCK_SIZE: usize>(
    handover: &mut Handover,
    mut set: Set<T, BLOCK_SIZE>,
) -> Box<dyn Ready> {
    let some = set.len().saturating_sub(Set::<T, BLOCK_SIZE>::CAPACITY_PER_BLOCK).max(1);
    let more = set.iter().skip(some).copied().collect();
    set.truncate(some);
    let hash = hash(&set);
    let (sealed, descriptor) = timed(&mut handover.costs.seal, || {
        let sealed = set.seal();
        let descriptor = sealed.descriptor(handover.tag);
        (sealed, descriptor)
    });
    Box::new(Held { sealed, descriptor, hash, more })
}

impl<T: Entry + Copy + 'static, const BLOCK_SIZE: usize> Ready for Held<T, BLOCK_SIZE> {
    fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    fn go_on(self: Box<Self>, handover: &mut Handover) -> Verdict<Descriptor> {
        let mut set = self.sealed.unseal();
        ensure(set.len() as u64 == self.descriptor.entries, "another number of entries")?;
        ensure(set.head() == self.descriptor.head(), "another head")?;
        ensure(hash(&set) == self.hash, "other entries")?;
        for entry in self.more {
            set.push(entry).map_err(|error| error.cause)?;
        }
        handover.tag = self.descriptor.tag;
        Ok(handover.leave(set))
    }
}

/// The hash FNV-1a of all entries.
fn hash<T: Entry, const BLOCK_SIZE: usize>(set: &Set<T, BLOCK_SIZE>) -> u64 {
    let bytes = set.iter().flat_map(|entry| entry.as_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
