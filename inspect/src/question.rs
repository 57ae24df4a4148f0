//! What is asked of an image, and the answer.

use kho_block::{ChainLayout, Descriptor, RestoreChecks};

use crate::chain::{Ask, Chains};
use crate::find::{Found, find};
use crate::image::Image;
use crate::preserved::Preserved;
use crate::records::Records;
use crate::region::List;
use crate::report::{Finding, Report, Severity};
use crate::{descriptor, handover, region};

/// What is asked.
pub(crate) enum Question {
    /// All that can be found; or the handover of the tree at an address.
    Everything { tree: Option<u64> },
    /// A chain.
    Chain { addr: u64, layout: ChainLayout, records: Option<Records> },
    /// A descriptor and its chain.
    Descriptor { addr: u64, records: Option<Records> },
    /// A region and the chain of its root.
    Region { addr: u64, records: Option<Records> },
}

/// Answers a question, with so many entries at the most. `progress` is told how many bytes of the image have been searched.
pub(crate) fn answer(
    image: &Image<'_>,
    path: String,
    question: Question,
    most_entries: usize,
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
            let mut chains = Chains::new(image, Preserved::Unknown);
            let ask = Ask {
                name: "the chain".into(),
                head: addr,
                head_field: None,
                layout,
                checks: RestoreChecks::empty(),
                for_linux: false,
            };
            let chain = chains.walk(ask, &mut report.findings);
            let list = List {
                entries: &mut report.entries,
                records: records.as_ref(),
                most: most_entries,
            };
            region::list(&chains, &chain, list);
            report.chain = Some(chain);
        }
        Question::Descriptor { addr, records } => {
            let mut chains = Chains::new(image, Preserved::Unknown);
            let Some(found) = image.read::<Descriptor>(addr) else {
                let text = "the image does not hold it";
                let finding = Finding::new(Severity::Missing, "descriptor", "the descriptor", text);
                report.findings.push(finding.about(addr));
                return report;
            };
            let findings = &mut report.findings;
            let chain = descriptor::judge(&mut chains, "its chain", Some(addr), &found, findings);
            if let Some(chain) = &chain {
                let list = List {
                    entries: &mut report.entries,
                    records: records.as_ref(),
                    most: most_entries,
                };
                region::list(&chains, chain, list);
            }
            report.descriptor = Some(descriptor::report(Some(addr), &found));
            report.chain = chain;
        }
        Question::Region { addr, records } => {
            let entries = List {
                entries: &mut report.entries,
                records: records.as_ref(),
                most: most_entries,
            };
            let region = region::judge(image, addr, Some(entries), &mut report.findings);
            report.regions.push(region);
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
    for &addr in &found.regions {
        let mut findings = Vec::new();
        let region = region::judge(image, addr, None, &mut findings);
        // Half of a magic alone, without anything else of a header, is something else.
        let is_none = |finding: &Finding| matches!(finding.rule, "region-magic" | "region-blank");
        if region.sound || !findings.iter().any(is_none) || looks_like_one(image, addr) {
            report.findings.extend(findings);
            report.regions.push(region);
        }
    }
    if found.more > 0 {
        let text = format!("{} more trees and regions were found, and not looked into", found.more);
        report.findings.push(Finding::new(Severity::Note, "too-many", "the image", text));
    }
    if report.handovers.is_empty() && report.regions.is_empty() {
        let text = "no device tree of KHO and no region: nothing was handed over here, or it is of \
                    another processor, or the image does not hold the memory";
        report.findings.push(Finding::new(Severity::Missing, "nothing", "the image", text));
    }
}

/// Whether the rest of a region's header is there, if its magic is not.
fn looks_like_one(image: &Image<'_>, addr: u64) -> bool {
    let word = |offset: u64| addr.checked_add(offset).and_then(|addr| image.read::<u64>(addr));
    let order = addr.checked_add(12).and_then(|addr| image.read::<u32>(addr));
    order == Some(0x0a0b_0c0d) && word(16) == Some(addr) && word(32) == Some(4096)
}
