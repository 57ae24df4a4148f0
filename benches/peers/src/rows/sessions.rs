//! 8.19 million sessions of 80 bytes, as many as the most blocks of 64 KiB hold: saved, restored, and
//! looked up by name.

use std::hash::BuildHasher;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{BlockSet, IncomingSet, PhysAddr, entries_per_block};

use super::ALL_BLOCKS;
use crate::Report;
use crate::contest::{Contest, OURS, time};
use crate::incumbent::{Build, CSet, Gcc};
use crate::pool::{Pool, shuffled};

/// Bytes of a block.
const BLOCK_SIZE: usize = 65536;

/// The record that LUO keeps of a session.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Session {
    name: [u8; 64],
    files: u64,
    count: u64,
}

const BYTES: usize = size_of::<Session>();
const PER_BLOCK: usize = entries_per_block(BLOCK_SIZE, BYTES);

type Outgoing<'p> = BlockSet<Session, &'p Pool, kho_block::Outgoing, BLOCK_SIZE>;
type Incoming<'p> = IncomingSet<Session, &'p Pool, BLOCK_SIZE>;

pub fn run(report: &mut Report) {
    const ROWS: [&str; 7] = [SAVE, EXTEND, RESTORE, LINEAR, INDEX, FIND, REFUSE];
    if !ROWS.iter().any(|what| report.wants(what)) {
        return;
    }
    let all: Vec<Session> = (0..(ALL_BLOCKS * PER_BLOCK) as u64).map(session).collect();
    let mut pool = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
    save(report, SAVE, &pool, &all, |set, all| {
        set.writer().extend_from_slice(all).expect("the set has grown");
    });
    save(report, EXTEND, &pool, &all, |set, all| {
        set.writer().extend(all.iter().copied());
    });
    let mut set = BlockSet::<Session, _, _, BLOCK_SIZE>::new(&pool);
    set.extend_from_slice(&all).expect("the pool has as many blocks");
    let head = set.into_head();
    pool.reboot();
    restore(report, &pool, head, &all);
    linear(report, &pool, head, &all);
    let set = Incoming::restore(&pool, head).expect("the chain is valid");
    look_up(report, &set, &all);
    set.release();
}

fn session(number: u64) -> Session {
    let mut name = [0; 64];
    let text = format!("session-{number}");
    name[..text.len()].copy_from_slice(text.as_bytes());
    Session { name, files: number, count: 1 }
}

const SAVE: &str = "sessions: save";
const EXTEND: &str = "sessions: save, from an iterator";

fn save(
    report: &mut Report,
    what: &'static str,
    pool: &Pool,
    all: &[Session],
    fill: fn(&mut Outgoing<'_>, &[Session]),
) {
    if !report.wants(what) {
        return;
    }
    let other = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
    let mut contest = Contest::new(what, BYTES, ALL_BLOCKS, all.len());
    let mut set = BlockSet::<Session, _, _, BLOCK_SIZE>::new(pool);
    set.grow(all.len()).expect("the pool has as many blocks");
    contest.enter(OURS, move || {
        set.clear();
        time(|| fill(&mut set, all))
    });
    let mut target = all.to_vec();
    contest.enter("memcpy", move || {
        target.as_mut_bytes().fill(0);
        time(|| target.copy_from_slice(all))
    });
    let mut set = BlockSet::<Session, _, _, BLOCK_SIZE>::new(&other);
    set.extend_from_slice(all).expect("the pool has as many blocks");
    contest.enter(BY_BLOCK, move || {
        set.iter_mut().for_each(|session| session.as_mut_bytes().fill(0));
        time(|| copy_by_block(set.blocks_mut(), all))
    });
    contest.at_most(1.2, "memcpy");
    contest.at_most(1.2, BY_BLOCK);
    report.run(contest);
}

/// The same copy, a call of `memcpy` for each block: above a threshold, which all sessions together
/// exceed and a block does not, the C library writes past the caches.
const BY_BLOCK: &str = "memcpy, blocks";

fn copy_by_block<'b>(blocks: impl Iterator<Item = &'b mut [Session]>, all: &[Session]) {
    for (block, sessions) in blocks.zip(all.chunks(PER_BLOCK)) {
        block.copy_from_slice(sessions);
    }
}

/// Restores the chain and copies every session out of it.
fn restore_pass(
    pool: &Pool,
    head: Option<PhysAddr>,
    mut target: Vec<Session>,
) -> impl FnMut() -> Duration {
    move || {
        let mut restored = None;
        let spent = time(|| {
            let set = Incoming::restore(pool, head).expect("the chain is valid");
            target.clear();
            for block in set.blocks() {
                target.extend_from_slice(block);
            }
            restored = Some(set);
        });
        restored.map(Incoming::release);
        spent
    }
}

const RESTORE: &str = "sessions: restore and copy out";

