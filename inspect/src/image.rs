//! Physical memory, as an image of it holds it.

use kho_block::zerocopy::{FromBytes, IntoBytes};

use crate::report::{Finding, Format, Hex, ImageReport, Severity};
use crate::source::Source;

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;

/// A range of physical memory, and where in the file its bytes are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) addr: u64,
    /// Bytes that the file holds.
    pub(crate) bytes: u64,
    pub(crate) offset: u64,
}

impl Held {
    pub(crate) fn end(&self) -> u64 {
        self.addr.saturating_add(self.bytes)
    }
}

/// An image of physical memory.
pub(crate) struct Image<'s> {
    pub(crate) source: &'s dyn Source,
    pub(crate) format: Format,
    /// By address, none overlapping another.
    held: Vec<Held>,
    /// Bytes that are named in the file and not held.
    left_out: u64,
    /// The address of KHO's device tree, if a note names it.
    pub(crate) named_tree: Option<u64>,
    /// What is wrong with the file.
    pub(crate) findings: Vec<Finding>,
}

impl<'s> Image<'s> {
    /// An image of these ranges, of which those that overlap an earlier one are cut.
    pub(crate) fn new(source: &'s dyn Source, format: Format, mut ranges: Vec<Held>) -> Self {
        ranges.retain(|range| range.bytes > 0);
        ranges.sort_by_key(|range| (range.addr, u64::MAX.saturating_sub(range.bytes)));
        let mut held: Vec<Held> = Vec::new();
        for range in ranges {
            let covered = held.last().map_or(0, Held::end);
            let cut = covered.saturating_sub(range.addr);
            if cut < range.bytes {
                held.push(Held {
                    addr: range.addr.saturating_add(cut),
                    bytes: range.bytes.saturating_sub(cut),
                    offset: range.offset.saturating_add(cut),
                });
            }
        }
        Self { source, format, held, left_out: 0, named_tree: None, findings: Vec::new() }
    }

    /// Raw memory from `base` on.
    pub(crate) fn raw(source: &'s dyn Source, base: u64) -> Self {
        let bytes = u64::try_from(source.bytes().len()).unwrap_or(u64::MAX);
        let bytes = bytes.min(u64::MAX.saturating_sub(base));
        Self::new(source, Format::Raw, vec![Held { addr: base, bytes, offset: 0 }])
    }

    /// Says that the file names memory that it does not hold: `cut` bytes of it because its end is
    /// missing.
    pub(crate) fn lacks(&mut self, left_out: u64, cut: u64, ranges: u64) {
        self.left_out = left_out;
        if cut > 0 {
            let text = format!(
                "the file ends early: {cut} bytes of memory that its headers name are missing, in \
                 {ranges} of the ranges"
            );
            let finding = Finding::new(Severity::Damaged, "truncated", "the image", text);
            self.findings.push(finding.so("take the dump again, or copy it whole"));
        }
    }

    /// The ranges of memory that are held, by address.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Bytes of memory that are held.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.held.iter().fold(0, |sum: u64, range| sum.saturating_add(range.bytes))
    }

    /// The bytes from `addr` on that are held in one piece, `most` at the most.
    pub(crate) fn piece(&self, addr: u64, most: u64) -> Option<&[u8]> {
        let after = self.held.partition_point(|range| range.addr <= addr);
        let range = self.held.get(after.checked_sub(1)?)?;
        let skipped = addr.checked_sub(range.addr)?;
        let bytes = range.bytes.checked_sub(skipped).filter(|&bytes| bytes > 0)?.min(most);
        let start = usize::try_from(range.offset.checked_add(skipped)?).ok()?;
        let end = start.checked_add(usize::try_from(bytes).ok()?)?;
        self.source.bytes().get(start..end)
    }

    /// Copies the bytes at `addr`; `None` if not all are held.
    pub(crate) fn copy(&self, mut addr: u64, mut into: &mut [u8]) -> Option<()> {
        while !into.is_empty() {
            let piece = self.piece(addr, u64::try_from(into.len()).ok()?)?;
            let (now, later) = into.split_at_mut_checked(piece.len())?;
            now.copy_from_slice(piece);
            into = later;
            if !into.is_empty() {
                addr = addr.checked_add(u64::try_from(piece.len()).ok()?)?;
            }
        }
        Some(())
    }

    /// The record at `addr`; `None` if not all of it is held.
    pub(crate) fn read<T: FromBytes + IntoBytes>(&self, addr: u64) -> Option<T> {
        let mut record = T::new_zeroed();
        self.copy(addr, record.as_mut_bytes())?;
        Some(record)
    }

    /// What there is to say of the image, before it is searched.
    pub(crate) fn report(&self, path: String) -> ImageReport {
        ImageReport {
            path,
            format: self.format,
            file_bytes: u64::try_from(self.source.bytes().len()).unwrap_or(u64::MAX),
            ranges: u64::try_from(self.held.len()).unwrap_or(u64::MAX),
            memory_bytes: self.memory_bytes(),
            first: Hex(self.held.first().map_or(0, |range| range.addr)),
            end: Hex(self.held.last().map_or(0, Held::end)),
            left_out_bytes: self.left_out,
            sparse_bytes: None,
        }
    }
}
