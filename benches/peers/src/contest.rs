//! The same work done by several, in turns within one run, and what that says of each pair.
//!
//! The machine may be slow for a while, but then it is for all: what counts is the ratio of two
//! neighbouring turns, and how far it spreads.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long one turn lasts at least: far above the resolution of the clock.
const TURN: Duration = Duration::from_micros(400);

/// How long a contest lasts, about.
const BUDGET: Duration = Duration::from_millis(1500);

/// The name of the contestant that the others are compared with.
pub const OURS: &str = "kho-block";

/// Does the work once; returns how long the part of it took that counts.
pub type Pass<'a> = Box<dyn FnMut() -> Duration + 'a>;

/// From here on other programs may have had the processor in between.
const LONG: Duration = Duration::from_micros(50);

/// Measures `work`: by the clock on the wall if it is short, and by this thread's share of the
/// processor, which is known less exactly, if it is long.
pub fn time<R>(work: impl FnOnce() -> R) -> Duration {
    let before = clock_gettime(ClockId::ThreadCPUTime);
    let short = wall_time(work);
    if short < LONG {
        return short;
    }
    let after = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(after - before).unwrap_or(short)
}

/// Measures `work` by the clock on the wall.
pub fn wall_time<R>(work: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

/// One row of the table, before it is run.
pub struct Contest<'a> {
    what: &'static str,
    entry: usize,
    blocks: usize,
    items: usize,
    contestants: Vec<(&'static str, Pass<'a>)>,
    targets: Vec<Target>,
    without: Option<&'static str>,
}

/// A limit for our time as a multiple of a peer's.
#[derive(Clone, Copy)]
pub struct Target {
    pub peer: &'static str,
    pub at_most: f64,
}

impl Target {
    /// Whether our time keeps within the limit, half of the times at least.
    pub fn holds_for(&self, figure: &Figure) -> bool {
        figure.ratio.median <= self.at_most
    }
}

impl<'a> Contest<'a> {
    /// A contest over `items` entries of `entry` bytes in `blocks` blocks.
    pub fn new(what: &'static str, entry: usize, blocks: usize, items: usize) -> Self {
        let (contestants, targets) = (Vec::new(), Vec::new());
        Self { what, entry, blocks, items, contestants, targets, without: None }
    }

    /// Adds a contestant; ours comes first.
    pub fn enter(&mut self, name: &'static str, pass: impl FnMut() -> Duration + 'a) {
        self.contestants.push((name, Box::new(pass)));
    }

    /// Sets a target. The peer `"C"` is the faster of the two compilers' C.
    pub fn at_most(&mut self, at_most: f64, peer: &'static str) {
        self.targets.push(Target { peer, at_most });
    }

    /// Takes the time of one contestant off those of the others, and leaves it out.
    pub fn without(&mut self, name: &'static str) {
        self.without = Some(name);
    }

    /// Lets the contestants take turns, and compares each with the first.
    pub fn run(mut self, once: bool) -> Outcome {
        let mut times = self.take_turns(once);
        if let Some(cost) =
            self.contestants.iter().position(|(name, _)| Some(*name) == self.without)
        {
            let cost = times.remove(cost);
            self.contestants.retain(|(name, _)| Some(*name) != self.without);
            for times in &mut times {
                times.iter_mut().zip(&cost).for_each(|(time, cost)| *time -= cost);
            }
        }
        self.outcome(times)
    }

    /// Lets two pairs take turns, each with a small task and a large one, and compares how much more
    /// the large one takes.
    pub fn run_growth(mut self, once: bool) -> Outcome {
        let times = self.take_turns(once);
        let growth = |pair: &[Vec<f64>]| pair[0].iter().zip(&pair[1]).map(|(a, b)| b / a).collect();
        let growths = times.chunks(2).map(growth).collect();
        self.contestants = self.contestants.into_iter().step_by(2).collect();
        self.outcome(growths)
    }

    /// The times of each contestant, in nanoseconds for a pass, in rounds; `once` is one pass.
    fn take_turns(&mut self, once: bool) -> Vec<Vec<f64>> {
        if once {
            let passes = self.contestants.iter_mut();
            return passes.map(|(_, pass)| vec![pass().as_nanos() as f64]).collect();
        }
        let mut passes = Vec::new();
        let mut round = Duration::ZERO;
        for (_, pass) in &mut self.contestants {
            pass(); // The first one pays for cold caches and missing pages.
            let start = Instant::now();
            let once = pass().min(pass()).max(Duration::from_nanos(1));
            let wall = start.elapsed() / 2;
            let n = (TURN.as_nanos() / once.as_nanos()).clamp(1, 2000) as u32;
            passes.push(n);
            round += wall * n;
        }
        let rounds = (BUDGET.as_nanos() / round.as_nanos().max(1)).clamp(11, 101) as usize;

        let count = self.contestants.len();
        let mut times = vec![Vec::new(); count];
        for round in 0..rounds {
            for turn in 0..count {
                // Each begins as often as the others.
                let who = (round + turn) % count;
                let pass = &mut self.contestants[who].1;
                let turn = Spread::of((0..passes[who]).map(|_| pass().as_nanos() as f64));
                times[who].push(turn.median);
            }
        }
        times
    }

    fn outcome(self, times: Vec<Vec<f64>>) -> Outcome {
        let per_item = |ns: &Vec<f64>| Spread::of(ns.iter().map(|ns| ns / self.items as f64));
        let ratio = |peer: &Vec<f64>| Spread::of(times[0].iter().zip(peer).map(|(a, b)| a / b));
        let figures = self.contestants.iter().zip(&times).map(|((name, _), times)| Figure {
            name,
            ns: per_item(times),
            ratio: ratio(times),
        });
        Outcome {
            what: self.what.to_owned(),
            entry: self.entry,
            blocks: self.blocks,
            figures: figures.collect(),
            targets: self.targets,
        }
    }
}

/// A row of the table.
pub struct Outcome {
    pub what: String,
    pub entry: usize,
    pub blocks: usize,
    pub figures: Vec<Figure>,
    pub targets: Vec<Target>,
}

/// What one contestant did.
pub struct Figure {
    pub name: &'static str,
    /// Nanoseconds for each entry.
    pub ns: Spread,
    /// Our time as a multiple of this contestant's.
    pub ratio: Spread,
}

impl Outcome {
    /// The figure of `peer`; of `"C"`, that of the faster compiler.
    pub fn figure(&self, peer: &str) -> Option<&Figure> {
        self.figures
            .iter()
            .filter(|figure| figure.name == peer || peer == "C" && figure.name.starts_with("C, "))
            .min_by(|a, b| a.ns.median.total_cmp(&b.ns.median))
    }
}

/// The middle of some numbers, and the range of the half around it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// # Panics
    ///
    /// Without numbers.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter: usize| sorted[(sorted.len() - 1) * quarter / 4];
        Self { low: at(1), median: at(2), high: at(3) }
    }
}
