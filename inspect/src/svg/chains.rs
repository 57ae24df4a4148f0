//! The chains, each in its own order: block by block, or many to a cell if there are many.

use crate::report::{ChainReport, Report};
use crate::svg::canvas::{
    Canvas, DAMAGED, FILLED, GROUND, INK, LEFT, MISSING, PALE, RIGHT, Rect, float,
};

/// How many chains are drawn: the damaged ones first, then the longest.
const CHAINS: usize = 6;

/// How many blocks are drawn one by one.
const ONE_BY_ONE: usize = 48;

/// Cells in a row, and rows, of a chain of more.
const CELLS: usize = 100;
const ROWS: usize = 10;

/// A block, or the place where one should be.
struct Place {
    label: String,
    addr: u64,
    count: usize,
    colour: Option<&'static str>,
    is_there: bool,
}

/// Draws the chains of a report.
pub(super) fn draw(canvas: &mut Canvas, report: &Report) {
    let mut chains: Vec<_> = report.chains().filter(|chain| chain.head.0 != 0).collect();
    // Stable: the longest of those that are equally damaged come first, the sessions before files.
    chains.sort_by_key(|chain| core::cmp::Reverse((is_damaged(chain), chain.blocks.len())));
    for chain in chains.iter().take(CHAINS) {
        let places = places(chain);
        canvas.skip(46.0);
        let title = format!(
            "{}: {} entries in {} blocks of {} bytes, {} fit into each",
            chain.name,
            chain.entries,
            chain.blocks.len(),
            chain.block_size,
            chain.capacity
        );
        canvas.text(LEFT, 16.0, INK, "bold", &title);
        canvas.skip(14.0);
        if places.len() <= ONE_BY_ONE {
            one_by_one(canvas, chain, &places);
        } else {
            in_cells(canvas, chain, &places);
            by_address(canvas, &places);
        }
    }
    if let Some(more @ 1..) = chains.len().checked_sub(CHAINS) {
        let rest = chains.iter().skip(CHAINS);
        let blocks: usize = rest.map(|chain| chain.blocks.len()).sum();
        canvas.skip(40.0);
        let text = format!("and {more} more chains, of {blocks} blocks in all");
        canvas.text(LEFT, 14.0, PALE, "", &text);
    }
}

fn is_damaged(chain: &ChainReport) -> bool {
    chain.broken.is_some() || chain.blocks.iter().any(|block| block.damaged)
}

fn places(chain: &ChainReport) -> Vec<Place> {
    let mut places: Vec<_> = chain
        .blocks
        .iter()
        .map(|block| Place {
            label: format!("{}/{}", block.count, chain.capacity),
            addr: block.addr.0,
            count: block.count,
            colour: block.damaged.then_some(DAMAGED),
            is_there: true,
        })
        .collect();
    places.extend(chain.broken.map(|broken| Place {
        label: broken.count.map_or("not there".into(), |count| format!("says {count}")),
        addr: broken.addr.0,
        count: 0,
        colour: Some(if broken.missing { MISSING } else { DAMAGED }),
        is_there: false,
    }));
    places
}

/// Draws a box for each block, with an arrow to the next.
fn one_by_one(canvas: &mut Canvas, chain: &ChainReport, places: &[Place]) {
    const WIDTH: f64 = 142.0;
    const HEIGHT: f64 = 52.0;
    const STEP: f64 = 196.0;
    const PER_ROW: usize = 6;
    let mut before: Option<(f64, f64)> = None;
    for (number, place) in places.iter().enumerate() {
        let (row, column) = (number / PER_ROW, number % PER_ROW);
        let x = LEFT + STEP * float(column);
        let y = canvas.y + (HEIGHT + 26.0) * float(row);
        let rect = Rect { x, y, width: WIDTH, height: HEIGHT };
        let colour = place.colour.unwrap_or(PALE);
        canvas.fill(rect, "#f6f8fa", "");
        let level = float(place.count) / float(chain.capacity).max(1.0);
        let bar = Rect { x: x + 8.0, y: y + 38.0, width: WIDTH - 16.0, height: 8.0 };
        canvas.fill(bar, GROUND, "");
        canvas.fill(Rect { width: bar.width * level.min(1.0), ..bar }, FILLED, "");
        canvas.frame(rect, colour, !place.is_there);
        let ink = place.colour.unwrap_or(INK);
        canvas.text_at(x + 8.0, y + 17.0, 13.0, ink, "bold", &format!("{number}"));
        canvas.text_at(x + WIDTH - 8.0, y + 17.0, 12.0, ink, "mono end", &hex(place.addr));
        canvas.text_at(x + 8.0, y + 32.0, 12.0, ink, "", &place.label);
        let arrow = if place.is_there { PALE } else { colour };
        match before {
            Some((from_x, from_y)) if column > 0 => {
                canvas.line(&[(from_x, from_y), (x - 2.0, y + HEIGHT / 2.0)], arrow, true);
            }
            Some((from_x, from_y)) => {
                let between = y - 13.0;
                let right = from_x + 14.0;
                let points = [
                    (from_x, from_y),
                    (right, from_y),
                    (right, between),
                    (x + WIDTH / 2.0, between),
                    (x + WIDTH / 2.0, y - 2.0),
                ];
                canvas.line(&points, arrow, true);
            }
            None => {}
        }
        before = Some((x + WIDTH, y + HEIGHT / 2.0));
    }
    let rows = places.len().div_ceil(PER_ROW);
    canvas.skip((HEIGHT + 26.0) * float(rows) - 26.0);
}

