//! The allocator keeps its contract, as anybody's can be seen to.

use std::sync::Arc;

use kho_block::mock::conformance::Conformance;

use super::example;
use super::machine::{Fault, Machine};

type Owned = example::Kho<Arc<Machine>>;

/// Machines, one after the other, each with its kernels. Of all but the last the books are closed.
struct Machines {
    now: Arc<Machine>,
    /// Calls that need memory to be granted to each kernel before all are refused.
    grants: usize,
}

impl Machines {
    fn kexec(&mut self, previous: Option<Owned>) -> Owned {
        if previous.is_some() {
            drop(previous);
            Arc::get_mut(&mut self.now).unwrap().kexec();
        } else {
            self.close();
            self.now = Arc::new(Machine::new());
        }
        self.now.refuse_after(self.grants);
        // SAFETY: its kernel has no other, and the previous one's is gone.
        unsafe { Owned::new(Arc::clone(&self.now)) }
    }

    /// Asserts that no page is in use, and that no rule was broken, but by claims at a kexec.
    fn close(&self) {
        let mut faults = self.now.faults();
        faults.retain(|fault| !matches!(fault, Fault::Lost { .. }));
        assert_eq!((self.now.in_use(), faults), (vec![], vec![]));
    }
}

#[test]
#[cfg_attr(miri, ignore = "it fills hundreds of pages, and `kho::carry` a few")]
fn every_duty_is_kept_with_however_little_memory() {
    let check = Conformance::new().claims_survive(false);
    for grants in (1..=30).chain([usize::MAX]) {
        let mut machines = Machines { now: Arc::new(Machine::new()), grants };
        check.check_carry(|previous| machines.kexec(previous)).unwrap();
        machines.close();
    }
}

#[test]
#[cfg_attr(miri, ignore = "it fills hundreds of pages, and `kho::carry` a few")]
fn that_claims_are_gone_at_a_kexec_is_seen() {
    use kho_block::mock::conformance::Duty;
    let mut machines = Machines { now: Arc::new(Machine::new()), grants: usize::MAX };
    let check = Conformance::new().claims_survive(true);
    let broken = check.check(|previous| machines.kexec(previous)).unwrap_err();
    assert_eq!(broken.duty, Duty::ClaimsAtAKexec, "{broken}");
}
