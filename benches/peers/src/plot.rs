//! The plot that a run leaves: our time as a multiple of each peer's, a line for each contest.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::contest::{OURS, Outcome};

/// Peers in the order of the legend; the two compilers' C is one, the faster of the two.
const PEERS: [(&str, RGBColor); 6] = [
    ("C", RGBColor(0xd6, 0x27, 0x28)),
    ("Vec", RGBColor(0x1f, 0x77, 0xb4)),
    ("memcpy", RGBColor(0x2c, 0xa0, 0x2c)),
    ("orx-split-vec", RGBColor(0x94, 0x67, 0xbd)),
    ("boxcar", RGBColor(0x8c, 0x56, 0x4b)),
    ("segvec", RGBColor(0xe3, 0x77, 0xc2)),
];

/// What lies outside is drawn at the edge.
const RANGE: (f64, f64) = (0.05, 4.0);

/// Where the plot has a line from top to bottom; at 1 both are even.
const TICKS: [f64; 7] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0];

const LINE: u32 = 26;
const WIDTH: u32 = 1000;

type Ratios<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;

/// Writes the plot of all contests that one of these peers has entered to `path`.
pub fn write(path: &Path, machine: &str, outcomes: &[Outcome]) -> Result<(), Box<dyn Error>> {
    let has_dot = |outcome: &&Outcome| PEERS.iter().any(|(peer, _)| outcome.figure(peer).is_some());
    let outcomes: &Vec<_> = &outcomes.iter().filter(has_dot).collect();
    let lines = u32::try_from(outcomes.len())?;
    let root = SVGBackend::new(path, (WIDTH, LINE * (lines + 4))).into_drawing_area();
    draw(&root, machine, outcomes).map_err(|error| error.to_string())?;
    root.present().map_err(|error| error.to_string())?;
    Ok(())
}

fn draw(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    machine: &str,
    outcomes: &[&Outcome],
) -> Result<(), Box<dyn Error>> {
    root.fill(&WHITE)?;
    let lines = u32::try_from(outcomes.len())?;
    let (above, legend) = root.split_vertically(LINE * (lines + 3));
    let (low, high) = RANGE;
    let caption = format!("Our time as a multiple of each peer's (less is better); {machine}");
    let mut chart: Ratios<'_, '_> = ChartBuilder::on(&above)
        .caption(caption, ("sans-serif", 16))
        .margin(8)
        .set_label_area_size(LabelAreaPosition::Left, 300)
        .set_label_area_size(LabelAreaPosition::Bottom, 24)
        .build_cartesian_2d((low..high).log_scale(), outcomes.len() as f64..0.0)?;
    for ratio in TICKS {
        let bottom = (ratio, outcomes.len() as f64);
        let color = if ratio == 1.0 { BLACK } else { RGBColor(0xdd, 0xdd, 0xdd) };
        chart.draw_series([PathElement::new([(ratio, 0.0), bottom], color)])?;
        let (x, y) = chart.backend_coord(&bottom);
        above.draw(&Text::new(ratio.to_string(), (x - 8, y + 8), ("sans-serif", 12)))?;
    }

    for (line, outcome) in outcomes.iter().enumerate() {
        let label = format!("{}, {} bytes, {} blocks", outcome.what, outcome.entry, outcome.blocks);
        let at = line as f64 + 0.5;
        let (_, y) = chart.backend_coord(&(low, at));
        above.draw(&Text::new(label, (8, y - 6), ("sans-serif", 12)))?;
        for (peer, color) in PEERS {
            let Some(figure) = outcome.figure(peer).filter(|figure| figure.name != OURS) else {
                continue;
            };
            let x = |ratio: f64| ratio.clamp(low, high);
            let ratio = figure.ratio;
            let range = [(x(ratio.low), at), (x(ratio.high), at)];
            chart.draw_series([PathElement::new(range, color.stroke_width(2))])?;
            chart.draw_series([Circle::new((x(ratio.median), at), 4, color.filled())])?;
        }
    }
    for (place, (peer, color)) in (0..).zip(PEERS) {
        let x = 310 + 110 * place;
        legend.draw(&Circle::new((x, 12), 4, color.filled()))?;
        legend.draw(&Text::new(peer, (x + 10, 6), ("sans-serif", 12)))?;
    }
    Ok(())
}
