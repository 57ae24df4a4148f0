//! The supervisor: starts server and client, orders each update, and gives the verdict.

use core::fmt;
use core::time::Duration;
use std::io::{Write, stdout};
use std::thread::sleep;
use std::time::Instant;

use crate::Result;
use crate::arguments::Plan;
use crate::limits;
use crate::process::Process;
use crate::server::{REPORT, UPDATE};

/// When everything has come to an end, at the latest.
const TIME_LIMIT: Duration = Duration::from_secs(28);

/// How long a generation serves after every connection has had a reply from it, if time allows.
const TENURE: Duration = Duration::from_millis(200);

/// Carries out the plan. The program `begun` a moment ago.
///
/// # Errors
///
/// If anything failed, or a single reply was wrong or connection lost, or not as many updates failed
/// as were to.
pub(crate) fn run(plan: &Plan, begun: Instant) -> Result<()> {
    let deadline = begun.checked_add(TIME_LIMIT).ok_or("the clock ends too soon")?;
    let Plan { connections, sessions, updates, fail_updates } = *plan;
    limits::allow(connections)?;

    let mut server = Process::start("server", &format!("--serve --fail-updates {fail_updates}"))?;
    let [port] = server.expect("port", deadline)?;
    let arguments = format!("--connections {connections} --sessions {sessions} --client-of {port}");
    let mut client = Process::start("client", &arguments)?;

    let mut out = stdout();
    writeln!(out, "connections {connections}, sessions {sessions}, updates {updates}")?;
    let outcome = update(updates, &mut server, &client, deadline);

    client.stop();
    let [replies, wrong, lost, generations, gap] = client.await_line("verified", deadline)?;
    writeln!(
        out,
        "replies verified {replies}, wrong {wrong}; connections {connections}, lost {lost}; \
         generations {generations}, longest gap {}",
        Nanos(gap)
    )?;
    let failed = outcome?;
    if failed > 0 {
        writeln!(out, "failed updates {failed}, after each of which the server went on")?;
    }
    client.finish(deadline)?;
    server.finish(deadline)?;
    if wrong > 0 || lost > 0 {
        return Err("not every reply was right, or not every connection was kept".into());
    }
    if failed != fail_updates {
        return Err(format!("{failed} updates failed, and {fail_updates} were to").into());
    }
    Ok(())
}

/// Has the server replace itself as often as asked for, and prints a line for each generation.
/// Returns how many of the updates failed.
///
/// # Errors
///
/// If one of the two fails, or is late.
fn update(updates: u64, server: &mut Process, client: &Process, deadline: Instant) -> Result<u64> {
    let mut out = stdout();
    writeln!(out, "generation  sessions  files  blocks      saved   restored  longest gap")?;
    let mut failed = 0_u64;
    let mut failed_in_generation = 0;
    for left in (0..=updates).rev() {
        if failed_in_generation == 0 {
            report(server, client, deadline)?;
        }
        // At least half of the time that is left goes to the updates that are left.
        let time = deadline.saturating_duration_since(Instant::now());
        let share = time.checked_div(u32::try_from(left)?.saturating_add(2).saturating_mul(2));
        sleep(TENURE.min(share.unwrap_or_default()));
        if left > 0 {
            server.tell(UPDATE)?;
            [_, failed_in_generation] = server.expect("updated", deadline)?;
            if failed_in_generation > 0 {
                failed = failed.saturating_add(1);
            }
        }
    }
    Ok(failed)
}

/// Prints a line for the generation that serves now, once it has replied to every connection.
///
/// # Errors
///
/// If server or client fails, or is late.
fn report(server: &mut Process, client: &Process, deadline: Instant) -> Result<()> {
    let [seen, gap] = client.expect("seen", deadline)?;
    server.tell(REPORT)?;
    let [generation, sessions, files, blocks, save, restore] =
        server.expect("serving", deadline)?;
    if seen != generation {
        return Err(format!("generation {generation} serves, but {seen} replied").into());
    }
    Ok(writeln!(
        stdout(),
        "{generation:>10}  {sessions:>8}  {files:>5}  {blocks:>6} {:>10} {:>10} {:>12}",
        Nanos(save),
        Nanos(restore),
        Nanos(gap)
    )?)
}

/// A time in nanoseconds, in the unit that suits it; `-` if there is none.
struct Nanos(u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::from_nanos(self.0);
        let text = if time.is_zero() {
            "-".to_owned()
        } else if time < Duration::from_millis(1) {
            format!("{} µs", time.as_micros())
        } else {
            format!("{:.1} ms", time.as_secs_f64() * 1e3)
        };
        f.pad(&text)
    }
}
