//! The search of an image: device trees and regions, by the bytes with which a page of theirs begins.

use kho_block::linux::FDT_MAGIC;

use crate::image::{Image, PAGE};

/// How many trees, and how many regions, are looked into. An image has a few.
const MAX_FOUND: usize = 64;

/// Bytes that are searched between two reports of progress.
const WINDOW: u64 = 16 << 20;

/// What begins a header of a region: both halves, either of which is enough for a second look.
const REGION: [[u8; 4]; 2] = [*b"KHO-", *b"area"];

/// Where something may be.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Addresses of device trees of KHO, or of what was one.
    pub(crate) trees: Vec<u64>,
    /// Addresses of headers of regions.
    pub(crate) regions: Vec<u64>,
    /// How many more there are, of either.
    pub(crate) more: u64,
    /// Bytes that were searched.
    pub(crate) searched: u64,
    /// Bytes that are holes in the file.
    pub(crate) sparse: u64,
}

impl Found {
    /// Looks at the first bytes of a page.
    fn page(&mut self, addr: u64, page: &[u8]) {
        let Some(&[first, second]) = page.as_chunks().0.first_chunk() else { return };
        if first == FDT_MAGIC.to_be_bytes() {
            // Other device trees, such as the firmware's, do not have the word.
            if page.windows(5).any(|bytes| bytes == b"kho-v") {
                self.keep(addr, |found| &mut found.trees);
            }
        } else if first == REGION[0] || second == REGION[1] {
            self.keep(addr, |found| &mut found.regions);
        }
    }

    fn keep(&mut self, addr: u64, list: impl Fn(&mut Self) -> &mut Vec<u64>) {
        if list(self).len() < MAX_FOUND {
            list(self).push(addr);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

/// Searches all memory that is held. `progress` is told how many bytes are done.
pub(crate) fn find(image: &Image<'_>, progress: &mut dyn FnMut(u64)) -> Found {
    let mut found = Found::default();
    for range in image.held() {
        let file_end = range.offset.saturating_add(range.bytes);
        let mut at = range.offset;
        while let Some((start, end)) = data(image, at, file_end) {
            found.sparse = found.sparse.saturating_add(start.saturating_sub(at));
            let end_addr = range.addr.saturating_add(end.saturating_sub(range.offset));
            // A page that begins in the hole before begins with zeros: it is nothing to look for.
            let addr = range.addr.saturating_add(start.saturating_sub(range.offset));
            let mut addr = addr.checked_next_multiple_of(PAGE).unwrap_or(end_addr);
            while addr < end_addr {
                let Some(window) = image.piece(addr, WINDOW.min(end_addr.saturating_sub(addr)))
                else {
                    break;
                };
                for (page, number) in window.chunks(4096).zip(0_u64..) {
                    let addr = addr.saturating_add(number.saturating_mul(PAGE));
                    found.page(addr, page);
                }
                let offset = addr.saturating_sub(range.addr).saturating_add(range.offset);
                forget(image, offset, window.len());
                let bytes = u64::try_from(window.len()).unwrap_or(u64::MAX);
                found.searched = found.searched.saturating_add(bytes);
                addr = addr.saturating_add(bytes.next_multiple_of(PAGE));
                progress(found.searched.saturating_add(found.sparse));
            }
            at = end;
        }
        found.sparse = found.sparse.saturating_add(file_end.saturating_sub(at));
    }
    found.trees.dedup();
    found.regions.dedup();
    found
}

/// The next range of the file, from `at` on and up to `end`, that is no hole.
fn data(image: &Image<'_>, at: u64, end: u64) -> Option<(u64, u64)> {
    if at >= end {
        return None;
    }
    let data = image.source.data_from(usize::try_from(at).ok()?)?;
    let start = u64::try_from(data.start).ok()?;
    let data_end = u64::try_from(data.end).ok()?;
    (start < end).then_some((start, data_end.min(end)))
}

/// Gives the pages of a range of the file back.
fn forget(image: &Image<'_>, offset: u64, bytes: usize) {
    if let Ok(start) = usize::try_from(offset) {
        image.source.forget(start..start.saturating_add(bytes));
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use core::cell::RefCell;
    use core::ops::Range;

    use super::*;
    use crate::source::Source;

    /// Bytes, and those of them that are not needed any more.
    struct Noting {
        bytes: Vec<u8>,
        forgotten: RefCell<Vec<Range<usize>>>,
    }

    impl Source for Noting {
        fn bytes(&self) -> &[u8] {
            &self.bytes
        }

        fn data_from(&self, from: usize) -> Option<Range<usize>> {
            self.bytes().data_from(from)
        }

        fn forget(&self, range: Range<usize>) {
            self.forgotten.borrow_mut().push(range);
        }
    }

    #[test]
    fn memory_is_forgotten_once_it_is_searched() {
        let window = usize::try_from(WINDOW).unwrap();
        let source = Noting { bytes: vec![1; window + 4096], forgotten: RefCell::default() };
        let found = find(&Image::raw(&source, 0x3000), &mut |_| {});
        assert_eq!(found.searched, WINDOW + 4096);
        assert_eq!(source.forgotten.take(), [0..window, window..window + 4096]);
    }
}
