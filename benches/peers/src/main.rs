//! `kho-block` beside its C original, a plain `Vec`, `memcpy`, and the crates people use.
//!
//! Every row is one piece of work, done by each contestant in turns; see `contest`. A run ends with a
//! summary, and leaves `ratios.svg`; an argument runs only the rows whose names contain it. `--test`
//! runs every row, each contestant once, to see that it works.

mod contest;
mod incumbent;
mod plot;
#[path = "../../pool.rs"]
mod pool;
mod rows;
mod table;

use std::path::Path;
use std::process::Command;
use std::{env, fs, io, thread};

use crate::contest::{Contest, Outcome};

/// Has the C library ask for large pages, by which a kernel maps its memory.
const LARGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

fn main() -> io::Result<()> {
    let (name, value) = LARGE_PAGES;
    if env::var_os(name).is_none() {
        // The library reads it before `main`: start anew.
        let mut again = Command::new(env::current_exe()?);
        let status = again.args(env::args_os().skip(1)).env(name, value).status()?;
        return if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) };
    }
    let argument = env::args().nth(1).unwrap_or_default();
    let (filter, once) =
        if argument == "--test" { (String::new(), true) } else { (argument, false) };
    let mut report = Report { filter, once, outcomes: Vec::new() };
    table::heading();
    rows::append::run(&mut report);
    rows::offsets::run(&mut report);
    rows::read::run(&mut report);
    rows::blackout::run(&mut report);
    rows::resize::run(&mut report);
    rows::scale::run(&mut report);
    rows::sessions::run(&mut report);
    rows::slots::run(&mut report);
    rows::region::run(&mut report);
    let machine = machine();
    table::summary(&machine, &report.outcomes);
    if report.filter.is_empty() && !once {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ratios.svg");
        plot::write(&path, &machine, &report.outcomes)
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

/// What the figures are of.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or(env::consts::ARCH, |model| model.trim_start_matches([' ', '\t', ':']));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {processors} processors")
}

/// The rows that were asked for, as they come.
pub struct Report {
    filter: String,
    once: bool,
    outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether a row is asked for.
    pub fn wants(&self, what: &str) -> bool {
        what.contains(&self.filter)
    }

    /// Runs a contest and prints its row.
    pub fn run(&mut self, contest: Contest<'_>) {
        let once = self.once;
        self.add(contest.run(once));
    }

    /// Runs a contest over two sizes and prints its row.
    pub fn run_growth(&mut self, contest: Contest<'_>) {
        let once = self.once;
        self.add(contest.run_growth(once));
    }

    fn add(&mut self, outcome: Outcome) {
        table::print(&outcome);
        self.outcomes.push(outcome);
    }
}
