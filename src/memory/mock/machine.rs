//! The tables behind a mock: which block is where, and whose it is.

#![forbid(unsafe_code)]

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::mem;
use core::ptr::NonNull;

use super::memory::Memory;
use super::{Calls, Fault, POISON, POISONED_MAX};
use crate::abi::addr::PhysAddr;
use crate::abi::sizes::to_wire;
use crate::memory::allocator::{AllocError, PreservedBlock};

/// The address of the first block, unless [placed](super::Mock::place) elsewhere: 4 GiB.
const FIRST_ADDR: u64 = 1 << 32;

/// Which kernel a block is preserved for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Allocated by this kernel, for the next.
    Outgoing,
    /// Left by the previous kernel.
    Left,
    /// Left by the previous kernel, and claimed by this one.
    Claimed,
    /// Claimed, and preserved for the next kernel as well.
    Carried,
}

pub(super) struct Machine {
    blocks: BTreeMap<u64, (State, Memory)>,
    /// From the address of a pointer to the physical one.
    addrs: BTreeMap<usize, u64>,
    /// Poisoned, and kept so that a late read meets poison: the last that were freed, up to
    /// [`POISONED_MAX`] bytes.
    freed: VecDeque<Memory>,
    /// Bytes in `freed`.
    poisoned: usize,
    /// The lowest address above all that were used, less [`FIRST_ADDR`].
    used: u64,
    /// Where the next blocks go, before any other place.
    pub(super) places: VecDeque<u64>,
    /// Allocations to be granted before all are refused.
    pub(super) until_refusal: Option<usize>,
    /// Claimed blocks to be preserved before all are refused.
    pub(super) until_preserve_refusal: Option<usize>,
    pub(super) calls: Calls,
    pub(super) faults: Vec<Fault>,
}

impl Machine {
    pub(super) const fn new() -> Self {
        Self {
            blocks: BTreeMap::new(),
            addrs: BTreeMap::new(),
            freed: VecDeque::new(),
            poisoned: 0,
            used: 0,
            places: VecDeque::new(),
            until_refusal: None,
            until_preserve_refusal: None,
            calls: Calls {
                alloc_preserve: 0,
                unpreserve_free: 0,
                restore: 0,
                unrestore: 0,
                restore_free: 0,
                preserve: 0,
                unpreserve: 0,
            },
            faults: Vec::new(),
        }
    }

    pub(super) fn count(&self, counts: impl Fn(State) -> bool) -> usize {
        self.blocks.values().filter(|(state, _)| counts(*state)).count()
    }

    /// The blocks in a state, by address.
    pub(super) fn addrs(&self, state: State) -> Vec<u64> {
        self.blocks.iter().filter(|(_, (is, _))| *is == state).map(|(&addr, _)| addr).collect()
    }

    /// Starts the next kernel. What it finds besides what was preserved for it, `keeps` says.
    pub(super) fn reboot(&mut self, keeps: &[State]) {
        self.freed.clear();
        self.poisoned = 0;
        for (addr, (state, memory)) in mem::take(&mut self.blocks) {
            if matches!(state, State::Outgoing | State::Carried) || keeps.contains(&state) {
                self.blocks.insert(addr, (State::Left, memory));
            } else {
                self.faults.push(Fault::Lost { addr });
                self.addrs.remove(&memory.ptr.addr().get());
            }
        }
    }

    /// A zeroed block, unless allocations are refused.
    ///
    /// # Errors
    ///
    /// If they are, or the host has no memory.
    pub(super) fn alloc(&mut self, size: usize) -> Result<PreservedBlock, AllocError> {
        grant(&mut self.until_refusal)?;
        let memory = Memory::zeroed(size).ok_or(AllocError)?;
        let addr = self.next_addr(size);
        Ok(self.add(addr, State::Outgoing, memory))
    }

