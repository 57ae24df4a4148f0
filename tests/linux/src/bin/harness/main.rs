//! Boots Linux, and works on its memory as the next kernel looks at it for the first time.

mod allocator;
mod both_ways;
mod chains;
mod damage;
mod duplicate;
mod gdb;
mod handover;
mod initramfs;
mod machine;
mod memory;
mod outcome;
mod table;

use core::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::machine::Kit;

/// Why the harness gives up.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [linux, scratch, parts @ ..] = arguments.as_slice() else {
        return Err("usage: harness LINUX SCRATCH [PART]...".into());
    };
    let init = std::env::current_exe()?.with_file_name("init");
    let kit = Kit::new(Path::new(linux), &init, Path::new(scratch))?;
    for part in parts {
        let started = Instant::now();
        println!("\n-- {part}");
        match *part {
            "both-ways" => both_ways::both_ways(&kit)?,
            "refused-duplicate" => duplicate::refused_duplicate(&kit)?,
            "damage" => table::damage(&kit)?,
            "leaves-head" => both_ways::leaves_head(&kit)?,
            "skips-map" => table::skips_map(&kit)?,
            _ => return Err(format!("no part {part}").into()),
        }
        println!("-- {part}: {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}

/// A negative control: what is done wrong on purpose must be an error, that which begins so.
pub(crate) fn found_out(result: Result<(), Failed>, how: &str) -> Result<(), Failed> {
    let error = result.err().ok_or("what the harness does wrong is not found out")?.to_string();
    if !error.starts_with(how) {
        return Err(format!("what the harness does wrong is not found out, but: {error}").into());
    }
    println!("found out: {}", error.split("; the serial").next().unwrap_or_default());
    Ok(())
}
