//! Chains: the walk of the library over an image, and what it says of the first damaged block.

use std::collections::HashMap;

use kho_block::{
    BlockHeader, ChainLayout, HEADER_SIZE, PhysAddr, RestoreChecks, RestoreError, RestoreErrorKind,
    scan,
};

use crate::image::Image;
use crate::preserved::Preserved;
use crate::report::{BlockReport, BrokenBlock, ChainReport, Finding, Hex, Severity};

/// The chain to walk.
pub(crate) struct Ask {
    pub(crate) name: String,
    pub(crate) head: u64,
    /// The field that holds the head: in what it is, at how many bytes, its name.
    pub(crate) head_field: Option<(u64, u64, &'static str)>,
    pub(crate) layout: ChainLayout,
    /// What its descriptor promises.
    pub(crate) checks: RestoreChecks,
    /// Whether Linux will restore it.
    pub(crate) for_linux: bool,
}

/// The chains of an image that were walked, so that no block is taken for one of two.
pub(crate) struct Chains<'i, 's> {
    image: &'i Image<'s>,
    preserved: Preserved<'i, 's>,
    names: Vec<String>,
    /// The blocks, each with the number of its chain's name.
    seen: HashMap<u64, usize>,
}

impl<'i, 's> Chains<'i, 's> {
    pub(crate) fn new(image: &'i Image<'s>, preserved: Preserved<'i, 's>) -> Self {
        Self { image, preserved, names: Vec::new(), seen: HashMap::new() }
    }

    /// Walks a chain up to its end, or to the first block that is damaged.
    pub(crate) fn walk(&mut self, ask: Ask, findings: &mut Vec<Finding>) -> ChainReport {
        let Ask { layout, .. } = ask;
        let mut chain = ChainReport {
            name: ask.name.clone(),
            head: Hex(ask.head),
            entry_size: layout.entry_size(),
            block_size: layout.block_size(),
            capacity: layout.capacity(),
            entries: 0,
            blocks: Vec::new(),
            broken: None,
        };
        for step in scan(PhysAddr::new(ask.head), layout, |addr| self.header(addr.get(), layout)) {
            match step {
                Ok(block) => {
                    let is_last = block.next.is_none();
                    let finding = judge(&ask, block.number, block.addr, block.count, is_last);
                    chain.blocks.push(BlockReport {
                        addr: block.addr.into(),
                        count: block.count,
                        damaged: finding.as_ref().is_some_and(|f| f.severity > Severity::Note),
                    });
                    findings.extend(finding);
                    let count = u64::try_from(block.count).unwrap_or(0);
                    chain.entries = chain.entries.saturating_add(count);
                }
                Err(error) => {
                    let finding = self.finding(&ask, &chain, error);
                    let header = self.image.read::<BlockHeader>(error.addr.get());
                    chain.broken = Some(BrokenBlock {
                        number: error.block,
                        addr: error.addr.into(),
                        missing: finding.severity == Severity::Missing,
                        next: header.map(|header| Hex(header.next)),
                        count: header.map(|header| header.count),
                    });
                    findings.push(finding);
                }
            }
        }
        let number = self.names.len();
        self.names.push(ask.name);
        self.seen.extend(chain.blocks.iter().map(|block| (block.addr.0, number)));
        chain
    }

    /// The header of a block that may be one of the chain that is walked.
    fn header(&self, addr: u64, layout: ChainLayout) -> Option<BlockHeader> {
        let bytes = u64::try_from(layout.block_size()).ok()?;
        let is_preserved = self.preserved.has(addr, bytes);
        if self.seen.contains_key(&addr) || is_preserved == Some(false) || !self.holds(addr, bytes)
        {
            return None;
        }
        self.image.read(addr)
    }

    /// Whether the image holds all of a block.
    fn holds(&self, addr: u64, bytes: u64) -> bool {
        let (mut addr, mut left) = (addr, bytes);
        while left > 0 {
            let piece = self.image.piece(addr, left).map_or(0, <[u8]>::len);
            let Some(piece) = u64::try_from(piece).ok().filter(|&piece| piece > 0) else {
                return false;
            };
            left = left.saturating_sub(piece);
            addr = addr.saturating_add(piece);
        }
        true
    }

