//! What a kernel saves and the next one restores: chains of every shape, as a table.

#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    BlockSet, Descriptor, Entry, GrowErrorKind, IncomingSet, Link, MAX_BLOCKS, Outgoing, Region,
    SharedBlockSet,
};
use spin::Once;

use crate::boot::ticks;
use crate::memory::in_use;
use crate::ready::{self, Ready};
use crate::verdict::{Verdict, ensure};

/// A row of the table.
pub(crate) struct Workload {
    /// Ends the sentences "kernel 1 saves" and "kernel 2 restores".
    pub(crate) name: &'static str,
    /// Fills a set and seals most of it; the rest is appended after a jump that fails.
    pub(crate) save: fn(&mut Handover) -> Verdict<Box<dyn Ready>>,
    /// Restores the set, verifies it, and frees it.
    pub(crate) restore: fn(&mut Handover, &Descriptor) -> Verdict,
}

/// What the root says of each row.
pub(crate) type Descriptors = [Descriptor; WORKLOADS.len()];

/// The table.
pub(crate) const WORKLOADS: [Workload; 6] = [
    Workload {
        name: "630000 files in 10000 blocks of 4 KiB",
        save: |handover| {
            let mut set = BlockSet::<File, _, _, 4096>::new(handover.region);
            set.grow(FILES)?;
            let written = set.writer().extend((0..FILES).map(|n| handover.file(n)));
            ensure(written == FILES, "the writer stopped early")?;
            let beyond = set.push(handover.file(FILES)).map_err(|error| error.cause.kind);
            ensure(beyond == Err(GrowErrorKind::TooManyBlocks), "there is a 10001st block")?;
            Ok(ready::seal(handover, set))
        },
        restore: |handover, descriptor| {
            let set = handover.restore::<File, 4096>(descriptor)?;
            ensure(set.block_count() == 10_000, "not 10000 blocks")?;
            handover.verify_and_free(set, FILES, Handover::file)
        },
    },
    Workload {
        name: "2000 sessions, each with its own chain of files",
        save: |handover| {
            let mut sessions = BlockSet::<Session, _>::new(handover.region);
            for n in 0..SESSIONS {
                let mut files = BlockSet::<File, _>::new(handover.region);
                for file in 0..files_of(n) {
                    files.push(handover.file(file))?;
                }
                let files = timed(&mut handover.costs.seal, || files.seal().into_link());
                sessions.push(Session { name: name_of(n), files })?;
            }
            Ok(ready::seal(handover, sessions))
        },
        restore: |handover, descriptor| {
            let mut sessions = handover.restore::<Session, 8192>(descriptor)?;
            ensure(sessions.len() == SESSIONS, "not 2000 sessions")?;
            let region = handover.region;
            for (n, session) in sessions.iter().enumerate() {
                ensure(session.name == name_of(n), "another session's name")?;
                let files = timed(&mut handover.costs.restore, || session.files.restore(region))?;
                handover.verify_and_free(files, files_of(n), Handover::file)?;
            }
            timed(&mut handover.costs.free, || sessions.destroy());
            Ok(())
        },
    },
    Workload {
        name: "a set behind a lock in a static",
        save: |handover| {
            let empty = || SharedBlockSet::new(BlockSet::new(handover.region));
            let shared = SHARED.call_once(empty);
            for n in 0..5000 {
                shared.write().push(handover.word(n))?;
            }
            ensure(shared.read().len() == 5000, "not 5000 words")?;
            let set = shared.write().take();
            Ok(ready::seal(handover, set))
        },
        restore: |handover, descriptor| {
            let set = handover.restore::<u64, 8192>(descriptor)?;
            handover.verify_and_free(set, 5000, Handover::word)
        },
    },
    Workload {
        name: "3 blocks that are exactly full",
        save: |handover| {
            let mut set = BlockSet::<u64, _>::new(handover.region);
            for n in 0..FULL {
                set.push(handover.word(n))?;
            }
            ensure(set.len() == set.capacity(), "the last block is not full")?;
            Ok(ready::seal(handover, set))
        },
        restore: |handover, descriptor| {
            let set = handover.restore::<u64, 8192>(descriptor)?;
            ensure(set.block_count() == 3, "not 3 blocks")?;
            handover.verify_and_free(set, FULL, Handover::word)
        },
    },
    Workload {
        name: "1 block of 100, the spare ones trimmed",
        save: |handover| {
            let before = in_use(handover.region);
            let mut set = BlockSet::<u64, _>::new(handover.region);
            set.grow(FULL / 3 * 100)?;
            ensure(in_use(handover.region) == before + 100 * 8192, "not 100 blocks")?;
            set.push(handover.word(0))?;
            set.push(handover.word(1))?;
            let ready = ready::seal(handover, set);
            ensure(in_use(handover.region) == before + 8192, "spare blocks are preserved")?;
            Ok(ready)
        },
        restore: |handover, descriptor| {
            let set = handover.restore::<u64, 8192>(descriptor)?;
            ensure(set.block_count() == 1, "not 1 block")?;
            handover.verify_and_free(set, 2, Handover::word)
        },
    },
    Workload {
        name: "a set that met the end of memory while growing",
        save: |handover| {
            let mut set = BlockSet::<u64, _, _, 65536>::new(handover.region);
            set.push(handover.word(0))?;
            let before = in_use(handover.region);
            let capacity = set.capacity();
            let all = capacity * MAX_BLOCKS; // 625 MiB
            let Err(error) = set.grow(all) else { return Err("memory has no end".into()) };
            ensure(error.kind == GrowErrorKind::OutOfMemory, "another error")?;
            ensure(error.obtained > 1000, "refused too early")?;
            ensure(in_use(handover.region) == before, "blocks were not given back")?;
            ensure(set.capacity() == capacity, "the set is not as it was")?;
            set.push(handover.word(1))?;
            Ok(ready::seal(handover, set))
        },
        restore: |handover, descriptor| {
            let set = handover.restore::<u64, 65536>(descriptor)?;
            handover.verify_and_free(set, 2, Handover::word)
        },
    },
];

