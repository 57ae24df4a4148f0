//! What a new kernel finds in a table, and what comes of it if it goes on with that.

use std::collections::{BTreeMap, BTreeSet};

use kho_block::{
    CarryAllocator, Descriptor, IncomingSlots, Key, OutgoingSlots, PreservedAllocator,
    RestoreFromError,
};

use crate::memory::BLOCK_SIZE;
use crate::strict::{self, When};
use crate::{Entry, TAG, entry};

/// The life after which a slot is retired.
pub(crate) const LAST_LIFE: u32 = u32::MAX - 2;

/// More slots, lives and entries than a test uses.
const SLOTS: u32 = 32;
const LIVES: u32 = 12;
const ENTRIES: usize = 32;

/// A slot of such a table, as an entry: its stamp, and what is behind it.
pub(crate) type Stamped = [u64; 4];

/// A table of this kernel: three slots to a block, and 16 bytes are left over.
pub(crate) type Table<A> = OutgoingSlots<Entry, A, BLOCK_SIZE>;
pub(crate) type Taken<A> = IncomingSlots<Entry, A, BLOCK_SIZE>;

/// For each slot that has an entry, its life, and which entry it is.
pub(crate) type Rows = BTreeMap<u32, (u32, usize)>;

/// What new kernels find, one after the other; `None` once the root dangles.
#[derive(Debug, PartialEq)]
pub(crate) struct States(pub(crate) Vec<Option<Rows>>);

impl States {
    /// The entries below `filled`, in slots that were never used before.
    pub(crate) fn filled(filled: u32) -> Self {
        Self(vec![Some((0..filled).map(|slot| (slot, (1, entry_of(slot)))).collect())])
    }

    /// Then an entry is there as well, or, without one, that of the slot is not.
    fn then(mut self, slot: u32, row: Option<(u32, usize)>) -> Self {
        let mut rows = self.0.last().cloned().flatten().unwrap();
        let before = match row {
            Some(row) => rows.insert(slot, row),
            None => rows.remove(&slot),
        };
        assert_eq!(before.is_some(), row.is_none(), "slot {slot}");
        self.0.push(Some(rows));
        self
    }

    pub(crate) fn with(self, slot: u32, life: u32, entry: usize) -> Self {
        self.then(slot, Some((life, entry)))
    }

    pub(crate) fn without(self, slots: impl IntoIterator<Item = u32>) -> Self {
        slots.into_iter().fold(self, |states, slot| states.then(slot, None))
    }
}

/// Of seven entries in three blocks, of which two are removed again.
pub(crate) fn holes() -> States {
    let States(mut states) = States::filled(7).without([4, 1]);
    States(states.split_off(2))
}

/// The entry that [`fill`] puts into a slot.
pub(crate) fn entry_of(slot: u32) -> usize {
    usize::try_from(slot).unwrap()
}

/// Puts entry `i` into a table, as that life of that slot.
pub(crate) fn insert<A: PreservedAllocator>(
    table: &mut Table<A>,
    [slot, life]: [u32; 2],
    i: usize,
) {
    assert_eq!(table.insert(entry(i)).unwrap(), Key { slot, life });
}

/// Puts the first entries into a new table.
pub(crate) fn fill<A: PreservedAllocator>(table: &mut Table<A>, filled: u32) {
    for slot in 0..filled {
        insert(table, [slot, 1], entry_of(slot));
    }
}

/// The entries of the table that `root` describes, which are whole, and are found under their keys
/// alone. A table is a chain like any other: all that is asked of a chain is asked of it.
///
/// # Errors
///
/// If it is not restored.
pub(crate) fn found<A: PreservedAllocator + Clone>(
    alloc: A,
    root: &Descriptor,
    when: When,
) -> Result<Rows, RestoreFromError> {
    drop(strict::restore::<Stamped, _, BLOCK_SIZE>(alloc.clone(), root, TAG, when)?);
    let table = Taken::restore_from(alloc, root, TAG)?;
    table.audit().unwrap();
    let which = |key: Key, found: &Entry| {
        let number = (0..ENTRIES).find(|&i| entry(i) == *found);
        number.unwrap_or_else(|| panic!("no entry that there ever was at {key}: {found:x?}"))
    };
    let rows: Rows =
        table.iter().map(|(key, found)| (key.slot, (key.life, which(key, found)))).collect();
    assert_eq!(rows.len(), table.len());
    for slot in 0..SLOTS {
        for life in (0..LIVES).chain(LAST_LIFE.saturating_sub(1)..=u32::MAX) {
            let row = rows.get(&slot).filter(|row| row.0 == life).map(|row| entry(row.1));
            assert_eq!(table.get(Key { slot, life }).copied(), row, "slot {slot}, life {life}");
        }
    }
    Ok(rows)
}

/// Goes on with the table in which `rows` were found, until no memory is left: each new entry has a
/// key that none had, of those in `gone` and of those there are, and no slot stays free but those
/// without lives.
pub(crate) fn go_on<A: CarryAllocator>(
    alloc: A,
    root: &Descriptor,
    rows: &Rows,
    gone: &BTreeSet<Key>,
) {
    let table = Taken::restore_from(alloc, root, TAG).unwrap();
    let mut table = table.adopt().map_err(|error| error.into_kind()).unwrap();
    let mut new = BTreeSet::new();
    while let Ok(key) = table.insert(entry(ENTRIES)) {
        assert!(!gone.contains(&key), "{key} is given out again");
        assert!(new.insert(key), "{key} is given out twice");
        assert!(key.life <= LAST_LIFE, "{key} is beyond the last life");
    }
    table.audit().unwrap();
    assert_eq!(table.len().saturating_add(table.retired()), table.slot_count());
    assert_eq!(table.len(), new.len().saturating_add(rows.len()));
    for (&slot, &(life, i)) in rows {
        assert_eq!(table.get(Key { slot, life }), Some(&entry(i)));
    }
    for key in new.iter().chain(gone) {
        assert_eq!(table.get(*key).is_some(), !gone.contains(key), "{key}");
    }
}
