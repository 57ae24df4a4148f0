//! The table that a run prints: a row for each peer of each contest.

use crate::contest::{Figure, OURS, Outcome};

/// Prints the heading.
pub fn heading() {
    println!(
        "{:<34}{:>6}{:>8}  {:<14}{:>10}  {:>8}  {:<18}  target",
        "what", "bytes", "blocks", "peer", "ns/entry", "ratio", "half of all within"
    );
}

/// Prints a contest: our time first, then each peer's, and ours as a multiple of it.
pub fn print(outcome: &Outcome) {
    for figure in &outcome.figures {
        let (what, entry, blocks) = if figure.name == OURS {
            (outcome.what, outcome.entry.to_string(), outcome.blocks.to_string())
        } else {
            ("", String::new(), String::new())
        };
        print!("{what:<34}{entry:>6}{blocks:>8}  {:<14}{:>10.2}", figure.name, figure.ns.median);
        if figure.name != OURS {
            print!("  {}{}", ratio(figure), verdict(outcome, figure));
        }
        println!();
    }
}

fn ratio(figure: &Figure) -> String {
    let ratio = figure.ratio;
    let range = format!("{:.3} to {:.3}", ratio.low, ratio.high);
    format!("{:>8.3}  {range:<18}", ratio.median)
}

fn verdict(outcome: &Outcome, figure: &Figure) -> String {
    let aimed_at = |peer| outcome.figure(peer).is_some_and(|other| other.name == figure.name);
    match outcome.targets.iter().find(|target| aimed_at(target.peer)) {
        Some(target) if figure.ratio.median <= target.at_most => {
            format!("  {:.2} met", target.at_most)
        }
        Some(target) => format!("  {:.2} MISSED", target.at_most),
        None => String::new(),
    }
}
