//! Sets that are carried on over KHO: each block is restored once and preserved once.

use kho_block::{AdoptErrorKind, IncomingSet, OutgoingSet, PhysAddr, RestoreChecks};

use super::machine::{Fault, Machine, State};
use super::{Kho, boot, left};

/// Entries of four blocks.
const ENTRIES: u64 = 3200;
const BLOCKS: usize = 4;

type Taken<'k, 'm> = IncomingSet<u64, &'k Kho<'m>>;
type Set<'k, 'm> = OutgoingSet<u64, &'k Kho<'m>>;

fn adopted<'k, 'm>(kho: &'k Kho<'m>, head: Option<PhysAddr>) -> Set<'k, 'm> {
    Taken::restore(kho, head).unwrap().adopt().unwrap()
}

/// What KHO makes of each block, first to last.
fn states(machine: &Machine, blocks: &[PhysAddr]) -> Vec<State> {
    blocks.iter().map(|&addr| machine.state(addr).unwrap()).collect()
}

/// The addresses of the blocks of the chain, and nothing is called for that.
fn blocks(kho: &Kho<'_>, head: Option<PhysAddr>) -> Vec<PhysAddr> {
    Taken::restore(kho, head).unwrap().block_addrs().collect()
}

#[test]
fn a_set_lives_through_three_kernels_where_it_is() {
    let (mut machine, mut head) = left::<8192>(ENTRIES);
    let mut model: Vec<u64> = (0..ENTRIES).collect();
    let places = blocks(&boot(&machine), head);
    for kernel in 0..3 {
        {
            let kho = boot(&machine);
            let mut set = adopted(&kho, head);
            let carried = set.block_count();
            let calls = ["kho_restore_folio", "kho_preserve_folio"];
            assert_eq!(machine.take_calls(), calls.repeat(carried), "kernel {kernel}");
            assert_eq!(states(&machine, &places), [State::Preserved; BLOCKS]);
            assert_eq!(set.block_addrs().take(BLOCKS).collect::<Vec<_>>(), places);

            // Some go, more come than there was room for.
            assert_eq!(set.pop(), model.pop());
            let new: Vec<u64> = (0..1100).map(|i| kernel << 32 | i).collect();
            set.extend_from_slice(&new).unwrap();
            model.extend(new);
            let grown = set.block_count() - carried;
            assert_eq!(machine.take_calls(), vec!["kho_alloc_preserve"; grown]);
            head = set.into_head();
            assert_eq!(machine.take_calls(), [""; 0], "to leave it takes no call");
        }
        machine.kexec();
        assert_eq!(machine.faults(), [], "nothing is lost by kernel {kernel}");
    }
    let kho = boot(&machine);
    let mut set = Taken::restore_with(&kho, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().eq(&model));
    set.destroy();
    machine.assert_clean();
}

/// What becomes of a set that was given back.
#[derive(Clone, Copy, Debug)]
enum Then {
    AdoptAgain,
    Destroy,
    DropAndRestore,
}

#[test]
fn a_refusal_at_any_block_gives_the_set_back() {
    for refused in (0..BLOCKS).step_by(if cfg!(miri) { 3 } else { 1 }) {
        for then in [Then::AdoptAgain, Then::Destroy, Then::DropAndRestore] {
            let (machine, head) = left::<8192>(ENTRIES);
            let kho = boot(&machine);
            let places = blocks(&kho, head);
            machine.refuse_after(refused);
            let error = Taken::restore(&kho, head).unwrap().adopt().unwrap_err();
            let (mut set, kind) = error.into_parts();

            assert_eq!(kind, AdoptErrorKind::Refused { block: refused });
            assert!(set.iter().copied().eq(0..ENTRIES));
            let mut calls = ["kho_restore_folio", "kho_preserve_folio"].repeat(refused + 1);
            calls.extend(vec!["kho_unpreserve_folio"; refused]);
            assert_eq!(machine.take_calls(), calls, "the rest is not begun");
            let restored = |block| if block <= refused { State::Ordinary } else { State::Marked };
            assert!(states(&machine, &places).into_iter().eq((0..BLOCKS).map(restored)));

            machine.refuse_after(usize::MAX);
            match then {
                Then::AdoptAgain => {
                    let mut set = set.adopt().unwrap();
                    assert_eq!(states(&machine, &places), [State::Preserved; BLOCKS]);
                    set.push(ENTRIES).unwrap();
                    assert!(set.iter().copied().eq(0..=ENTRIES));
                    set.destroy();
                }
                Then::Destroy => {
                    set.destroy();
                    let free =
                        |block| if block <= refused { "free_pages" } else { "kho_restore_free" };
                    let mut freed = machine.take_calls();
                    freed.sort_unstable();
                    let mut expected: Vec<_> = (0..BLOCKS).map(free).collect();
                    expected.sort_unstable();
                    assert_eq!(freed, expected);
                }
                Then::DropAndRestore => {
                    drop(set);
                    let mut set = Taken::restore(&kho, head).unwrap();
                    assert!(set.iter().copied().eq(0..ENTRIES));
                    set.destroy();
                }
            }
            machine.assert_clean();
        }
    }
}

#[test]
fn a_set_that_was_given_back_and_is_not_carried_is_gone_at_a_kexec() {
    let (mut machine, head) = left::<8192>(ENTRIES);
    let places = {
        let kho = boot(&machine);
        machine.refuse_after(2);
        drop(Taken::restore(&kho, head).unwrap().adopt().unwrap_err());
        blocks(&kho, head)
    };
    machine.kexec();
    let mut lost: Vec<_> = places.iter().map(|addr| Fault::Lost { addr: addr.get() }).collect();
    lost.sort_unstable_by_key(|fault| format!("{fault:?}"));
    let mut faults = machine.faults();
    faults.sort_unstable_by_key(|fault| format!("{fault:?}"));
    assert_eq!(faults, lost);
}

#[test]
fn a_dropped_set_is_found_again_by_the_next_kernel() {
    let (mut machine, head) = left::<8192>(ENTRIES);
    {
        let kho = boot(&machine);
        let mut set = adopted(&kho, head);
        set.push(ENTRIES).unwrap();
        set.grow(5000).unwrap(); // spare blocks, which are in no chain
        let spare = set.block_count() - BLOCKS;
        assert_ne!(spare, 0);
        machine.take_calls();
        drop(set);
        assert_eq!(machine.take_calls(), vec!["kho_unpreserve_free"; spare], "and no other block");
        let error = Taken::restore(&kho, head).unwrap_err();
        assert_eq!(error.block, 0, "to this kernel it is its own, and left");
    }
    machine.kexec();
    assert_eq!(machine.faults(), []);
    let kho = boot(&machine);
    let mut set = Taken::restore_with(&kho, head, RestoreChecks::all()).unwrap();
    assert!(set.iter().copied().eq(0..=ENTRIES));
    set.destroy();
    machine.assert_clean();
}

#[test]
fn a_destroyed_set_is_freed() {
    let (machine, head) = left::<8192>(ENTRIES);
    let kho = boot(&machine);
    let mut set = adopted(&kho, head);
    set.grow(5000).unwrap();
    let own = set.block_count() - BLOCKS;
    machine.take_calls();
    set.destroy();
    let mut calls = machine.take_calls();
    calls.sort_unstable();
    let mut expected = ["kho_unpreserve_folio", "free_pages"].repeat(BLOCKS);
    expected.extend(vec!["kho_unpreserve_free"; own]);
    expected.sort_unstable();
    assert_eq!(calls, expected);
    machine.assert_clean();
}