    /// Claims a block that was left for this kernel, once.
    pub(super) fn claim(&mut self, addr: u64, size: usize) -> Option<NonNull<u8>> {
        let (state, memory) = self.blocks.get_mut(&addr)?;
        match state {
            State::Outgoing => return None,
            State::Claimed | State::Carried => self.faults.push(Fault::DoubleClaim { addr }),
            State::Left if memory.size != size => {
                self.faults.push(Fault::WrongSizeClaim { addr, size: memory.size, said: size });
            }
            State::Left => {
                *state = State::Claimed;
                return Some(memory.ptr);
            }
        }
        None
    }

    /// Makes a claimed block one that can be claimed.
    pub(super) fn unclaim(&mut self, call: &'static str, ptr: NonNull<u8>, size: usize) {
        let addr = self.lent(Fault::ForeignFree { call }, &[State::Claimed], ptr, size);
        self.turn(addr, State::Left);
    }

    /// Preserves a claimed block for the next kernel.
    ///
    /// # Errors
    ///
    /// If that is refused, or it is no such block.
    pub(super) fn preserve(&mut self, ptr: NonNull<u8>, size: usize) -> Result<(), AllocError> {
        let addr =
            self.lent(Fault::ForeignCarry { call: "preserve" }, &[State::Claimed], ptr, size);
        let addr = addr.ok_or(AllocError)?;
        grant(&mut self.until_preserve_refusal)?;
        self.turn(Some(addr), State::Carried);
        Ok(())
    }

    /// Takes [`preserve`](Self::preserve) back.
    pub(super) fn unpreserve(&mut self, ptr: NonNull<u8>, size: usize) {
        let addr =
            self.lent(Fault::ForeignCarry { call: "unpreserve" }, &[State::Carried], ptr, size);
        self.turn(addr, State::Claimed);
    }

    /// Changes the state of the block at `addr`, if there is one.
    fn turn(&mut self, addr: Option<u64>, to: State) {
        if let Some((state, _)) = addr.and_then(|addr| self.blocks.get_mut(&addr)) {
            *state = to;
        }
    }

    /// Frees the blocks that are left for this kernel and not claimed; how many those are.
    pub(super) fn discard(&mut self) -> usize {
        let addrs = self.addrs(State::Left);
        addrs.iter().for_each(|&addr| self.forget(addr));
        addrs.len()
    }

    /// Frees a lent block.
    pub(super) fn free(
        &mut self,
        call: &'static str,
        takes: &[State],
        ptr: NonNull<u8>,
        size: usize,
    ) {
        if let Some(addr) = self.lent(Fault::ForeignFree { call }, takes, ptr, size) {
            self.forget(addr);
        }
    }

    /// Poisons a block, and takes it out of the tables.
    fn forget(&mut self, addr: u64) {
        if let Some((_, mut memory)) = self.blocks.remove(&addr) {
            self.addrs.remove(&memory.ptr.addr().get());
            memory.fill(POISON);
            self.poisoned = self.poisoned.saturating_add(memory.size);
            self.freed.push_back(memory);
            while self.poisoned > POISONED_MAX {
                let oldest = self.freed.pop_front().map_or(0, |memory| memory.size);
                self.poisoned = self.poisoned.saturating_sub(oldest);
            }
        }
    }

    /// Where the next block of `size` bytes goes.
    ///
    /// # Panics
    ///
    /// If there are no addresses left.
    fn next_addr(&mut self, size: usize) -> u64 {
        let free = FIRST_ADDR.saturating_add(self.used).checked_next_multiple_of(to_wire(size));
        self.places.pop_front().or(free).expect("the address space is not exhausted")
    }

    /// Puts a block into the tables.
    ///
    /// # Panics
    ///
    /// If it cannot be at `addr`.
    pub(super) fn add(&mut self, addr: u64, state: State, memory: Memory) -> PreservedBlock {
        let size = to_wire(memory.size);
        let name = PhysAddr::new(addr).filter(|addr| addr.is_aligned_to(size));
        let name = name.expect("a block's address is aligned to its size, and not zero");
        let end = addr.checked_add(size).expect("a block ends within the address space");
        let before = self.blocks.range(..end).next_back();
        let in_use = before.is_some_and(|(&b, (_, m))| b.saturating_add(to_wire(m.size)) > addr);
        assert!(!in_use, "{name} is in use");

        let ptr = memory.ptr;
        self.used = self.used.max(end.saturating_sub(FIRST_ADDR));
        self.addrs.insert(ptr.addr().get(), addr);
        self.blocks.insert(addr, (state, memory));
        PreservedBlock { ptr, addr: name }
    }

