//! A report for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::report::{
    ChainReport, DescriptorReport, FileReport, Finding, Format, Handover, ImageReport, LuoReport,
    MapReport, MemoryRange, RegionReport, Report, Severity, SharedObjectReport, Standing,
};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();

/// How many of many things are listed.
const FEW: usize = 12;

/// How many files of a session are listed.
const FEW_FILES: usize = 2;

/// Columns of text in a finding.
const WIDTH: usize = 88;

/// What is printed, and how much of it.
struct Printer<'w> {
    out: &'w mut dyn Write,
    /// How many of many things are listed.
    most: usize,
}

/// Writes a report.
///
/// # Errors
///
/// Those of the writer.
pub(crate) fn write(out: &mut dyn Write, report: &Report, all: bool) -> io::Result<()> {
    let mut printer = Printer { out, most: if all { usize::MAX } else { FEW } };
    printer.image(&report.image)?;
    printer.findings(report)?;
    for handover in &report.handovers {
        printer.handover(handover)?;
    }
    for region in &report.regions {
        printer.region(region)?;
    }
    if let Some(descriptor) = &report.descriptor {
        let addr = descriptor.addr.map_or(String::new(), |addr| format!(" at {addr}"));
        writeln!(printer.out, "\n{BOLD}Descriptor{addr}{BOLD:#}")?;
        printer.descriptor("descriptor", descriptor)?;
    }
    if let Some(chain) = &report.chain {
        writeln!(printer.out, "\n{BOLD}Chain at {}{BOLD:#}", chain.head)?;
        printer.chain("entries", chain)?;
    }
    printer.entries(report)
}

