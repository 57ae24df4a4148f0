//! The map of the blocks that Linux preserved: a radix tree that is read a word at a time.

#![forbid(unsafe_code)]

use core::fmt;
use core::num::NonZeroU64;

use crate::abi::addr::PhysAddr;
use crate::error::map::MapError;
use crate::linux::keys::{END_OF_KEYS, FIRST_KEY, PAGE_SIZE, key_of};

/// How many bits of a key the word of a table leaves open, from the lowest one on: of the five tables
/// of addresses on the way to a block, and of the bitmap.
const OPEN_BITS: [u32; 5] = [51, 42, 33, 24, 15];
const OPEN_BITS_OF_BITMAP: u32 = 6;

/// Bits of a key that choose the word of a table.
const WORD_BITS: u32 = 9;

/// The map of the blocks that the previous kernel preserved by KHO: what can be believed to be there.
///
/// `read` reads the native-endian word at a physical address, a multiple of 8; `None` if there is no
/// memory. It should refuse what is not RAM. Nothing that is read is believed: any bytes give an error
/// or an answer, with a bounded number of reads.
///
/// # Examples
///
/// The tables of a map with one block, of two pages:
///
/// ```
/// use kho_block::PhysAddr;
/// use kho_block::linux::PreservedMap;
///
/// // The key: a bit that says the size, and the address in units of that size.
/// let key = 1_u64 << (52 - 1) | 0x3d_6000 >> (12 + 1);
/// let word = |addr: PhysAddr| match addr.get() {
///     addr if addr == 0x1000 + (key >> 51) * 8 => Some(0x2000), // the root
///     addr if addr == 0x5000 + (key >> 15) % 512 * 8 => Some(0x6000),
///     0x2000 | 0x3000 | 0x4000 => Some(addr.get() + 0x1000),
///     addr if addr == 0x6000 + key % 32768 / 64 * 8 => Some(1 << key % 64), // the bitmap
///     0x1000..0x7000 => Some(0),
///     _ => None,
/// };
/// let map = PreservedMap::new(PhysAddr::new(0x1000).unwrap(), word);
///
/// let addr = PhysAddr::new(0x3d_6000).unwrap();
/// assert_eq!(map.contains(addr, 8192), Ok(true));
/// assert_eq!(map.contains(addr, 4096), Ok(false));
/// assert!(map.blocks().eq([Ok((addr, 8192))]));
/// ```
#[derive(Clone, Copy)]
pub struct PreservedMap<R> {
    root: PhysAddr,
    read: R,
    pub(super) max_tables: usize,
}

impl<R: Fn(PhysAddr) -> Option<u64>> PreservedMap<R> {
    /// How many tables [`blocks`](PreservedMap::blocks) looks at, unless [told
    /// otherwise](Self::with_max_tables): 2^18, enough for 16 TiB in blocks of one page.
    pub const MAX_TABLES: usize = 1 << 18;

    /// The map whose root is at `root`, the address in
    /// [`MEMORY_MAP_PROPERTY`](super::MEMORY_MAP_PROPERTY). Reads nothing yet.
    pub const fn new(root: PhysAddr, read: R) -> Self {
        Self { root, read, max_tables: Self::MAX_TABLES }
    }

    /// Changes how many tables [`blocks`](PreservedMap::blocks) looks at before it gives up. One that
    /// is named in two places counts twice: a damaged map may lead to the same few again and again.
    ///
    /// A sound map has about two tables at most for each 128 MiB of memory, and five for each size of
    /// block. A kernel that knows how much memory there is can so limit what a damaged one costs.
    #[must_use]
    pub fn with_max_tables(self, max_tables: usize) -> Self {
        Self { max_tables, ..self }
    }

    /// Where the root is.
    #[must_use]
    pub const fn root(&self) -> PhysAddr {
        self.root
    }

    /// Whether a block of exactly `size` bytes at `addr` was preserved. Reads at most six words.
    ///
    /// # Errors
    ///
    /// If a table on the way is misaligned or cannot be read, or there is one twice.
    pub fn contains(&self, addr: PhysAddr, size: u64) -> Result<bool, MapError> {
        let Some(key) = key_of(addr, size) else { return Ok(false) };
        let mut tables = usize::MAX;
        let way = self.descend(key, key.saturating_add(1), &mut tables)?;
        Ok(matches!(way, Way::Set(_)))
    }

    /// The lowest key from `from` on, but below `end`, that is set. Takes the tables that it is the
    /// first to look at from `tables`.
    ///
    /// # Errors
    ///
    /// The first fault on the way.
    pub(super) fn seek(
        &self,
        from: u64,
        end: u64,
        tables: &mut usize,
    ) -> Result<Option<u64>, MapError> {
        let mut key = from;
        while key < end {
            match self.descend(key, end, tables)? {
                Way::Set(key) => return Ok(Some(key)),
                Way::Empty { until } => key = until,
            }
        }
        Ok(None)
    }

