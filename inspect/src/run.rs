//! From the command line to the exit status.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kho_block::ChainLayout;

use crate::args::{Cli, Command, Options, When};
use crate::image::{Image, PAGE};
use crate::mapped::Mapped;
use crate::question::{Question, answer};
use crate::report::{Report, Severity};
use crate::{elf, human, svg};

/// Exit statuses.
const DAMAGED: u8 = 1;
const CANNOT_LOOK: u8 = 2;

/// How many entries of a chain there are in a report, unless all are asked for.
const ENTRIES: usize = 1000;

/// Reads the command line, looks at the image, and prints.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { image, options, command } = Cli::parse();
    match run(&image, &options, command) {
        Ok(None | Some(Severity::Note)) => ExitCode::SUCCESS,
        Ok(Some(Severity::Damaged)) => ExitCode::from(DAMAGED),
        Ok(Some(Severity::Missing)) => ExitCode::from(CANNOT_LOOK),
        Err(error) => {
            // With standard error gone there is nobody to tell.
            drop(writeln!(io::stderr(), "kho-inspect: {error}"));
            ExitCode::from(CANNOT_LOOK)
        }
    }
}

/// Does it all, and tells the worst that was found.
///
/// # Errors
///
/// Why nothing could be looked at, or printed, in words.
fn run(
    path: &Path,
    options: &Options,
    command: Option<Command>,
) -> Result<Option<Severity>, String> {
    let name = path.display().to_string().escape_debug().to_string();
    let mapped = Mapped::open(path).map_err(|error| format!("{name}: {error}"))?;
    let image = if options.raw {
        Image::raw(&mapped, options.base)
    } else {
        elf::open(&mapped).map_err(|error| format!("{name}: {error}"))?
    };
    let question = question(options, command)?;
    let bar = bar(image.memory_bytes());
    let most = if options.all { usize::MAX } else { ENTRIES };
    let report = answer(&image, name, question, most, &mut |done| bar.set_position(done));
    bar.finish_and_clear();
    if let Some(path) = &options.svg {
        let written = fs::write(path, svg::draw(&report));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print(&report, options)?;
    Ok(report.worst())
}

/// The question that the command line asks.
///
/// # Errors
///
/// If there can be no such chain.
fn question(options: &Options, command: Option<Command>) -> Result<Question, String> {
    Ok(match command {
        None => Question::Everything { tree: options.tree },
        Some(Command::Chain { addr, entry_size, block_size, records }) => {
            let fields = records.as_ref().map_or(0, |records| records.bytes());
            let entry_size = entry_size.unwrap_or(fields);
            if fields > entry_size {
                return Err(format!("the fields have {fields} bytes, an entry has {entry_size}"));
            }
            let layout = ChainLayout::new(entry_size, block_size).ok_or_else(|| {
                format!(
                    "there are no chains of {entry_size} bytes to an entry and {block_size} to a \
                     block: a block is a power of two from 32 on, with room for 16 bytes and an entry"
                )
            })?;
            Question::Chain { addr, layout, records }
        }
        Some(Command::Descriptor { addr, records }) => Question::Descriptor { addr, records },
        Some(Command::Region { addr, records }) => Question::Region { addr, records },
    })
}

/// A bar that shows on a terminal, how far the search is.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
    let template = "searching {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Prints a report as the options ask.
///
/// # Errors
///
/// If it cannot be written; a reader that has seen enough is no error.
fn print(report: &Report, options: &Options) -> Result<(), String> {
    let choice = match options.color {
        When::Auto => AutoStream::choice(&io::stdout()),
        When::Always => ColorChoice::Always,
        When::Never => ColorChoice::Never,
    };
    let mut bytes = Vec::new();
    let made = if options.json {
        serde_json::to_writer_pretty(&mut bytes, report).map_err(io::Error::from)
    } else {
        human::write(&mut bytes, report, options.all)
    };
    let mut out = AutoStream::new(io::stdout().lock(), choice);
    let written = made.and_then(|()| {
        bytes.push(b'\n');
        out.write_all(&bytes)?;
        out.flush()
    });
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Looks at bytes as an image, in every way that there is, and makes every kind of report: for fuzzing.
///
/// Returns how many bytes were reported.
#[must_use]
pub fn look(bytes: &[u8]) -> usize {
    let source = &bytes;
    let images = elf::open(source).into_iter().chain([Image::raw(source, PAGE)]);
    let mut reported = 0_usize;
    for image in images {
        let addr = image.held().first().map_or(0, |range| range.addr);
        let layouts = [(8, 32), (80, 4096)].map(|(entry, block)| ChainLayout::new(entry, block));
        let chains = layouts.into_iter().flatten().map(|layout| {
            let records = "name:5,u16,skip:1".parse().ok();
            Question::Chain { addr, layout, records }
        });
        let records = None;
        let questions = [
            Question::Everything { tree: None },
            Question::Everything { tree: Some(addr) },
            Question::Descriptor { addr, records: records.clone() },
            Question::Region { addr, records },
        ];
        for question in questions.into_iter().chain(chains) {
            let report = answer(&image, "image".into(), question, ENTRIES, &mut |_| ());
            let mut printed = Vec::new();
            let written = human::write(&mut printed, &report, true).and_then(|()| {
                serde_json::to_writer(&mut printed, &report).map_err(io::Error::from)
            });
            debug_assert!(written.is_ok());
            reported = reported.saturating_add(printed.len());
            reported = reported.saturating_add(svg::draw(&report).len());
        }
    }
    reported
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_looked_at_as_a_core_and_as_raw_memory() {
        let mut page = vec![0; 8192];
        let without = look(&page);
        assert!(without > 1000, "{without} bytes are said of nothing");
        // A device tree, or what is left of one, is found by the search of raw memory alone.
        page[..4].copy_from_slice(&[0xd0, 0x0d, 0xfe, 0xed]);
        page[64..69].copy_from_slice(b"kho-v");
        let with = look(&page);
        let handover = answer(
            &Image::raw(&&page[..], PAGE),
            "image".into(),
            Question::Everything { tree: None },
            ENTRIES,
            &mut |_| (),
        );
        assert_eq!(handover.handovers.len(), 1);
        assert!(with > without, "{with} bytes are said of a tree, {without} of none");
        let core = include_bytes!("../../tests/golden/linux/sessions-102-exactly-full.core");
        assert!(look(core) > look(&core[1..]), "it is no core without its first byte");
    }
}
