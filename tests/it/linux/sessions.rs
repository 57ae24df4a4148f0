//! Every session and file of every image, through the map; and the same bytes, written again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use kho_block::linux::{BLOCK_SIZE, File, LuoState, Session};
use kho_block::mock::Mock;
use kho_block::zerocopy::IntoBytes;
use kho_block::{IncomingSet, Link, OutgoingSet, PhysAddr, RestoreChecks, RestoreErrorKind};

use super::image::{Image, folder, image, images};
use super::wire;

type Sessions<'m> = IncomingSet<Session, &'m Mock, BLOCK_SIZE>;
type NewSessions<'m> = OutgoingSet<Session, &'m Mock, BLOCK_SIZE>;
type Files<'m> = IncomingSet<File, &'m Mock, BLOCK_SIZE>;

/// All that was restored.
struct Restored<'m> {
    sessions: Sessions<'m>,
    /// The files of every session that has any, by its number.
    files: BTreeMap<usize, Files<'m>>,
}

impl<'m> Restored<'m> {
    fn from(image: &Image, mem: &'m Mock) -> Self {
        image.state().check().unwrap();
        let sessions = Sessions::restore(mem, image.state().sessions()).unwrap();
        let files = |(number, session): (usize, &Session)| {
            let files = session.files.restore(mem).unwrap();
            (files.block_count() > 0).then_some((number, files))
        };
        let files = sessions.iter().enumerate().filter_map(files).collect();
        Self { sessions, files }
    }

    /// The addresses of all blocks: those of the sessions first.
    fn addrs(&self) -> Vec<PhysAddr> {
        let files = self.files.values().flat_map(IncomingSet::block_addrs);
        self.sessions.block_addrs().chain(files).collect()
    }
}

#[test]
#[cfg_attr(miri, ignore = "it reads the folder of images, and runs none of the library")]
fn the_manifest_lists_every_image_of_linux_once_and_no_other() {
    let images = images();
    let listed: BTreeSet<_> = images.iter().map(|image| format!("{}.core", image.name)).collect();
    assert_eq!(listed.len(), images.len(), "a name is listed twice");
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    let mut present: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
    assert!(present.remove("manifest.json"));
    assert_eq!(listed, present);
    assert!(images.iter().all(|image| image.fdt[0] == image.fdt[1]));
}

#[test]
fn every_session_and_every_file_that_linux_handed_over_is_restored() {
    for image in images() {
        let Image { name, sessions: count, files_of_first: [with_files, files], .. } = &image;
        let mem = image.machine();
        let restored = Restored::from(&image, &mem);

        restored.sessions.audit().unwrap();
        assert_eq!(restored.sessions.len(), *count, "{name}");
        for (number, session) in restored.sessions.iter().enumerate() {
            let expected = format!("session-{number:06}");
            assert_eq!(session.name.get(), Ok(expected.as_bytes()), "{name}");
            assert_eq!(session.name.to_string(), expected, "{name}");
            let files = if number < *with_files { *files } else { 0 };
            let restored = restored.files.get(&number).map_or(0, IncomingSet::len);
            assert_eq!((restored, session.files.len()), (files, wire(files)), "{name}, {number}");
        }
        let map = image.map();
        for (number, files) in &restored.files {
            for (file, entry) in files.iter().enumerate() {
                let what = format!("{name}: session {number}, file {file}: {entry:?}");
                assert_eq!(entry.token, wire(number * 1_000_000 + file), "{what}");
                assert!(entry.compatible.get().unwrap().starts_with(b"memfd-v"), "{what}");
                // What a memfd saved lies in a block of its own, of which the image has no bytes.
                let data = PhysAddr::new(entry.data).unwrap();
                assert_eq!((map.contains(data, 4096), image.page(entry.data)), (Ok(true), None));
            }
        }

        // What is left are the device tree and the state of LUO.
        assert_eq!(mem.live(), restored.addrs().len(), "{name}");
        assert_eq!(mem.unclaimed(), 2, "{name}");
    }
}

