//! Keys of a table's entries, and the stamps that say whose a slot is.

#![forbid(unsafe_code)]

use core::fmt;
use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Names an entry of [`Slots`](crate::Slots), for as long as it is there, from kernel to kernel: the
/// number of its slot, and which of the slot's lives it is.
///
/// Once the entry is removed its key finds nothing, also if the slot is in use again. Being a
/// zerocopy record of 8 bytes, a key can be a field of a record that points at another one;
/// [`NULL`](Self::NULL), all zero, is no entry's.
///
/// # Examples
///
/// ```
/// use kho_block::mock::Mock;
/// use kho_block::{Key, Slots};
///
/// let mem = Mock::new();
/// let mut devices = Slots::<u64, _>::new(&mem);
/// let first = devices.insert(7)?;
/// devices.remove(first);
/// let second = devices.insert(8)?;
/// assert_eq!((first, second), (Key { slot: 0, life: 1 }, Key { slot: 0, life: 3 }));
/// assert_eq!((devices.get(first), devices.get(second)), (None, Some(&8)));
/// assert_eq!(devices.get(Key::NULL), None);
/// # Ok::<(), kho_block::PushError<u64>>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Key {
    /// The number of the slot, counted from 0.
    pub slot: u32,
    /// Which entry of that slot: odd, and two more for each that was there before.
    pub life: u32,
}

const_assert_eq!(size_of::<Key>(), 8);
const_assert_eq!(offset_of!(Key, slot), 0);
const_assert_eq!(offset_of!(Key, life), 4);

impl Key {
    /// The key of no entry: for a field that points at nothing.
    pub const NULL: Self = Self { slot: 0, life: 0 };

    /// Whether this is [`NULL`](Self::NULL).
    ///
    /// ```
    /// # use kho_block::Key;
    /// assert!(Key::default().is_null());
    /// assert!(!Key { slot: 0, life: 1 }.is_null());
    /// ```
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.slot == 0 && self.life == 0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, life } = self;
        write!(f, "slot {slot}, life {life}")
    }
}

/// What the stamp in front of an entry says of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// No entry; the next one has this life.
    Free { next: u32 },
    /// An entry, of this life.
    Used { life: u32 },
    /// No entry, and never again one: there are no lives left.
    Retired,
}

impl Stamp {
    /// The stamp of a slot without lives.
    const RETIRED: u32 = u32::MAX - 1;

    /// What a stamp says; `None` if it says nothing, being above `u32::MAX`.
    #[inline]
    pub(crate) fn read(stamp: u64) -> Option<Self> {
        let stamp = u32::try_from(stamp).ok()?;
        Some(match stamp {
            Self::RETIRED => Self::Retired,
            even if even & 1 == 0 => Self::Free { next: even | 1 },
            life => Self::Used { life },
        })
    }

    /// The stamp of a slot whose entry of this life is removed. Two lives end in the last stamp: no
    /// kernel of this crate gives the second of them.
    #[inline]
    pub(crate) fn after(life: u32) -> u64 {
        u64::from(life.saturating_add(1) & !1)
    }

    /// Whether a slot with this stamp holds the entry that `key` names.
    #[inline]
    pub(crate) fn is_of(stamp: u64, key: Key) -> bool {
        key.life & 1 == 1 && stamp == u64::from(key.life)
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn every_life_is_given_once_and_the_last_one_retires_its_slot() {
        assert_eq!(Stamp::read(0), Some(Stamp::Free { next: 1 }));
        for life in (1..100).chain(u32::MAX - 99..u32::MAX - 2).filter(|life| life & 1 == 1) {
            assert_eq!(Stamp::read(life.into()), Some(Stamp::Used { life }));
            let next = life + 2;
            assert_eq!(Stamp::read(Stamp::after(life)), Some(Stamp::Free { next }));
        }
        for last in [u32::MAX - 2, u32::MAX] {
            assert_eq!(Stamp::read(last.into()), Some(Stamp::Used { life: last }));
            assert_eq!(Stamp::read(Stamp::after(last)), Some(Stamp::Retired));
        }
        for beyond in [1 << 32, (1 << 32) + 1, u64::MAX] {
            assert_eq!(Stamp::read(beyond), None);
        }
    }

    #[test]
    fn a_key_is_that_of_an_entry_only() {
        for stamp in 0..10 {
            for life in 0..10 {
                let same = Stamp::is_of(stamp, Key { slot: 0, life });
                assert_eq!(same, stamp == u64::from(life) && life % 2 == 1);
            }
        }
    }
}
