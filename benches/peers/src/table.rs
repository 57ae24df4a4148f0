//! The tables that a run prints: as it goes on, a row for each peer of each contest; at its end, a row
//! for each contest.

use crate::contest::{Figure, OURS, Outcome, Target};

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
            (&*outcome.what, outcome.entry.to_string(), outcome.blocks.to_string())
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
        Some(target) if target.holds_for(figure) => format!("  {:.2} met", target.at_most),
        Some(target) => format!("  {:.2} MISSED", target.at_most),
        None => String::new(),
    }
}

/// The peers with a column of their own; the first is the faster of the two compilers' C.
const COLUMNS: [&str; 3] = ["C", "Vec", "memcpy"];

/// Prints the contests once more, in Markdown: medians, and between which values half of them lie.
pub fn summary(machine: &str, outcomes: &[Outcome]) {
    println!(
        "\n{machine}\n\n| work | bytes | blocks | C, the faster | `Vec` | `memcpy` | others | targets |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for outcome in outcomes {
        print!("| {} | {} | {} |", outcome.what, outcome.entry, outcome.blocks);
        for peer in COLUMNS {
            match outcome.figure(peer) {
                Some(figure) => print!(" {} |", with_range(figure)),
                None => print!(" |"),
            }
        }
        let others = outcome.figures.iter().filter(|figure| {
            let name = figure.name;
            name != OURS && !name.starts_with("C, ") && !COLUMNS.contains(&name)
        });
        let others: Vec<_> =
            others.map(|figure| format!("{} {:.2}", figure.name, figure.ratio.median)).collect();
        println!(" {} | {} |", others.join(", "), verdicts(outcome).join(", "));
    }
}

fn with_range(figure: &Figure) -> String {
    let ratio = figure.ratio;
    format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.low, ratio.high)
}

fn verdicts(outcome: &Outcome) -> Vec<String> {
    let verdict = |target: &Target| {
        let figure = outcome.figure(target.peer)?;
        let verdict = if target.holds_for(figure) { "met" } else { "MISSED" };
        Some(format!("{:.2} {} {verdict}", target.at_most, target.peer))
    };
    outcome.targets.iter().filter_map(verdict).collect()
}
