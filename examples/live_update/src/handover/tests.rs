//! That an update saves everything or nothing, and that no failure on the way loses a record.

#![expect(clippy::missing_panics_doc, reason = "tests panic")]

use core::mem;
use std::fs::File as AnyFile;

use kho_block::PreservedAllocator;
use rustix::io::{pread, pwrite};

use super::*;
use crate::memory::{BLOCKS_LENT, FIRST_ADDR};
use crate::wire::session_name;

const SESSIONS_SAVED: usize = 3;
const FILES_OF_EACH: usize = 2;

/// A service with connections that nobody is at the other end of.
fn service() -> Service {
    let open = || OwnedFd::from(AnyFile::open("/dev/null").unwrap());
    let connections = (0..SESSIONS_SAVED * FILES_OF_EACH).zip(100..).map(|(index, counter)| {
        let (number, connection) = Connection::new(open()).unwrap();
        let session = session_name(index % SESSIONS_SAVED);
        (number, Connection { session, counter, ..connection })
    });
    Service { generation: 1, listener: open(), connections: connections.collect() }
}

#[test]
fn a_save_that_is_called_off_leaves_nothing_behind() {
    let memory = Memory::create().unwrap();
    let service = service();

    let saved = save(&memory, &service).unwrap();
    assert_eq!(memory.in_use(), 1 + SESSIONS_SAVED);
    assert!(memory.root::<1>().is_some());
    saved.call_off();

    assert_eq!(memory.in_use(), 0);
    assert_eq!(memory.root::<1>(), None);
}

#[test]
fn a_save_that_finds_no_memory_leaves_nothing_behind() {
    let memory = Memory::create().unwrap();
    let service = service();
    let mut others = OutgoingSet::<File, _>::new(&memory);
    let room = |blocks| blocks * OutgoingSet::<File, &Memory>::CAPACITY_PER_BLOCK;
    others.grow(room(BLOCKS_LENT)).unwrap();

    for free in 0..1 + SESSIONS_SAVED {
        others.shrink(room(BLOCKS_LENT - free));
        assert!(save(&memory, &service).is_err(), "{free} blocks were enough");
        assert_eq!(memory.in_use(), BLOCKS_LENT - free);
        assert_eq!(memory.root::<1>(), None);
    }
    others.shrink(room(BLOCKS_LENT - 1 - SESSIONS_SAVED));
    save(&memory, &service).unwrap().call_off();
}

/// What is known of each connection.
fn records(service: &Service) -> Vec<(u64, SessionName, u64)> {
    let connections = service.connections.iter();
    connections.map(|(&number, saved)| (number, saved.session, saved.counter)).collect()
}

/// What a service and its update leave to the next generation, and what its records are.
struct Left {
    memory: Memory,
    inherited: BTreeMap<u64, OwnedFd>,
    records: Vec<(u64, SessionName, u64)>,
}

fn update() -> Left {
    let memory = Memory::create().unwrap();
    let service = service();
    let Saved { sessions, files, .. } = save(&memory, &service).unwrap();
    sessions.leave();
    for chain in files {
        chain.leave();
    }

    let records = records(&service);
    let listener = (service.listener_number().unwrap(), service.listener);
    let sockets = service.connections.into_iter();
    let sockets = sockets.map(|(number, connection)| (number, connection.socket));
    Left {
        memory: memory.pass_on().unwrap(),
        inherited: sockets.chain([listener]).collect(),
        records,
    }
}

/// The session in the middle, which a restore comes to when it has taken up the one before.
fn change_session(memory: &Memory, change: impl FnOnce(&mut Session)) {
    let words: RootWords = memory.root().unwrap();
    let root: Root = transmute!(words);
    let sessions = IncomingSet::<_, _>::restore_from(memory, &root.sessions, SESSIONS);
    change(sessions.unwrap().get_mut(1).unwrap());
}

/// The last file of that session.
fn change_file(memory: &Memory, change: impl FnOnce(&mut File)) {
    change_session(memory, |session| {
        let files = IncomingSet::<_, _>::restore(memory, PhysAddr::new(session.files));
        change(files.unwrap().last_mut().unwrap());
    });
}

/// The count in the header of that session's chain.
fn change_count(memory: &Memory, change: impl FnOnce(u64) -> u64) {
    change_session(memory, |session| {
        let start = u64::try_from(FIRST_ADDR).unwrap();
        let offset = session.files.checked_sub(start).unwrap().saturating_add(8);
        let mut count = [0; 8];
        pread(memory.descriptor(), &mut count, offset).unwrap();
        let count = change(u64::from_ne_bytes(count)).to_ne_bytes();
        pwrite(memory.descriptor(), &count, offset).unwrap();
    });
}

