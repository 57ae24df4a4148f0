//! Copying records into blocks, in the way that is fast for as many.
//!
//! One `memcpy` for each block, which in a kernel is `rep movsb`, is slow on some processors where source
//! and target lie alike in their pages. Plain loads and stores do not mind, and are as fast as anything
//! while the caches hold both. Beyond that `memcpy` wins, which need not fetch what it overwrites.

#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::compiler_fence;

/// Copies bytes into as many.
pub(crate) type CopyBytes = fn(&mut [u8], &[u8]);

/// Bytes from which on the caches are taken to hold no copy.
const LARGE: usize = 4 << 20;

/// Bytes that are loaded and stored in one go: a line of the cache.
const LINE: usize = 64;

/// The way to copy `bytes` bytes in all, a block at a time.
#[inline]
pub(crate) fn way_to_copy(bytes: usize) -> CopyBytes {
    if bytes < LARGE { by_lines } else { whole }
}

fn whole(to: &mut [u8], from: &[u8]) {
    if to.len() == from.len() {
        to.copy_from_slice(from);
    }
}

fn by_lines(to: &mut [u8], from: &[u8]) {
    let (mut to, mut from) = (to.chunks_exact_mut(LINE), from.chunks_exact(LINE));
    for (to, from) in to.by_ref().zip(from.by_ref()) {
        whole(to, from);
        // Against making one `memcpy` of all lines.
        compiler_fence(SeqCst);
    }
    whole(to.into_remainder(), from.remainder());
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_byte_is_copied_whatever_the_way_and_the_length() {
        for copy in [way_to_copy(0), way_to_copy(LARGE - 1), way_to_copy(LARGE)] {
            for len in [0, 1, 63, 64, 65, 127, 128, 1000] {
                let from: Vec<u8> = (1..=251).cycle().take(len).collect();
                let mut to = std::vec![0; len];
                copy(&mut to, &from);
                assert_eq!(to, from);
            }
        }
    }

    #[test]
    fn what_the_caches_hold_is_copied_by_lines_and_what_is_larger_in_one_piece() {
        // Of a source that is too short, only lines are copied.
        let by_lines = |bytes| {
            let mut to = [0; LINE + 1];
            way_to_copy(bytes)(&mut to, &[1; LINE]);
            to[0] == 1
        };
        assert_eq!([0, LARGE - 1, LARGE, usize::MAX].map(by_lines), [true, true, false, false]);
    }
}
