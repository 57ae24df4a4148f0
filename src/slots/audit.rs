//! The invariants of a table, checked one by one; for tests, with the feature `mock`.

#![forbid(unsafe_code)]

use crate::abi::key::Stamp;
use crate::chain::entry::Entry;
use crate::memory::allocator::PreservedAllocator;
use crate::set::audit::{AuditError, audit};
use crate::set::origin::Origin;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    Slots<T, A, O, BLOCK_SIZE>
{
    /// Checks every line of the table's invariants, and those of its chain. Needs the feature `mock`.
    ///
    /// # Errors
    ///
    /// The first line that does not hold.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// table.remove(key);
    /// table.audit()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn audit(&self) -> Result<(), AuditError> {
        audit(self.chain.index(), O::INCOMING)?;
        let sound = |slot: usize, holds: bool, broken| {
            let block = slot.checked_div(Self::SLOTS_PER_BLOCK).unwrap_or_default();
            if holds { Ok(()) } else { Err(AuditError { broken, block }) }
        };
        let slots = self.slot_count();
        sound(
            0,
            self.chain.index().sparse().is_none(),
            "table 1: every block before the tail is full",
        )?;
        let (mut used, mut retired) = (0_usize, 0_usize);
        for (slot, stamp) in self.stamps().enumerate() {
            let state = Stamp::read(stamp);
            sound(slot, state.is_some(), "table 2: a stamp is none")?;
            used = used.saturating_add(usize::from(matches!(state, Some(Stamp::Used { .. }))));
            retired = retired.saturating_add(usize::from(state == Some(Stamp::Retired)));
            let hole = !O::INCOMING && matches!(state, Some(Stamp::Free { .. }));
            sound(slot, self.holes.contains(slot) == hole, "table 3: the free slots are known")?;
        }
        sound(slots, self.len == used, "table 2: as many entries as odd stamps")?;
        sound(slots, self.retired == retired, "table 2: as many retired slots as such stamps")?;
        let known =
            self.holes.audit(slots, self.block_count().saturating_mul(Self::SLOTS_PER_BLOCK));
        sound(slots, O::INCOMING || known, "table 3: room for every slot, and sums that are right")
    }
}

#[cfg(test)]
#[cfg(feature = "mock")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::memory::mock::Mock;
    use crate::set::origin::Outgoing;

    /// Three slots to a block.
    type Table<'a> = Slots<u64, &'a Mock, Outgoing, 64>;

    #[test]
    fn every_broken_invariant_is_noticed_where_it_is_broken() {
        // Of the nine slots of three blocks five were used, and number 1 is free again.
        type Break = fn(&mut Table<'_>);
        let breaks: [(Break, usize, &str); 11] = [
            (|table| table.chain.parts_mut().1.first = None, 0, "2: a first block"),
            (|table| stamp(table, 1, 0, 1 << 32), 1, "table 2: a stamp is none"),
            (|table| stamp(table, 0, 1, 3), 0, "table 3: the free slots are known"),
            (|table| stamp(table, 1, 0, 2), 1, "table 3: the free slots are known"),
            (|table| table.holes.remove(1), 0, "table 3: the free slots are known"),
            (|table| table.holes.insert(3), 1, "table 3: the free slots are known"),
            (|table| table.len = 5, 1, "table 2: as many entries as odd stamps"),
            (|table| table.len = 3, 1, "table 2: as many entries as odd stamps"),
            (|table| table.retired = 1, 1, "table 2: as many retired slots"),
            (
                |table| stamp(table, 1, 0, u64::from(u32::MAX - 1)),
                1,
                "table 2: as many entries as odd stamps",
            ),
            (|table| table.holes.insert(5), 1, "table 3: room for every slot"),
        ];
        for (broken, block, message) in breaks {
            let mem = Mock::new();
            let mut table = Table::new(&mem);
            table.grow(9).unwrap();
            let keys = [1, 2, 3, 4, 5].map(|entry| table.insert(entry).unwrap());
            table.remove(keys[1]);
            table.audit().unwrap();
            broken(&mut table);
            let printed = table.audit().unwrap_err().to_string();
            let expected = alloc::format!("block {block}: {message}");
            assert!(printed.starts_with(&expected), "{printed}, not {expected}");
        }
    }

    /// Changes a stamp, and leaves the entry behind it.
    fn stamp(table: &mut Table<'_>, block: usize, slot: usize, stamp: u64) {
        let slot = table.chain.blocks_mut()[block].slot_mut(slot).unwrap().1;
        let entry = *slot.entry();
        slot.fill(entry, stamp);
    }
}
