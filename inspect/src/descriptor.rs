//! Descriptors of kho-block.

use kho_block::{ChainLayout, Descriptor, DescriptorError, DescriptorField, DescriptorFlags};

use crate::chain::{Ask, Chains};
use crate::report::{ChainReport, DescriptorReport, Finding, Hex, Severity};

/// The fields that are judged by themselves: the name, and how many bytes from the start it is.
const fn place(field: DescriptorField) -> (&'static str, u64) {
    match field {
        DescriptorField::Magic => ("magic", 0),
        DescriptorField::Version => ("version", 8),
        DescriptorField::Flags => ("flags", 12),
        _ => ("another field", 0),
    }
}

/// Judges a descriptor, which is at `addr` if that is known, and walks its chain.
pub(crate) fn judge(
    chains: &mut Chains<'_, '_>,
    name: &str,
    addr: Option<u64>,
    descriptor: &Descriptor,
    findings: &mut Vec<Finding>,
) -> Option<ChainReport> {
    let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let sizes = (size(descriptor.entry_size), size(descriptor.block_size));
    let layout = ChainLayout::new(sizes.0, sizes.1);
    // The layout of a chain that there cannot be is said after what makes it no descriptor at all.
    let any = ChainLayout::new(8, 32)?;
    let checks = match descriptor.check(layout.unwrap_or(any), descriptor.tag) {
        Ok(checks) => checks,
        Err(error) if layout.is_none() && is_size(error.field) => {
            let text = format!(
                "there is no chain of {} bytes to an entry and {} to a block",
                descriptor.entry_size, descriptor.block_size
            );
            let finding = Finding::new(Severity::Damaged, "descriptor", "the descriptor", text);
            let found = descriptor.block_size.to_string();
            findings.push(
                at(finding, addr, "block_size", 20, found)
                    .expected("a power of two from 32 on, with room for 16 bytes and an entry"),
            );
            return None;
        }
        Err(error) => {
            findings.push(finding(addr, error));
            return None;
        }
    };
    let ask = Ask {
        name: name.to_owned(),
        head: descriptor.head,
        head_field: addr.map(|addr| (addr, 24, "head")),
        layout: layout?,
        checks,
        for_linux: false,
    };
    let chain = chains.walk(ask, findings);
    let is_counted = descriptor.flags & DescriptorFlags::COUNTED.bits() != 0;
    if is_counted && chain.broken.is_none() && chain.entries != descriptor.entries {
        let (found, expected) = (descriptor.entries, chain.entries);
        let text = format!("says {found} entries, the chain holds {expected}");
        let finding = Finding::new(Severity::Damaged, "descriptor", "the descriptor", text);
        let finding = at(finding, addr, "entries", 32, found.to_string());
        findings.push(finding.expected(expected.to_string()));
    }
    Some(chain)
}

const fn is_size(field: DescriptorField) -> bool {
    matches!(field, DescriptorField::EntrySize | DescriptorField::BlockSize)
}

/// What is wrong with a field.
fn finding(addr: Option<u64>, error: DescriptorError) -> Finding {
    let DescriptorError { field, found, expected, .. } = error;
    let (name, offset) = place(field);
    let finding =
        Finding::new(Severity::Damaged, "descriptor", "the descriptor", error.to_string());
    at(finding, addr, name, offset, format!("{found:#x}")).expected(format!("{expected:#x}"))
}

/// Adds the field, and where it is if that is known.
fn at(finding: Finding, addr: Option<u64>, name: &str, offset: u64, found: String) -> Finding {
    match addr {
        Some(addr) => finding.about(addr).field(name, addr, offset, found),
        None => Finding { field: Some(name.to_owned()), found: Some(found), ..finding },
    }
}

/// What a descriptor says.
pub(crate) fn report(addr: Option<u64>, descriptor: &Descriptor) -> DescriptorReport {
    let flags = DescriptorFlags::from_bits_retain(descriptor.flags);
    DescriptorReport {
        addr: addr.map(Hex),
        version: descriptor.version,
        flags: flags.iter_names().map(|(name, _)| name.to_owned()).collect(),
        entry_size: descriptor.entry_size,
        block_size: descriptor.block_size,
        head: Hex(descriptor.head),
        entries: descriptor.entries,
        tag: Hex(descriptor.tag),
    }
}
