//! Where the bytes of an image are.

use core::ops::Range;

/// A file that is mapped, or bytes.
pub(crate) trait Source {
    /// All bytes.
    fn bytes(&self) -> &[u8];

    /// The next range of bytes, from `from` on, that is not a hole of a sparse file.
    fn data_from(&self, from: usize) -> Option<Range<usize>>;

    /// These bytes are not needed soon: they need not stay in memory.
    fn forget(&self, range: Range<usize>);
}

impl Source for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn data_from(&self, from: usize) -> Option<Range<usize>> {
        (from < self.len()).then_some(from..self.len())
    }

    fn forget(&self, _: Range<usize>) {}
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_no_holes_and_nothing_behind_the_last_one() {
        let bytes = &b"abc"[..];
        assert_eq!(
            [0, 2, 3, 4].map(|from| bytes.data_from(from)),
            [Some(0..3), Some(2..3), None, None]
        );
    }
}
