//! Images to be changed: memory by address, and the ELF core that holds it.

use std::collections::BTreeMap;
use std::fs;

use crate::{file, root};

pub(crate) const PAGE: u64 = 4096;

/// Pages of memory.
#[derive(Clone)]
pub(crate) struct Memory {
    pages: BTreeMap<u64, Vec<u8>>,
    /// The address in the note.
    pub(crate) note: Option<u64>,
}

fn word(bytes: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

impl Memory {
    /// Memory without a page.
    pub(crate) fn new() -> Self {
        Self { pages: BTreeMap::new(), note: None }
    }

    /// That of an image of Linux.
    pub(crate) fn golden(name: &str) -> Self {
        let bytes = fs::read(root().join(format!("tests/golden/linux/{name}.core"))).unwrap();
        let headers = usize::from(u16::from_ne_bytes([bytes[56], bytes[57]]));
        let mut memory = Self::new();
        for header in bytes[64..].chunks(56).take(headers) {
            let size = usize::try_from(word(header, 32)).unwrap();
            let content = &bytes[usize::try_from(word(header, 8)).unwrap()..][..size];
            if header[0] == 4 {
                memory.note = Some(word(content, 16));
                continue;
            }
            for (page, addr) in content.chunks(4096).zip((word(header, 24)..).step_by(4096)) {
                memory.pages.insert(addr, page.to_vec());
            }
        }
        memory
    }

    /// Changes bytes; a page that is not there yet is zero.
    pub(crate) fn put(&mut self, addr: u64, bytes: &[u8]) {
        for (&byte, addr) in bytes.iter().zip(addr..) {
            let page = self.pages.entry(addr / PAGE * PAGE).or_insert_with(|| vec![0; 4096]);
            page[usize::try_from(addr % PAGE).unwrap()] = byte;
        }
    }

    pub(crate) fn put_word(&mut self, addr: u64, word: u64) {
        self.put(addr, &word.to_ne_bytes());
    }

    pub(crate) fn word(&self, addr: u64) -> u64 {
        word(&self.pages[&(addr / PAGE * PAGE)], usize::try_from(addr % PAGE).unwrap())
    }

    pub(crate) fn page(&self, addr: u64) -> &[u8] {
        &self.pages[&addr]
    }

    pub(crate) fn remove_page(&mut self, addr: u64) {
        self.pages.remove(&addr).unwrap();
    }

    /// All memory of another one, `offset` bytes further on.
    pub(crate) fn add(&mut self, other: &Self, offset: u64) {
        for (addr, page) in &other.pages {
            self.pages.insert(addr + offset, page.clone());
        }
    }

    /// An ELF core, with one range for each page: where its first page is, and its bytes.
    pub(crate) fn elf(&self) -> (usize, Vec<u8>) {
        let header = |kind: u32, offset: usize, addr: u64, size: u64| {
            let mut bytes = Vec::new();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(4_u32.to_ne_bytes());
            for word in [u64::try_from(offset).unwrap(), 0, addr, size, size, PAGE] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes
        };
        let headers = self.pages.len() + usize::from(self.note.is_some());
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes[5] = if cfg!(target_endian = "little") { 1 } else { 2 };
        bytes.resize(16, 0);
        bytes.extend(4_u16.to_ne_bytes());
        bytes.extend(62_u16.to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        for word in [0_u64, 64, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(0_u32.to_ne_bytes());
        for half in [64, 56, u16::try_from(headers).unwrap(), 0, 0, 0] {
            bytes.extend(half.to_ne_bytes());
        }
        let note = 64 + 56 * headers;
        let first = (note + 24).next_multiple_of(4096);
        if self.note.is_some() {
            bytes.extend(header(4, note, 0, 24));
        }
        for (&addr, offset) in self.pages.keys().zip((first..).step_by(4096)) {
            bytes.extend(header(1, offset, addr, PAGE));
        }
        if let Some(tree) = self.note {
            bytes.extend([4_u32, 8, 1].iter().flat_map(|word| word.to_ne_bytes()));
            bytes.extend(b"KHO\0");
            bytes.extend(tree.to_ne_bytes());
        }
        bytes.resize(first, 0);
        self.pages.values().for_each(|page| bytes.extend(page));
        (first, bytes)
    }

    /// Writes it as a file.
    pub(crate) fn file(&self, name: &str) -> String {
        file(name, &self.elf().1)
    }
}
