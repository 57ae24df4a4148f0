//! From one kernel to the next, and on to the one after.

use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{BlockSet, Descriptor, Entry, IncomingSet, Link, PhysAddr, RestoreChecks};

mod sizes;

/// The record that LUO keeps of a file.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct File {
    compatible: [u8; 48],
    data: u64,
    token: u64,
}

/// The record that LUO keeps of a session; `files` links another chain.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Session {
    name: [u8; 64],
    files: Link<File>,
}

/// What a session is while its kernel runs.
#[derive(Clone, Debug, PartialEq)]
struct Open {
    name: [u8; 64],
    files: Vec<File>,
}

fn file(token: u64) -> File {
    let mut compatible = [0; 48];
    compatible[..8].copy_from_slice(b"memfd-v1");
    File { compatible, data: token.wrapping_mul(0x1_0001), token }
}

fn session(number: u8, files: u64) -> Open {
    Open {
        name: [number; 64],
        files: (0..files).map(|i| file(u64::from(number) << 32 | i)).collect(),
    }
}

fn save(mem: &Mock, sessions: &[Open]) -> Option<PhysAddr> {
    let mut records = BlockSet::<Session, _>::new(mem);
    records.grow(sessions.len()).unwrap();
    for Open { name, files } in sessions {
        let mut chain = BlockSet::<File, _>::new(mem);
        chain.extend_from_slice(files).unwrap();
        let files = chain.seal().into_link();
        records.writer().push(Session { name: *name, files }).unwrap();
    }
    records.audit().unwrap();
    records.into_head()
}

fn restore(mem: &Mock, head: Option<PhysAddr>) -> Vec<Open> {
    let mut records = IncomingSet::<Session, _>::restore(mem, head).unwrap();
    records.audit().unwrap();
    let open = |record: &Session| {
        let mut files = record.files.restore(mem).unwrap();
        files.audit().unwrap();
        assert_eq!(u64::try_from(files.len()), Ok(record.files.len()));
        let open = Open { name: record.name, files: files.iter().copied().collect() };
        files.destroy();
        open
    };
    let sessions = records.iter().map(open).collect();
    records.destroy();
    sessions
}

#[test]
fn sessions_and_their_files_go_through_many_kernels() {
    // A block holds 127 files or 102 sessions.
    const FILES: &[u64] = if cfg!(miri) { &[0, 1, 128] } else { &[0, 1, 126, 127, 128, 400] };
    let mut sessions: Vec<Open> =
        FILES.iter().zip(0..).map(|(&n, name)| session(name, n)).collect();
    let mut mem = Mock::new();
    let mut head = save(&mem, &sessions);
    const KERNELS: u8 = if cfg!(miri) { 11 } else { 20 };
    for kernel in 10..KERNELS {
        mem.reboot();
        assert_eq!(restore(&mem, head), sessions);
        assert_eq!((mem.live(), mem.unclaimed()), (0, 0), "the old chains are freed, head and all");

        // Files are closed and opened, sessions end and begin: in time more than fit into a block.
        for (open, n) in sessions.iter_mut().zip(0_usize..) {
            open.files.truncate(open.files.len().saturating_sub(n * 13));
            open.files.extend(session(kernel, 5).files);
        }
        sessions.remove(usize::from(kernel) % sessions.len());
        sessions.extend((0..20).map(|n| session(kernel, n)));
        head = save(&mem, &sessions);
    }
    assert!(cfg!(miri) || sessions.len() > 102);
    mem.reboot();
    assert_eq!(restore(&mem, head), sessions);
    mem.assert_clean();
}

#[test]
fn a_kernel_that_fails_halfway_leaves_the_sessions_to_be_restored_again() {
    let sessions = [session(1, 300), session(2, 0), session(3, 300)];
    let mut mem = Mock::new();
    let head = save(&mem, &sessions);
    mem.reboot();

    {
        let records = IncomingSet::<Session, _>::restore(&mem, head).unwrap();
        for record in &records {
            let files = record.files.restore(&mem).unwrap();
            assert_eq!(files.release(), record.files.head());
        }
        assert_eq!(records.release(), head);
    }
    assert_eq!((mem.live(), mem.unclaimed()), (0, 7));
    assert_eq!(restore(&mem, head), sessions);
    mem.assert_clean();
}

#[test]
fn what_one_kernel_saves_the_next_restores() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    set.grow(3000).unwrap();
    assert_eq!(set.writer().extend(0..3000), 3000);
    set.audit().unwrap();
    let head = set.into_head();

    mem.reboot();

    let mut set = IncomingSet::<u64, _>::restore(&mem, head).unwrap();
    set.audit().unwrap();
    assert!(set.iter().copied().eq(0..3000));
    set.destroy();
    mem.assert_clean();
}

