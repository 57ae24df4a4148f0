//! Iterators over the entries of a table, in the order of their slots, from either end.

#![forbid(unsafe_code)]

use core::fmt;
use core::iter::{Chain, FlatMap, FusedIterator};
use core::slice;

use crate::abi::key::{Key, Stamp};
use crate::abi::sizes::DEFAULT_BLOCK_SIZE;
use crate::chain::entry::Entry;
use crate::chain::stamped::{Slot, StampedBlock};
use crate::memory::allocator::PreservedAllocator;
use crate::set::origin::Origin;
use crate::slots::table::Slots;

impl<T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize>
    Slots<T, A, O, BLOCK_SIZE>
{
    /// Iterates over the entries, each with its key, from either end.
    ///
    /// Costs a look at every stamp, those of free slots included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let keys = [table.insert(2)?, table.insert(3)?, table.insert(5)?];
    /// table.remove(keys[1]);
    /// assert!(table.iter().eq([(keys[0], &2), (keys[2], &5)]));
    /// assert_eq!(table.iter().rev().next(), Some((keys[2], &5)));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    ///
    /// An index by name, which each kernel makes anew, and which refuses a name that is taken. It
    /// holds keys alone: names are compared where they are.
    ///
    /// ```
    /// use core::hash::BuildHasher;
    /// use hashbrown::{DefaultHashBuilder, HashTable};
    /// use kho_block::mock::Mock;
    /// use kho_block::{IncomingSlots, Key, OutgoingSlots};
    ///
    /// type Name = [u8; 16];
    /// type Sessions<'m> = OutgoingSlots<Name, &'m Mock>;
    ///
    /// #[derive(Default)]
    /// struct ByName {
    ///     keys: HashTable<Key>,
    ///     hasher: DefaultHashBuilder,
    /// }
    ///
    /// impl ByName {
    ///     fn note(&mut self, sessions: &Sessions<'_>, key: Key) {
    ///         let hash = |&key: &Key| self.hasher.hash_one(sessions.get(key));
    ///         self.keys.insert_unique(hash(&key), key, hash);
    ///     }
    ///
    ///     fn find(&self, sessions: &Sessions<'_>, name: &Name) -> Option<Key> {
    ///         let same = |&key: &Key| sessions.get(key) == Some(name);
    ///         self.keys.find(self.hasher.hash_one(Some(name)), same).copied()
    ///     }
    ///
    ///     /// Begins a session; `None` if there is one of that name, or no memory.
    ///     fn begin(&mut self, sessions: &mut Sessions<'_>, name: &Name) -> Option<Key> {
    ///         if self.find(sessions, name).is_some() {
    ///             return None;
    ///         }
    ///         let key = sessions.insert(*name).ok()?;
    ///         self.note(sessions, key);
    ///         Some(key)
    ///     }
    ///
    ///     /// Ends a session.
    ///     fn end(&mut self, sessions: &mut Sessions<'_>, key: Key) -> Option<Name> {
    ///         let hash = self.hasher.hash_one(sessions.get(key));
    ///         self.keys.find_entry(hash, |&other| other == key).ok()?.remove();
    ///         sessions.remove(key)
    ///     }
    /// }
    ///
    /// let mut mem = Mock::new();
    /// let (mut sessions, mut by_name) = (Sessions::new(&mem), ByName::default());
    /// let vm = by_name.begin(&mut sessions, b"virtual machine ").unwrap();
    /// assert_eq!(by_name.begin(&mut sessions, b"virtual machine "), None, "it is taken");
    /// let net = by_name.begin(&mut sessions, b"network         ").unwrap();
    /// by_name.end(&mut sessions, net);
    /// let head = sessions.seal().leave();
    ///
    /// mem.reboot();
    /// let sessions = IncomingSlots::<Name, _>::restore(&mem, head)?;
    /// let mut sessions = sessions.adopt().map_err(|error| error.into_kind())?;
    /// let mut by_name = ByName::default();
    /// for (key, _) in &sessions {
    ///     by_name.note(&sessions, key);
    /// }
    /// assert_eq!(by_name.find(&sessions, b"virtual machine "), Some(vm));
    /// assert_eq!(by_name.begin(&mut sessions, b"virtual machine "), None);
    /// assert_ne!(by_name.begin(&mut sessions, b"network         "), Some(net));
    /// assert_eq!(sessions.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> SlotsIter<'_, T, BLOCK_SIZE> {
        let tail = self.chain.tail();
        let (full, rest) = self.chain.blocks().split_at_checked(tail.block).unwrap_or_default();
        let all: Full<'_, T, BLOCK_SIZE> = |block| block.slots(usize::MAX).iter();
        let last = rest.first().map_or(&[][..], |block| block.slots(tail.count));
        SlotsIter {
            slots: full.iter().flat_map(all).chain(last),
            front: 0,
            back: self.slot_count(),
            left: self.len(),
        }
    }

    /// Iterates over the entries, each with its key, from either end, to change them.
    ///
    /// The entries are in the chain already: a kexec in the middle of a change hands over half of
    /// it.
    ///
    /// ```
    /// # use kho_block::{Slots, mock::Mock};
    /// # let mem = Mock::new();
    /// let mut table = Slots::<u64, _>::new(&mem);
    /// let key = table.insert(2)?;
    /// table.iter_mut().for_each(|(_, entry)| *entry *= 2);
    /// assert_eq!(table.get(key), Some(&4));
    /// # Ok::<(), kho_block::PushError<u64>>(())
    /// ```
    pub fn iter_mut(&mut self) -> SlotsIterMut<'_, T, BLOCK_SIZE> {
        let (tail, back, left) = (self.chain.tail(), self.slot_count(), self.len());
        let blocks = self.chain.blocks_mut();
        let (full, rest) = blocks.split_at_mut_checked(tail.block).unwrap_or_default();
        let all: FullMut<'_, T, BLOCK_SIZE> = |block| block.slots_mut(usize::MAX).iter_mut();
        let last = rest.first_mut().map_or(&mut [][..], |block| block.slots_mut(tail.count));
        SlotsIterMut { slots: full.iter_mut().flat_map(all).chain(last), front: 0, back, left }
    }
}

