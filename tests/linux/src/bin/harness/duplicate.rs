//! What is left of a session that is refused because its name is taken: an empty block, on which Linux
//! panics unless the crate writes the chain anew.

use kho_block::{RestoreChecks, RestoreErrorKind};
use linux_beside::plan::Plan;

use crate::Failed;
use crate::allocator::Preserved;
use crate::chains::{AS_LINUX_WRITES, Chains, Refusal};
use crate::handover::Handover;
use crate::machine::{Kit, Machine};
use crate::outcome::Verdict;

/// Two blocks that are exactly full, and then the refusal.
const DUPLICATE: Plan = Plan { duplicate: true, ..Plan::new(102, 0, 0) };

/// Hands such a chain over twice: as it is, and written anew.
///
/// # Errors
///
/// If Linux does not panic, or does so afterwards.
pub(crate) fn refused_duplicate(kit: &Kit) -> Result<(), Failed> {
    let plan = DUPLICATE;
    for mended in [false, true] {
        let machine = Machine::boot(kit, &plan)?;
        let handover = Handover::find(&machine.memory, machine.setup_data)?;
        let memory = Preserved::new(&handover);
        let head = handover.state()?.sessions();
        match Chains::restore(&memory, head, AS_LINUX_WRITES).err() {
            Some(Refusal::Sessions(error))
                if (error.kind, error.block) == (RestoreErrorKind::Empty, 2) =>
            {
                println!("the crate, asked to be as strict as Linux: {error}");
            }
            other => return Err(format!("an empty block is not refused: {other:?}").into()),
        }
        let chains = Chains::restore(&memory, head, RestoreChecks::DENSE)?;
        chains.verify(&plan)?;
        let blocks = chains.sessions.block_count();
        println!("the crate, not so strict: {} sessions in {blocks} blocks", plan.sessions);
        if mended {
            let (head, left) = chains.adopt()?;
            handover.set_sessions(head)?;
            println!("the crate writes the chain anew, in {left} blocks");
            let outcome = machine.go_on()?;
            println!("Linux, with that: {}", outcome.verdict());
            outcome.expect_all(&plan)?;
        } else {
            drop(chains);
            let outcome = machine.go_on()?;
            println!("Linux, with the chain as it was: {}", outcome.verdict());
            let panics = matches!(outcome.verdict(), Verdict::Panic(_));
            outcome.expect(panics, "this Linux does not panic on an empty block")?;
        }
    }
    Ok(())
}