/// Hands over `n` entries in blocks of `BLOCK_SIZE` bytes, of which `spare` more are left empty.
fn hand_over<T: Entry + Copy + PartialEq + From<u8>, const BLOCK_SIZE: usize>(
    n: usize,
    spare: usize,
) {
    let entries: Vec<T> = (0..n).map(|i| T::from(i.to_le_bytes()[0])).collect();
    let mut mem = Mock::new();
    let mut set = BlockSet::<T, _, _, BLOCK_SIZE>::new(&mem);
    let capacity = BlockSet::<T, &Mock, kho_block::Outgoing, BLOCK_SIZE>::CAPACITY_PER_BLOCK;
    set.grow(n + spare * capacity).unwrap();
    set.extend_from_slice(&entries).unwrap();
    let sealed = set.seal();
    let descriptor = sealed.descriptor(7);
    let head = sealed.leave();
    assert_eq!(descriptor.head(), head);
    assert_eq!(mem.live(), n.div_ceil(capacity), "no empty block is handed over");

    mem.reboot();
    let mut set = IncomingSet::<T, _, BLOCK_SIZE>::restore_from(&mem, &descriptor, 7).unwrap();
    set.audit().unwrap();
    assert!(set.iter().eq(&entries));
    assert_eq!((set.head(), set.block_count()), (head, n.div_ceil(capacity)));
    set.destroy();
    mem.assert_clean();
}

#[test]
fn every_number_of_entries_round_the_edges_of_blocks_arrives() {
    const SPARE: &[usize] = if cfg!(miri) { &[1] } else { &[0, 1, 3] };
    for &spare in SPARE {
        for n in [0, 1, 2, 3, 4, 5, 6, 7, 64] {
            hand_over::<u64, 32>(n, spare);
            hand_over::<u128, 32>(n, spare);
        }
        if cfg!(miri) {
            continue; // The larger blocks take it minutes.
        }
        for n in [0, 1, 239, 240, 241, 479, 480, 481, 2400] {
            hand_over::<u8, 256>(n, spare);
        }
        for n in [0, 1, 509, 510, 511, 1019, 1020, 1021] {
            hand_over::<u64, 4096>(n, spare);
        }
        for n in [0, 1, 1021, 1022, 1023, 3066, 3067] {
            hand_over::<u64, 8192>(n, spare);
        }
        hand_over::<u64, 65536>(8190 + 1, spare);
    }
}

#[test]
fn a_descriptor_leads_from_the_root_page_to_the_chain_kernel_after_kernel() {
    const TAG: u64 = 0x5e55;
    let mut mem = Mock::new();
    let mut root_page = [0; 4096];
    BlockSet::<u64, _>::new(&mem).descriptor(TAG).write_to_prefix(&mut root_page).unwrap();
    const KERNELS: u64 = if cfg!(miri) { 2 } else { 5 };
    for kernel in 0..KERNELS {
        mem.reboot();
        let (found, _) = Descriptor::read_from_prefix(&root_page).unwrap();
        let mut incoming = IncomingSet::<u64, _>::restore_from(&mem, &found, TAG).unwrap();
        assert!(incoming.iter().copied().eq(0..kernel * 1000));

        let mut outgoing = BlockSet::<u64, _>::new(&mem);
        for block in incoming.blocks() {
            outgoing.extend_from_slice(block).unwrap();
        }
        incoming.destroy();
        outgoing.grow(20_000).unwrap();
        outgoing.writer().extend(kernel * 1000..(kernel + 1) * 1000);
        let sealed = outgoing.seal();
        sealed.descriptor(TAG).write_to_prefix(&mut root_page).unwrap();
        assert_eq!(sealed.leave().map(PhysAddr::get), Some(head_in(&root_page)));
    }
}

/// The address of the chain that the root page describes.
fn head_in(root_page: &[u8]) -> u64 {
    Descriptor::read_from_prefix(root_page).unwrap().0.head
}

#[test]
fn a_set_stays_usable_after_every_jump_that_failed() {
    let mut mem = Mock::new();
    let set = BlockSet::<u64, _, _, 32>::new(&mem);
    let sealed = set.seal();
    assert_eq!(sealed.head(), None);
    let mut set = sealed.unseal();
    let mut published = None;
    const ENTRIES: u64 = if cfg!(miri) { 6 } else { 20 };
    for entry in 0..ENTRIES {
        set.grow(40).unwrap();
        set.push(entry).unwrap();
        let sealed = set.seal();
        published = sealed.head();
        sealed.audit().unwrap();
        set = sealed.unseal();
        assert_eq!((published, set.block_count()), (set.head(), set.len().div_ceil(2)));
        set.audit().unwrap();
    }
    // A kexec that comes now finds what was sealed last, though nobody left it.
    core::mem::forget(set);
    mem.reboot();
    let set =
        IncomingSet::<u64, _, 32>::restore_with(&mem, published, RestoreChecks::all()).unwrap();
    assert!(set.iter().copied().eq(0..ENTRIES));
}
