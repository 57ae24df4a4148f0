//! Many threads with one region.

use core::ptr::NonNull;
use std::sync::Arc;
use std::thread;

use kho_block::{CarryAllocator, PreservedAllocator, Region};

use crate::region::{
    Memory, bytes, fill, lend_everything, restore_free, unpreserve_free, unrestore,
};

/// Numbers without a pattern.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[test]
fn four_threads_share_a_region() {
    let (units, rounds, sizes) = if cfg!(miri) { (40, 60, 3) } else { (200, 20_000, 10) };
    let memory = Memory::new(0x3000, units);
    let region = memory.create().unwrap();
    let kept = thread::scope(|scope| {
        let threads = [1_u8, 2, 3, 4].map(|fill_byte| {
            let region = &region;
            scope.spawn(move || {
                let mut numbers = Numbers(u64::from(fill_byte) * 0x9e37_79b9);
                let mut blocks = Vec::new();
                for _ in 0..rounds {
                    let size = 32 << numbers.below(sizes);
                    if blocks.len() < 12 && numbers.below(2) == 0 {
                        let Ok(block) = region.alloc_preserve(size) else { continue };
                        assert!(bytes(block.ptr, size).iter().all(|&byte| byte == 0));
                        fill(block, size, fill_byte);
                        blocks.push((block, size));
                    } else if !blocks.is_empty() {
                        let (block, size) = blocks.swap_remove(numbers.below(blocks.len()));
                        assert!(bytes(block.ptr, size).iter().all(|&byte| byte == fill_byte));
                        unpreserve_free(region, block.ptr, size);
                    }
                }
                blocks
                    .into_iter()
                    .map(|(block, size)| (block.addr, size, fill_byte))
                    .collect::<Vec<_>>()
            })
        });
        threads.map(|thread| thread.join().unwrap()).concat()
    });
    let memory = memory.remapped();
    let region = memory.open().unwrap();
    assert_eq!(region.unclaimed().count(), kept.len());
    for &(addr, size, byte) in &kept {
        let ptr = region.restore(addr, size).unwrap();
        assert!(bytes(ptr, size).iter().all(|&found| found == byte));
        restore_free(&region, ptr, size);
    }
    assert_eq!(lend_everything(&region), (units - 2, 0));
}

#[test]
fn a_block_is_claimed_by_one_thread_of_four() {
    let rounds = if cfg!(miri) { 20 } else { 5000 };
    let memory = Memory::new(0x1000, 8);
    let block = memory.create().unwrap().alloc_preserve(64).unwrap();
    let region = Arc::new(memory.open().unwrap());
    let threads = [(); 4].map(|()| {
        let region: Arc<Region> = Arc::clone(&region);
        thread::spawn(move || {
            let mut claims = 0;
            for _ in 0..rounds {
                let Some(ptr) = region.restore(block.addr, 64) else { continue };
                let counter: NonNull<u64> = ptr.cast();
                // SAFETY: the block is claimed, and so this thread's alone.
                let count = unsafe { counter.read() };
                // SAFETY: as above.
                unsafe { counter.write(count + 1) };
                claims += 1;
                // SAFETY: claimed above, with this size.
                unsafe { region.preserve(ptr, 64) }.unwrap();
                // SAFETY: carried above.
                unsafe { region.unpreserve(ptr, 64) };
                unrestore(&region, ptr, 64);
            }
            claims
        })
    });
    let claims: u64 = threads.map(|thread| thread.join().unwrap()).iter().sum();
    let ptr = region.restore(block.addr, 64).unwrap();
    assert_eq!(bytes(ptr, 8), claims.to_ne_bytes());
    assert!(claims > 0);
}