/// Writes what was restored, with each block where the image has it.
fn written_again(image: &Image) -> (Mock, LuoState) {
    let from = image.machine();
    let restored = Restored::from(image, &from);
    let mem = Mock::new();
    let mut sessions = NewSessions::new(&mem);
    mem.place(restored.sessions.block_addrs());
    sessions.grow(restored.sessions.len()).unwrap();
    for (number, session) in restored.sessions.iter().enumerate() {
        let mut link = Link::EMPTY;
        if let Some(restored) = restored.files.get(&number) {
            mem.place(restored.block_addrs());
            let mut files = OutgoingSet::new(&mem);
            for file in restored {
                let compatible = file.compatible.get().unwrap();
                files.push(File::new(compatible, file.data, file.token).unwrap()).unwrap();
            }
            link = files.seal().into_link();
        }
        sessions.push(Session::new(session.name.get().unwrap(), link).unwrap()).unwrap();
    }
    let head = sessions.into_head();
    let before = image.state();
    (mem, LuoState::new(before.liveupdate_num, head, before.shared_objects()))
}

#[test]
fn what_linux_handed_over_is_written_again_byte_for_byte() {
    for image in images() {
        let name = &image.name;
        let (mut mem, state) = written_again(&image);
        assert!(image.state().as_bytes() == state.as_bytes(), "{name}: {state:?}");
        let from = image.machine();
        let restored = Restored::from(&image, &from);
        let addrs = restored.addrs();
        let spare = addrs.len() - mem.live();
        assert_eq!(spare, usize::from(name == "sessions-102-refused-duplicate"), "{name}");
        for (number, &addr) in addrs[..addrs.len() - spare].iter().enumerate() {
            let mut written = mem.read(addr, BLOCK_SIZE);
            if let Some(next) = addrs.get(number + 1).filter(|_| spare == 1 && number == 1) {
                // Linux has linked a block without entries, which this crate never does.
                assert_eq!(written[..8], [0; 8], "{name}");
                written[..8].copy_from_slice(next.as_bytes());
            }
            let expected = image.page(addr.get()).unwrap();
            let differs =
                written.iter().zip(expected).position(|(byte, expected)| byte != expected);
            assert_eq!(differs, None, "{name}: block {number} at {addr} differs at this offset");
        }
    }
}

#[test]
fn the_block_on_which_linux_panics_is_accepted_or_refused_where_it_is_and_never_written() {
    let (refused, full) =
        (image("sessions-102-refused-duplicate"), image("sessions-102-exactly-full"));
    let head = refused.state().sessions();
    let mut mem = refused.machine();
    let sessions = Sessions::restore(&mem, head).unwrap();
    let addrs: Vec<_> = sessions.block_addrs().collect();
    assert_eq!((sessions.len(), addrs.len()), (102, 3));

    // By the check that Linux makes of every block.
    assert_eq!(sessions.release(), head);
    let error = Sessions::restore_with(&mem, head, RestoreChecks::NO_EMPTY_BLOCKS).unwrap_err();
    assert_eq!((error.kind, error.block, error.addr), (RestoreErrorKind::Empty, 2, addrs[2]));

    // Copied to where the same sessions lie without that block, they are the same bytes.
    let sessions = Sessions::restore(&mem, head).unwrap();
    let mut full_mem = full.machine();
    let full_addrs: Vec<_> =
        Sessions::restore(&full_mem, full.state().sessions()).unwrap().block_addrs().collect();
    let mut copied = Mock::new();
    copied.place(full_addrs.iter().copied());
    let mut copy = NewSessions::new(&copied);
    copy.try_extend(sessions.iter().copied()).unwrap();
    assert_eq!(copy.into_head(), full.state().sessions());
    assert_eq!(copied.live(), 2);
    for &addr in &full_addrs {
        assert_eq!(copied.read(addr, BLOCK_SIZE), full_mem.read(addr, BLOCK_SIZE));
    }

    // Carried on, they stay where they are, and the block is cut off.
    let sealed = sessions.adopt().unwrap().seal();
    assert_eq!(sealed.leave(), head);
    assert_eq!(mem.live(), 2);
    let next = full_addrs[1].as_bytes();
    for (number, (&addr, &full_addr)) in addrs.iter().zip(&full_addrs).enumerate() {
        let (found, mut expected) =
            (mem.read(addr, BLOCK_SIZE), full_mem.read(full_addr, BLOCK_SIZE));
        if number == 0 {
            assert_eq!(&expected[..8], next);
            expected[..8].copy_from_slice(addrs[1].as_bytes());
        }
        assert_eq!(found, expected, "block {number}");
    }
}
