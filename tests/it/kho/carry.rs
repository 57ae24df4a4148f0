//! What can be done to a block from its claim on, and what the kernel after finds of it.

use core::ptr::NonNull;

use kho_block::{PhysAddr, PreservedAllocator};

use super::machine::{Fault, Machine, PAGE_SIZE, State};
use super::{Kho, boot, preserve, restore_free, unpreserve, unpreserve_free, unrestore};
use crate::heap::refusing;

const ADDR: u64 = 0x8000;
const SIZE: usize = 8192;

/// A machine on which the previous kernel left a block full of sevens.
fn with_a_block() -> (Machine, PhysAddr) {
    let mut machine = Machine::new();
    let addr = machine.leave(ADDR, 1);
    machine.write(ADDR, &[7; PAGE_SIZE]);
    (machine, addr)
}

/// A block by what was done to it, as the allocator's documentation tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Unclaimed,
    Claimed,
    Carried,
    Taken,
    Returned,
    Freed,
}

/// A call of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Restore,
    Unrestore,
    RestoreFree,
    Preserve,
    Unpreserve,
    UnpreserveFree,
}

impl Call {
    const ALL: [Self; 6] = [
        Self::Restore,
        Self::Unrestore,
        Self::RestoreFree,
        Self::Preserve,
        Self::Unpreserve,
        Self::UnpreserveFree,
    ];

    /// Whether the call did what it says, as far as it tells.
    fn perform(self, kho: &Kho<'_>, ptr: NonNull<u8>) -> bool {
        match self {
            Self::Restore => {
                let got = kho.restore(PhysAddr::new(ADDR).unwrap(), SIZE);
                assert!(got.is_none_or(|got| got == ptr));
                return got.is_some();
            }
            Self::Unrestore => unrestore(kho, ptr, SIZE),
            Self::RestoreFree => restore_free(kho, ptr, SIZE),
            Self::Preserve => return preserve(kho, ptr, SIZE),
            Self::Unpreserve => unpreserve(kho, ptr, SIZE),
            Self::UnpreserveFree => unpreserve_free(kho, ptr, SIZE),
        }
        true
    }
}

/// A call that the allocator's contract allows of a block, what KHO is told, and what comes of it.
type Step = (Call, &'static [&'static str], Is);

impl Is {
    fn steps(self) -> &'static [Step] {
        match self {
            Self::Unclaimed => &[(Call::Restore, &[], Self::Claimed)],
            Self::Claimed => &[
                (Call::Unrestore, &[], Self::Unclaimed),
                (Call::RestoreFree, &["kho_restore_free"], Self::Freed),
                (Call::Preserve, &["kho_restore_folio", "kho_preserve_folio"], Self::Carried),
            ],
            Self::Carried => &[
                (Call::Unpreserve, &["kho_unpreserve_folio"], Self::Taken),
                (Call::UnpreserveFree, &["kho_unpreserve_folio", "free_pages"], Self::Freed),
            ],
            Self::Taken => &[
                (Call::Unrestore, &[], Self::Returned),
                (Call::RestoreFree, &["free_pages"], Self::Freed),
                (Call::Preserve, &["kho_preserve_folio"], Self::Carried),
            ],
            Self::Returned => &[(Call::Restore, &[], Self::Taken)],
            Self::Freed => &[],
        }
    }

    /// The calls that are no steps, of those that the allocator can tell are not: it does not know
    /// of blocks that are not claimed.
    fn refused(self) -> impl Iterator<Item = Call> {
        let unknown = matches!(self, Self::Unclaimed | Self::Freed);
        Call::ALL.into_iter().filter(move |&call| {
            let told = !unknown || matches!(call, Call::Restore);
            told && self.steps().iter().all(|&(step, ..)| step != call)
        })
    }

    /// What KHO has to make of the block in this state, and whether the next kernel finds it.
    fn in_kho(self) -> (State, bool) {
        match self {
            Self::Unclaimed | Self::Claimed => (State::Marked, false),
            Self::Carried => (State::Preserved, true),
            Self::Taken | Self::Returned => (State::Ordinary, false),
            Self::Freed => (State::Free, false),
        }
    }
}