/// The slots of the blocks that are full, and then those of the last one.
type Rows<'a, T, const BLOCK_SIZE: usize> = Chain<
    FlatMap<slice::Iter<'a, StampedBlock<T, BLOCK_SIZE>>, Row<'a, T>, Full<'a, T, BLOCK_SIZE>>,
    Row<'a, T>,
>;
type Row<'a, T> = slice::Iter<'a, Slot<T>>;
type Full<'a, T, const BLOCK_SIZE: usize> = fn(&'a StampedBlock<T, BLOCK_SIZE>) -> Row<'a, T>;

/// As [`Rows`], to change entries.
type RowsMut<'a, T, const BLOCK_SIZE: usize> = Chain<
    FlatMap<
        slice::IterMut<'a, StampedBlock<T, BLOCK_SIZE>>,
        RowMut<'a, T>,
        FullMut<'a, T, BLOCK_SIZE>,
    >,
    RowMut<'a, T>,
>;
type RowMut<'a, T> = slice::IterMut<'a, Slot<T>>;
type FullMut<'a, T, const BLOCK_SIZE: usize> =
    fn(&'a mut StampedBlock<T, BLOCK_SIZE>) -> RowMut<'a, T>;

/// Iterates over the entries of a table; see [`Slots::iter`].
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{Slots, SlotsIter};
///
/// fn sum(entries: SlotsIter<'_, u64>) -> u64 {
///     entries.map(|(_, entry)| entry).sum()
/// }
///
/// let mem = Mock::new();
/// let mut table = Slots::<u64, _>::new(&mem);
/// table.insert(2)?;
/// table.insert(3)?;
/// assert_eq!(sum(table.iter()), 5);
/// # Ok::<(), kho_block::PushError<u64>>(())
/// ```
#[must_use = "iterators are lazy"]
pub struct SlotsIter<'a, T: Entry, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> {
    slots: Rows<'a, T, BLOCK_SIZE>,
    /// The number of the first slot that is left.
    front: usize,
    /// The number behind that of the last.
    back: usize,
    /// Entries that are left.
    left: usize,
}

