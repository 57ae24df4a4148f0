//! Random operations, beside a list of blocks that says what has to come of them.

use core::ptr::NonNull;

use kho_block::zerocopy::FromZeros;
use kho_block::{CarryAllocator, Descriptor, PhysAddr, PreservedAllocator, Region};
use proptest::prelude::*;

use crate::region::{
    Memory, UNIT, bytes, fill, lend_everything, restore_free, unpreserve_free, unrestore,
};

const UNITS: usize = 40;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A block of this base-2 logarithm.
    Allocate(u32),
    Free(usize),
    Restore(usize),
    /// A block with the size of another.
    Mistake(usize, usize),
    GiveBack(usize),
    Carry(usize),
    Uncarry(usize),
    Sweep,
    Root(Option<u64>),
    /// A kexec, after which the memory is mapped elsewhere.
    Kexec,
}

fn operation() -> impl Strategy<Value = Operation> {
    let n = 0_usize..64;
    prop_oneof![
        8 => (5_u32..18).prop_map(Operation::Allocate),
        5 => n.clone().prop_map(Operation::Free),
        5 => n.clone().prop_map(Operation::Restore),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Operation::Mistake(a, b)),
        3 => n.clone().prop_map(Operation::GiveBack),
        3 => n.clone().prop_map(Operation::Carry),
        2 => n.prop_map(Operation::Uncarry),
        1 => Just(Operation::Sweep),
        1 => any::<Option<u64>>().prop_map(Operation::Root),
        2 => Just(Operation::Kexec),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Left,
    GivenBack,
    Claimed,
    Held,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    addr: PhysAddr,
    size: usize,
    fill: u8,
    state: State,
}

struct World {
    region: Option<Region>,
    memory: Memory,
    blocks: Vec<Block>,
    root: Option<u64>,
    fills: u8,
}

impl World {
    fn new(base: u64) -> Self {
        let memory = Memory::new(base, UNITS);
        let region = Some(memory.create().unwrap());
        Self { region, memory, blocks: Vec::new(), root: None, fills: 0 }
    }

    fn region(&self) -> &Region {
        self.region.as_ref().unwrap()
    }

    fn ptr(&self, addr: PhysAddr) -> NonNull<u8> {
        let offset = usize::try_from(addr.get() - self.memory.base).unwrap();
        // SAFETY: a block is in the memory.
        unsafe { self.memory.at.add(offset) }
    }

    /// One of the blocks in these states.
    fn pick(&mut self, n: usize, states: &[State]) -> Option<usize> {
        let all = 0..self.blocks.len();
        let of: Vec<_> = all.filter(|&i| states.contains(&self.blocks[i].state)).collect();
        of.get(n.checked_rem(of.len())?).copied()
    }

