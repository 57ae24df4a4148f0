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

/// What a salvage finds, and a restore if there is no damage.
pub(crate) struct Walk<T> {
    pub(crate) entries: List<T>,
    /// The sound blocks in the order of the chain: number and entries in use.
    pub(crate) blocks: ArrayVec<(usize, usize), BLOCKS>,
    /// What is wrong with the block behind them.
    pub(crate) damage: Option<Damage>,
}

/// Where a chain is damaged, and how: the fields of a [`RestoreError`].
pub(crate) type Damage = (RestoreErrorKind, usize, PhysAddr);

impl<const SIZE: usize> Image<SIZE> {
    pub(crate) fn empty() -> Self {
        Self { blocks: [None; BLOCKS] }
    }

    /// Follows the links from `head` on. If `empty_is_fine`, a first block without entries or a link
    /// passes whatever is checked.
    pub(crate) fn walk<T: Record>(
        &self,
        head: u64,
        checks: RestoreChecks,
        empty_is_fine: bool,
    ) -> Walk<T> {
        let mut walk = Walk { entries: List::new(), blocks: ArrayVec::new(), damage: None };
        let mut link = head;
        while let Some(addr) = PhysAddr::new(link) {
            let empty_is_fine = empty_is_fine && walk.blocks.is_empty();
            match self.block::<T>(link, checks, empty_is_fine, &walk.blocks) {
                Ok((index, entries, next)) => {
                    let read = |bytes| T::read_from_bytes(bytes).expect("an entry");
                    let before = walk.entries.len();
                    walk.entries.extend(entries.chunks_exact(size_of::<T>()).map(read));
                    walk.blocks.push((index, walk.entries.len() - before));
                    link = next;
                }
                Err(kind) => {
                    walk.damage = Some((kind, walk.blocks.len(), addr));
                    break;
                }
            }
        }
        walk
    }

    /// The block at `link`, behind those in `seen`: its number, the bytes of its entries, its link.
    fn block<T: Record>(
        &self,
        link: u64,
        checks: RestoreChecks,
        empty_is_fine: bool,
        seen: &[(usize, usize)],
    ) -> Result<(usize, &[u8], u64), RestoreErrorKind> {
        if !link.is_multiple_of(SIZE as u64) {
            return Err(RestoreErrorKind::Misaligned);
        }
        let index = index_of::<SIZE>(link);
        if let Some(first) = seen.iter().position(|&(seen, _)| Some(seen) == index) {
            return Err(RestoreErrorKind::Cycle { first });
        }
        let preserved = index.and_then(|index| Some((index, self.blocks[index].as_ref()?)));
        let Some((index, block)) = preserved else {
            return Err(RestoreErrorKind::NotPreserved { block_size: SIZE });
        };
        let word = |at: usize| u64::from_ne_bytes(*block[at..].first_chunk().expect("a header"));
        let (next, count) = (word(0), word(8));
        let capacity = (SIZE - HEADER_SIZE) / size_of::<T>();
        let Some(count) = usize::try_from(count).ok().filter(|&count| count <= capacity) else {
            return Err(RestoreErrorKind::CountTooLarge { count, capacity });
        };
        let no_empty_blocks = checks.contains(RestoreChecks::NO_EMPTY_BLOCKS);
        if no_empty_blocks && count == 0 && (next != 0 || !empty_is_fine) {
            return Err(RestoreErrorKind::Empty);
        }
        if checks.contains(RestoreChecks::DENSE) && count < capacity && next != 0 {
            return Err(RestoreErrorKind::NotFull { count, capacity });
        }
        let end = HEADER_SIZE + count * size_of::<T>();
        let dirty = (end..SIZE).find(|&offset| block[offset] != 0);
        if let (true, Some(offset)) = (checks.contains(RestoreChecks::ZERO_TAIL), dirty) {
            return Err(RestoreErrorKind::DirtyTail { offset });
        }
        Ok((index, &block[HEADER_SIZE..end], next))
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

    pub(crate) fn swap_remove(&mut self, index: usize) -> Option<T> {
        let last = self.entries.len().checked_sub(1).filter(|&last| index <= last)?;
        self.entries.swap(index, last);
        self.pop()
    }
}

/// The fields of an error, to be compared.
pub(crate) fn damage(error: RestoreError) -> Damage {
    (error.kind, error.block, error.addr)
}
