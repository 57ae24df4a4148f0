//! From one kernel to the next: sealed and planned, or in the middle of something.

use core::mem;

use kho_block::{
    BlockSet, Descriptor, IncomingSet, RestoreChecks, RestoreErrorKind, RestoreFromError,
};

use super::{Kernel, TAG};
use crate::arena::Arena;
use crate::entries::{compare, remove_or_rewrite};
use crate::input::Input;
use crate::{Record, heap};

type Set<'a, T, const SIZE: usize> = IncomingSet<T, &'a Arena<SIZE>, SIZE>;

impl<'a, T: Record, const SIZE: usize> Kernel<'a, T, SIZE> {
    /// Hands the set over to the next kernel, which reads it and makes a set of its own.
    pub(super) fn handover(&mut self, jump: u8, n: u8, input: &mut Input<'_>) {
        let blocks = self.blocks;
        let descriptor = self.jump(jump, n & 0x80 != 0);
        let found = self.arena.image().walk::<T>(descriptor.head, RestoreChecks::all(), jump == 3);
        assert_eq!((found.damage, &found.entries), (None, &self.list), "the chain is whole");

        let mut restored = mem::take(&mut self.list);
        (self.blocks, self.root) = (0, None);
        let mut set = restore(self.arena, &descriptor, n, &restored);
        compare(&set, &restored);
        let swept = self.arena.sweep();
        assert!(jump == 3 || swept == 0, "a sealed set has no spare blocks");
        assert_eq!(set.block_count() + swept, if jump == 3 { blocks } else { found.blocks.len() });
        for _ in 0..n >> 2 & 7 {
            let Some(operation) = input.next() else { break };
            let way = if operation & 0x20 == 0 { operation % 4 } else { operation % 2 + 4 };
            remove_or_rewrite(&mut set, &mut restored, way, input.byte());
        }
        let blocks = set.block_count();
        set.shrink(n.into());
        let needed = restored.len().max(n.into()).div_ceil(Self::CAPACITY);
        assert_eq!(set.block_count(), blocks.min(needed));
        compare(&set, &restored);

        // The new set is made beside the old one, or after it, or not at all.
        self.arena.take_granted();
        self.arena.take_refused();
        heap::take_refused();
        let kept = n & 0x20 != 0;
        if !kept {
            set.destroy();
        }
        if n & 0x40 == 0 {
            let result = self.set.extend_from_slice(&restored);
            if self.grew(restored.len(), result) {
                self.list.extend(restored.iter().copied());
            }
        }
        // The old one is given up, and found again as it was.
        let descriptor = set.descriptor(TAG);
        assert_eq!((descriptor.flags, descriptor.head()), (0, set.first_block()));
        drop(set);
        assert_eq!(self.arena.lent(), self.blocks, "a set that is dropped gives its claims back");
        if kept {
            let mut set = restore(self.arena, &descriptor, 2, &restored);
            compare(&set, &restored);
            set.destroy();
            assert_eq!(self.arena.sweep(), 0, "the chain has all blocks");
        }
    }

    /// Jumps into the next kernel, with the set sealed unless `jump` is 3. Returns what the root page
    /// says: if `ahead`, or not sealed, what was written there ahead of time.
    fn jump(&mut self, jump: u8, ahead: bool) -> Descriptor {
        if jump == 3 {
            let root = self.root.unwrap_or_else(|| self.described());
            let image = self.arena.image();
            // What its destructor does, the kexec has not waited for.
            self.set = BlockSet::new(self.arena);
            self.arena.leave(&image);
            return root;
        }
        let sealed = self.set.take().seal();
        self.blocks = self.needed();
        let exact = self.exact(&sealed);
        let head = match jump {
            0 => sealed.leave(),
            1 => sealed.unseal().into_head(),
            _ => {
                let head = sealed.head();
                drop(sealed);
                head
            }
        };
        assert_eq!(head, exact.head());
        self.arena.reboot();
        // Of a set without entries no block is left: then it was withdrawn.
        self.root.filter(|_| ahead && self.blocks > 0).unwrap_or(exact)
    }
}

/// Restores in one of four ways, and again if memory was refused.
fn restore<'a, T: Record, const SIZE: usize>(
    arena: &'a Arena<SIZE>,
    descriptor: &Descriptor,
    n: u8,
    list: &[T],
) -> Set<'a, T, SIZE> {
    let (head, lent) = (descriptor.head(), arena.lent());
    loop {
        heap::take_refused();
        let set = match n % 4 {
            0 => Set::restore(arena, head).map_err(RestoreFromError::Chain),
            1 if !list.is_empty() => Set::restore_with(arena, head, RestoreChecks::all())
                .map_err(RestoreFromError::Chain),
            3 => match Set::<T, SIZE>::salvage_from(arena, descriptor, TAG) {
                (set, None) => {
                    assert_eq!(set.release(), head);
                    return restore(arena, descriptor, 0, list);
                }
                (set, Some(error)) => {
                    assert_eq!(arena.lent() - lent, set.block_count());
                    compare(&set, &list[..set.len()]);
                    Err(error)
                }
            },
            _ => Set::restore_from(arena, descriptor, TAG),
        };
        match set {
            Ok(set) => return set,
            Err(RestoreFromError::Chain(error)) => {
                assert_eq!(error.kind, RestoreErrorKind::OutOfMemory);
                assert!(heap::take_refused(), "memory was not refused");
                assert_eq!(arena.lent(), lent, "a failed restore gives every claim back");
            }
            Err(error) => panic!("a sound chain was refused: {error}"),
        }
    }
}
