//! That an update saves everything or nothing, and that no failure on the way loses a record.

#![expect(clippy::missing_panics_doc, reason = "tests panic")]

use core::mem;
use std::fs::File as AnyFile;
use std::sync::LazyLock;

use kho_block::{DEFAULT_BLOCK_SIZE, MAX_BLOCKS, PreservedAllocator};
use rustix::io::{pread, pwrite};

use super::*;
use crate::memory::{BASE, Memory};
use crate::wire::session_name;

const SESSIONS_SAVED: usize = 3;
const FILES_OF_EACH: usize = 2;

/// Blocks of a save: one each for the tables, the generation, the sessions, and the files of each.
const BLOCKS_SAVED: usize = 3 + SESSIONS_SAVED;

/// Bytes that a region without blocks has in use.
static BOOKS: LazyLock<u64> = LazyLock::new(|| bytes_in_use(&Memory::create().unwrap()));

fn bytes_in_use(memory: &Memory) -> u64 {
    let ranges = memory.region().preserved();
    ranges.map(|range| range.end.get().checked_sub(range.start.get()).unwrap()).sum()
}

/// Blocks that are not free.
fn in_use(memory: &Memory) -> usize {
    let bytes = bytes_in_use(memory).checked_sub(*BOOKS).unwrap();
    usize::try_from(bytes).unwrap() / DEFAULT_BLOCK_SIZE
}

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

    let saved = save(memory.region(), &service).unwrap();
    assert_eq!(in_use(&memory), BLOCKS_SAVED);
    assert!(memory.region().root().is_some());
    saved.call_off();

    assert_eq!(in_use(&memory), 0);
    assert_eq!(memory.region().root(), None);
}

