//! What a check writes into a block, so that no other block is taken for it.

#![forbid(unsafe_code)]

use crate::abi::sizes::to_wire;

/// Bytes that are written and looked at together; a block is a multiple of it.
const WORD: usize = size_of::<u64>();

/// Writes the pattern of a block.
pub(super) fn fill(bytes: &mut [u8], seed: u64) {
    for (word, to) in (0..).zip(bytes.chunks_mut(WORD)) {
        to.copy_from_slice(&pattern(seed, word));
    }
}

/// The bytes of a word in a block: others in every word, and in every block.
fn pattern(seed: u64, word: u64) -> [u8; WORD] {
    let mixed = seed.wrapping_add(word).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ word).to_ne_bytes()
}

/// The position of the first byte that is not what the pattern says.
pub(super) fn wrong_byte(bytes: &[u8], seed: u64) -> Option<usize> {
    let mut words = bytes.chunks(WORD).enumerate();
    let (word, is) = words.find(|&(word, is)| is != pattern(seed, to_wire(word)))?;
    let at = is.iter().zip(pattern(seed, to_wire(word))).position(|(is, was)| *is != was)?;
    Some(word.wrapping_mul(WORD).wrapping_add(at))
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_word_of_any_block_is_like_another() {
        // Miri takes a minute for all.
        const NUMBER: u64 = if cfg!(miri) { 16 } else { 64 };
        let mut seen = BTreeSet::new();
        for kernel in 0..4 {
            let words = |block| (0..NUMBER).map(move |word| (block, word));
            for (block, word) in (0..NUMBER).flat_map(words) {
                assert!(
                    seen.insert(pattern((kernel << 32) + block, word)),
                    "{kernel} {block} {word}"
                );
            }
        }
    }

    #[test]
    fn a_byte_that_is_changed_is_found() {
        for at in 0..32 {
            let mut bytes = [0; 32];
            fill(&mut bytes, 7);
            assert_eq!((wrong_byte(&bytes, 7), wrong_byte(&bytes, 8)), (None, Some(0)));
            bytes[at] ^= 1;
            assert_eq!(wrong_byte(&bytes, 7), Some(at));
        }
    }
}
