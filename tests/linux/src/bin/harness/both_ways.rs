//! Linux writes, the crate reads; the crate writes, Linux reads.

use std::time::Instant;

use kho_block::linux::{BLOCK_SIZE, Session};
use kho_block::{ChainLayout, RestoreChecks};
use linux_beside::plan::Plan;

use crate::allocator::Preserved;
use crate::chains::{Chains, walk};
use crate::handover::Handover;
use crate::machine::{Kit, Machine};
use crate::{Failed, found_out};

/// What is handed over both ways: nothing, chains that just fill their blocks, those that need one
/// more, and large ones with an empty block at the end, which a session that is refused for its name
/// leaves behind full ones, and which the crate fills.
const PLANS: [Plan; 6] = [
    Plan::new(0, 0, 0),
    Plan::new(1, 1, 1),
    Plan::new(51, 2, 63),
    Plan::new(52, 2, 64),
    FILLED,
    Plan { duplicate: true, added: 51, ..Plan::new(200 * 51, 30, 170) },
];

/// The smaller one of those whose last block the crate fills.
const FILLED: Plan = Plan { duplicate: true, added: 50, ..Plan::new(102, 2, 126) };

/// Does so with every plan.
///
/// # Errors
///
/// If one does not find what the other left.
pub(crate) fn both_ways(kit: &Kit) -> Result<(), Failed> {
    PLANS.iter().try_for_each(|plan| there_and_back(kit, plan, true))
}

/// The negative control of that: the crate writes, and Linux is not told where.
///
/// # Errors
///
/// If Linux finds nothing wrong.
pub(crate) fn leaves_head(kit: &Kit) -> Result<(), Failed> {
    let result = there_and_back(kit, &FILLED, false);
    found_out(
        result,
        "not accepted: 152 sessions, 252 files, but accepted in part: 50 sessions, 0 files",
    )
}

/// `tell` says whether Linux is told where the new chain begins.
fn there_and_back(kit: &Kit, plan: &Plan, tell: bool) -> Result<(), Failed> {
    let started = Instant::now();
    let machine = Machine::boot(kit, plan)?;
    let stopped = started.elapsed();
    let handover = Handover::find(&machine.memory, machine.setup_data)?;
    let memory = Preserved::new(&handover);
    let head = handover.state()?.sessions();
    println!("\nLinux: {plan}; {} blocks in the map", handover.preserved()?.len());

    let chains = Chains::restore(&memory, head, RestoreChecks::DENSE)?;
    let files = chains.verify(plan)?;
    let layout = ChainLayout::new(size_of::<Session>(), BLOCK_SIZE).ok_or("no such layout")?;
    let (walked, entries) = walk(&handover, head, layout)?;
    if !chains.sessions.block_addrs().eq(walked) || chains.sessions.len() != entries {
        return Err("a scan finds another chain than restoring does".into());
    }
    let blocks = chains.block_count();
    println!(
        "the crate restores and verifies {entries} sessions, {files} files, in {blocks} blocks"
    );

    let new_head = chains.rewrite(&memory, plan)?;
    if tell {
        handover.set_sessions(new_head)?;
    } else if new_head == head {
        return Err("the head is as it was: nobody can notice one that is not fixed".into());
    }
    let added = plan.added;
    println!("the crate writes them in the opposite order, and {added} more, into these blocks");
    let outcome = machine.go_on()?;
    outcome.expect_all(plan)?;
    println!("Linux {}: {}", outcome.version().unwrap_or("unknown"), outcome.verdict());
    let (stopped, ended) = (stopped.as_secs_f64(), started.elapsed().as_secs_f64());
    println!("time: {stopped:.1} s to the stop, {ended:.1} s in all");
    Ok(())
}
