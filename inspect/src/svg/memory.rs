//! The memory as strips: what the image holds, what is preserved, and where the blocks of chains are.

use crate::report::{Hex, MemoryRange, Report, Standing};
use crate::svg::canvas::{
    Canvas, DAMAGED, FILLED, GROUND, INK, LEFT, MISSING, PALE, PRESERVED, Rect, float,
};

/// Columns of a strip, each of one unit of width.
const COLUMNS: usize = 1000;

/// Where the columns start.
const STRIP: f64 = 160.0;

/// The addresses of the picture, from the first to behind the last.
#[derive(Clone, Copy)]
struct Span {
    first: u64,
    end: u64,
}

impl Span {
    /// The column of an address.
    fn column(self, addr: u64) -> usize {
        let offset = u128::from(addr.saturating_sub(self.first));
        let bytes = u128::from(self.end.saturating_sub(self.first)).max(1);
        let column = offset.saturating_mul(1000).checked_div(bytes).unwrap_or(0);
        usize::try_from(column).unwrap_or(COLUMNS).min(COLUMNS)
    }

    /// The address where a tenth of the columns starts.
    fn tenth(self, tenth: u64) -> u64 {
        let bytes = self.end.saturating_sub(self.first);
        self.first.saturating_add((bytes / 10).saturating_mul(tenth)) & !0xfff
    }
}

/// Draws the strips.
pub(super) fn draw(canvas: &mut Canvas, report: &Report) {
    let handovers = report.handovers.iter().filter(|one| one.standing != Standing::Stale);
    let maps: Vec<_> = handovers.filter_map(|handover| handover.map.as_ref()).collect();
    let preserved: Vec<MemoryRange> = maps
        .iter()
        .flat_map(|map| &map.ranges)
        .chain(report.regions.iter().flat_map(|region| &region.ranges))
        .copied()
        .collect();
    let blocks = || report.chains().flat_map(|chain| &chain.blocks);
    // What lies where nothing is preserved is no part of the picture, unless there is nothing else.
    let starts =
        preserved.iter().map(|range| range.addr.0).chain(blocks().map(|block| block.addr.0));
    let ends = preserved.iter().map(end).chain(report.chains().flat_map(|chain| {
        let bytes = u64::try_from(chain.block_size).unwrap_or(0);
        chain.blocks.iter().map(move |block| block.addr.0.saturating_add(bytes))
    }));
    let Some((first, end_addr)) = starts.min().zip(ends.max()) else { return };
    let span = Span { first, end: end_addr };

    canvas.skip(40.0);
    canvas.text(LEFT, 16.0, INK, "bold", "Memory");
    canvas.skip(14.0);
    if !preserved.is_empty() {
        strip(canvas, "preserved", PRESERVED, preserved.iter().copied(), span);
    }
    let of_regions = report.regions.iter().map(|region| region.more_ranges);
    let more: u64 = maps.iter().map(|map| map.more_ranges).chain(of_regions).sum();
    for chain in report.chains().filter(|chain| !chain.blocks.is_empty()).take(4) {
        let bytes = u64::try_from(chain.block_size).unwrap_or(0);
        let ranges = chain.blocks.iter().map(|block| MemoryRange { addr: block.addr, bytes });
        strip(canvas, &chain.name, FILLED, ranges, span);
    }
    let damaged: Vec<_> = report
        .chains()
        .flat_map(|chain| {
            let bytes = u64::try_from(chain.block_size).unwrap_or(0);
            let range = move |addr| MemoryRange { addr, bytes };
            let within = chain.blocks.iter().filter(|block| block.damaged);
            let broken = chain.broken.iter().map(move |broken| range(broken.addr));
            within.map(move |block| range(block.addr)).chain(broken)
        })
        .filter(|range| range.addr.0 >= span.first && range.addr.0 < span.end)
        .collect();
    if !damaged.is_empty() {
        strip(canvas, "damaged", DAMAGED, damaged.into_iter(), span);
    }
    for tenth in (0..=10).step_by(2) {
        let x = STRIP + float(COLUMNS) / 10.0 * float(usize::try_from(tenth).unwrap_or(0));
        let addr = if tenth == 10 { span.end } else { span.tenth(tenth) };
        let addr = Hex(addr).to_string();
        let y = canvas.y;
        canvas.line(&[(x, y), (x, y + 5.0)], PALE, false);
        let style = if tenth == 10 { "mono end" } else { "mono middle" };
        let x = if tenth == 0 { x + 10.0 } else { x };
        canvas.text_at(x, y + 18.0, 11.0, PALE, style, &addr);
    }
    canvas.skip(20.0);
    if more > 0 {
        canvas.skip(16.0);
        let text =
            format!("{more} more preserved ranges, above the last that is shown, are left out");
        canvas.text(STRIP, 12.0, MISSING, "", &text);
    }
}

/// Draws ranges as columns: one that is set has something of a range in it.
fn strip(
    canvas: &mut Canvas,
    name: &str,
    colour: &str,
    ranges: impl Iterator<Item = MemoryRange>,
    span: Span,
) {
    let y = canvas.y;
    canvas.text_at(LEFT, y + 14.0, 12.0, INK, "", &shorten(name));
    canvas.fill(Rect { x: STRIP, y, width: float(COLUMNS), height: 18.0 }, GROUND, "");
    let mut columns = [false; COLUMNS];
    for range in ranges {
        let start = span.column(range.addr.0).min(COLUMNS.saturating_sub(1));
        let end = span.column(end(&range)).max(start.saturating_add(1));
        columns.iter_mut().take(end).skip(start).for_each(|column| *column = true);
    }
    // Neighbours are one rectangle.
    let mut start = None;
    for (number, &is_set) in columns.iter().chain(&[false]).enumerate() {
        match (start, is_set) {
            (None, true) => start = Some(number),
            (Some(first), false) => {
                let width = float(number.saturating_sub(first)).max(2.0);
                let rect = Rect { x: STRIP + float(first), y, width, height: 18.0 };
                canvas.fill(rect, colour, "");
                start = None;
            }
            _ => {}
        }
    }
    canvas.skip(24.0);
}

/// A name that fits beside a strip.
fn shorten(name: &str) -> String {
    let name = name.strip_prefix("the ").unwrap_or(name);
    if name.chars().count() <= 18 {
        return name.to_owned();
    }
    name.chars().take(17).chain(['…']).collect()
}

fn end(range: &MemoryRange) -> u64 {
    range.addr.0.saturating_add(range.bytes)
}