impl Printer<'_> {
    /// # Errors
    ///
    /// Those of the writer.
    fn image(&mut self, image: &ImageReport) -> io::Result<()> {
        let ImageReport { path, first, end, .. } = image;
        let format = if image.format == Format::Elf { "ELF core" } else { "raw memory" };
        let memory = bytes(image.memory_bytes);
        let ranges = many(image.ranges, "range", "ranges");
        write!(self.out, "{BOLD}{path}{BOLD:#}: {format}, {memory} in {ranges}, {first} to {end}")?;
        if image.left_out_bytes > 0 {
            write!(self.out, "; {} more are named and left out", bytes(image.left_out_bytes))?;
        }
        if let Some(sparse @ 1..) = image.sparse_bytes {
            write!(self.out, "; {} are holes in the file", bytes(sparse))?;
        }
        writeln!(self.out)
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn findings(&mut self, report: &Report) -> io::Result<()> {
        // The worst first; those of stale handovers tell nothing.
        let mut findings: Vec<_> =
            report.findings.iter().filter(|finding| !finding.stale).collect();
        findings.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
        for finding in findings.iter().take(self.most) {
            writeln!(self.out)?;
            self.finding(finding)?;
        }
        self.more(findings.len(), "findings")?;
        if report.worst().is_none_or(|worst| worst == Severity::Note) {
            writeln!(self.out, "\n{GREEN}SOUND{GREEN:#}    nothing is damaged")?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let (style, word) = match finding.severity {
            Severity::Damaged => (RED, "DAMAGED"),
            Severity::Missing => (YELLOW, "MISSING"),
            Severity::Note => (BOLD, "NOTE"),
        };
        let mut place = finding.what.clone();
        if let Some(block) = finding.block {
            place = format!("{place}, block {block}");
        }
        if let Some(addr) = finding.addr {
            place = format!("{place} at {addr}");
        }
        writeln!(self.out, "{style}{word:<8}{style:#} {BOLD}{place}{BOLD:#}: {}", finding.text)?;
        if let Some(found) = &finding.found {
            let field = finding.field.as_deref().unwrap_or("it");
            let mut text = format!("{found} in {field}");
            if let (Some(offset), Some(at)) = (finding.offset, finding.at) {
                text = format!("{text}, at offset {offset} ({at})");
            }
            self.line("found", &text)?;
        }
        if let Some(expected) = &finding.expected {
            self.line("rule", expected)?;
        }
        if let Some(consequence) = &finding.consequence {
            self.line("so", consequence)?;
        }
        Ok(())
    }

    /// A line of a finding, wrapped.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn line(&mut self, name: &str, text: &str) -> io::Result<()> {
        let (mut name, mut column) = (name, 0_usize);
        write!(self.out, "         {DIM}{name:<6}{DIM:#}")?;
        for word in text.split(' ') {
            let end = column.saturating_add(word.len()).saturating_add(1);
            if column > 0 && end > WIDTH {
                name = "";
                write!(self.out, "\n         {name:<6}")?;
                column = 0;
            }
            write!(self.out, "{}{word}", if column > 0 { " " } else { "" })?;
            column = column.saturating_add(word.len()).saturating_add(1);
        }
        writeln!(self.out)
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn handover(&mut self, handover: &Handover) -> io::Result<()> {
        let Handover { tree, reason, .. } = handover;
        let (style, word) = match handover.standing {
            Standing::Whole => (GREEN, "whole"),
            Standing::Damaged => (RED, "damaged"),
            Standing::Stale => (DIM, "stale"),
        };
        writeln!(
            self.out,
            "\n{BOLD}Handover of Linux, tree at {tree}{BOLD:#}: {style}{word}{style:#}, {reason}"
        )?;
        if handover.standing == Standing::Stale {
            return Ok(());
        }
        let compatible = handover.compatible.as_deref().unwrap_or("unreadable");
        writeln!(self.out, "  {:<12}{compatible}, {} bytes", "tree", handover.tree_bytes)?;
        if let Some(map) = &handover.map {
            self.map(map)?;
        }
        for subsystem in &handover.subsystems {
            let data = subsystem.data.map_or("nowhere".into(), |data| data.to_string());
            let size = subsystem.bytes.map_or("of unknown size".into(), bytes);
            let preserved = match subsystem.preserved {
                Some(true) => "preserved",
                Some(false) => "not preserved",
                None => "perhaps preserved",
            };
            let name = &subsystem.name;
            writeln!(self.out, "  {:<12}{name}: {size} at {data}, {preserved}", "subsystem")?;
        }
        if let Some(luo) = &handover.luo {
            self.luo(luo)?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn map(&mut self, map: &MapReport) -> io::Result<()> {
        let blocks = many(map.blocks, "block", "blocks");
        let total = bytes(map.bytes);
        let end = if map.sound { "" } else { ", up to where the map is damaged" };
        writeln!(self.out, "  {:<12}{total} in {blocks}, map at {}{end}", "preserved", map.root)?;
        self.ranges(&map.ranges, map.more_ranges)
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn ranges(&mut self, ranges: &[MemoryRange], more: u64) -> io::Result<()> {
        for range in ranges.iter().take(self.most) {
            let end = range.addr.0.saturating_add(range.bytes);
            let size = bytes(range.bytes);
            writeln!(self.out, "  {:<12}{:#14x} to {end:#14x}  {size:>10}", "", range.addr.0)?;
        }
        let all = ranges.len().saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
        self.more(all, "ranges")
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn region(&mut self, region: &RegionReport) -> io::Result<()> {
        let (style, word) = if region.sound { (GREEN, "sound") } else { (RED, "damaged") };
        let RegionReport { addr, bytes: size, .. } = region;
        writeln!(self.out, "\n{BOLD}Region at {addr}{BOLD:#}: {style}{word}{style:#}")?;
        writeln!(self.out, "  {:<12}{}", "length", bytes(*size))?;
        if !region.sound {
            return Ok(());
        }
        let blocks = many(region.blocks, "block", "blocks");
        writeln!(self.out, "  {:<12}{} in {blocks}", "preserved", bytes(region.used_bytes))?;
        self.ranges(&region.ranges, region.more_ranges)?;
        match &region.root {
            Some(root) => self.descriptor("root", root)?,
            None => writeln!(self.out, "  {:<12}none", "root")?,
        }
        match &region.chain {
            Some(chain) => self.chain("entries", chain),
            None => Ok(()),
        }
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn descriptor(&mut self, name: &str, descriptor: &DescriptorReport) -> io::Result<()> {
        let DescriptorReport { version, entry_size, block_size, head, entries, tag, .. } =
            descriptor;
        let flags = descriptor.flags.join(", ");
        writeln!(
            self.out,
            "  {name:<12}version {version}, tag {tag}, first block at {head}; flags: {flags}\n  \
             {:<12}{entry_size} bytes to an entry, {block_size} to a block, says {entries} entries",
            ""
        )
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn luo(&mut self, luo: &LuoReport) -> io::Result<()> {
        let LuoReport { compatible, liveupdate_num, state, .. } = luo;
        writeln!(
            self.out,
            "  {:<12}{compatible}, live update {liveupdate_num}, state at {state}",
            "LUO"
        )?;
        if let Some(chain) = &luo.chain {
            self.chain("sessions", chain)?;
        }
        if !luo.sessions.is_empty() {
            writeln!(self.out, "  {DIM}{:>11} {:>8}  name{DIM:#}", "session", "files")?;
        }
        for (number, session) in luo.sessions.iter().take(self.most).enumerate() {
            let name = &session.name;
            let shown = if self.most == usize::MAX { self.most } else { FEW_FILES };
            writeln!(self.out, "  {number:>11} {:>8}  {name}", session.files_count)?;
            for file in session.file_list.iter().take(shown) {
                let FileReport { compatible, data, token } = file;
                writeln!(self.out, "  {:>20}  token {token}: {compatible}, data {data}", "")?;
            }
            self.rest(session.file_list.len(), shown, "files")?;
        }
        self.more(luo.sessions.len(), "sessions")?;
        if let Some(shared) = &luo.shared_objects {
            let count = shared.count.map_or("not in this image".into(), |count| count.to_string());
            writeln!(self.out, "  {:<12}{count}, at {}", "shared", shared.addr)?;
            for object in shared.objects.iter().take(self.most) {
                let SharedObjectReport { name, data, count } = object;
                writeln!(self.out, "  {:<12}{name}: data {data}, shared by {count}", "")?;
            }
            self.more(shared.objects.len(), "shared objects")?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn chain(&mut self, name: &str, chain: &ChainReport) -> io::Result<()> {
        let ChainReport { entries, entry_size, block_size, capacity, .. } = chain;
        let blocks = many(u64::try_from(chain.blocks.len()).unwrap_or(0), "block", "blocks");
        writeln!(
            self.out,
            "  {name:<12}{entries} in {blocks} of {block_size} bytes, {capacity} of {entry_size} \
             bytes fit into each"
        )?;
        if chain.blocks.is_empty() && chain.broken.is_none() {
            return Ok(());
        }
        writeln!(self.out, "  {DIM}{:>11} {:>14}  {:>11}{DIM:#}", "block", "address", "entries")?;
        for (number, block) in chain.blocks.iter().enumerate() {
            if number >= self.most && !block.damaged {
                continue;
            }
            let count = format!("{}/{capacity}", block.count);
            write!(self.out, "  {number:>11} {:#14x}  {count:>11}  ", block.addr.0)?;
            if block.damaged {
                writeln!(self.out, "{RED}damaged{RED:#}")?;
            } else {
                writeln!(self.out, "{}", fill(block.count, *capacity))?;
            }
        }
        self.more(chain.blocks.len(), "blocks")?;
        if let Some(broken) = &chain.broken {
            let (style, word) = if broken.missing { (YELLOW, "missing") } else { (RED, "damaged") };
            let count = broken.count.map_or("?".into(), |count| format!("{count}/{capacity}"));
            let (number, addr) = (broken.number, broken.addr.0);
            writeln!(
                self.out,
                "  {number:>11} {addr:#14x}  {count:>11}  {style}{word}{style:#}, and the end of \
                 what can be followed"
            )?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// Those of the writer.
    fn entries(&mut self, report: &Report) -> io::Result<()> {
        if report.entries.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  {DIM}{:>11} {:>14}{DIM:#}", "entry", "address")?;
        for entry in report.entries.iter().take(self.most) {
            let fields = entry.fields.join("  ");
            writeln!(self.out, "  {:>11} {:#14x}  {fields}", entry.index, entry.addr.0)?;
        }
        let chains = report.regions.iter().filter_map(|region| region.chain.as_ref());
        let all = chains.chain(&report.chain).map(|chain| chain.entries).max().unwrap_or(0);
        self.more(usize::try_from(all).unwrap_or(usize::MAX), "entries")
    }

    /// Says how many of a list were not printed.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn more(&mut self, all: usize, what: &str) -> io::Result<()> {
        self.rest(all, self.most, what)
    }

    /// Says how many of a list were not printed, of which so many were.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn rest(&mut self, all: usize, shown: usize, what: &str) -> io::Result<()> {
        match all.checked_sub(shown) {
            Some(more @ 1..) => {
                writeln!(self.out, "  {:<12}{DIM}... and {more} more {what}: --all{DIM:#}", "")
            }
            _ => Ok(()),
        }
    }
}

/// How full a block is, as a bar of ten.
fn fill(count: usize, capacity: usize) -> String {
    let tenths = count.saturating_mul(10).div_ceil(capacity.max(1)).min(10);
    let (full, rest) = ("#".repeat(tenths), ".".repeat(10_usize.saturating_sub(tenths)));
    format!("{full}{rest}")
}

/// A number of things, in words.
pub(crate) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A number of bytes, exactly if it is small, else rounded down in the largest unit that it has.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut shown = format!("{bytes} bytes");
    for (unit, shift) in UNITS.iter().zip((10_u32..).step_by(10)) {
        let tenths = u128::from(bytes).saturating_mul(10) >> shift;
        if tenths >= 10 {
            shown = match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{whole} {unit}"),
                (whole, tenth) => format!("{whole}.{tenth} {unit}"),
            };
        }
    }
    shown
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_before_the_word_that_does_not_fit() {
        let line = |words: &[&str]| {
            let mut out = Vec::new();
            let mut printer = Printer { out: &mut out, most: 0 };
            printer.line("name", &words.join(" ")).unwrap();
            let text = anstream::adapter::strip_bytes(&out).into_vec();
            let text = String::from_utf8(text).unwrap();
            text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        // Each word takes a column more than it has letters.
        let (half, rest) = ("x".repeat(40), "y".repeat(WIDTH - 40 - 2));
        assert_eq!(line(&[&half, &rest]), [format!("name  {half} {rest}")]);
        let longer = format!("{rest}y");
        assert_eq!(line(&[&half, &longer]), [format!("name  {half}"), longer]);
        // A word that is longer than a line has one of its own, and no empty one before it.
        let long = "z".repeat(WIDTH);
        assert_eq!(line(&[&long, &half]), [format!("name  {long}"), half]);
    }
}