#[test]
fn a_save_that_finds_no_memory_leaves_nothing_behind() {
    let memory = Memory::create().unwrap();
    let service = service();
    let mut others = OutgoingSet::<File, _>::new(memory.region());
    let room = |blocks| blocks * OutgoingSet::<File, &Region>::CAPACITY_PER_BLOCK;
    let all = others.grow(room(MAX_BLOCKS)).unwrap_err().obtained;
    others.grow(room(all)).unwrap();

    for free in 0..BLOCKS_SAVED {
        others.shrink(room(all - free));
        assert!(save(memory.region(), &service).is_err(), "{free} blocks were enough");
        assert_eq!(in_use(&memory), all - free);
        assert_eq!(memory.region().root(), None);
    }
    others.shrink(room(all - BLOCKS_SAVED));
    save(memory.region(), &service).unwrap().call_off();
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
    // As a generation that is replaced ends: nothing is dropped.
    mem::forget(save(memory.region(), &service).unwrap());

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

/// The descriptors of the tables.
fn tables(memory: &Memory) -> IncomingSet<Descriptor, &Region> {
    let root = memory.region().root().unwrap();
    IncomingSet::restore_from(memory.region(), &root, TABLES).unwrap()
}

/// The descriptor of the table that `tag` names.
fn table(memory: &Memory, tag: u64) -> Descriptor {
    *tables(memory).iter().find(|table| table.tag == tag).unwrap()
}

/// The record of the generation that saved.
fn change_generation(memory: &Memory, change: impl FnOnce(&mut Generation)) {
    let table = table(memory, GENERATION);
    let generations = IncomingSet::<_, _>::restore_from(memory.region(), &table, GENERATION);
    change(generations.unwrap().last_mut().unwrap());
}

/// The session in the middle, which a restore comes to when it has taken up the one before.
fn change_session(memory: &Memory, change: impl FnOnce(&mut Session)) {
    let table = table(memory, SESSIONS);
    let sessions = IncomingSet::<_, _>::restore_from(memory.region(), &table, SESSIONS);
    change(sessions.unwrap().get_mut(1).unwrap());
}

/// The head of that session's chain, and the number of its files.
fn change_link(memory: &Memory, change: impl FnOnce(&mut [u64; 2])) {
    change_session(memory, |session| {
        let mut words = kho_block::zerocopy::transmute!(session.files);
        change(&mut words);
        session.files = kho_block::zerocopy::transmute!(words);
    });
}

/// The last file of that session.
fn change_file(memory: &Memory, change: impl FnOnce(&mut File)) {
    change_session(memory, |session| {
        let mut files = session.files.restore(memory.region()).unwrap();
        change(files.last_mut().unwrap());
    });
}

/// The count in the header of a chain's first block.
fn change_count(memory: &Memory, head: u64, change: impl FnOnce(u64) -> u64) {
    let offset = head.checked_sub(BASE.get()).unwrap().saturating_add(8);
    let mut count = [0; 8];
    pread(memory.descriptor(), &mut count, offset).unwrap();
    let count = change(u64::from_ne_bytes(count)).to_ne_bytes();
    pwrite(memory.descriptor(), &count, offset).unwrap();
}

/// The same, of that session's files.
fn change_file_count(memory: &Memory, change: impl FnOnce(u64) -> u64) {
    change_link(memory, |&mut [head, _]| change_count(memory, head, change));
}

type Damage = fn(&Memory);

/// Ways to damage what was left. Each of them, done twice, does nothing.
const DAMAGES: [(&str, Damage); 12] = [
    ("no such table", |memory| tables(memory).get_mut(0).unwrap().tag ^= 1 << 56),
    ("no such listener", |memory| change_generation(memory, |saved| saved.listener ^= 1 << 40)),
    ("fewer sessions", |memory| change_count(memory, table(memory, SESSIONS).head, |n| n ^ 1)),
    ("a foreign name", |memory| change_session(memory, |session| session.name[63] ^= 1)),
    ("no such chain", |memory| change_link(memory, |[head, _]| *head ^= 1 << 40)),
    ("no chain at all", |memory| change_link(memory, |[head, _]| *head ^= 8)),
    ("a file too many", |memory| change_link(memory, |[_, count]| *count ^= 1)),
    ("half a link", |memory| change_link(memory, |[_, count]| *count ^= 2)),
    ("a file of another kind", |memory| change_file(memory, |file| file.compatible[0] ^= 1)),
    ("no such descriptor", |memory| change_file(memory, |file| file.data ^= 1 << 40)),
    ("more files than fit", |memory| change_file_count(memory, |count| count ^ 1 << 40)),
    ("fewer files", |memory| change_file_count(memory, |count| count ^ 3)),
];

#[test]
fn a_restore_that_fails_can_be_repeated_and_finds_every_record() {
    for (name, damage) in DAMAGES {
        let Left { memory, mut inherited, records: saved } = update();
        damage(&memory);
        let blocks = in_use(&memory);
        let open = inherited.len();

        assert!(restore(memory.region(), &mut inherited).is_err(), "{name}");
        assert_eq!((in_use(&memory), inherited.len()), (blocks, open), "{name}");

        damage(&memory);
        let (service, figures) = restore(memory.region(), &mut inherited).unwrap();
        assert_eq!(records(&service), saved, "{name}");
        assert_eq!((figures.blocks, in_use(&memory)), (blocks, 0), "{name}");
        assert_eq!(memory.region().root(), None, "{name}");
    }
}

#[test]
fn a_restore_that_fails_leaves_every_record_to_the_generation_after() {
    for (name, damage) in DAMAGES {
        let Left { memory, mut inherited, records: saved } = update();
        damage(&memory);
        assert!(restore(memory.region(), &mut inherited).is_err(), "{name}");

        let memory = memory.pass_on().unwrap();
        damage(&memory);
        let (service, _) = restore(memory.region(), &mut inherited).unwrap();
        assert_eq!(records(&service), saved, "{name}");
    }
}

#[test]
fn two_connections_with_one_descriptor_are_refused_and_stay() {
    let Left { memory, mut inherited, records: saved } = update();
    let mut listener = 0;
    change_generation(&memory, |generation| listener = generation.listener);
    // The damage is done to session 1.
    let others = saved.iter().filter(|(_, session, _)| *session != session_name(1));
    for other in others.map(|&(number, ..)| number).chain([listener]) {
        let blocks = in_use(&memory);
        let open = inherited.len();
        let mut number = other;
        change_file(&memory, |file| mem::swap(&mut file.data, &mut number));
        assert!(restore(memory.region(), &mut inherited).is_err());
        assert_eq!((in_use(&memory), inherited.len()), (blocks, open));
        change_file(&memory, |file| file.data = number);
    }
    let (service, _) = restore(memory.region(), &mut inherited).unwrap();
    assert_eq!(records(&service), saved);
}

#[test]
fn a_block_that_belongs_to_no_chain_is_freed_once_everything_is_taken_up() {
    for (name, damage) in DAMAGES {
        let Left { memory, mut inherited, records: saved } = update();
        memory.region().alloc_preserve(DEFAULT_BLOCK_SIZE).unwrap();
        let memory = memory.pass_on().unwrap();
        damage(&memory);
        let blocks = in_use(&memory);
        assert!(restore(memory.region(), &mut inherited).is_err(), "{name}");
        assert_eq!((in_use(&memory), blocks), (1 + BLOCKS_SAVED, 1 + BLOCKS_SAVED), "{name}");

        damage(&memory);
        let (service, figures) = restore(memory.region(), &mut inherited).unwrap();
        assert_eq!(records(&service), saved, "{name}");
        assert_eq!((figures.blocks, in_use(&memory)), (BLOCKS_SAVED, 0), "{name}");
    }
}

#[test]
fn a_claim_is_there_for_the_generation_after() {
    let Left { memory, inherited, records: saved } = update();
    let blocks = in_use(&memory);
    let table = table(&memory, SESSIONS);
    let sessions = IncomingSet::<Session, _>::restore_from(memory.region(), &table, SESSIONS);
    // As a generation that is killed ends: no claim is given back.
    mem::forget(sessions.unwrap());

    let memory = memory.pass_on().unwrap();
    assert_eq!(in_use(&memory), blocks);
    let (service, _) = restore(memory.region(), &mut { inherited }).unwrap();
    assert_eq!(records(&service), saved);
}