type Damage = fn(&Memory);

/// Ways to damage what was left. Each of them, done twice, does nothing.
const DAMAGES: [(&str, Damage); 8] = [
    ("a foreign name", |memory| change_session(memory, |session| session.name[63] ^= 1)),
    ("no such chain", |memory| change_session(memory, |session| session.files ^= 1 << 40)),
    ("no chain at all", |memory| change_session(memory, |session| session.files ^= 8)),
    ("a file too few", |memory| change_session(memory, |session| session.count ^= 1)),
    ("a file of another kind", |memory| change_file(memory, |file| file.compatible[0] ^= 1)),
    ("no such descriptor", |memory| change_file(memory, |file| file.data ^= 1 << 40)),
    ("more files than fit", |memory| change_count(memory, |count| count ^ 1 << 40)),
    ("fewer files", |memory| change_count(memory, |count| count ^ 3)),
];

#[test]
fn a_restore_that_fails_can_be_repeated_and_finds_every_record() {
    for (name, damage) in DAMAGES {
        let Left { memory, mut inherited, records: saved } = update();
        damage(&memory);
        let blocks = memory.in_use();
        let open = inherited.len();

        assert!(restore(&memory, &mut inherited).is_err(), "{name}");
        assert_eq!((memory.in_use(), inherited.len()), (blocks, open), "{name}");

        damage(&memory);
        let (service, figures) = restore(&memory, &mut inherited).unwrap();
        assert_eq!(records(&service), saved, "{name}");
        assert_eq!((figures.blocks, memory.in_use()), (blocks, 0), "{name}");
    }
}

#[test]
fn a_restore_that_fails_leaves_every_record_to_the_generation_after() {
    for (name, damage) in DAMAGES {
        let Left { memory, mut inherited, records: saved } = update();
        damage(&memory);
        assert!(restore(&memory, &mut inherited).is_err(), "{name}");

        let memory = memory.pass_on().unwrap();
        damage(&memory);
        let (service, _) = restore(&memory, &mut inherited).unwrap();
        assert_eq!(records(&service), saved, "{name}");
    }
}

#[test]
fn two_connections_with_one_descriptor_are_refused_and_stay() {
    let Left { memory, mut inherited, records: saved } = update();
    let words: RootWords = memory.root().unwrap();
    let root: Root = transmute!(words);
    // The damage is done to session 1.
    let others = saved.iter().filter(|(_, session, _)| *session != session_name(1));
    for other in others.map(|&(number, ..)| number).chain([root.listener]) {
        let blocks = memory.in_use();
        let open = inherited.len();
        let mut number = other;
        change_file(&memory, |file| mem::swap(&mut file.data, &mut number));
        assert!(restore(&memory, &mut inherited).is_err());
        assert_eq!((memory.in_use(), inherited.len()), (blocks, open));
        change_file(&memory, |file| file.data = number);
    }
    let (service, _) = restore(&memory, &mut inherited).unwrap();
    assert_eq!(records(&service), saved);
}

#[test]
fn a_block_that_belongs_to_no_chain_costs_no_record() {
    let Left { memory, mut inherited, records: saved } = update();
    let stray = memory.alloc_preserve(kho_block::DEFAULT_BLOCK_SIZE).unwrap();
    let blocks = memory.in_use();
    let open = inherited.len();
    let memory = memory.pass_on().unwrap();

    assert!(restore(&memory, &mut inherited).is_err());
    assert_eq!((memory.in_use(), inherited.len()), (blocks, open));

    let mut stray = IncomingSet::<File, _>::restore(&memory, Some(stray.addr)).unwrap();
    stray.destroy();
    let (service, _) = restore(&memory, &mut inherited).unwrap();
    assert_eq!(records(&service), saved);
}

#[test]
fn a_claim_is_there_for_the_generation_after() {
    let Left { memory, inherited, records: saved } = update();
    let words: RootWords = memory.root().unwrap();
    let root: Root = transmute!(words);
    let blocks = memory.in_use();
    let sessions = IncomingSet::<Session, _>::restore_from(&memory, &root.sessions, SESSIONS);
    // As a generation that is killed ends: no claim is given back.
    mem::forget(sessions.unwrap());

    let memory = memory.pass_on().unwrap();
    assert_eq!(memory.in_use(), blocks);
    let (service, _) = restore(&memory, &mut { inherited }).unwrap();
    assert_eq!(records(&service), saved);
}
