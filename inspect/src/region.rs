//! Regions of kho-block.

use kho_block::{PhysAddr, RegionError, RegionImage};

use crate::chain::Chains;
use crate::descriptor;
use crate::image::{Image, PAGE};
use crate::preserved::Preserved;
use crate::ranges::Ranges;
use crate::records::{Records, hex};
use crate::report::{ChainReport, Entry, Finding, Hex, RegionReport, Severity};

/// Where the entries of a chain go, how they are shown, and how many.
pub(crate) struct List<'l> {
    pub(crate) entries: &'l mut Vec<Entry>,
    pub(crate) records: Option<&'l Records>,
    pub(crate) most: usize,
}

/// Judges the region whose header is at `addr`. Lists the entries of its root's chain, if somebody wants
/// them.
pub(crate) fn judge(
    image: &Image<'_>,
    addr: u64,
    list_entries: Option<List<'_>>,
    findings: &mut Vec<Finding>,
) -> RegionReport {
    let length = addr.checked_add(24).and_then(|addr| image.read::<u64>(addr));
    let mut report = RegionReport {
        addr: Hex(addr),
        bytes: length.unwrap_or(0),
        sound: false,
        blocks: 0,
        used_bytes: 0,
        sizes: Vec::new(),
        ranges: Vec::new(),
        more_ranges: 0,
        root: None,
        chain: None,
    };
    let what = "the region";
    let Some((base, length)) = PhysAddr::new(addr).zip(length) else {
        let text = "the image does not hold its header, or it is at address 0";
        findings.push(Finding::new(Severity::Missing, "region", what, text).about(addr));
        return report;
    };
    // The header's page, and a byte for each page in whole ones.
    let prefix = (length / PAGE).div_ceil(PAGE).saturating_add(1).saturating_mul(PAGE);
    let prefix = prefix.min(image.memory_bytes());
    let mut copied = Vec::new();
    let bytes = match image.piece(addr, prefix) {
        Some(piece) if u64::try_from(piece.len()) == Ok(prefix) => piece,
        piece => {
            copied.resize(usize::try_from(prefix).unwrap_or(0), 0);
            match image.copy(addr, &mut copied) {
                Some(()) => &copied[..],
                None => piece.unwrap_or_default(),
            }
        }
    };
    let region = match RegionImage::read(base, bytes) {
        Ok(region) => region,
        Err(error) => {
            findings.push(finding(addr, error));
            return report;
        }
    };
    let mut ranges = Ranges::default();
    region.blocks().for_each(|(addr, bytes)| ranges.add(addr.get(), bytes));
    report.sound = true;
    report.sizes = ranges.sizes();
    (report.blocks, report.used_bytes) = (ranges.blocks, ranges.bytes);
    (report.ranges, report.more_ranges) = (ranges.first, ranges.more);
    if let Some(root) = region.root() {
        let mut chains = Chains::new(image, Preserved::Region(&region));
        let name = "the chain of the region's root";
        report.chain = descriptor::judge(&mut chains, name, None, &root, findings);
        report.root = Some(descriptor::report(None, &root));
        if let Some((chain, entries)) = report.chain.as_ref().zip(list_entries) {
            list(&chains, chain, entries);
        }
    }
    report
}

/// Lists the entries of a chain.
pub(crate) fn list(chains: &Chains<'_, '_>, chain: &ChainReport, list: List<'_>) {
    let List { entries, records, most } = list;
    chains.entries(chain, most, |index, addr, bytes| {
        let fields = records.map_or_else(|| vec![hex(bytes)], |fields| fields.show(bytes));
        entries.push(Entry { index, addr: Hex(addr), fields });
    });
}

/// Where a region is damaged.
fn finding(addr: u64, error: RegionError) -> Finding {
    let new =
        |rule| Finding::new(Severity::Damaged, rule, "the region", error.to_string()).about(addr);
    let field = |rule, name: &str, offset, found: String, expected: String| {
        new(rule).field(name, addr, offset, found).expected(expected)
    };
    let word = |number: u64| format!("{number:#x}");
    match error {
        RegionError::Blank => {
            let text = "no region has been created here";
            Finding::new(Severity::Missing, "region-blank", "the region", text).about(addr)
        }
        RegionError::Magic { found, expected } => {
            let text = |bytes: [u8; 8]| format!("\"{}\"", bytes.escape_ascii());
            field("region-magic", "magic", 0, text(found), text(expected))
        }
        RegionError::Version { found, expected } => {
            field("region-version", "version", 8, found.to_string(), expected.to_string())
        }
        RegionError::ByteOrder { found, expected } => {
            field("region-byte-order", "byte order", 12, word(found.into()), word(expected.into()))
        }
        RegionError::Moved { found, expected } => {
            field("region-moved", "base", 16, word(found), word(expected))
                .so("all links in it hold addresses of that place; for raw memory see --base")
        }
        RegionError::Books { found, expected } => {
            field("region-books", "offset of the books", 32, word(found), word(expected))
        }
        RegionError::Checksum { found, expected } => {
            field("region-checksum", "checksum", 40, word(found), word(expected))
                .so("one of the bytes before the checksum has changed, or the checksum itself")
        }
        RegionError::Book { offset, addr: unit, found, .. } => {
            let expected = "the size of a block that may lie there, or 0".to_owned();
            let name = format!("the byte of the books for {unit}");
            field("region-book", &name, offset, word(found.into()), expected)
        }
        RegionError::Root { found: [first, second], expected: [of_first, of_second] } => {
            let found = format!("{first:#x} and, 64 bytes on, {second:#x}");
            let expected = format!("{of_first:#x} or {of_second:#x}: one copy that is sound");
            field("region-root", "checksum of the root", 120, found, expected)
        }
        RegionError::Size { bytes } => {
            let text = "its length is that of no region, or the image does not hold its books";
            let finding =
                Finding::new(Severity::Damaged, "region-size", "the region", text).about(addr);
            finding.field("length", addr, 24, format!("{bytes} bytes that can be looked at"))
        }
        _ => new("region"),
    }
}
