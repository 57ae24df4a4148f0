//! The table of damage: what the crate makes of each kind, and what Linux does.

use linux_beside::plan::Plan;

use crate::allocator::Preserved;
use crate::chains::{AS_LINUX_WRITES, Chains};
use crate::damage::{Damage, KINDS, NOT_IN_THE_MAP, Scene};
use crate::handover::Handover;
use crate::machine::{Kit, Machine};
use crate::{Failed, found_out};

/// As many blocks as there are places to damage.
const DAMAGED: Plan = Plan::new(204, 1, 170);

/// Every kind of damage, each in a guest of its own: the crate must refuse it, and what Linux does is
/// told beside.
///
/// # Errors
///
/// If the crate does not refuse one as it must.
pub(crate) fn damage(kit: &Kit) -> Result<(), Failed> {
    table(kit, false)
}

/// The negative control of that: who does not look at the map takes any page for a block.
///
/// # Errors
///
/// If that makes no difference.
pub(crate) fn skips_map(kit: &Kit) -> Result<(), Failed> {
    found_out(table(kit, true), &format!("{NOT_IN_THE_MAP}: 204 sessions, not "))
}

/// `gullible` says whether the map is skipped, which is tried on one kind.
fn table(kit: &Kit, gullible: bool) -> Result<(), Failed> {
    let sound: (&str, Option<Damage>) = ("none", None);
    let table = KINDS.map(|(name, damage)| (name, Some(damage)));
    let lines = [sound].into_iter().chain(table);
    for (name, damage) in lines.filter(|(name, _)| !gullible || *name == NOT_IN_THE_MAP) {
        let machine = Machine::boot(kit, &DAMAGED)?;
        let handover = Handover::find(&machine.memory, machine.setup_data)?;
        let scene = Scene::new(&handover)?;
        let expected = damage.map(|damage| damage(&scene)).transpose()?;
        let memory = Preserved::new(&handover);
        let memory = if gullible { memory.gullible() } else { memory };
        let restored = Chains::restore(&memory, handover.state()?.sessions(), AS_LINUX_WRITES);
        let verdict = match (restored, expected) {
            (Ok(chains), None) => {
                let files = chains.verify(&DAMAGED)?;
                format!("{} sessions, {files} files", chains.sessions.len())
            }
            (Err(refusal), Some(expected)) if expected.is(&refusal) => refusal.to_string(),
            (Ok(chains), Some(expected)) => {
                let found = chains.sessions.len();
                return Err(format!("{name}: {found} sessions, not {expected:?}").into());
            }
            (Err(refusal), expected) => {
                return Err(format!("{name}: {refusal}, not {expected:?}").into());
            }
        };
        if memory.claimed() != 0 {
            return Err(format!("{name}: {} blocks stay claimed", memory.claimed()).into());
        }
        // Said before the guest goes on: it may never come back.
        println!("{name}\n    the crate: {verdict}");
        let outcome = machine.go_on()?;
        println!("    Linux:     {}", outcome.verdict());
        if damage.is_none() {
            outcome.expect_all(&DAMAGED)?;
        }
    }
    Ok(())
}
