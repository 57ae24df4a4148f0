//! What is asked of an image, and the answer.

use kho_block::{ChainLayout, RestoreChecks};

use crate::chain::{Ask, Chains};
use crate::find::{Found, find};
use crate::handover;
use crate::image::Image;
use crate::records::{Records, hex};
use crate::report::{Entry, Finding, Report, Severity};

/// What is asked.
pub(crate) enum Question {
    /// All that can be found; or the handover of the tree at an address.
    Everything { tree: Option<u64> },
    /// A chain.
    Chain { addr: u64, layout: ChainLayout, records: Option<Records> },
}

/// Answers a question. `progress` is told how many bytes of the image have been searched.
pub(crate) fn answer(
    image: &Image<'_>,
    path: String,
    question: Question,
    progress: &mut dyn FnMut(u64),
) -> Report {
    let mut report = Report::new(image.report(path));
    report.findings.extend(image.findings.iter().cloned());
    match question {
        Question::Everything { tree: Some(tree) } => {
            report.handovers = handover::judge(image, &[tree], &mut report.findings);
        }
        Question::Everything { tree: None } => {
            let found = find(image, progress);
            everything(image, &found, &mut report);
        }
        Question::Chain { addr, layout, records } => {
            let mut chains = Chains::new(image, None);
            let ask = Ask {
                name: "the chain".into(),
                head: addr,
                head_field: None,
                layout,
                checks: RestoreChecks::empty(),
                for_linux: false,
            };
            let chain = chains.walk(ask, &mut report.findings);
            chains.entries(&chain, |index, addr, bytes| {
                let fields = records.as_ref().map(|records| records.show(bytes));
                let fields = fields.unwrap_or_else(|| vec![hex(bytes)]);
                report.entries.push(Entry { index, addr: crate::report::Hex(addr), fields });
            });
            report.chain = Some(chain);
        }
    }
    report
}

/// Judges what the search has found.
fn everything(image: &Image<'_>, found: &Found, report: &mut Report) {
    report.image.sparse_bytes = Some(found.sparse);
    let mut trees = found.trees.clone();
    if let Some(named) = image.named_tree.filter(|named| !trees.contains(named)) {
        trees.insert(0, named);
    }
    report.handovers = handover::judge(image, &trees, &mut report.findings);
    if found.more > 0 {
        let text = format!("{} more trees and regions were found, and not looked into", found.more);
        report.findings.push(Finding::new(Severity::Note, "too-many", "the image", text));
    }
    if trees.is_empty() && found.regions.is_empty() {
        let text = "no device tree of KHO and no region: nothing was handed over here, or it is of \
                    another processor, or the image does not hold the memory";
        report.findings.push(Finding::new(Severity::Missing, "nothing", "the image", text));
    }
}