/// Draws cells of many blocks each, in the chain's order, as full as they are on the average.
fn in_cells(canvas: &mut Canvas, chain: &ChainReport, places: &[Place]) {
    const WIDTH: f64 = 10.0;
    const HEIGHT: f64 = 22.0;
    const STRIP: f64 = 100.0;
    let each = places.len().div_ceil(CELLS.saturating_mul(ROWS)).max(1);
    let mut last = 0;
    for (number, blocks) in places.chunks(each).enumerate() {
        let (row, column) = (number / CELLS, number % CELLS);
        let x = STRIP + WIDTH * float(column);
        let y = canvas.y + (HEIGHT + 8.0) * float(row);
        let first = number.saturating_mul(each);
        if column == 0 {
            canvas.text_at(STRIP - 16.0, y + 15.0, 12.0, PALE, "mono end", &first.to_string());
            if row > 0 {
                let before = y - 4.0;
                let end = STRIP + WIDTH * float(CELLS);
                let points = [
                    (end + 2.0, before - HEIGHT / 2.0 - 4.0),
                    (end + 10.0, before - HEIGHT / 2.0 - 4.0),
                    (end + 10.0, before),
                    (STRIP - 8.0, before),
                    (STRIP - 8.0, y + HEIGHT / 2.0),
                    (STRIP - 1.0, y + HEIGHT / 2.0),
                ];
                canvas.line(&points, PALE, true);
            }
        }
        let worst = blocks.iter().find_map(|place| place.colour);
        let entries: usize = blocks.iter().map(|place| place.count).sum();
        let room = chain.capacity.saturating_mul(blocks.len()).max(1);
        let level = HEIGHT * (float(entries) / float(room)).min(1.0);
        let end = first.saturating_add(blocks.len()).saturating_sub(1);
        let title = format!("blocks {first} to {end}: {entries} of {room} entries");
        let cell = Rect { x, y, width: WIDTH - 1.0, height: HEIGHT };
        canvas.fill(cell, worst.unwrap_or(GROUND), &title);
        if worst.is_none() {
            canvas.fill(Rect { y: y + HEIGHT - level, height: level, ..cell }, FILLED, "");
        }
        last = row;
    }
    canvas.skip((HEIGHT + 8.0) * float(last.saturating_add(1)) + 8.0);
    let each = if each == 1 { "a block".to_owned() } else { format!("{each} blocks") };
    let text = format!(
        "each cell is {each}, in the order of the chain, as full as the blocks are; red has damage"
    );
    canvas.text(STRIP, 12.0, PALE, "", &text);
    for (number, place) in
        places.iter().enumerate().filter(|(_, place)| place.colour.is_some()).take(3)
    {
        canvas.skip(17.0);
        let text = format!("block {number} at {}: {}", hex(place.addr), place.label);
        canvas.text(STRIP, 12.0, place.colour.unwrap_or(DAMAGED), "bold", &text);
    }
}

/// Draws where the chain goes: the addresses of its blocks, in its order.
fn by_address(canvas: &mut Canvas, places: &[Place]) {
    const HEIGHT: f64 = 110.0;
    const STRIP: f64 = 160.0;
    let there = || places.iter().filter(|place| place.is_there).map(|place| place.addr);
    let Some((low, high)) = there().min().zip(there().max()) else { return };
    canvas.skip(18.0);
    let y = canvas.y;
    let width = RIGHT - STRIP;
    canvas.fill(Rect { x: STRIP, y, width, height: HEIGHT }, "#f6f8fa", "");
    // Thousandths, in whole numbers: the ratio of two addresses.
    let height = |addr: u64| {
        let ratio = u128::from(addr.saturating_sub(low)).saturating_mul(1000);
        let ratio = ratio.checked_div(u128::from(high.saturating_sub(low))).unwrap_or(0);
        y + HEIGHT - HEIGHT * float(usize::try_from(ratio).unwrap_or(0)) / 1000.0
    };
    let step = places.len().div_ceil(1000).max(1);
    let last = float(places.len().saturating_sub(1)).max(1.0);
    let points: Vec<_> = places
        .iter()
        .enumerate()
        .filter(|(_, place)| place.is_there)
        .step_by(step)
        .map(|(number, place)| (STRIP + width * float(number) / last, height(place.addr)))
        .collect();
    canvas.line(&points, FILLED, false);
    for (number, place) in
        places.iter().enumerate().filter(|(_, place)| place.colour.is_some()).take(64)
    {
        let x = STRIP + width * float(number) / last;
        let colour = place.colour.unwrap_or(DAMAGED);
        canvas.line(&[(x, y), (x, y + HEIGHT)], colour, false);
    }
    canvas.text_at(STRIP - 8.0, y + 10.0, 11.0, PALE, "mono end", &hex(high));
    canvas.text_at(STRIP - 8.0, y + HEIGHT, 11.0, PALE, "mono end", &hex(low));
    canvas.skip(HEIGHT + 16.0);
    let text =
        "where the links lead: the address of each block, from the first to the last of the chain";
    canvas.text(STRIP, 12.0, PALE, "", text);
}

fn hex(addr: u64) -> String {
    format!("{addr:#x}")
}