    fn perform(&mut self, operation: Operation) {
        use State::{Claimed, GivenBack, Held, Left};
        match operation {
            Operation::Allocate(log2) => {
                let size = 1 << log2;
                let Ok(block) = self.region().alloc_preserve(size) else {
                    return self.check_full(size);
                };
                assert_eq!(block.ptr, self.ptr(block.addr));
                assert!(bytes(block.ptr, size).iter().all(|&byte| byte == 0));
                self.fills = self.fills.wrapping_add(1).max(1);
                fill(block, size, self.fills);
                self.blocks.push(Block { addr: block.addr, size, fill: self.fills, state: Held });
            }
            Operation::Free(n) => {
                let Some(i) = self.pick(n, &[Held, Claimed]) else { return };
                let Block { addr, size, state, .. } = self.blocks.swap_remove(i);
                if state == Held {
                    unpreserve_free(self.region(), self.ptr(addr), size);
                } else {
                    restore_free(self.region(), self.ptr(addr), size);
                }
                assert_eq!(self.region().restore(addr, size), None);
            }
            Operation::Restore(n) => {
                let Some(i) = self.pick(n, &[Left, GivenBack, Held, Claimed]) else { return };
                let Block { addr, size, state, .. } = self.blocks[i];
                let restored = self.region().restore(addr, size);
                let is_there = matches!(state, Left | GivenBack);
                assert_eq!(restored, is_there.then(|| self.ptr(addr)));
                if is_there {
                    self.blocks[i].state = Claimed;
                }
            }
            Operation::Mistake(a, b) => {
                let all = [Left, GivenBack, Held, Claimed];
                let (Some(a), Some(b)) = (self.pick(a, &all), self.pick(b, &all)) else { return };
                let (addr, size) = (self.blocks[a].addr, self.blocks[b].size);
                if self.blocks[a].size != size {
                    assert_eq!(self.region().restore(addr, size), None);
                    unpreserve_free(self.region(), self.ptr(addr), size);
                    restore_free(self.region(), self.ptr(addr), size);
                    unrestore(self.region(), self.ptr(addr), size);
                }
            }
            Operation::GiveBack(n) => {
                let Some(i) = self.pick(n, &[Claimed]) else { return };
                let Block { addr, size, .. } = self.blocks[i];
                unrestore(self.region(), self.ptr(addr), size);
                self.blocks[i].state = GivenBack;
            }
            Operation::Carry(n) => {
                let Some(i) = self.pick(n, &[Claimed]) else { return };
                let Block { addr, size, .. } = self.blocks[i];
                // SAFETY: the block is claimed, by the list.
                unsafe { self.region().preserve(self.ptr(addr), size) }.unwrap();
                self.blocks[i].state = Held;
            }
            Operation::Uncarry(n) => {
                let Some(i) = self.pick(n, &[Held]) else { return };
                let Block { addr, size, .. } = self.blocks[i];
                // SAFETY: to a region a carried block and an allocated one are the same.
                unsafe { self.region().unpreserve(self.ptr(addr), size) };
                self.blocks[i].state = Claimed;
            }
            Operation::Sweep => {
                let before = self.blocks.len();
                self.blocks.retain(|block| block.state != Left);
                assert_eq!(self.region().sweep(), before - self.blocks.len());
            }
            Operation::Root(tag) => {
                let root = tag.map(|tag| Descriptor { tag, ..Descriptor::new_zeroed() });
                self.region().set_root(root.as_ref());
                self.root = tag;
            }
            Operation::Kexec => {
                self.region = None;
                self.memory = self.memory.remapped();
                self.region = Some(self.memory.open().unwrap());
                self.blocks.iter_mut().for_each(|block| block.state = Left);
            }
        }
        self.check();
    }

    /// A block of this size was refused: there is no place for it, whatever has been freed and joined.
    fn check_full(&self, size: usize) {
        let mut used = [false; UNITS];
        used[..2].fill(true);
        for block in &self.blocks {
            let first = usize::try_from(block.addr.get() - self.memory.base).unwrap() / UNIT;
            used[first..][..block.size.div_ceil(UNIT)].fill(true);
        }
        let units = size.div_ceil(UNIT);
        for first in 0..=UNITS.saturating_sub(units) {
            let addr = self.memory.base + (first * UNIT) as u64;
            let is_free =
                used.get(first..first + units).is_some_and(|units| !units.contains(&true));
            assert!(
                !(is_free && addr % size.max(UNIT) as u64 == 0),
                "no block of {size} bytes, and {addr:#x} is free"
            );
        }
    }

    fn check(&self) {
        self.blocks.iter().for_each(|block| {
            let found = bytes(self.ptr(block.addr), block.size);
            assert!(found.iter().all(|&byte| byte == block.fill), "{block:?} was written to");
        });
        let mut unclaimed: Vec<_> = self.region().unclaimed().collect();
        unclaimed.sort_by_key(|block| block.addr);
        let mut expected: Vec<_> = self.blocks.clone();
        expected.retain(|block| matches!(block.state, State::Left | State::GivenBack));
        expected.sort_by_key(|block| block.addr);
        let facts = |block: &Block| (block.addr, block.size, block.state == State::GivenBack);
        let found = unclaimed.iter().map(|block| (block.addr, block.size, block.given_back));
        assert!(found.eq(expected.iter().map(facts)), "{unclaimed:?} {expected:?}");
        let used: usize = self.blocks.iter().map(|block| block.size.div_ceil(UNIT)).sum();
        let ranges = self.region().preserved();
        let preserved: u64 = ranges.map(|range| range.end.get() - range.start.get()).sum();
        assert_eq!(preserved, ((used + 2) * UNIT) as u64);
        assert_eq!(self.region().root().map(|root| root.tag), self.root);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 150 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_operations_do_as_the_list_says(
        base in 1_u64..64,
        operations in prop::collection::vec(operation(), 1..if cfg!(miri) { 12 } else { 300 }),
    ) {
        let mut world = World::new(base * UNIT as u64);
        operations.into_iter().for_each(|operation| world.perform(operation));
        world.perform(Operation::Kexec);
        let (free, left) = lend_everything(world.region());
        let used: usize = world.blocks.iter().map(|block| block.size.div_ceil(UNIT)).sum();
        prop_assert_eq!((free, left), (UNITS - 2 - used, used));
    }
}
