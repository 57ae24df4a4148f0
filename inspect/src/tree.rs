//! KHO's device tree.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};
use kho_block::PhysAddr;
use kho_block::linux::{
    DATA_PROPERTY, DATA_SIZE_PROPERTY, FDT_MAGIC, KHO_COMPATIBLE, MEMORY_MAP_PROPERTY,
};

use crate::image::Image;
use crate::report::{Finding, Hex, Severity, Subsystem};

/// The largest tree that is believed: KHO's has one page.
const MAX_BYTES: u32 = 1 << 20;

/// What a tree says.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) bytes: u64,
    pub(crate) compatible: Option<String>,
    pub(crate) map: Option<PhysAddr>,
    pub(crate) subsystems: Vec<Subsystem>,
}

impl Tree {
    /// Reads the tree at `addr`, and says what is wrong with it.
    pub(crate) fn read(image: &Image<'_>, addr: u64, findings: &mut Vec<Finding>) -> Self {
        let damaged = |rule, text: String| {
            Finding::new(Severity::Damaged, rule, "the device tree", text).about(addr)
        };
        let mut tree = Self::default();
        let Some(magic) = image.read::<[u8; 4]>(addr).map(u32::from_be_bytes) else {
            let text = "the image does not hold the device tree that its note names";
            findings.push(Finding { severity: Severity::Missing, ..damaged("tree", text.into()) });
            return tree;
        };
        if magic != FDT_MAGIC {
            let finding = damaged("tree-magic", "there is no device tree".into());
            let expected = format!("{FDT_MAGIC:#x} (big-endian)");
            findings
                .push(finding.field("magic", addr, 0, format!("{magic:#x}")).expected(expected));
            return tree;
        }
        let size = addr.checked_add(4).and_then(|addr| image.read::<[u8; 4]>(addr));
        let size = size.map_or(0, u32::from_be_bytes);
        let mut bytes = vec![0; usize::try_from(size.min(MAX_BYTES)).unwrap_or(0)];
        if size > MAX_BYTES || image.copy(addr, &mut bytes).is_none() {
            let text = "the device tree is longer than what the image holds of it";
            let finding = damaged("tree-size", text.into());
            findings.push(finding.field("totalsize", addr, 4, size.to_string()));
            return tree;
        }
        tree.bytes = size.into();
        match Fdt::new(&bytes) {
            Ok(fdt) => tree.root(addr, fdt.root(), findings),
            Err(error) => {
                findings.push(damaged("tree", format!("the device tree is damaged: {error}")));
            }
        }
        tree
    }

    /// Reads the properties and the nodes of the root.
    fn root(&mut self, addr: u64, root: FdtNode<'_>, findings: &mut Vec<Finding>) {
        let property = |name| root.property(name).map(|found| found.value().to_vec());
        let damaged = |rule, field: &str, text: &str| {
            let finding = Finding::new(Severity::Damaged, rule, "the device tree", text);
            Finding { field: Some(field.to_owned()), ..finding.about(addr) }
        };
        let compatible = property("compatible").unwrap_or_default();
        let compatible = compatible.split(|&byte| byte == 0).next().unwrap_or_default();
        let compatible = compatible.escape_ascii().to_string();
        if compatible != KHO_COMPATIBLE {
            let text = "the device tree is of another version of KHO, or of something else";
            let finding = damaged("tree-compatible", "compatible", text).expected(KHO_COMPATIBLE);
            findings.push(Finding { found: Some(compatible.clone()), ..finding });
        }
        self.compatible = Some(compatible);
        self.map =
            property(MEMORY_MAP_PROPERTY).and_then(|value| word(&value)).and_then(PhysAddr::new);
        if self.map.is_none() {
            let text = "the device tree names no map of preserved memory";
            let finding = damaged("tree-map", MEMORY_MAP_PROPERTY, text);
            findings.push(finding.expected("8 bytes: a physical address"));
        }
        for node in root.children() {
            let number = |name| node.property(name).and_then(|found| word(found.value()));
            self.subsystems.push(Subsystem {
                name: node.name().escape_default().to_string(),
                data: number(DATA_PROPERTY).map(Hex),
                bytes: number(DATA_SIZE_PROPERTY),
                preserved: None,
            });
        }
    }
}

/// The number in a property: eight bytes in this processor's order.
fn word(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_ne_bytes)
}
