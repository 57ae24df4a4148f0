//! What a chain in memory means, read from its bytes without the library.

use arrayvec::ArrayVec;
use kho_block::{HEADER_SIZE, PhysAddr, RestoreChecks, RestoreError, RestoreErrorKind};

use crate::arena::{BLOCKS, index_of};
use crate::{List, Record};

/// The bytes of every block that is preserved, by its number.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Image<const SIZE: usize> {
    pub(crate) blocks: [Option<[u8; SIZE]>; BLOCKS],
}

/// What a restore finds.
pub(crate) struct Walk<T> {
    pub(crate) entries: List<T>,
    /// The blocks in the order of the chain: number and entries in use.
    pub(crate) blocks: ArrayVec<(usize, usize), BLOCKS>,
}

/// Where a chain is damaged, and how: the fields of a [`RestoreError`].
type Damage = (RestoreErrorKind, usize, PhysAddr);

impl<const SIZE: usize> Image<SIZE> {
    pub(crate) fn empty() -> Self {
        Self { blocks: [None; BLOCKS] }
    }

    /// Follows the links from `head` on.
    pub(crate) fn walk<T: Record>(
        &self,
        head: u64,
        checks: RestoreChecks,
    ) -> Result<Walk<T>, Damage> {
        let mut walk = Walk { entries: List::new(), blocks: ArrayVec::new() };
        let mut link = head;
        while let Some(addr) = PhysAddr::new(link) {
            let position = walk.blocks.len();
            let damage = |kind| Err((kind, position, addr));
            if !link.is_multiple_of(SIZE as u64) {
                return damage(RestoreErrorKind::Misaligned);
            }
            let index = index_of::<SIZE>(link);
            if let Some(first) = walk.blocks.iter().position(|&(seen, _)| Some(seen) == index) {
                return damage(RestoreErrorKind::Cycle { first });
            }
            let Some((index, block)) = index.and_then(|index| Some((index, self.blocks[index]?)))
            else {
                return damage(RestoreErrorKind::NotPreserved);
            };
            let word =
                |at: usize| u64::from_ne_bytes(*block[at..].first_chunk().expect("a header"));
            let (next, count) = (word(0), word(8));
            let capacity = (SIZE - HEADER_SIZE) / size_of::<T>();
            let Some(count) = usize::try_from(count).ok().filter(|&count| count <= capacity) else {
                return damage(RestoreErrorKind::CountTooLarge { count, capacity });
            };
            if checks.contains(RestoreChecks::NO_EMPTY_BLOCKS) && count == 0 {
                return damage(RestoreErrorKind::Empty);
            }
            if checks.contains(RestoreChecks::DENSE) && count < capacity && next != 0 {
                return damage(RestoreErrorKind::NotFull { count, capacity });
            }
            let end = HEADER_SIZE + count * size_of::<T>();
            let dirty = (end..SIZE).find(|&offset| block[offset] != 0);
            if let (true, Some(offset)) = (checks.contains(RestoreChecks::ZERO_TAIL), dirty) {
                return damage(RestoreErrorKind::DirtyTail { offset });
            }
            let entries = block[HEADER_SIZE..end].chunks_exact(size_of::<T>());
            walk.entries.extend(entries.map(|bytes| T::read_from_bytes(bytes).expect("an entry")));
            walk.blocks.push((index, count));
            link = next;
        }
        Ok(walk)
    }
}

impl<T> Walk<T> {
    /// Blocks up to the last one with entries.
    pub(crate) fn blocks_in_use(&self) -> usize {
        self.blocks.iter().rposition(|&(_, count)| count > 0).map_or(0, |last| last + 1)
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let (_, count) = self.blocks.iter_mut().rfind(|(_, count)| *count > 0)?;
        *count -= 1;
        self.entries.pop()
    }
}

/// The fields of an error, to be compared.
pub(crate) fn damage(error: RestoreError) -> Damage {
    (error.kind, error.block, error.addr)
}