/// Files in as many blocks as a set may have.
const FILES: usize = 630_000;
const SESSIONS: usize = 2000;
/// Words in 3 blocks.
const FULL: usize = 3 * BlockSet::<u64, &Region>::CAPACITY_PER_BLOCK;

static SHARED: Once<SharedBlockSet<u64, &Region>> = Once::new();

/// The record that LUO keeps of a file.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
pub(crate) struct File {
    compatible: [u8; 48],
    data: u64,
    token: u64,
}

/// The record that LUO keeps of a session; `files` is another chain.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Session {
    name: [u8; 64],
    files: Link<File>,
}

fn name_of(session: usize) -> [u8; 64] {
    let mut name = [0; 64];
    let text = format!("session {session}");
    name[..text.len()].copy_from_slice(text.as_bytes());
    name
}

/// From none to two blocks full, less one.
fn files_of(session: usize) -> usize {
    session % 254
}

/// A row's turn: where, from which kernel, under which tag, and at what cost so far.
pub(crate) struct Handover {
    /// Where every set of it is.
    pub(crate) region: &'static Region,
    /// The number of the kernel that saves.
    pub(crate) from: u64,
    /// What [`Descriptor`]s call the row's entries.
    pub(crate) tag: u64,
    /// Ticks that went by.
    pub(crate) costs: Costs,
}

/// Ticks spent in the library, and in verifying what it restored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    /// In `seal`, and in describing what is sealed.
    pub(crate) seal: u64,
    /// In `restore_from` and `restore`.
    pub(crate) restore: u64,
    /// In reading and comparing each entry.
    pub(crate) verify: u64,
    /// In `destroy`.
    pub(crate) free: u64,
}

/// Calls `f`, and adds the ticks that it takes to `sum`.
pub(crate) fn timed<R>(sum: &mut u64, f: impl FnOnce() -> R) -> R {
    let before = ticks();
    let result = f();
    *sum += ticks() - before;
    result
}

impl Handover {
    pub(crate) fn new(region: &'static Region, from: u64) -> Self {
        Self { region, from, tag: 0, costs: Costs::default() }
    }

    /// Word `n`, a different one from every kernel.
    pub(crate) fn word(&self, n: usize) -> u64 {
        (n as u64 ^ self.from << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// File `n`, a different one from every kernel.
    pub(crate) fn file(&self, n: usize) -> File {
        let mut compatible = [0; 48];
        compatible[..13].copy_from_slice(b"kexec-file-v1");
        File { compatible, data: self.word(n), token: n as u64 }
    }

    /// Leaves a set to the next kernel.
    pub(crate) fn leave<T: Entry, const BLOCK_SIZE: usize>(
        &mut self,
        set: BlockSet<T, &Region, Outgoing, BLOCK_SIZE>,
    ) -> Descriptor {
        timed(&mut self.costs.seal, || {
            let sealed = set.seal();
            let descriptor = sealed.descriptor(self.tag);
            sealed.leave();
            descriptor
        })
    }

    /// Takes a set over from the previous kernel.
    pub(crate) fn restore<T: Entry, const BLOCK_SIZE: usize>(
        &mut self,
        descriptor: &Descriptor,
    ) -> Verdict<IncomingSet<T, &'static Region, BLOCK_SIZE>> {
        Ok(timed(&mut self.costs.restore, || {
            IncomingSet::restore_from(self.region, descriptor, self.tag)
        })?)
    }

    /// Compares every entry with what it has to be, and frees the set.
    pub(crate) fn verify_and_free<T: Entry + PartialEq, const BLOCK_SIZE: usize>(
        &mut self,
        mut set: IncomingSet<T, &Region, BLOCK_SIZE>,
        len: usize,
        entry: fn(&Self, usize) -> T,
    ) -> Verdict {
        let before = ticks();
        ensure(set.len() == len, "another number of entries")?;
        if let Some(n) = set.iter().enumerate().position(|(n, is)| *is != entry(self, n)) {
            return Err(format!("entry {n} differs").into());
        }
        self.costs.verify += ticks() - before;
        timed(&mut self.costs.free, || set.destroy());
        Ok(())
    }
}
