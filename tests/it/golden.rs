//! Memory images that the C original wrote: read as it reads them, and written byte for byte.
//!
//! The images are those of a little-endian machine. Only the headers have a byte order, so they are
//! turned round as an image is loaded elsewhere, and the tests hold on every machine.

use core::{array, iter, mem};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kho_block::mock::{Fault, Mock};
use kho_block::zerocopy::{FromBytes, IntoBytes};
use kho_block::{
    BlockHeader, BlockSet, HEADER_SIZE, IncomingSet, PhysAddr, RestoreErrorKind, entries_per_block,
};
use serde_json::Value;

/// An image, as the manifest tells of it.
struct Image {
    name: String,
    block_size: usize,
    entry_size: usize,
    /// The physical address of the file's first byte.
    base: u64,
    head: u64,
    /// The blocks that were preserved, in the order in which the writer chained them.
    preserved: Vec<u64>,
    /// What a restore must yield: half-open ranges of entry numbers.
    entries: Option<Vec<(usize, usize)>>,
    /// What it must report instead.
    error: Option<Refusal>,
}

struct Refusal {
    kind: String,
    block: usize,
}

/// A word of one header that was overwritten after the chain was complete.
enum Damage {
    Next(usize, u64),
    Count(usize, u64),
}
use Damage::{Count, Next};

/// The images that are `files` with one word overwritten.
const DAMAGED: [(&str, Damage); 12] = [
    ("truncated", Next(0, 0)),
    ("partial-middle", Count(1, 5)),
    ("empty-middle", Count(1, 0)),
    ("self-loop", Next(0, 0x1_0000_0000)),
    ("loop-to-head", Next(2, 0x1_0000_0000)),
    ("loop-to-middle", Next(2, 0x1_0000_2000)),
    ("count-one-too-many", Count(1, 128)),
    ("count-max", Count(0, u64::MAX)),
    ("link-misaligned", Next(0, 0x1_0000_2010)),
    ("link-outside", Next(1, 0x1_4000_0000)),
    ("link-not-preserved", Next(1, 0x1_0000_6000)),
    ("link-max", Next(0, 0xffff_ffff_ffff_e000)),
];

/// Calls a test for an image, with the image's sizes as constants.
macro_rules! with_sizes_of {
    ($image:expr, $test:ident($($arg:expr),*)) => {
        match ($image.entry_size, $image.block_size) {
            (8, 4096) => $test::<8, 4096>($($arg),*),
            (64, 8192) => $test::<64, 8192>($($arg),*),
            (80, 4096) => $test::<80, 4096>($($arg),*),
            (80, 8192) => $test::<80, 8192>($($arg),*),
            (80, 65536) => $test::<80, 65536>($($arg),*),
            (8176, 8192) => $test::<8176, 8192>($($arg),*),
            sizes => panic!("{}: no test has entries and blocks of {sizes:?} bytes", $image.name),
        }
    };
}

/// A test reads one image of so many: Miri takes seconds for each.
const STEP: usize = if cfg!(miri) { 11 } else { 1 };

/// The folder of the images and their manifest.
fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden"].iter().collect()
}

