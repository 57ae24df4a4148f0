//! What was found, as plain data: the human, JSON and SVG outputs all tell of this.

use core::fmt;

use kho_block::PhysAddr;
use serde::{Serialize, Serializer};

/// A number that is written in hexadecimal: an address, or a word as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hex(pub(crate) u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<PhysAddr> for Hex {
    fn from(addr: PhysAddr) -> Self {
        Self(addr.get())
    }
}

/// All that one run has to say.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The version of this structure.
    pub(crate) schema: u32,
    pub(crate) image: ImageReport,
    pub(crate) findings: Vec<Finding>,
    pub(crate) handovers: Vec<Handover>,
    pub(crate) regions: Vec<RegionReport>,
    pub(crate) descriptor: Option<DescriptorReport>,
    pub(crate) chain: Option<ChainReport>,
    /// The entries of `chain`.
    pub(crate) entries: Vec<Entry>,
}

impl Report {
    /// A report with nothing in it but the image.
    pub(crate) fn new(image: ImageReport) -> Self {
        Self {
            schema: 1,
            image,
            findings: Vec::new(),
            handovers: Vec::new(),
            regions: Vec::new(),
            descriptor: None,
            chain: None,
            entries: Vec::new(),
        }
    }

    /// The worst that was found.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.findings.iter().filter(|finding| !finding.stale).map(|finding| finding.severity).max()
    }

    /// Every chain in the report, the one that was asked for first.
    pub(crate) fn chains(&self) -> impl Iterator<Item = &ChainReport> {
        let luo = self.handovers.iter().filter_map(|handover| handover.luo.as_ref());
        let of_luo = luo.flat_map(|luo| {
            let files = luo.sessions.iter().filter_map(|session| session.files.as_ref());
            luo.chain.iter().chain(files)
        });
        let of_regions = self.regions.iter().filter_map(|region| region.chain.as_ref());
        self.chain.iter().chain(of_luo).chain(of_regions)
    }
}

/// The image itself.
#[derive(Debug, Serialize)]
pub(crate) struct ImageReport {
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) file_bytes: u64,
    /// Ranges of physical memory that the image holds.
    pub(crate) ranges: u64,
    /// Bytes in them.
    pub(crate) memory_bytes: u64,
    pub(crate) first: Hex,
    /// The address behind the last byte.
    pub(crate) end: Hex,
    /// Bytes that an ELF core names and does not hold.
    pub(crate) left_out_bytes: u64,
    /// Bytes that are holes of a sparse file, and read as zero; `null` if nobody looked.
    pub(crate) sparse_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Elf,
    Raw,
}

/// How bad a finding is, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Nothing is wrong, but somebody wants to know.
    Note,
    /// The image does not hold what it would take to go on.
    Missing,
    /// A rule is broken.
    Damaged,
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Whether it is about a handover that another one has followed: no fault of the image.
    pub(crate) stale: bool,
    /// The rule, as a word that does not change.
    pub(crate) rule: &'static str,
    /// What is damaged: a chain, the tree, the map.
    pub(crate) what: String,
    /// The number of the block in its chain.
    pub(crate) block: Option<usize>,
    /// Where that block is, or the tree, or the table.
    pub(crate) addr: Option<Hex>,
    /// The physical address of the value that breaks the rule.
    pub(crate) at: Option<Hex>,
    /// Bytes to it from the start of the block or record that it is in.
    pub(crate) offset: Option<u64>,
    /// The field's name.
    pub(crate) field: Option<String>,
    /// The value.
    pub(crate) found: Option<String>,
    /// One sentence.
    pub(crate) text: String,
    /// What the rule asks for.
    pub(crate) expected: Option<String>,
    /// What comes of it.
    pub(crate) consequence: Option<String>,
}

impl Finding {
    /// A finding without a place.
    pub(crate) fn new(
        severity: Severity,
        rule: &'static str,
        what: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            stale: false,
            rule,
            what: what.into(),
            block: None,
            addr: None,
            at: None,
            offset: None,
            field: None,
            found: None,
            text: text.into(),
            expected: None,
            consequence: None,
        }
    }

    /// The same, about something at `addr`.
    pub(crate) fn about(self, addr: u64) -> Self {
        Self { addr: Some(Hex(addr)), ..self }
    }

    /// The same, with the field that breaks the rule: `offset` bytes into what is at `holder`.
    pub(crate) fn field(self, name: &str, holder: u64, offset: u64, found: String) -> Self {
        Self {
            at: holder.checked_add(offset).map(Hex),
            offset: Some(offset),
            field: Some(name.to_owned()),
            found: Some(found),
            ..self
        }
    }

    /// The same, with what the rule asks for.
    pub(crate) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// The same, with what comes of it.
    pub(crate) fn so(self, consequence: impl Into<String>) -> Self {
        Self { consequence: Some(consequence.into()), ..self }
    }
}

