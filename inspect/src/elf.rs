//! What kind of file an image is, and where in an ELF core the memory is.

use object::elf::{FileHeader32, FileHeader64, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};
use object::{Endianness, NativeEndian, elf};

use crate::image::{Held, Image};
use crate::report::Format;
use crate::source::Source;

/// The name and the type of the note that says where KHO's device tree is.
const NOTE_NAME: &[u8] = b"KHO";
const NOTE_TYPE: u32 = 1;

/// Opens an ELF core.
///
/// # Errors
///
/// Why the file is none that can be read, in words.
pub(crate) fn open(source: &dyn Source) -> Result<Image<'_>, String> {
    let bytes = source.bytes();
    if bytes.starts_with(b"KDUMP   ") {
        return Err(
            "a compressed kdump file, which is not read here; have the dump taken as ELF, by \
                    `makedumpfile -E -d 0 /proc/vmcore NEW`, or in QEMU by `dump-guest-memory NEW` \
                    without -z, -l and -s"
                .into(),
        );
    }
    if bytes.starts_with(b"makedumpfile") {
        return Err("a flattened kdump file, which is not read here; unpack it with \
                    `makedumpfile -R NEW < IMAGE`"
            .into());
    }
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(
            "not an ELF core; if it is raw memory, say so with --raw, and where it starts \
                    with --base"
                .into(),
        );
    }
    match bytes.get(4) {
        Some(1) => cores::<FileHeader32<Endianness>>(source),
        Some(2) => cores::<FileHeader64<Endianness>>(source),
        class => Err(format!("an ELF file of class {}, which is not known", class.unwrap_or(&0))),
    }
}

/// Opens an ELF core of one class.
///
/// # Errors
///
/// Why it cannot be read.
fn cores<Elf: FileHeader<Endian = Endianness>>(source: &dyn Source) -> Result<Image<'_>, String> {
    let bytes = source.bytes();
    let broken = |error: object::Error| format!("a damaged ELF file: {error}");
    let header = Elf::parse(bytes).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    if endian != native() {
        return Err("an image of a processor with the other byte order".into());
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_CORE {
        return Err(format!("an ELF file of type {}, not a core ({})", kind.0, elf::ET_CORE.0));
    }
    let file_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let (mut ranges, mut named_tree) = (Vec::new(), None);
    let (mut left_out, mut cut, mut cut_ranges, mut held) = (0_u64, 0_u64, 0_u64, 0_u64);
    for segment in header.program_headers(endian, bytes).map_err(broken)? {
        let offset = segment.p_offset(endian).into();
        let in_file = segment.p_filesz(endian).into();
        match segment.p_type(endian) {
            PT_NOTE => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(usize::try_from(in_file).unwrap_or(usize::MAX));
                let notes = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
                named_tree = named_tree.or_else(|| tree::<Elf>(endian, notes));
            }
            PT_LOAD => {
                let addr: u64 = segment.p_paddr(endian).into();
                let in_memory: u64 = segment.p_memsz(endian).into();
                let there = in_file.min(file_bytes.saturating_sub(offset));
                let there = there.min(u64::MAX.saturating_sub(addr));
                if there < in_file {
                    cut = cut.saturating_add(in_file.saturating_sub(there));
                    cut_ranges = cut_ranges.saturating_add(1);
                }
                left_out = left_out.saturating_add(in_memory.saturating_sub(in_file));
                held = held.saturating_add(there);
                ranges.push(Held { addr, bytes: there, offset });
            }
            _ => {}
        }
    }
    if held > file_bytes {
        return Err("a damaged ELF file: its ranges share bytes of the file".into());
    }
    let mut image = Image::new(source, Format::Elf, ranges);
    image.named_tree = named_tree;
    image.lacks(left_out, cut, cut_ranges);
    if image.held().is_empty() {
        return Err(if cut > 0 {
            "a truncated ELF core: the file ends before the first byte of memory".into()
        } else {
            "an ELF core without memory".into()
        });
    }
    Ok(image)
}

/// The byte order of this processor.
fn native() -> Endianness {
    use object::Endian;
    if NativeEndian.is_little_endian() { Endianness::Little } else { Endianness::Big }
}

/// The address in the note about KHO, if there is one.
///
/// `p_align` is often that of a page, which is no alignment of notes: 4 is what all of them have.
fn tree<Elf: FileHeader<Endian = Endianness>>(endian: Endianness, bytes: &[u8]) -> Option<u64> {
    let notes = NoteIterator::<Elf>::new(endian, Elf::Word::default(), bytes).ok()?;
    let mut notes = notes.map_while(Result::ok);
    let note = notes
        .find(|note| note.name() == NOTE_NAME && note.n_type(endian) == elf::NoteType(NOTE_TYPE))?;
    note.desc().first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}
