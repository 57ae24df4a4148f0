//! The model keeps KHO's rules: a model that lets one pass proves nothing.

use core::ptr::NonNull;

use kho_block::PhysAddr;

use super::machine::{Fault, Machine, PAGE_SIZE, POISON, State};

/// A machine, and a block of two pages in a state.
fn with_a_block(state: State) -> (Machine, PhysAddr, NonNull<u8>) {
    let mut machine = Machine::new();
    if state == State::Allocated {
        let ptr = machine.kho_alloc_preserve(8192).unwrap();
        let addr = machine.virt_to_phys(ptr);
        return (machine, addr, ptr);
    }
    let addr = machine.leave(0x4000, 1);
    let ptr = machine.phys_to_virt(addr.get());
    if state != State::Marked {
        assert_eq!(machine.kho_restore_folio(addr.get()), Some(ptr));
    }
    match state {
        State::Marked | State::Allocated | State::Ordinary => {}
        State::Preserved => machine.kho_preserve_folio(ptr, 1).unwrap(),
        State::Free => machine.free_pages(ptr, 1),
    }
    (machine, addr, ptr)
}

const STATES: [State; 5] =
    [State::Marked, State::Ordinary, State::Allocated, State::Preserved, State::Free];

#[test]
fn each_call_works_in_one_state_and_is_reported_in_every_other() {
    type Call = fn(&Machine, PhysAddr, NonNull<u8>);
    let calls: [(&str, Call, State, State); 6] = [
        (
            "kho_restore_folio",
            |machine, addr, _| _ = machine.kho_restore_folio(addr.get()),
            State::Marked,
            State::Ordinary,
        ),
        (
            "kho_restore_free",
            |machine, _, ptr| machine.kho_restore_free(ptr),
            State::Marked,
            State::Free,
        ),
        (
            "kho_preserve_folio",
            |machine, _, ptr| _ = machine.kho_preserve_folio(ptr, 1),
            State::Ordinary,
            State::Preserved,
        ),
        (
            "kho_unpreserve_folio",
            |machine, _, ptr| machine.kho_unpreserve_folio(ptr),
            State::Preserved,
            State::Ordinary,
        ),
        (
            "kho_unpreserve_free",
            |machine, _, ptr| machine.kho_unpreserve_free(ptr),
            State::Allocated,
            State::Free,
        ),
        ("free_pages", |machine, _, ptr| machine.free_pages(ptr, 1), State::Ordinary, State::Free),
    ];
    for (call, perform, works_in, leads_to) in calls {
        for is in STATES {
            let (mut machine, block, ptr) = with_a_block(is);
            machine.take_calls();
            perform(&machine, block, ptr);

            let addr = block.get();
            let (state, faults) = if is == works_in {
                (leads_to, vec![])
            } else {
                (is, vec![Fault::Misuse { call, addr, is }])
            };
            assert_eq!(machine.state(block), Some(state), "{call} in state {is:?}");
            assert_eq!((machine.take_calls(), machine.faults()), (vec![call], faults));
            let poison = if state == State::Free { POISON } else { 0 };
            assert_eq!(machine.read(block), [poison; PAGE_SIZE]);
        }
    }
}

#[test]
fn a_kexec_marks_what_is_preserved_and_loses_what_is_not() {
    for state in STATES {
        let (mut machine, block, _) = with_a_block(state);
        machine.kexec();
        let (expected, faults) = match state {
            State::Allocated | State::Preserved => (Some(State::Marked), vec![]),
            State::Marked | State::Ordinary => (None, vec![Fault::Lost { addr: block.get() }]),
            State::Free => (None, vec![]),
        };
        assert_eq!((machine.state(block), machine.faults()), (expected, faults), "{state:?}");
    }
}

#[test]
fn the_mark_is_on_the_first_page_until_it_is_restored() {
    for state in STATES {
        let (machine, block, _) = with_a_block(state);
        let order = (state == State::Marked).then_some(1);
        assert_eq!(machine.page_mark(block.get()), order, "{state:?}");
        assert_eq!(machine.page_mark(block.get() + 4095), order, "it is the page's");
        assert_eq!(machine.page_mark(block.get() + 4096), None);
        assert_eq!(machine.faults(), []);
    }
}

#[test]
fn sizes_and_refusals_are_kept_to() {
    let (machine, block, ptr) = with_a_block(State::Ordinary);
    let addr = block.get();
    machine.free_pages(ptr, 0);
    assert!(machine.kho_preserve_folio(ptr, 2).is_err());
    machine.refuse_after(0);
    assert!(machine.kho_alloc_preserve(4096).is_none());
    assert!(machine.kho_preserve_folio(ptr, 1).is_err());
    let wrong = |call, said| Fault::WrongOrder { call, addr, order: 1, said };
    assert_eq!(machine.faults(), [wrong("free_pages", 0), wrong("kho_preserve_folio", 2)]);
    assert_eq!(machine.in_use(), [(addr, State::Ordinary)]);
}
