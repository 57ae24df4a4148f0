//! That blocks pass from generation to generation, and memory that is damaged does not.

#![expect(clippy::missing_panics_doc, reason = "tests panic")]

use kho_block::mock::conformance::Conformance;
use kho_block::{DEFAULT_BLOCK_SIZE as BLOCK_SIZE, PreservedAllocator, PreservedBlock};
use rustix::io::{pread, pwrite};

use super::*;

/// All bytes of a file.
fn bytes(file: &OwnedFd) -> Vec<u8> {
    let mut bytes = vec![0; FILE_SIZE];
    assert_eq!(pread(file, &mut bytes, 0), Ok(FILE_SIZE));
    bytes
}

#[test]
fn the_region_keeps_the_duties_of_an_allocator_from_generation_to_generation() {
    let mut machine = None;
    let exec = |previous: Option<Region>| {
        let memory = match previous.and_then(|_| machine.take()) {
            Some(file) => Memory::inherit(file),
            None => Memory::create(),
        };
        let Memory { file, region } = memory.unwrap();
        machine = Some(file);
        region
    };
    Conformance::new().claims_survive(true).check_carry(exec).unwrap();
}

#[test]
fn damaged_memory_is_refused_and_changed_in_nothing() {
    for (offset, found) in [(0, 1), (16, 2), (4096, 13), (8191, 255)] {
        let memory = Memory::create().unwrap();
        memory.region().alloc_preserve(BLOCK_SIZE).unwrap();
        let file = memory.descriptor().try_clone_to_owned().unwrap();
        assert_eq!(pwrite(&file, &[found], offset), Ok(1));
        let damaged = bytes(&file);

        assert!(memory.pass_on().is_err(), "byte {offset}");

        assert!(bytes(&file) == damaged, "byte {offset}");
    }
}

#[test]
fn a_file_of_another_size_or_without_seals_is_refused() {
    for size in [FILE_SIZE - 4096, FILE_SIZE] {
        let file = memfd_create("other", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&file, u64::try_from(size).unwrap()).unwrap();
        let refusal = Memory::inherit(file).map(|_| ()).unwrap_err().to_string();
        assert_eq!(refusal, "the inherited memory is not that of a live update");
    }
}

#[test]
fn a_block_is_claimed_once_in_each_generation_until_it_is_freed() {
    let mut memory = Memory::create().unwrap();
    let PreservedBlock { ptr, addr } = memory.region().alloc_preserve(BLOCK_SIZE).unwrap();
    // SAFETY: the block is lent to this test, and large enough.
    unsafe { ptr.write(7) };
    for _ in 0..3 {
        memory = memory.pass_on().unwrap();
        let claimed = memory.region().restore(addr, BLOCK_SIZE).unwrap();
        // SAFETY: the block is lent to this test, and initialised.
        assert_eq!(unsafe { claimed.read() }, 7);
        assert_eq!(memory.region().restore(addr, BLOCK_SIZE), None);
    }
    memory = memory.pass_on().unwrap();
    let claimed = memory.region().restore(addr, BLOCK_SIZE).unwrap();
    // SAFETY: it came from `restore`, and is used no more.
    unsafe { memory.region().restore_free(claimed, BLOCK_SIZE) };
    memory = memory.pass_on().unwrap();
    assert_eq!(memory.region().restore(addr, BLOCK_SIZE), None);
}
