//! The handovers of Linux kernels in an image, and which of them is the last one.

use kho_block::linux::{KHO_COMPATIBLE, LUO_NODE, LuoState};

use crate::image::Image;
use crate::luo::Luo;
use crate::map::LinuxMap;
use crate::report::{Finding, Handover, Hex, Severity, Standing};
use crate::tree::Tree;

/// A handover, with all that is wrong with it.
struct Judged {
    handover: Handover,
    findings: Vec<Finding>,
    rank: Rank,
}

/// What speaks for a handover's being the last one, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    named: bool,
    tree_is_sound: bool,
    map_is_sound: bool,
    /// The map has the tree's own page.
    tree_is_preserved: bool,
    luo_is_known: bool,
    liveupdate_num: u64,
}

/// Judges the handovers of these trees.
pub(crate) fn judge(
    image: &Image<'_>,
    trees: &[u64],
    findings: &mut Vec<Finding>,
) -> Vec<Handover> {
    let mut judged: Vec<_> = trees.iter().map(|&tree| read(image, tree)).collect();
    let best = judged.iter().map(|one| one.rank).max();
    let last = judged.iter().find(|one| Some(one.rank) == best).map(|one| one.handover.tree);
    let equals = judged.iter().filter(|one| Some(one.rank) == best).count();
    for one in &mut judged {
        let is_last = Some(one.rank) == best;
        let damage = one.findings.iter().find(|finding| finding.severity > Severity::Note);
        let handover = &mut one.handover;
        handover.standing = match (is_last, damage) {
            (false, _) => Standing::Stale,
            (true, Some(_)) => Standing::Damaged,
            (true, None) => Standing::Whole,
        };
        handover.reason = if !is_last {
            stale(one.rank, best, last, damage)
        } else if one.rank.named {
            "named by the note".into()
        } else if equals > 1 {
            "one of several that nothing tells apart".into()
        } else if trees.len() > 1 {
            "what speaks for the others is less".into()
        } else {
            "the only one".into()
        };
        if !is_last {
            one.findings.iter_mut().for_each(|finding| finding.stale = true);
        }
    }
    // The last one first.
    judged.sort_by_key(|one| one.handover.standing == Standing::Stale);
    let mut handovers = Vec::new();
    for one in judged {
        findings.extend(one.findings);
        handovers.push(one.handover);
    }
    handovers
}

/// Why a handover is not the last one.
fn stale(rank: Rank, best: Option<Rank>, last: Option<Hex>, damage: Option<&Finding>) -> String {
    let last = last.map_or_else(|| "none".into(), |last| last.to_string());
    let Some(best) = best else { return String::new() };
    if best.tree_is_sound && !rank.tree_is_sound || best.map_is_sound && !rank.map_is_sound {
        let damage = damage.map_or("damaged", |finding| &finding.text);
        return format!("its memory has been used since: {damage}");
    }
    if best.tree_is_preserved && !rank.tree_is_preserved {
        return "its map does not have its own tree".into();
    }
    if best.luo_is_known && !rank.luo_is_known {
        return "it has no state of LUO, or none that is known".into();
    }
    if best.liveupdate_num > rank.liveupdate_num {
        return format!(
            "it is of live update {}, the one at {last} of live update {}",
            rank.liveupdate_num, best.liveupdate_num
        );
    }
    format!("the note names the one at {last}")
}

/// Reads the handover of the tree at `addr`.
fn read(image: &Image<'_>, addr: u64) -> Judged {
    let mut findings = Vec::new();
    let mut tree = Tree::read(image, addr, &mut findings);
    let tree_is_sound = findings.is_empty();
    let is_known = tree.compatible.as_deref() == Some(KHO_COMPATIBLE);
    let map = tree.map.filter(|_| is_known).map(|root| LinuxMap::new(image, root));
    let report = map.as_ref().map(|map| map.walk(&mut findings));
    for subsystem in &mut tree.subsystems {
        let data = subsystem.data.map(|data| data.0);
        subsystem.preserved = match (&map, data) {
            (Some(map), Some(data)) => match map.covering(data) {
                Some(_) => Some(true),
                None => report.as_ref().is_some_and(|report| report.sound).then_some(false),
            },
            _ => None,
        };
    }
    let mut luo = None;
    let node = tree.subsystems.iter().find(|subsystem| subsystem.name == LUO_NODE);
    if let Some(node) = node.filter(|_| is_known) {
        if node.preserved == Some(false) {
            let text = "the page of LUO's state is not preserved";
            let finding = Finding::new(Severity::Damaged, "not-preserved", "LUO's state", text);
            findings.push(Finding { addr: node.data, ..finding });
        }
        let bytes = u64::try_from(size_of::<LuoState>()).unwrap_or(0);
        if node.bytes.is_some_and(|found| found < bytes) {
            let text = "LUO's state is shorter than the one that is known";
            let finding = Finding::new(Severity::Damaged, "luo-size", "LUO's state", text);
            let found = node.bytes.map(|bytes| bytes.to_string());
            let finding =
                Finding { addr: node.data, field: Some("blob-size".into()), found, ..finding };
            findings.push(finding.expected(bytes.to_string()));
        } else if let Some(data) = node.data {
            luo = Luo::new(image, map.as_ref(), &mut findings).read(data.0);
        } else {
            let text = "the device tree does not say where LUO's state is";
            findings.push(Finding::new(Severity::Damaged, "luo-data", "the device tree", text));
        }
    }
    let map_is_sound = report.as_ref().is_some_and(|report| report.sound);
    let rank = Rank {
        named: image.named_tree == Some(addr),
        tree_is_sound,
        map_is_sound,
        tree_is_preserved: map.as_ref().is_some_and(|map| map.covering(addr).is_some()),
        luo_is_known: luo.as_ref().is_some_and(|luo| luo.chain.is_some()),
        liveupdate_num: luo.as_ref().map_or(0, |luo| luo.liveupdate_num),
    };
    let handover = Handover {
        tree: Hex(addr),
        tree_bytes: tree.bytes,
        named_by_note: rank.named,
        standing: Standing::Whole,
        reason: String::new(),
        compatible: tree.compatible,
        map: report,
        subsystems: tree.subsystems,
        luo,
    };
    Judged { handover, findings, rank }
}
