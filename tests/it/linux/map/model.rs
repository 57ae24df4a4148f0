//! A map in memory, and what it means, read in the plainest way.

use std::collections::{BTreeMap, BTreeSet};

use kho_block::PhysAddr;
use kho_block::linux::MapError;

/// Tables of 512 words, by address.
#[derive(Clone)]
pub(super) struct Tree {
    tables: BTreeMap<u64, Vec<u64>>,
    next: u64,
}

/// The key of a block.
fn key_of(addr: u64, size: u64) -> u64 {
    let n = size.trailing_zeros() - 12;
    1 << (52 - n) | addr >> (12 + n)
}

/// Which word of a table at `level` a key leads to, and the lowest key that does.
fn index(key: u64, level: usize) -> (u64, u64) {
    let shift = [51, 42, 33, 24, 15, 6][level];
    (key >> shift & 511, key >> shift << shift)
}

impl Tree {
    pub(super) const ROOT: u64 = 0x10_0000;

    pub(super) fn new() -> Self {
        let mut tree = Self { tables: BTreeMap::new(), next: Self::ROOT };
        tree.table();
        tree
    }

    /// Adds a table somewhere.
    fn table(&mut self) -> u64 {
        let table = self.next;
        self.next += 0x3000;
        self.add(table);
        table
    }

    /// Adds a table.
    pub(super) fn add(&mut self, table: u64) {
        self.tables.entry(table).or_insert_with(|| vec![0; 512]);
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = u64> {
        self.tables.keys().copied()
    }

    pub(super) fn word(&self, addr: u64) -> Option<u64> {
        assert_eq!(addr % 8, 0, "a word is aligned");
        let table = self.tables.get(&(addr & !0xfff))?;
        Some(table[usize::try_from(addr / 8 % 512).unwrap()])
    }

    pub(super) fn set(&mut self, addr: u64, word: u64) {
        let table = self.tables.get_mut(&(addr & !0xfff)).unwrap();
        table[usize::try_from(addr / 8 % 512).unwrap()] = word;
    }

    pub(super) fn insert(&mut self, addr: u64, size: u64) {
        self.set_key(key_of(addr, size));
    }

    /// Sets the bit of a key, unless the way to it is damaged already.
    pub(super) fn set_key(&mut self, key: u64) {
        let mut table = Self::ROOT;
        for level in 0..5 {
            let word = table + 8 * index(key, level).0;
            if self.word(word) == Some(0) {
                let new = self.table();
                self.set(word, new);
            }
            table = self.word(word).unwrap();
            if !self.tables.contains_key(&table) {
                return;
            }
        }
        let word = table + 8 * index(key, 5).0;
        self.set(word, self.word(word).unwrap() | 1 << (key % 64));
    }

    /// What `contains` should say.
    ///
    /// # Errors
    ///
    /// What is wrong on the way.
    pub(super) fn contains(&self, addr: u64, size: u64) -> Result<bool, MapError> {
        if !size.is_power_of_two() || size < 4096 || addr % size != 0 {
            return Ok(false);
        }
        let key = key_of(addr, size);
        let mut way = vec![Self::ROOT];
        for level in 0..6 {
            let word = self.checked(&way, key)?;
            if level == 5 {
                return Ok(word >> (key % 64) & 1 != 0);
            }
            if word == 0 {
                return Ok(false);
            }
            way.push(word);
        }
        unreachable!("six levels");
    }

    /// The word of the last table on a way that a key leads to.
    ///
    /// # Errors
    ///
    /// What is wrong with the table.
    fn checked(&self, way: &[u64], key: u64) -> Result<u64, MapError> {
        let level = way.len() - 1;
        let (index, at) = index(key, level);
        let lowest = if level == 0 { 0 } else { self::index(key, level - 1).1 };
        let table = PhysAddr::new(way[level]).unwrap();
        if way[level] % 4096 != 0 {
            return Err(MapError::Misaligned { level, key: lowest, table });
        }
        if let Some(first) = way[..level].iter().position(|&above| above == way[level]) {
            return Err(MapError::Loop { level, key: lowest, table, first });
        }
        let addr = way[level] + 8 * index;
        self.word(addr).ok_or(MapError::Unreadable {
            level,
            key: at,
            addr: PhysAddr::new(addr).unwrap(),
        })
    }
}

/// All that can be said of a tree.
pub(super) struct Model {
    /// Those that lie before the first fault, if they are read by address; else all.
    pub(super) blocks: Vec<(u64, u64)>,
    /// Everything that is wrong with it; which of that is met first is the library's choice.
    pub(super) errors: Vec<MapError>,
    /// Tables, one that is named in two places twice.
    pub(super) tables: usize,
}

impl Model {
    /// More tables than any test's map has, unless it leads to the same ones again and again.
    pub(super) const MAX_TABLES: usize = 3000;

    /// `None` if there are too many tables.
    pub(super) fn of(tree: &Tree) -> Option<Self> {
        let (mut keys, mut errors) = (BTreeSet::new(), Vec::new());
        let mut ways = vec![(vec![Tree::ROOT], 0_u64)];
        let mut tables = 0;
        while let Some((way, from)) = ways.pop() {
            tables += 1;
            if tables > Self::MAX_TABLES {
                return None;
            }
            let level = way.len() - 1;
            let key = |index: usize| {
                from | u64::try_from(index).unwrap() << [51, 42, 33, 24, 15, 6][level]
            };
            if tree.checked(&way, from).is_err() {
                errors.extend((0..512).map(|index| tree.checked(&way, key(index)).unwrap_err()));
                continue;
            }
            let words = tree.tables[way.last().unwrap()].iter().enumerate();
            for (index, &word) in words.filter(|&(_, &word)| word != 0) {
                let key = key(index);
                if key >= 1 << 53 {
                    errors.push(MapError::NoSuchBlock { key });
                } else if level < 5 {
                    ways.push(([&way[..], &[word]].concat(), key));
                } else {
                    keys.extend((0..64).filter(|bit| word >> bit & 1 != 0).map(|bit| key | bit));
                }
            }
        }
        let no_block = |&key: &u64| key < 2 || key == 1 << key.ilog2();
        errors.extend(
            keys.iter().filter(|key| no_block(key)).map(|&key| MapError::NoSuchBlock { key }),
        );
        let mut blocks: Vec<(u64, u64)> = keys
            .into_iter()
            .filter(|key| !no_block(key))
            .map(|key| {
                let top = key.ilog2();
                ((key - (1 << top)) << (64 - top), 1 << (64 - top))
            })
            .collect();
        blocks.sort_unstable();
        // What overlaps is an error at the second of the two.
        let mut end = 0_u128;
        for at in 0..blocks.len() {
            let (addr, size) = blocks[at];
            if u128::from(addr) < end {
                errors.push(MapError::Overlap { addr: PhysAddr::new(addr).unwrap(), size });
                blocks.truncate(at);
                break;
            }
            end = u128::from(addr) + u128::from(size);
        }
        Some(Self { blocks, errors, tables })
    }

    /// What may be asked of a map: its blocks, and others near them.
    pub(super) fn questions(&self) -> impl Iterator<Item = (u64, u64)> {
        self.blocks.iter().take(8).flat_map(|&(addr, size)| {
            let (next, half) = (addr.wrapping_add(size), size / 2);
            [
                (addr, size),
                (next, size),
                (addr, half),
                (addr, size.wrapping_mul(2)),
                (addr ^ half, half),
            ]
            .into_iter()
            .filter(|&(addr, _)| addr != 0)
        })
    }
}