/// Performs the steps with these numbers, each among those that the state before allows. `None` if
/// there is no such step.
fn perform(numbers: &[usize]) -> Option<()> {
    let (mut machine, addr) = with_a_block();
    let ptr = machine.phys_to_virt(ADDR);
    let mut is = Is::Unclaimed;
    {
        let kho = boot(&machine);
        for &number in numbers {
            let &(call, told, becomes) = is.steps().get(number)?;
            assert!(call.perform(&kho, ptr), "{numbers:?}, from {is:?}");
            assert_eq!(machine.take_calls(), told, "{numbers:?}, from {is:?}");
            is = becomes;
            for call in is.refused() {
                let tells = matches!(call, Call::Restore | Call::Preserve);
                assert_eq!(call.perform(&kho, ptr), !tells, "{numbers:?}, {call:?} when {is:?}");
            }
            for (other, size) in
                [(ADDR, 4096), (ADDR, 16384), (ADDR + 4096, 4096), (ADDR + 8, SIZE)]
            {
                let other = PhysAddr::new(other).unwrap();
                assert_eq!(kho.restore(other, size), None, "{numbers:?}, {is:?}");
            }
            assert_eq!((machine.take_calls(), machine.faults()), (vec![], vec![]), "{is:?}");
            assert_eq!(machine.state(addr), Some(is.in_kho().0), "{numbers:?}");
        }
    }
    machine.kexec();
    let found = is.in_kho().1;
    let lost = !found && is != Is::Freed;
    let faults = lost.then_some(Fault::Lost { addr: ADDR });
    assert_eq!(machine.faults(), faults.into_iter().collect::<Vec<_>>(), "{is:?}");
    assert_eq!(boot(&machine).restore(addr, SIZE).is_some(), found, "{is:?}");
    if found {
        assert_eq!(machine.read(addr), [7; PAGE_SIZE]);
    }
    Some(())
}

#[test]
fn every_sequence_of_calls_keeps_the_rules_and_every_state_says_what_is_there_after_a_kexec() {
    fn go_on(numbers: &mut Vec<usize>, left: usize) -> usize {
        let mut performed = 0;
        for number in 0..3 {
            numbers.push(number);
            if perform(numbers).is_some() {
                performed += 1;
                if left > 1 {
                    performed += go_on(numbers, left - 1);
                }
            }
            numbers.pop();
        }
        performed
    }
    let (calls, sequences) = if cfg!(miri) { (5, 19) } else { (12, 283) };
    assert_eq!(go_on(&mut Vec::new(), calls), sequences, "sequences of up to so many calls");
}

#[test]
fn a_block_that_cannot_be_preserved_stays_claimed() {
    let (machine, addr) = with_a_block();
    let kho = boot(&machine);
    let ptr = kho.restore(addr, SIZE).unwrap();
    machine.refuse_after(0);
    assert!(!preserve(&kho, ptr, SIZE));
    assert_eq!(machine.take_calls(), ["kho_restore_folio", "kho_preserve_folio"]);
    assert!(!preserve(&kho, ptr, SIZE));
    assert_eq!(machine.take_calls(), ["kho_preserve_folio"], "it was restored before");
    assert_eq!(kho.restore(addr, SIZE), None, "it is lent");

    unrestore(&kho, ptr, SIZE);
    assert_eq!(kho.restore(addr, SIZE), Some(ptr), "it can be claimed again");
    machine.refuse_after(1);
    assert!(preserve(&kho, ptr, SIZE));
    unpreserve(&kho, ptr, SIZE);
    restore_free(&kho, ptr, SIZE);
    machine.assert_clean();
}

#[test]
fn a_claim_that_cannot_be_noted_is_refused_and_nothing_called() {
    let (machine, addr) = with_a_block();
    let kho = boot(&machine);
    assert_eq!(refusing(0, || kho.restore(addr, SIZE)), None);
    assert_eq!((machine.state(addr), machine.take_calls()), (Some(State::Marked), vec![]));
    let ptr = kho.restore(addr, SIZE).unwrap();
    restore_free(&kho, ptr, SIZE);
    machine.assert_clean();
}

#[test]
fn pages_that_were_freed_are_allocated_again() {
    for carried in [false, true] {
        let (machine, addr) = with_a_block();
        let kho = boot(&machine);
        let ptr = kho.restore(addr, SIZE).unwrap();
        if carried {
            assert!(preserve(&kho, ptr, SIZE));
            unpreserve_free(&kho, ptr, SIZE);
        } else {
            restore_free(&kho, ptr, SIZE);
        }
        let block = kho.alloc_preserve(SIZE).unwrap();
        assert_eq!(block.addr, addr);
        assert_eq!(kho.restore(addr, SIZE), None);
        unpreserve_free(&kho, block.ptr, SIZE);
        machine.assert_clean();
    }
}

#[test]
fn many_blocks_are_told_apart() {
    let mut machine = Machine::new();
    let number = |n: u64| (n * 7 % 32 + 1) * 0x2000;
    let addrs: Vec<_> = (0..32).map(|n| machine.leave(number(n), 1)).collect();
    let kho = boot(&machine);
    let ptrs: Vec<_> = addrs.iter().map(|&addr| kho.restore(addr, SIZE).unwrap()).collect();
    for (n, &ptr) in ptrs.iter().enumerate() {
        assert_eq!(machine.virt_to_phys(ptr), addrs[n]);
        assert!(n % 4 == 0 || preserve(&kho, ptr, SIZE));
        if n % 4 == 2 {
            unpreserve(&kho, ptr, SIZE);
        }
    }
    for (n, &ptr) in ptrs.iter().enumerate().rev() {
        assert_eq!(kho.restore(addrs[n], SIZE), None);
        match n % 4 {
            1 | 3 => unpreserve_free(&kho, ptr, SIZE),
            _ => restore_free(&kho, ptr, SIZE),
        }
    }
    machine.assert_clean();
}
