//! An image of the memory that a real Linux handed over, and how a kernel finds its way in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fdt::Fdt;
use kho_block::PhysAddr;
use kho_block::linux::{
    DATA_PROPERTY, DATA_SIZE_PROPERTY, KHO_COMPATIBLE, LUO_NODE, LuoState, MEMORY_MAP_PROPERTY,
    PreservedMap,
};
use kho_block::mock::Mock;
use kho_block::zerocopy::FromBytes;
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};
use serde_json::Value;

pub(crate) const PAGE_SIZE: usize = 4096;

/// The pages that matter, and what the manifest tells of them.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) sessions: usize,
    /// So many of the first sessions have so many files each.
    pub(crate) files_of_first: [usize; 2],
    /// The device tree: what the manifest says, and the note in the image.
    pub(crate) fdt: [u64; 2],
    pages: BTreeMap<u64, Vec<u8>>,
}

/// What the device tree leads to.
pub(crate) struct Found {
    pub(crate) map: PhysAddr,
    pub(crate) state: PhysAddr,
}

/// The folder of the images and their manifest.
pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "linux"].iter().collect()
}

/// What the manifest says of every image.
fn manifest() -> Vec<Value> {
    let text = fs::read(folder().join("manifest.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Every image that the manifest lists; under Miri those of two full blocks, one with an empty one.
pub(crate) fn images() -> Vec<Image> {
    let listed = manifest();
    listed.iter().filter(|image| !cfg!(miri) || image["sessions"] == 102).map(Image::load).collect()
}

/// The image with this name.
pub(crate) fn image(name: &str) -> Image {
    Image::load(manifest().iter().find(|described| described["name"] == name).unwrap())
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

impl Image {
    fn load(described: &Value) -> Self {
        let name = described["name"].as_str().unwrap();
        let file = fs::read(folder().join(name).with_extension("core")).unwrap();
        let (mut pages, mut notes) = (BTreeMap::new(), Vec::new());
        let elf = FileHeader64::<Endianness>::parse(&*file).unwrap();
        let endian = elf.endian().unwrap();
        for segment in elf.program_headers(endian, &*file).unwrap() {
            let bytes = segment.data(endian, &*file).unwrap();
            match segment.p_type(endian) {
                PT_LOAD => {
                    let addrs = (segment.p_paddr(endian)..).step_by(PAGE_SIZE);
                    pages.extend(addrs.zip(bytes.chunks(PAGE_SIZE).map(<[u8]>::to_vec)));
                }
                PT_NOTE => {
                    let found = NoteIterator::<FileHeader64<Endianness>>::new(endian, 4, bytes);
                    let found = found.unwrap().map(Result::unwrap);
                    notes.extend(found.filter(|note| note.name() == b"KHO"));
                }
                other => panic!("{name}: a segment of type {other:?}"),
            }
        }
        let [note] = notes.try_into().unwrap_or_else(|_| panic!("{name}: not one note"));
        assert_eq!(note.n_type(endian).0, 1, "{name}");
        let files = &described["files_of_first"];
        Self {
            name: name.to_owned(),
            sessions: size(&described["sessions"]),
            files_of_first: [size(&files[0]), size(&files[1])],
            fdt: [described["fdt"].as_u64().unwrap(), word(note.desc())],
            pages,
        }
    }

    /// The words that a kernel could read.
    pub(crate) fn word(&self, addr: PhysAddr) -> Option<u64> {
        let page = self.pages.get(&(addr.get() / 4096 * 4096))?;
        let offset = usize::try_from(addr.get() % 4096).unwrap();
        Some(word(&page[offset..offset + 8]))
    }

    /// The page that starts at an address, if it is in the image.
    pub(crate) fn page(&self, addr: u64) -> Option<&[u8]> {
        self.pages.get(&addr).map(Vec::as_slice)
    }

    /// Overwrites bytes within a page.
    pub(crate) fn write(&mut self, addr: u64, bytes: &[u8]) {
        let page = self.pages.get_mut(&(addr / 4096 * 4096)).unwrap();
        let offset = usize::try_from(addr % 4096).unwrap();
        page[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// What the device tree leads to, if it has all the names that it should.
    pub(crate) fn find(&self) -> Option<Found> {
        let tree = Fdt::new(self.page(self.fdt[1])?).ok()?;
        let (root, luo) = (tree.find_node("/")?, tree.find_node(&format!("/{LUO_NODE}"))?);
        root.compatible()?.all().find(|&compatible| compatible == KHO_COMPATIBLE)?;
        let addr = |bytes: &[u8]| PhysAddr::new(word(bytes));
        let bytes = word(luo.property(DATA_SIZE_PROPERTY)?.value);
        assert_eq!(bytes, u64::try_from(size_of::<LuoState>()).unwrap());
        Some(Found {
            map: addr(root.property(MEMORY_MAP_PROPERTY)?.value)?,
            state: addr(luo.property(DATA_PROPERTY)?.value)?,
        })
    }

    pub(crate) fn map(&self) -> PreservedMap<impl Fn(PhysAddr) -> Option<u64>> {
        PreservedMap::new(self.find().unwrap().map, |addr| self.word(addr))
    }

    pub(crate) fn state(&self) -> LuoState {
        let page = self.page(self.find().unwrap().state.get()).unwrap();
        LuoState::read_from_prefix(page).unwrap().0
    }

    /// A machine in which a block is left if the map has it, and no other; those whose bytes are not in
    /// the image, the memory of files, are left out.
    pub(crate) fn machine(&self) -> Mock {
        let mut mem = Mock::new();
        for block in self.map().blocks() {
            let (addr, size) = block.unwrap();
            assert_eq!(size, 4096, "{}: a block of several pages", self.name);
            if let Some(page) = self.page(addr.get()) {
                mem.leave(addr, page);
            }
        }
        mem
    }
}

/// A number of the machine that the images are from, which is little-endian.
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}