impl<T: Entry, const BLOCK_SIZE: usize> Clone for SlotsIter<'_, T, BLOCK_SIZE> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), ..*self }
    }
}

/// Iterates over the entries of a table, to change them; see [`Slots::iter_mut`].
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{Slots, SlotsIterMut};
///
/// fn double(entries: SlotsIterMut<'_, u64>) {
///     entries.for_each(|(_, entry)| *entry *= 2);
/// }
///
/// let mem = Mock::new();
/// let mut table = Slots::<u64, _>::new(&mem);
/// let key = table.insert(2)?;
/// double(table.iter_mut());
/// assert_eq!(table.get(key), Some(&4));
/// # Ok::<(), kho_block::PushError<u64>>(())
/// ```
#[must_use = "iterators are lazy"]
pub struct SlotsIterMut<'a, T: Entry, const BLOCK_SIZE: usize = DEFAULT_BLOCK_SIZE> {
    slots: RowsMut<'a, T, BLOCK_SIZE>,
    front: usize,
    back: usize,
    left: usize,
}

/// The key of the entry in slot `number`, as its stamp says; `None` if it has none.
#[inline]
fn key_of<T: Entry>(number: usize, slot: &Slot<T>) -> Option<Key> {
    match Stamp::read(slot.stamp())? {
        Stamp::Used { life } => Some(Key { slot: u32::try_from(number).ok()?, life }),
        Stamp::Free { .. } | Stamp::Retired => None,
    }
}

/// What both iterators do alike; `$entry` is how they lend an entry.
macro_rules! iterate {
    ($name:ident, $item:ty, $entry:ident, $table:ty, $iter:ident) => {
        impl<'a, T: Entry, const BLOCK_SIZE: usize> Iterator for $name<'a, T, BLOCK_SIZE> {
            type Item = (Key, $item);

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                loop {
                    let slot = self.slots.next()?;
                    let number = self.front;
                    self.front = number.saturating_add(1);
                    if let Some(key) = key_of(number, slot) {
                        self.left = self.left.saturating_sub(1);
                        return Some((key, slot.$entry()));
                    }
                }
            }

            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.left, Some(self.left))
            }
        }

        impl<T: Entry, const BLOCK_SIZE: usize> DoubleEndedIterator for $name<'_, T, BLOCK_SIZE> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                loop {
                    let slot = self.slots.next_back()?;
                    self.back = self.back.saturating_sub(1);
                    if let Some(key) = key_of(self.back, slot) {
                        self.left = self.left.saturating_sub(1);
                        return Some((key, slot.$entry()));
                    }
                }
            }
        }

        impl<T: Entry, const BLOCK_SIZE: usize> ExactSizeIterator for $name<'_, T, BLOCK_SIZE> {}
        impl<T: Entry, const BLOCK_SIZE: usize> FusedIterator for $name<'_, T, BLOCK_SIZE> {}

        impl<T: Entry, const BLOCK_SIZE: usize> fmt::Debug for $name<'_, T, BLOCK_SIZE> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("remaining", &self.len())
                    .finish_non_exhaustive()
            }
        }

        impl<'a, T: Entry, A: PreservedAllocator, O: Origin, const BLOCK_SIZE: usize> IntoIterator
            for $table
        {
            type Item = (Key, $item);
            type IntoIter = $name<'a, T, BLOCK_SIZE>;

            fn into_iter(self) -> Self::IntoIter {
                self.$iter()
            }
        }
    };
}

iterate!(SlotsIter, &'a T, entry, &'a Slots<T, A, O, BLOCK_SIZE>, iter);
iterate!(SlotsIterMut, &'a mut T, entry_mut, &'a mut Slots<T, A, O, BLOCK_SIZE>, iter_mut);