/// Every image that the manifest lists.
fn manifest() -> Vec<Image> {
    let text = fs::read(folder().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    manifest.as_array().unwrap().iter().map(Image::described).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Entry `number` as the writer of the images made it.
fn entry<const N: usize>(number: usize) -> [u8; N] {
    array::from_fn(|j| u8::try_from((number * 31 + j * 7 + 3) % 256).unwrap())
}

impl Image {
    fn described(image: &Value) -> Self {
        let addrs = image["preserved"].as_array().unwrap();
        let ranges = |ranges: &Value| {
            let range = |range: &Value| (size(&range[0]), size(&range[1]));
            ranges.as_array().unwrap().iter().map(range).collect()
        };
        let refusal =
            |error: &Value| Refusal { kind: string(&error["kind"]), block: size(&error["block"]) };
        Self {
            name: string(&image["name"]),
            block_size: size(&image["block_size"]),
            entry_size: size(&image["entry_size"]),
            base: image["base"].as_u64().unwrap(),
            head: image["head"].as_u64().unwrap(),
            preserved: addrs.iter().map(|addr| addr.as_u64().unwrap()).collect(),
            entries: image.get("entries").map(ranges),
            error: image.get("error").map(refusal),
        }
    }

    /// The bytes of every preserved block, its header in this machine's byte order.
    fn blocks(&self) -> Vec<Vec<u8>> {
        let file = fs::read(folder().join(&self.name).with_extension("img")).unwrap();
        let block = |&addr: &u64| {
            let start = usize::try_from(addr - self.base).unwrap();
            let mut bytes = file[start..start + self.block_size].to_vec();
            let words = <[[u8; 8]; 2]>::mut_from_bytes(&mut bytes[..HEADER_SIZE]).unwrap();
            *words = words.map(|word| u64::from_le_bytes(word).to_ne_bytes());
            bytes
        };
        self.preserved.iter().map(block).collect()
    }

    /// A machine in which the previous kernel left the image.
    fn load(&self) -> Mock {
        let mut mem = Mock::new();
        for (&addr, bytes) in self.preserved.iter().zip(self.blocks()) {
            mem.leave(addr, &bytes);
        }
        mem
    }

    fn head(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.head)
    }

    /// The entries that a restore must yield.
    fn entries<const N: usize>(&self) -> Vec<[u8; N]> {
        let ranges = self.entries.as_ref().unwrap();
        ranges.iter().flat_map(|&(start, end)| start..end).map(entry).collect()
    }

    /// Asserts that memory holds the image: every byte of every block.
    fn assert_is_in(&self, mem: &mut Mock) {
        for (number, (&addr, bytes)) in self.preserved.iter().zip(self.blocks()).enumerate() {
            let found = mem.read(addr, self.block_size);
            let offset = || found.iter().zip(&bytes).position(|(found, byte)| found != byte);
            let differs = (found != bytes).then(offset);
            assert_eq!(differs, None, "{}: block {number} differs at this offset", self.name);
        }
    }
}

/// The header of block `number`.
fn header(blocks: &[Vec<u8>], number: usize) -> BlockHeader {
    BlockHeader::read_from_prefix(&blocks[number]).unwrap().0
}

#[test]
fn the_manifest_lists_every_image_once_and_no_other() {
    let images = manifest();
    let listed: BTreeSet<_> = images.iter().map(|image| format!("{}.img", image.name)).collect();
    assert_eq!(listed.len(), images.len(), "a name is listed twice");

    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    let mut present: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
    assert!(present.remove("manifest.json"));
    assert!(present.remove("linux"), "those of Linux, which have a manifest of their own");
    assert_eq!(listed, present);

    // Each image is of exactly one kind, and there is something for both of the tests that read.
    assert!(images.iter().all(|image| image.entries.is_some() != image.error.is_some()));
    assert!(images.iter().any(|image| image.entries.is_some()));
    assert!(images.iter().any(|image| image.error.is_some()));
    for (name, _) in &DAMAGED {
        assert!(images.iter().any(|image| image.name == *name), "{name} is not in the manifest");
    }
}

#[test]
fn a_valid_image_yields_the_entries_of_the_manifest() {
    let images = manifest();
    for image in images.iter().filter(|image| image.entries.is_some()).step_by(STEP) {
        with_sizes_of!(image, assert_yields_its_entries(image));
    }
}

fn assert_yields_its_entries<const N: usize, const BLOCK_SIZE: usize>(image: &Image) {
    let Image { name, .. } = image;
    let mut mem = image.load();
    let expected = image.entries::<N>();
    let set = IncomingSet::<[u8; N], _, BLOCK_SIZE>::restore(&mem, image.head()).unwrap();
    let blocks = set.block_count();

    set.audit().unwrap();
    assert_eq!((set.first_block(), set.len()), (image.head(), expected.len()), "{name}");
    assert_eq!(set.head(), image.head().filter(|_| !expected.is_empty()), "{name}");
    assert_eq!(mem.live(), blocks, "{name}: a block is claimed that is not in the chain");
    assert!(set.iter().eq(&expected), "{name}: forwards");
    assert!(set.iter().rev().eq(expected.iter().rev()), "{name}: backwards");
    assert!(set.blocks().flatten().eq(&expected), "{name}: by blocks");
    assert!((0..expected.len()).map(|i| set.get(i).unwrap()).eq(&expected), "{name}: by number");
    assert_eq!(set.get(expected.len()), None, "{name}: by number");

    let mut cursor = set.cursor();
    assert!(cursor.by_ref().eq(&expected), "{name}: by cursor");
    let mut back = iter::from_fn(|| cursor.prev());
    assert!(back.by_ref().eq(expected.iter().rev()), "{name}: by cursor, back");
    let mut cursor = set.cursor_back();
    assert!(iter::from_fn(|| cursor.prev()).eq(expected.iter().rev()), "{name}: from the end");

    assert_eq!(set.release(), image.head());
    assert_eq!((mem.live(), mem.unclaimed()), (0, image.preserved.len()), "{name}: released");
    image.assert_is_in(&mut mem);

    IncomingSet::<[u8; N], _, BLOCK_SIZE>::restore(&mem, image.head()).unwrap().destroy();
    assert_eq!((mem.live(), mem.unclaimed()), (0, image.preserved.len() - blocks), "{name}: freed");
    assert_eq!(mem.faults(), [], "{name}");
}

#[test]
fn a_damaged_image_is_refused_where_and_for_what_the_manifest_says() {
    let images = manifest();
    for image in images.iter().filter(|image| image.error.is_some()).step_by(STEP) {
        with_sizes_of!(image, assert_is_refused(image));
    }
}

fn assert_is_refused<const N: usize, const BLOCK_SIZE: usize>(image: &Image) {
    let (name, Refusal { kind, block }) = (&image.name, image.error.as_ref().unwrap());
    let blocks = image.blocks();
    let links = |block: usize| match block.checked_sub(1) {
        None => image.head,
        Some(before) => header(&blocks, before).next,
    };
    let addr = links(*block);
    // The manifest names the kind; the values that go with it are in the image.
    let kind = match kind.as_str() {
        "Misaligned" => RestoreErrorKind::Misaligned,
        "NotPreserved" => RestoreErrorKind::NotPreserved { block_size: BLOCK_SIZE },
        "Cycle" => {
            let first = (0..*block).find(|&first| links(first) == addr).unwrap();
            RestoreErrorKind::Cycle { first }
        }
        "CountTooLarge" => RestoreErrorKind::CountTooLarge {
            count: header(&blocks, *block).count,
            capacity: entries_per_block(BLOCK_SIZE, N),
        },
        unknown => panic!("{name}: no test knows the error {unknown}"),
    };

    let mut mem = image.load();
    let restored = IncomingSet::<[u8; N], _, BLOCK_SIZE>::restore(&mem, image.head());

    let error = restored.unwrap_err();
    assert_eq!((error.kind, error.block, error.addr.get()), (kind, *block, addr), "{name}");
    assert_eq!((mem.live(), mem.unclaimed()), (0, blocks.len()), "{name}: a claim is kept");
    let mut faults = mem.faults();
    faults.retain(|fault| !matches!(fault, Fault::DoubleClaim { .. }));
    assert_eq!(faults, [], "{name}");
    image.assert_is_in(&mut mem);
}

#[test]
fn blocks_at_the_addresses_of_an_image_get_the_bytes_of_the_image() {
    let images = manifest();
    for image in images.iter().step_by(STEP) {
        let damage = DAMAGED.iter().find(|(name, _)| *name == image.name).map(|(_, damage)| damage);
        // What was damaged afterwards is first written as it was before.
        let before = if damage.is_some() { "files" } else { &image.name };
        let before = images.iter().find(|image| image.name == before).unwrap();
        let mut mem = with_sizes_of!(before, write(before));
        match damage {
            Some(&Next(block, next)) => mem.write(image.preserved[block], next.as_bytes()),
            Some(&Count(block, count)) => mem.write(image.preserved[block] + 8, count.as_bytes()),
            None => {}
        }
        image.assert_is_in(&mut mem);
    }
}

/// A machine in which this crate wrote an image that was not damaged.
fn write<const N: usize, const BLOCK_SIZE: usize>(image: &Image) -> Mock {
    let Image { name, preserved, .. } = image;
    let entries = image.entries::<N>();
    let mut mem = Mock::new();
    mem.place(preserved.iter().copied());
    let mut set = BlockSet::<[u8; N], _, _, BLOCK_SIZE>::new(&mem);
    let capacity = entries_per_block(BLOCK_SIZE, N);
    let has_spare = preserved.len() > entries.len().div_ceil(capacity);
    if has_spare {
        set.grow(preserved.len() * capacity).unwrap();
    }
    let in_use = entries.len().div_ceil(capacity);
    for entry in entries {
        set.push(entry).unwrap();
    }
    set.audit().unwrap();
    assert_eq!(set.first_block(), image.head(), "{name}");
    if has_spare {
        // A kexec before the set is sealed, which would free the spare block.
        mem::forget(set);
    } else {
        assert_eq!(set.into_head(), image.head(), "{name}");
    }
    // The C original links a block ahead of its first entry. This crate never does, since Linux
    // panics on a block without entries: its chain ends with the last block in use.
    if let (Some(last), Some(spare)) = (in_use.checked_sub(1), preserved.get(in_use)) {
        assert_eq!(mem.read(preserved[last], 8), [0; 8], "{name}: the spare block is linked");
        mem.write(preserved[last], spare.as_bytes());
    }
    assert_eq!(mem.live(), preserved.len(), "{name}: as many blocks as the image has");
    mem
}