    /// Whether there is nothing but what a block can have as its key.
    ///
    /// # Errors
    ///
    /// The first key that none can have, or the first fault on the way.
    pub(super) fn refuse_other_keys(&self, tables: &mut usize) -> Result<(), MapError> {
        if let Some(key) = self.seek(0, FIRST_KEY, tables)? {
            return Err(MapError::NoSuchBlock { key });
        }
        let [open_bits, ..] = OPEN_BITS;
        let root = Table { level: 0, open_bits, addr: self.root };
        let mut key = END_OF_KEYS;
        while root.lowest(key) == 0 {
            if self.word(root, key)?.is_some() {
                return Err(MapError::NoSuchBlock { key });
            }
            key = root.next_word(key);
        }
        Ok(())
    }

    /// Goes down from the root on the way of `key`, in each table to the right over words that are
    /// zero, up to the first bit that is set, to `end` or to the end of a table.
    ///
    /// # Errors
    ///
    /// The first fault on the way.
    fn descend(&self, mut key: u64, end: u64, tables: &mut usize) -> Result<Way, MapError> {
        let mut way = [None; OPEN_BITS.len()];
        let mut addr = self.root;
        for (level, open_bits) in OPEN_BITS.into_iter().enumerate() {
            let table = Table { level, open_bits, addr };
            self.enter(table, key, &way, tables)?;
            let Some(word) = self.first_word(table, &mut key, end)? else {
                return Ok(Way::Empty { until: key });
            };
            if let Some(slot) = way.get_mut(level) {
                *slot = Some(addr);
            }
            addr = word.into();
        }
        let bitmap = Table { level: OPEN_BITS.len(), open_bits: OPEN_BITS_OF_BITMAP, addr };
        self.enter(bitmap, key, &way, tables)?;
        let Some(word) = self.first_word(bitmap, &mut key, end)? else {
            return Ok(Way::Empty { until: key });
        };
        let key = bitmap.word_key(key) | u64::from(word.trailing_zeros());
        Ok(if key < end { Way::Set(key) } else { Way::Empty { until: key } })
    }

    /// Checks a table that `way` leads to, and counts it when it is looked at from its start.
    ///
    /// # Errors
    ///
    /// If it is misaligned, on that way already, or one too many.
    fn enter(
        &self,
        table: Table,
        key: u64,
        way: &[Option<PhysAddr>],
        tables: &mut usize,
    ) -> Result<(), MapError> {
        let Table { level, addr, .. } = table;
        let lowest = table.lowest(key);
        if !addr.is_aligned_to(PAGE_SIZE) {
            return Err(MapError::Misaligned { level, key: lowest, table: addr });
        }
        if let Some(first) = way.iter().position(|&above| above == Some(addr)) {
            return Err(MapError::Loop { level, key: lowest, table: addr, first });
        }
        if key == lowest {
            let left = tables.checked_sub(1);
            *tables = left.ok_or(MapError::TooManyTables { max: self.max_tables })?;
        }
        Ok(())
    }

    /// The first word of a table, from that of `key` on, that is not zero. `key` becomes the lowest
    /// one that comes behind the words that are; at `end`, or behind the table, there is none.
    ///
    /// # Errors
    ///
    /// If a word cannot be read.
    fn first_word(
        &self,
        table: Table,
        key: &mut u64,
        end: u64,
    ) -> Result<Option<NonZeroU64>, MapError> {
        loop {
            let word = self.word(table, *key)?;
            if word.is_some() {
                return Ok(word);
            }
            *key = table.next_word(*key);
            if *key >= end || *key == table.lowest(*key) {
                return Ok(None);
            }
        }
    }

    /// The word of a table that `key` is led by; of a bitmap, without the bits below that of `key`.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn word(&self, table: Table, key: u64) -> Result<Option<NonZeroU64>, MapError> {
        let Table { level, open_bits, addr } = table;
        let offset = (key >> open_bits & low_bits(WORD_BITS)).saturating_mul(8);
        let unreadable = |addr| MapError::Unreadable { level, key: table.word_key(key), addr };
        let addr = addr.checked_add(offset).ok_or(unreadable(addr))?;
        let word = (self.read)(addr).ok_or(unreadable(addr))?;
        let is_bitmap = level == OPEN_BITS.len();
        let bits = if is_bitmap { u64::MAX << (key & low_bits(open_bits)) } else { u64::MAX };
        Ok(NonZeroU64::new(word & bits))
    }
}

impl<R> fmt::Debug for PreservedMap<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreservedMap")
            .field("root", &self.root)
            .field("max_tables", &self.max_tables)
            .finish_non_exhaustive()
    }
}

/// A table of a map, not looked at yet.
#[derive(Clone, Copy)]
struct Table {
    level: usize,
    open_bits: u32,
    addr: PhysAddr,
}

impl Table {
    /// The lowest key that leads to the same table as `key`.
    const fn lowest(self, key: u64) -> u64 {
        key & !low_bits(self.open_bits.saturating_add(WORD_BITS))
    }

    /// The lowest key that leads to the same word as `key`.
    const fn word_key(self, key: u64) -> u64 {
        key & !low_bits(self.open_bits)
    }

    /// The lowest key that leads to the word behind that of `key`.
    const fn next_word(self, key: u64) -> u64 {
        (key | low_bits(self.open_bits)).saturating_add(1)
    }
}

/// Where a way down ends.
enum Way {
    /// At this key, which is set.
    Set(u64),
    /// In front of this key: none is set before it.
    Empty { until: u64 },
}

/// A number whose lowest bits are set, so many and no other.
const fn low_bits(bits: u32) -> u64 {
    !(u64::MAX << bits)
}
