//! Any books and any header of a region, any operations on it, several openings.

#![expect(unsafe_code, reason = "opens regions and gives their blocks back")]

use core::ptr::NonNull;
use core::slice;

use kho_block::zerocopy::FromZeros;
use kho_block::{CarryAllocator, Descriptor, PhysAddr, PreservedAllocator, Region};

use crate::input::Input;

/// Units of the region: one of them the header's, one the books'.
const UNITS: usize = 20;
const UNIT: usize = 4096;
/// Neither aligned to the region nor to a block of two units.
const BASE: u64 = 0x1_0000_3000;

#[repr(C, align(4096))]
struct Memory([u8; UNITS * UNIT]);

/// A block, as the books must have it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    addr: u64,
    size: usize,
    state: State,
    /// What every byte of it is.
    fill: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Left,
    GivenBack,
    Claimed,
    Held,
}

/// Damages a new region as the input says, opens it, and works with it if it is taken for sound.
pub(crate) fn run(mut input: Input<'_>) {
    thread_local! {
        static MEMORY: NonNull<Memory> =
            NonNull::from(Box::leak(Box::new(Memory([0; UNITS * UNIT]))));
    }
    let memory = MEMORY.with(|memory| *memory);
    let bytes = NonNull::slice_from_raw_parts(memory.cast::<u8>(), UNITS * UNIT);
    let base = PhysAddr::new(BASE).expect("not zero");
    // SAFETY: the memory is leaked, and this thread's; no region of it is left from before.
    let region = unsafe { Region::create_over(base, bytes) }.expect("the memory suits");
    let mut blocks = Vec::new();
    let begun = input.byte() % 8;
    for _ in 0..begun {
        operate(&region, memory.cast(), &mut blocks, &mut input);
    }
    for _ in 0..input.byte() % 8 {
        let [low, high, value] = input.bytes();
        let at = usize::from(u16::from_le_bytes([low, high])) % (2 * UNIT);
        // SAFETY: within the memory.
        let place = unsafe { memory.cast::<u8>().add(at) };
        // SAFETY: as above; the region is not used meanwhile.
        unsafe { place.write(value) };
    }

    let before = copy(memory);
    // SAFETY: as above; the region before is not used any more.
    let opened = unsafe { Region::open(base, bytes) };
    let Ok(mut region) = opened else {
        assert_eq!(copy(memory), before, "an open that fails writes nothing");
        // SAFETY: as above.
        let again = unsafe { Region::open(base, bytes) };
        assert_eq!(again.err(), opened.err(), "it is refused for the same again");
        return;
    };
    // What is sound may be other blocks than were made: it says itself which.
    blocks.clear();
    for found in region.unclaimed() {
        assert!(!found.given_back);
        let block = Block { addr: found.addr.get(), size: found.size, state: State::Left, fill: 0 };
        let ptr = region.restore(found.addr, found.size).expect("what is there can be claimed");
        // SAFETY: claimed on the line above, and so long.
        unsafe { ptr.write_bytes(0, found.size) };
        // SAFETY: claimed above.
        unsafe { region.unrestore(ptr, found.size) };
        blocks.push(Block { state: State::GivenBack, ..block });
    }
    disjoint(&blocks);
    while !input.is_empty() {
        if input.byte().is_multiple_of(8) {
            let root = region.root();
            // SAFETY: as above.
            region = unsafe { Region::open(base, bytes) }.expect("a region in use is sound");
            assert_eq!(region.root(), root);
            blocks.iter_mut().for_each(|block| block.state = State::Left);
        }
        operate(&region, memory.cast(), &mut blocks, &mut input);
        compare(&region, &blocks);
    }
}

fn copy(memory: NonNull<Memory>) -> Vec<u8> {
    // SAFETY: initialised, and nobody writes meanwhile.
    unsafe { slice::from_raw_parts(memory.cast::<u8>().as_ptr(), UNITS * UNIT) }.to_vec()
}

