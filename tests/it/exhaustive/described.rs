//! The same chains by way of a descriptor, which promises what a strict restore asks for, and may
//! count the entries.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test panics when it fails, and where its own arithmetic does"
)]

use kho_block::{
    Descriptor, DescriptorField, DescriptorFlags, OutgoingSet, RestoreChecks, RestoreError,
    RestoreErrorKind, RestoreFromError,
};

use super::checker::{BLOCK_SIZE, Case, Entry, Link, Verdict};
use super::world::World;
use super::{Set, bits, verify_contents};

/// What the entries are.
const TAG: u64 = 0x6368_6169_6e00;

/// What a restore by a descriptor must come to: where this one differs, a lone block without entries is
/// what the descriptor of an empty set names.
///
/// # Errors
///
/// What it is refused for, at which position and address.
fn judge(case: &Case, verdict: &Verdict) -> Result<Vec<usize>, (RestoreErrorKind, usize, u64)> {
    match (verdict, case.head) {
        (Verdict::Refused(RestoreErrorKind::Empty, 0, _), Link::Block(head))
            if case.blocks[head].1 == Link::End =>
        {
            Ok(vec![head])
        }
        (Verdict::Refused(kind, block, addr), _) => Err((*kind, *block, *addr)),
        (Verdict::Restored(blocks), _) => Ok(blocks.clone()),
    }
}

/// Restores and salvages a case by the descriptors that it may have, and holds both against the
/// verdict of a restore that is told the checks.
pub(super) fn verify(case: &Case, verdict: &Verdict, world: &World) {
    // No descriptor promises that.
    if case.checks.contains(RestoreChecks::ZERO_TAIL) {
        return;
    }
    let mut promises = DescriptorFlags::empty();
    promises.set(DescriptorFlags::DENSE, case.checks.contains(RestoreChecks::DENSE));
    let has_entries = case.checks.contains(RestoreChecks::NO_EMPTY_BLOCKS);
    promises.set(DescriptorFlags::NO_EMPTY_BLOCKS, has_entries);

    let ram = world.ram();
    let judged = judge(case, verdict);
    let sound = match &judged {
        Ok(blocks) => blocks.clone(),
        Err((_, block, _)) => case.path(*block),
    };
    let len: u64 = sound.iter().map(|&block| case.blocks[block].0).sum();
    let plain = OutgoingSet::<Entry, _, BLOCK_SIZE>::new(ram).descriptor(TAG);
    let plain = Descriptor { head: case.head.addr(), flags: promises.bits(), ..plain };
    let counted = (promises | DescriptorFlags::COUNTED).bits();
    for (root, is_true) in [
        (Descriptor { entries: len + 1, ..plain }, true),
        (Descriptor { entries: len, flags: counted, ..plain }, true),
        (Descriptor { entries: len + 1, flags: counted, ..plain }, false),
    ] {
        let (set, error) = Set::salvage_from(ram, &root, TAG);
        match (error, &judged) {
            (None, Ok(_)) => assert!(is_true),
            (Some(RestoreFromError::Descriptor(error)), Ok(_)) => {
                let said = (error.field, error.found, error.expected);
                assert_eq!((is_true, said), (false, (DescriptorField::Entries, len + 1, len)));
            }
            (
                Some(RestoreFromError::Chain(RestoreError { kind, block, addr, .. })),
                Err(judged),
            ) => {
                assert_eq!((kind, block, addr.get()), *judged);
            }
            (error, judged) => panic!("{error:?}, not {judged:?}"),
        }
        assert_eq!(world.taken(), (bits(&sound), 0), "all that is sound is kept");
        verify_contents(case, &sound, &set);
        drop(set);
        let restored = Set::restore_from(ram, &root, TAG);
        assert_eq!(restored.as_ref().err(), error.as_ref(), "of restored and salvaged");
        let claims = if error.is_none() { bits(&sound) } else { 0 };
        assert_eq!(world.taken(), (claims, 0), "a restore is of all, or nothing");
        drop(restored);
        assert_eq!(world.taken(), (0, 0), "every claim is given back");
    }
}
