//! A report as a picture: the memory, and every chain in its own order.

mod canvas;
mod chains;
mod memory;

use crate::human::{bytes, many};
use crate::report::{Report, Severity};
use crate::svg::canvas::{Canvas, DAMAGED, INK, LEFT, MISSING, PALE, SOUND};

/// How many findings are written under the picture's title.
const FEW: usize = 5;

/// Draws a report.
pub(crate) fn draw(report: &Report) -> String {
    let mut canvas = Canvas::default();
    let image = &report.image;
    canvas.skip(34.0);
    canvas.text(LEFT, 20.0, INK, "bold", &image.path);
    canvas.skip(24.0);
    let ranges = many(image.ranges, "range", "ranges");
    let line =
        format!("{} in {ranges}, {} to {}", bytes(image.memory_bytes), image.first, image.end);
    canvas.text(LEFT, 13.0, PALE, "", &line);
    canvas.skip(8.0);
    let findings: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| !finding.stale && finding.severity > Severity::Note)
        .collect();
    if findings.is_empty() {
        canvas.skip(18.0);
        canvas.text(LEFT, 13.0, SOUND, "bold", "nothing is damaged");
    }
    for finding in findings.iter().take(FEW) {
        canvas.skip(18.0);
        let (colour, word) = match finding.severity {
            Severity::Damaged => (DAMAGED, "damaged"),
            _ => (MISSING, "missing"),
        };
        let block = finding.block.map_or(String::new(), |block| format!(", block {block}"));
        let addr = finding.addr.map_or(String::new(), |addr| format!(" at {addr}"));
        let line = format!("{word}: {}{block}{addr}: {}", finding.what, finding.text);
        canvas.text(LEFT, 13.0, colour, "bold", &line);
    }
    if let Some(more @ 1..) = findings.len().checked_sub(FEW) {
        canvas.skip(18.0);
        canvas.text(LEFT, 13.0, DAMAGED, "", &format!("and {more} more"));
    }
    memory::draw(&mut canvas, report);
    chains::draw(&mut canvas, report);
    canvas.finish()
}