/// Does one thing to the region and to the list.
fn operate(region: &Region, memory: NonNull<u8>, blocks: &mut Vec<Block>, input: &mut Input<'_>) {
    let [what, which] = input.bytes();
    let at = usize::from(which) % blocks.len().max(1);
    let addr = |block: &Block| PhysAddr::new(block.addr).expect("not zero");
    let ptr = |block: &Block| {
        let offset = usize::try_from(block.addr - BASE).expect("within the region");
        // SAFETY: so it is.
        unsafe { memory.add(offset) }
    };
    match (what % 8, blocks.get(at).copied()) {
        (0..=2, _) => {
            let size = 1 << (5 + which % 12);
            if let Ok(lent) = region.alloc_preserve(size) {
                // SAFETY: lent on the line above, and so long.
                let bytes = unsafe { slice::from_raw_parts_mut(lent.ptr.as_ptr(), size) };
                assert!(bytes.iter().all(|&byte| byte == 0), "a new block is zeroed");
                let fill = which | 1;
                bytes.fill(fill);
                let block = Block { addr: lent.addr.get(), size, state: State::Held, fill };
                assert_eq!(lent.ptr, ptr(&block), "pointer and address are of one block");
                blocks.push(block);
                disjoint(blocks);
            }
        }
        (3, Some(block)) => {
            let claimed = region.restore(addr(&block), block.size);
            let may = matches!(block.state, State::Left | State::GivenBack);
            assert_eq!(claimed.is_some(), may, "{block:?}");
            assert!(region.restore(addr(&block), block.size * 2).is_none());
            if let Some(ptr) = claimed {
                // SAFETY: claimed above, and so long.
                let bytes = unsafe { slice::from_raw_parts(ptr.as_ptr(), block.size) };
                assert!(bytes.iter().all(|&byte| byte == block.fill), "as it was left");
                blocks[at].state = State::Claimed;
            }
        }
        (4, Some(block)) => {
            let ptr = ptr(&block);
            match block.state {
                // SAFETY: it was allocated or carried, and is not used any more.
                State::Held => unsafe { region.unpreserve_free(ptr, block.size) },
                // SAFETY: it was claimed, and is not used any more.
                State::Claimed => unsafe { region.restore_free(ptr, block.size) },
                State::Left | State::GivenBack => return,
            }
            blocks.swap_remove(at);
        }
        (5, Some(block)) => {
            let ptr = ptr(&block);
            if block.state == State::Claimed && which & 1 == 0 {
                // SAFETY: it was claimed, and is not used any more.
                unsafe { region.unrestore(ptr, block.size) };
                blocks[at].state = State::GivenBack;
            } else if block.state == State::Claimed {
                // SAFETY: it was claimed.
                unsafe { region.preserve(ptr, block.size) }.expect("a claimed block");
                blocks[at].state = State::Held;
            }
        }
        (6, _) => {
            let swept = region.sweep();
            let before = blocks.len();
            blocks.retain(|block| block.state != State::Left);
            assert_eq!(swept, before - blocks.len());
        }
        _ => {
            let root = Descriptor { tag: which.into(), ..Descriptor::new_zeroed() };
            let root = (which & 1 == 1).then_some(root);
            region.set_root(root.as_ref());
            assert_eq!(region.root(), root);
        }
    }
}

/// No two blocks overlap, and each is aligned to its size.
fn disjoint(blocks: &[Block]) {
    for (i, a) in blocks.iter().enumerate() {
        assert!(a.addr.is_multiple_of(a.size as u64), "{a:?}");
        assert!(a.addr >= BASE + 2 * UNIT as u64, "{a:?}");
        let end = |block: &Block| block.addr + block.size.max(UNIT) as u64;
        assert!(end(a) <= BASE + (UNITS * UNIT) as u64, "{a:?}");
        for b in &blocks[i + 1..] {
            assert!(end(a) <= b.addr || end(b) <= a.addr, "{a:?} and {b:?}");
        }
    }
}

/// The region says of its blocks what the list does.
fn compare(region: &Region, blocks: &[Block]) {
    let mut left: Vec<_> = blocks
        .iter()
        .filter(|block| matches!(block.state, State::Left | State::GivenBack))
        .map(|block| (block.addr, block.size, block.state == State::GivenBack))
        .collect();
    left.sort_unstable();
    let found = region.unclaimed().map(|found| (found.addr.get(), found.size, found.given_back));
    assert!(found.eq(left), "what can be claimed");
    let preserved =
        |addr| region.preserved().any(|range| range.start.get() <= addr && addr < range.end.get());
    for unit in 2..UNITS as u64 {
        let addr = BASE + unit * UNIT as u64;
        let is =
            |block: &Block| block.addr <= addr && addr < block.addr + block.size.max(UNIT) as u64;
        assert_eq!(preserved(addr), blocks.iter().any(is), "unit {unit}");
    }
}
