//! What is preserved, by address.

#![forbid(unsafe_code)]

use core::fmt;
use core::iter::FusedIterator;

use crate::abi::addr::PhysAddr;
use crate::error::map::MapError;
use crate::linux::keys::{TOP_BIT, block_of, top_bit};
use crate::linux::map::PreservedMap;

impl<R: Fn(PhysAddr) -> Option<u64>> PreservedMap<R> {
    /// The blocks by address, each with its bytes. Those of all sizes come in one order, and none
    /// overlaps another. An error is the last item, and may come before the first block.
    ///
    /// Reads each word of each table about once, at most six more for each block and each table, and a
    /// few hundred to begin with: some 140 million for [`MAX_TABLES`](Self::MAX_TABLES) without a
    /// block.
    ///
    /// # Examples
    ///
    /// A map that loops is an error, not a walk without an end:
    ///
    /// ```
    /// use kho_block::PhysAddr;
    /// use kho_block::linux::{MapError, PreservedMap};
    ///
    /// let word = |addr: PhysAddr| Some(if addr.get() < 0x2000 { 0x2000 } else { 0x1000 });
    /// let map = PreservedMap::new(PhysAddr::new(0x1000).unwrap(), word);
    /// let error = map.blocks().last().unwrap().unwrap_err();
    /// assert!(matches!(error, MapError::Loop { level: 2, first: 0, .. }));
    /// ```
    pub fn blocks(&self) -> MapBlocks<'_, R> {
        MapBlocks { map: self, keys: [0; 53], tables: self.max_tables, stage: Stage::New, end: 0 }
    }
}

/// The blocks of a map; see [`PreservedMap::blocks`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
#[derive(Clone)]
pub struct MapBlocks<'m, R> {
    map: &'m PreservedMap<R>,
    /// The next key with this bit at its top, which is to say of this size; 0 if there is none. Keys
    /// ascend by address only among those of a size.
    keys: [u64; 53],
    /// Tables that may still be looked at.
    tables: usize,
    stage: Stage,
    /// Where the block before ends, or the last address there is.
    end: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    New,
    /// The block of this key was yielded: what follows it in its order is not known yet.
    Behind(u64),
    Ended,
}

impl<R: Fn(PhysAddr) -> Option<u64>> MapBlocks<'_, R> {
    /// The next block.
    ///
    /// # Errors
    ///
    /// The first fault on the way to it, or what is wrong with it.
    fn advance(&mut self) -> Result<Option<(PhysAddr, u64)>, MapError> {
        match self.stage {
            Stage::New => self.start()?,
            Stage::Behind(key) => self.seek(top_bit(key), key.saturating_add(1))?,
            Stage::Ended => return Ok(None),
        }
        let blocks = self.keys.iter().filter(|&&key| key != 0).map(|&key| (block_of(key), key));
        let Some(((addr, size), key)) = blocks.min() else { return Ok(None) };
        let addr = PhysAddr::new(addr).ok_or(MapError::NoSuchBlock { key })?;
        if addr.get() < self.end {
            return Err(MapError::Overlap { addr, size });
        }
        self.end = addr.get().saturating_add(size);
        self.stage = Stage::Behind(key);
        Ok(Some((addr, size)))
    }

    /// Looks for what no map has, and for the first block of each size.
    ///
    /// # Errors
    ///
    /// If there is any, or the first fault on the way.
    fn start(&mut self) -> Result<(), MapError> {
        self.map.refuse_other_keys(&mut self.tables)?;
        (1..=TOP_BIT).try_for_each(|bit| self.seek(bit, 1 << bit))
    }

    /// Looks for the next block from the key `from` on whose key has this bit at its top.
    ///
    /// # Errors
    ///
    /// The first fault on the way.
    fn seek(&mut self, top_bit: u32, from: u64) -> Result<(), MapError> {
        let found = self.map.seek(from, 2 << top_bit, &mut self.tables)?;
        let slot = usize::try_from(top_bit).ok().and_then(|bit| self.keys.get_mut(bit));
        if let Some(slot) = slot {
            *slot = found.unwrap_or(0);
        }
        Ok(())
    }
}

impl<R: Fn(PhysAddr) -> Option<u64>> Iterator for MapBlocks<'_, R> {
    type Item = Result<(PhysAddr, u64), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.advance().transpose();
        if !matches!(block, Some(Ok(_))) {
            self.stage = Stage::Ended;
        }
        block
    }
}

impl<R: Fn(PhysAddr) -> Option<u64>> FusedIterator for MapBlocks<'_, R> {}

impl<R> fmt::Debug for MapBlocks<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapBlocks")
            .field("map", self.map)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