    /// What is wrong with the block that ends a walk.
    fn finding(&self, ask: &Ask, chain: &ChainReport, error: RestoreError) -> Finding {
        let RestoreError { kind, block, addr, .. } = error;
        let size = ask.layout.block_size();
        let new = |severity, rule, text: String| Finding {
            block: Some(block),
            ..Finding::new(severity, rule, &*ask.name, text).about(addr.get())
        };
        let linked = |finding: Finding| {
            let link = block.checked_sub(1).and_then(|before| chain.blocks.get(before));
            let place = link.map(|before| (before.addr.0, 0, "next")).or(ask.head_field);
            let Some((holder, offset, name)) = place else { return finding };
            finding.field(name, holder, offset, addr.to_string())
        };
        let faults = |finding: Finding| {
            if ask.for_linux {
                finding.so("Linux 7.3 faults as it follows such a link")
            } else {
                finding
            }
        };
        let damaged = Severity::Damaged;
        match kind {
            RestoreErrorKind::Misaligned => {
                let text = format!("a block at {addr} is not aligned to {size} bytes");
                let finding = linked(new(damaged, "alignment", text));
                faults(finding.expected(format!("a multiple of {size}")))
            }
            RestoreErrorKind::NotPreserved { .. } => {
                let (severity, rule, text, expected) = self.absent(addr.get(), size);
                let finding = linked(new(severity, rule, text)).expected(expected);
                if rule == "not-preserved" { faults(finding) } else { finding }
            }
            RestoreErrorKind::Cycle { first } => {
                let text = format!("the chain returns to its block {first}");
                linked(new(damaged, "cycle", text))
                    .expected("a block that is not in the chain yet, or 0")
            }
            RestoreErrorKind::CountTooLarge { count, capacity } => {
                let text = format!("counts {count} entries where {capacity} fit");
                let finding = new(damaged, "count", text);
                let found = format!("{count} ({count:#x})");
                let expected = format!("at most {capacity}");
                finding.field("count", addr.get(), 8, found).expected(expected)
            }
            RestoreErrorKind::TooManyBlocks => linked(new(damaged, "max-blocks", kind.to_string()))
                .expected(format!("at most {} blocks", kho_block::MAX_BLOCKS)),
            _ => new(damaged, "block", kind.to_string()),
        }
    }

    /// Why there is no block at an address: how bad that is, the rule, in words, and what would do.
    fn absent(&self, addr: u64, size: usize) -> (Severity, &'static str, String, String) {
        let bytes = u64::try_from(size).unwrap_or(u64::MAX);
        if let Some(name) = self.seen.get(&addr).and_then(|&number| self.names.get(number)) {
            let text = format!("the block at {addr:#x} belongs to another chain: {name}");
            return (Severity::Damaged, "shared-block", text, "a block of this chain alone".into());
        }
        if self.preserved.has(addr, bytes) == Some(false) {
            let mut text = format!("the block at {addr:#x} is not preserved");
            if let Some((start, bytes)) = self.preserved.covering(addr) {
                text = format!("{text}: it lies in another one, of {bytes} bytes at {start:#x}");
            }
            let expected = format!("a preserved block of {size} bytes, or 0");
            return (Severity::Damaged, "not-preserved", text, expected);
        }
        let text = format!("the image does not hold the block at {addr:#x}");
        let expected = format!("{size} bytes that the image holds, or 0");
        if !matches!(self.preserved, Preserved::Unknown) {
            (Severity::Missing, "not-in-image", text, expected)
        } else {
            (Severity::Damaged, "outside", text, expected)
        }
    }

    /// Calls `each` with the first `most` entries of a chain that was walked: the number, the address
    /// and the bytes.
    pub(crate) fn entries(
        &self,
        chain: &ChainReport,
        most: usize,
        mut each: impl FnMut(u64, u64, &[u8]),
    ) {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let mut bytes = vec![0; chain.entry_size];
        let mut number = 0_u64;
        for block in &chain.blocks {
            for index in 0..block.count {
                if number >= most {
                    return;
                }
                let offset = HEADER_SIZE.saturating_add(index.saturating_mul(chain.entry_size));
                let offset = u64::try_from(offset).unwrap_or(u64::MAX);
                let addr = block.addr.0.saturating_add(offset);
                if self.image.copy(addr, &mut bytes).is_some() {
                    each(number, addr, &bytes);
                }
                number = number.saturating_add(1);
            }
        }
    }
}

/// What is wrong with a block whose header is sound.
fn judge(ask: &Ask, number: usize, addr: PhysAddr, count: usize, is_last: bool) -> Option<Finding> {
    let capacity = ask.layout.capacity();
    let of_block = |severity, rule, text: &str| {
        let finding = Finding::new(severity, rule, &*ask.name, text).about(addr.get());
        let finding = finding.field("count", addr.get(), 8, count.to_string());
        Finding { block: Some(number), ..finding }
    };
    let entries = format!("1 to {capacity} entries in every block that is linked");
    let text = &*match number.checked_sub(1) {
        None => "empty, and named as the first block".to_owned(),
        Some(before) => format!("empty, and linked by block {before}"),
    };
    if count == 0 && ask.for_linux {
        let so = "Linux 7.3 refuses a chain with an empty block, and panics in the next kexec (\"Block \
                  contains invalid entry count: 0\"); a session whose name is refused as a duplicate is \
                  enough to leave one";
        return Some(of_block(Severity::Damaged, "empty-block", text).expected(entries).so(so));
    }
    let is_empty_set = number == 0 && is_last;
    if count == 0 && ask.checks.contains(RestoreChecks::NO_EMPTY_BLOCKS) && !is_empty_set {
        return Some(of_block(Severity::Damaged, "empty-block", text).expected(entries));
    }
    if count < capacity && !is_last && ask.checks.contains(RestoreChecks::DENSE) {
        let text = "not full, and not the last block, in a chain that is promised to be dense";
        let expected = format!("{capacity} entries");
        return Some(of_block(Severity::Damaged, "not-full", text).expected(expected));
    }
    (count == 0 && !is_empty_set).then(|| {
        let finding = of_block(Severity::Note, "empty-block", text);
        finding.so("kho-block restores such a chain; Linux 7.3 refuses it, and panics")
    })
}
