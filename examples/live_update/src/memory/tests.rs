//! That blocks pass from generation to generation, and a tracker that is damaged does not.

#![expect(clippy::missing_panics_doc, reason = "tests panic")]

use rustix::io::{pread, pwrite};

use super::*;

/// Writes the state of a block, whatever it means.
fn write_state(memory: &Memory, block: usize, state: u8) {
    let offset = u64::try_from(BLOCK_SIZE.saturating_add(block)).unwrap();
    assert_eq!(pwrite(memory.descriptor(), &[state], offset), Ok(1));
}

#[test]
fn a_damaged_tracker_is_refused_and_changed_in_nothing() {
    for (damaged, state) in [(0, state::OUTGOING), (1, state::LEFT), (3, 4), (BLOCKS - 1, 255)] {
        let memory = Memory::create().unwrap();
        let block = memory.alloc_preserve(BLOCK_SIZE).unwrap();
        let file = memory.descriptor().try_clone_to_owned().unwrap();
        write_state(&memory, damaged, state);

        let refusal = memory.pass_on().map(|_| ()).unwrap_err().to_string();
        assert_eq!(refusal, format!("block {damaged} was inherited in state {state}"));

        let mut states = [0; BLOCKS];
        pread(&file, &mut states, u64::try_from(BLOCK_SIZE).unwrap()).unwrap();
        assert_eq!((states[FIRST_BLOCK], states[damaged]), (state::OUTGOING, state));
        assert_eq!(Some(block.addr), Memory::addr(FIRST_BLOCK));
    }
}

#[test]
fn a_block_is_claimed_once_in_each_generation_until_it_is_freed() {
    let mut memory = Memory::create().unwrap();
    let PreservedBlock { ptr, addr } = memory.alloc_preserve(BLOCK_SIZE).unwrap();
    // SAFETY: the block is lent to this test, and large enough.
    unsafe { ptr.write(7) };
    for _ in 0..3 {
        memory = memory.pass_on().unwrap();
        let claimed = memory.restore(addr, BLOCK_SIZE).unwrap();
        // SAFETY: the block is lent to this test, and initialised.
        assert_eq!(unsafe { claimed.read() }, 7);
        assert_eq!(memory.restore(addr, BLOCK_SIZE), None);
    }
    memory = memory.pass_on().unwrap();
    let claimed = memory.restore(addr, BLOCK_SIZE).unwrap();
    // SAFETY: it came from `restore`, and is used no more.
    unsafe { memory.restore_free(claimed, BLOCK_SIZE) };
    memory = memory.pass_on().unwrap();
    assert_eq!(memory.restore(addr, BLOCK_SIZE), None);

    let block = memory.alloc_preserve(BLOCK_SIZE).unwrap();
    assert_eq!(block.addr, addr);
    // SAFETY: the block is lent to this test, and initialised.
    assert_eq!(unsafe { block.ptr.read() }, 0);
}