/// What one Linux kernel handed over.
#[derive(Debug, Serialize)]
pub(crate) struct Handover {
    /// The device tree.
    pub(crate) tree: Hex,
    pub(crate) tree_bytes: u64,
    pub(crate) named_by_note: bool,
    pub(crate) standing: Standing,
    /// Why.
    pub(crate) reason: String,
    pub(crate) compatible: Option<String>,
    pub(crate) map: Option<MapReport>,
    pub(crate) subsystems: Vec<Subsystem>,
    pub(crate) luo: Option<LuoReport>,
}

/// What a handover is among several in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// The one that the next kernel finds, and sound.
    Whole,
    /// The one that the next kernel finds.
    Damaged,
    /// One of an earlier kernel.
    Stale,
}

/// A node of the tree.
#[derive(Debug, Serialize)]
pub(crate) struct Subsystem {
    pub(crate) name: String,
    pub(crate) data: Option<Hex>,
    pub(crate) bytes: Option<u64>,
    /// Whether the map has the data's page; `null` if there is no telling.
    pub(crate) preserved: Option<bool>,
}

/// The preserved blocks.
#[derive(Debug, Serialize)]
pub(crate) struct MapReport {
    pub(crate) root: Hex,
    /// Whether it could be walked to its end.
    pub(crate) sound: bool,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    /// Blocks of each size, from the smallest.
    pub(crate) sizes: Vec<SizeCount>,
    /// The first ranges, neighbours joined.
    pub(crate) ranges: Vec<MemoryRange>,
    /// How many more there are.
    pub(crate) more_ranges: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct SizeCount {
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
}

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MemoryRange {
    pub(crate) addr: Hex,
    pub(crate) bytes: u64,
}

/// LUO's state.
#[derive(Debug, Serialize)]
pub(crate) struct LuoReport {
    pub(crate) state: Hex,
    pub(crate) compatible: String,
    pub(crate) liveupdate_num: u64,
    pub(crate) sessions_pa: Hex,
    pub(crate) flbs_pa: Hex,
    pub(crate) chain: Option<ChainReport>,
    pub(crate) sessions: Vec<SessionReport>,
    pub(crate) shared_objects: Option<SharedReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SessionReport {
    pub(crate) addr: Hex,
    pub(crate) name: String,
    pub(crate) files_head: Hex,
    pub(crate) files_count: u64,
    /// The chain of its files, unless there is none.
    pub(crate) files: Option<ChainReport>,
    pub(crate) file_list: Vec<FileReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FileReport {
    pub(crate) compatible: String,
    pub(crate) data: Hex,
    pub(crate) token: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct SharedReport {
    pub(crate) addr: Hex,
    /// What the header says; `null` if the image does not hold it.
    pub(crate) pages: Option<u64>,
    pub(crate) count: Option<u64>,
    pub(crate) objects: Vec<SharedObjectReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SharedObjectReport {
    pub(crate) name: String,
    pub(crate) data: Hex,
    pub(crate) count: u64,
}

/// A chain: its sound blocks, and how it ends.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChainReport {
    pub(crate) name: String,
    pub(crate) head: Hex,
    pub(crate) entry_size: usize,
    pub(crate) block_size: usize,
    /// Entries that fit into a block.
    pub(crate) capacity: usize,
    pub(crate) entries: u64,
    pub(crate) blocks: Vec<BlockReport>,
    /// The block that ends the walk early, and where it would be.
    pub(crate) broken: Option<BrokenBlock>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct BlockReport {
    pub(crate) addr: Hex,
    pub(crate) count: usize,
    /// Whether a rule that the walk does not stop for is broken here.
    pub(crate) damaged: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct BrokenBlock {
    pub(crate) number: usize,
    pub(crate) addr: Hex,
    /// Whether the image does not hold it, rather than that a rule is broken.
    pub(crate) missing: bool,
    /// What its header says, if it can be read.
    pub(crate) next: Option<Hex>,
    pub(crate) count: Option<u64>,
}

/// An entry of the chain that was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) index: u64,
    pub(crate) addr: Hex,
    /// By the fields that were asked for, else all bytes as one.
    pub(crate) fields: Vec<String>,
}

/// A region of `kho-block`.
#[derive(Debug, Serialize)]
pub(crate) struct RegionReport {
    pub(crate) addr: Hex,
    pub(crate) bytes: u64,
    pub(crate) sound: bool,
    pub(crate) blocks: u64,
    /// Bytes of the blocks.
    pub(crate) used_bytes: u64,
    pub(crate) sizes: Vec<SizeCount>,
    /// The first ranges in use, neighbours joined.
    pub(crate) ranges: Vec<MemoryRange>,
    pub(crate) more_ranges: u64,
    pub(crate) root: Option<DescriptorReport>,
    /// The chain of the root.
    pub(crate) chain: Option<ChainReport>,
}

/// A descriptor of a chain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DescriptorReport {
    pub(crate) addr: Option<Hex>,
    pub(crate) version: u32,
    pub(crate) flags: Vec<String>,
    pub(crate) entry_size: u32,
    pub(crate) block_size: u32,
    pub(crate) head: Hex,
    pub(crate) entries: u64,
    pub(crate) tag: Hex,
}
