//! Taking entries out of a table.

#![forbid(unsafe_code)]

use crate::abi::key::{Key, Stamp};
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::origin::Origin;
use crate::slots::holes::Holes;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    Slots<T, A, O, BLOCK_SIZE>
{
    /// Removes the entry of `key`, zeroes its bytes and returns it; `None` if it was removed before,
    /// or never there. The key finds nothing from then on. Allocates nothing, and frees nothing.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// assert_eq!((table.remove(key), table.remove(key)), (Some(2), None));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let (block, slot) = self.find(key)?;
        let stamp = Stamp::after(key.life);
        let entry = self.chain.blocks_mut().get_mut(block)?.slot_mut(slot)?.1.empty(stamp);
        // INVARIANT: 2. one odd stamp less, and one retired slot more, or 3. one that is free.
        self.len = self.len.saturating_sub(1);
        match (Stamp::read(stamp), usize::try_from(key.slot)) {
            (Some(Stamp::Free { .. }), Ok(slot)) => self.holes.insert(slot),
            _ => self.retired = self.retired.saturating_add(1),
        }
        Some(entry)
    }

    /// Keeps the entries for which `keep` is true, and removes the others, in the order of their
    /// slots.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let keys = [table.insert(2)?, table.insert(3)?];
    /// table.retain(|_, entry| *entry % 2 == 0);
    /// assert_eq!((table.len(), table.get(keys[0])), (1, Some(&2)));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(Key, &mut T) -> bool) {
        for slot in 0..u32::try_from(self.slot_count()).unwrap_or(u32::MAX) {
            if let Some(key) = self.key_at(slot) {
                if !self.get_mut(key).is_some_and(|entry| keep(key, entry)) {
                    self.remove(key);
                }
            }
        }
    }

    /// Removes all entries. Their slots stay used: no key comes to name another entry.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// table.clear();
    /// assert_ne!(table.insert(3)?, key);
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn clear(&mut self) {
        self.retain(|_, _| false);
    }

    /// Frees every block and with them every entry, also if they came from the previous kernel. The
    /// table is then empty and can be used again: all keys end here, and may be given out anew.
    ///
    /// The first block is freed last and is an empty chain until then, but a kexec after that would
    /// not find it: whoever was told its address must be told first that there is none.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// table.insert(2)?;
    /// table.destroy();
    /// assert_eq!((table.first_block(), mem.live()), (None, 0));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn destroy(&mut self) {
        self.chain.keep(0);
        // INVARIANT: 2 and 3 hold of no slots.
        self.len = 0;
        self.retired = 0;
        self.holes = Holes::new();
    }
}