    /// The lent block behind `ptr`, if a call may have it: it is in a state that the call `takes`,
    /// and of the size that it `said`. If it is in none of them, that is the fault `foreign`.
    fn lent(
        &mut self,
        foreign: Fault,
        takes: &[State],
        ptr: NonNull<u8>,
        said: usize,
    ) -> Option<u64> {
        let addr = self.addrs.get(&ptr.addr().get()).copied();
        let fault = match addr.and_then(|addr| Some((addr, self.blocks.get(&addr)?))) {
            Some((addr, (is, memory))) if takes.contains(is) => {
                if memory.size == said {
                    return Some(addr);
                }
                Fault::WrongSize { addr, size: memory.size, said }
            }
            _ => foreign,
        };
        self.faults.push(fault);
        None
    }

    /// Calls `f` with the memory that holds the `len` bytes at `addr`, and their offset in it.
    ///
    /// # Panics
    ///
    /// If no block holds them all.
    pub(super) fn at<R>(
        &mut self,
        addr: u64,
        len: usize,
        f: impl FnOnce(&mut Memory, usize) -> R,
    ) -> R {
        let block = self.blocks.range_mut(..=addr).next_back();
        let (start, (_, memory)) = block.expect("the address is that of a preserved block");
        let offset = usize::try_from(addr.saturating_sub(*start)).unwrap_or(usize::MAX);
        assert!(offset.saturating_add(len) <= memory.size, "the range is within one block");
        f(memory, offset)
    }
}

/// Counts what is granted.
///
/// # Errors
///
/// If there is a limit, and it is reached.
fn grant(until_refusal: &mut Option<usize>) -> Result<(), AllocError> {
    if let Some(left) = until_refusal {
        *left = left.checked_sub(1).ok_or(AllocError)?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    /// Allocates a block and frees it.
    fn free(machine: &mut Machine, size: usize) {
        let block = machine.alloc(size).unwrap();
        machine.free("unpreserve_free", &[State::Outgoing], block.ptr, size);
    }

    fn freed(machine: &Machine) -> Vec<usize> {
        let sizes = machine.freed.iter().map(|memory| {
            assert_eq!(memory.read(0, memory.size), std::vec![POISON; memory.size]);
            memory.size
        });
        sizes.collect()
    }

    #[test]
    fn of_what_is_freed_the_last_is_kept_up_to_a_limit() {
        const SIZE: usize = POISONED_MAX / 4;
        let mut machine = Machine::new();
        for (size, expected) in [
            (SIZE, &[SIZE][..]),
            (64, &[SIZE, 64]),
            (SIZE, &[SIZE, 64, SIZE]),
            (SIZE, &[SIZE, 64, SIZE, SIZE]),
            (SIZE, &[64, SIZE, SIZE, SIZE]),
            (SIZE, &[SIZE, SIZE, SIZE, SIZE]),
            (32, &[SIZE, SIZE, SIZE, 32]),
            (2 * SIZE, &[SIZE, 32, 2 * SIZE]),
            (POISONED_MAX, &[POISONED_MAX]),
            (2 * POISONED_MAX, &[]),
            (64, &[64]),
        ] {
            free(&mut machine, size);
            assert_eq!(freed(&machine), expected, "after {size} bytes");
        }
        machine.reboot(&[]);
        assert_eq!(freed(&machine), []);
        free(&mut machine, POISONED_MAX);
        assert_eq!(freed(&machine), [POISONED_MAX], "what was kept before counts no more");
        assert_eq!(machine.faults, []);
    }
}