fn restore(report: &mut Report, pool: &Pool, head: Option<PhysAddr>, all: &[Session]) {
    if !report.wants(RESTORE) {
        return;
    }
    let mut contest = Contest::new(RESTORE, BYTES, ALL_BLOCKS, all.len());
    contest.enter(OURS, restore_pass(pool, head, all.to_vec()));
    let mut target = all.to_vec();
    contest.enter("memcpy", move || time(|| target.copy_from_slice(all)));
    let mut target = all.to_vec();
    contest.enter(BY_BLOCK, move || time(|| copy_by_block(target.chunks_mut(PER_BLOCK), all)));
    contest.at_most(1.2, "memcpy");
    contest.at_most(1.2, BY_BLOCK);
    report.run(contest);
}

const LINEAR: &str = "growth of sessions: restore";

fn linear(report: &mut Report, pool: &Pool, head: Option<PhysAddr>, all: &[Session]) {
    if !report.wants(LINEAR) {
        return;
    }
    let few = &all[..all.len() / 10];
    let mut small = Pool::new(ALL_BLOCKS / 10, BLOCK_SIZE);
    let mut set = BlockSet::<Session, _, _, BLOCK_SIZE>::new(&small);
    set.extend_from_slice(few).expect("the pool has as many blocks");
    let small_head = set.into_head();
    small.reboot();

    let mut contest = Contest::new(LINEAR, BYTES, ALL_BLOCKS, 1);
    contest.enter(OURS, restore_pass(&small, small_head, few.to_vec()));
    let mut pass = restore_pass(pool, head, all.to_vec());
    contest.enter(OURS, move || pass() / 10);
    for (source, share) in [(few, 1), (all, 10)] {
        let mut target = source.to_vec();
        contest.enter(BY_BLOCK, move || {
            time(|| copy_by_block(target.chunks_mut(PER_BLOCK), source)) / share
        });
    }
    contest.at_most(1.0, BY_BLOCK);
    report.run_growth(contest);
}

const INDEX: &str = "sessions: index by name";
const FIND: &str = "sessions: look up";
const REFUSE: &str = "sessions: refuse a duplicate";

/// The numbers of the sessions, by the hash of their names.
fn index<'s>(
    names: impl ExactSizeIterator<Item = &'s Session>,
    hasher: &impl BuildHasher,
) -> HashTable<u32> {
    let mut table = HashTable::with_capacity(names.len());
    for (number, session) in (0..).zip(names) {
        table.insert_unique(hasher.hash_one(session.name), number, |_| 0);
    }
    table
}

fn look_up(report: &mut Report, set: &Incoming<'_>, all: &[Session]) {
    let hasher = &DefaultHashBuilder::default();
    if report.wants(INDEX) {
        let mut contest = Contest::new(INDEX, BYTES, ALL_BLOCKS, all.len());
        contest.enter(OURS, || time(|| index(set.iter(), hasher)));
        contest.enter("Vec", || time(|| index(all.iter(), hasher)));
        contest.at_most(1.2, "Vec");
        report.run(contest);
    }
    let table = &index(set.iter(), hasher);
    /// Looks a name up in a table over `$set`.
    macro_rules! find {
        ($set:expr, $name:expr) => {
            table.find(hasher.hash_one($name), |&number| {
                $set.get(number as usize).is_some_and(|session| session.name == *$name)
            })
        };
    }
    let some: &Vec<u32> = &shuffled(all.len()).into_iter().take(10_000).collect();
    if report.wants(FIND) {
        let names = || some.iter().map(|&number| &all[number as usize].name);
        let mut contest = Contest::new(FIND, BYTES, ALL_BLOCKS, some.len());
        contest.enter(OURS, || time(|| names().filter(|name| find!(set, *name).is_some()).count()));
        contest
            .enter("Vec", || time(|| names().filter(|name| find!(all, *name).is_some()).count()));
        contest.at_most(1.6, "Vec");
        report.run(contest);
    }
    if report.wants(REFUSE) {
        // C has no index: it asks every session for its name.
        let pool = Pool::new(ALL_BLOCKS, BLOCK_SIZE);
        let mut list = CSet::<Gcc, Session>::new(&pool, BLOCK_SIZE);
        list.grow(all.len());
        let mut cursor = list.cursor();
        for &session in all {
            cursor.push(session);
        }
        cursor.finalize();
        let mut turn = some.iter().cycle();
        let mut next = move || all[*turn.next().unwrap_or(&0) as usize].name;
        let mut contest = Contest::new(REFUSE, BYTES, ALL_BLOCKS, 1);
        let mut name = next.clone();
        contest.enter(OURS, move || {
            let name = name();
            time(|| assert!(find!(set, &name).is_some(), "the name is taken"))
        });
        contest.enter(Gcc::NAME, move || {
            let name = next();
            time(|| {
                let mut cursor = list.cursor();
                while let Some(session) = cursor.next() {
                    if session.name == name {
                        return true;
                    }
                }
                false
            })
        });
        report.run(contest);
    }
}
