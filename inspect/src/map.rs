//! The map of what Linux preserved.

use kho_block::PhysAddr;
use kho_block::linux::{MapError, PreservedMap};

use crate::image::{Image, PAGE};
use crate::ranges::Ranges;
use crate::report::{Finding, Hex, MapReport, Severity};

/// How many bits of a key the word of a table leaves open, from the root on.
const OPEN_BITS: [u32; 5] = [51, 42, 33, 24, 15];

/// The map of a handover.
pub(crate) struct LinuxMap<'i, 's> {
    image: &'i Image<'s>,
    root: PhysAddr,
}

impl<'i, 's> LinuxMap<'i, 's> {
    pub(crate) const fn new(image: &'i Image<'s>, root: PhysAddr) -> Self {
        Self { image, root }
    }

    fn map(&self) -> PreservedMap<impl Fn(PhysAddr) -> Option<u64>> {
        // More tables than the image has pages cannot be there; so the walk ends soon.
        let pages = usize::try_from(self.image.memory_bytes() / PAGE).unwrap_or(usize::MAX);
        let tables = pages.saturating_add(64).min(1 << 24);
        PreservedMap::new(self.root, |addr| self.image.read(addr.get())).with_max_tables(tables)
    }

    /// Whether a block of exactly this size is preserved there; `None` if the map is damaged on the way.
    pub(crate) fn has(&self, addr: u64, bytes: u64) -> Option<bool> {
        let Some(addr) = PhysAddr::new(addr) else { return Some(false) };
        self.map().contains(addr, bytes).ok()
    }

    /// The block, of whatever size, that covers an address; `None` if there is none, or no telling.
    pub(crate) fn covering(&self, addr: u64) -> Option<(u64, u64)> {
        (12..63).find_map(|bits| {
            let bytes = 1_u64 << bits;
            let start = addr & !bytes.wrapping_sub(1);
            self.has(start, bytes)?.then_some((start, bytes))
        })
    }

    /// Walks the whole map.
    pub(crate) fn walk(&self, findings: &mut Vec<Finding>) -> MapReport {
        let mut ranges = Ranges::default();
        let mut sound = true;
        for block in self.map().blocks() {
            match block {
                Ok((addr, bytes)) => ranges.add(addr.get(), bytes),
                Err(error) => {
                    sound = false;
                    findings.push(self.finding(error));
                }
            }
        }
        MapReport {
            root: self.root.into(),
            sound,
            blocks: ranges.blocks,
            bytes: ranges.bytes,
            sizes: ranges.sizes(),
            ranges: ranges.first,
            more_ranges: ranges.more,
        }
    }

    /// Where the map is damaged.
    fn finding(&self, error: MapError) -> Finding {
        let text = format!("the map of preserved memory is damaged: {error}");
        let new = |rule| Finding::new(Severity::Damaged, rule, "the map", &text);
        match error {
            MapError::Misaligned { level, key, table } => self
                .table(new("map-alignment").about(table.get()), level, key)
                .expected("a multiple of 4096"),
            MapError::Unreadable { level, key, addr } => {
                let lies_outside = self.image.piece(addr.get(), 8).is_none();
                let finding = self.table(new("map-unreadable").about(addr.get()), level, key);
                let expected =
                    if lies_outside { "a table that the image holds" } else { "a table" };
                finding.expected(expected)
            }
            MapError::Loop { level, key, table, .. } => self
                .table(new("map-loop").about(table.get()), level, key)
                .expected("a table that is not on the way to it"),
            MapError::NoSuchBlock { .. } => {
                new("map-key").expected("only keys that a block can have")
            }
            MapError::Overlap { addr, .. } => {
                new("map-overlap").about(addr.get()).expected("blocks that do not overlap")
            }
            _ => new("map-tables").expected("a table for each word that leads to one"),
        }
    }

    /// Adds the word that leads to the table of `key` at `level`.
    fn table(&self, finding: Finding, level: usize, key: u64) -> Finding {
        let mut table = self.root.get();
        let Some(above) = level.checked_sub(1) else {
            let found = Some(format!("{:#x}", self.root));
            return Finding { field: Some("preserved-memory-map".into()), found, ..finding };
        };
        for (number, bits) in OPEN_BITS.into_iter().enumerate().take(level) {
            let offset = (key >> bits & 511).saturating_mul(8);
            let word = table.checked_add(offset).and_then(|addr| self.image.read::<u64>(addr));
            let Some(word) = word else { return finding };
            if number == above {
                let index = key >> bits & 511;
                return finding.field(
                    &format!("word {index} of a table of level {number}"),
                    table,
                    offset,
                    Hex(word).to_string(),
                );
            }
            table = word;
        }
        finding
    }
}
