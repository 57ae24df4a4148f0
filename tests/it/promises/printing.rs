//! What is printed says where things are and how many; what they contain it never says.

use core::fmt::{self, Debug, Write};

use kho_block::mock::Mock;
use kho_block::mock::conformance::Duty;
use kho_block::zerocopy::{FromBytes, IntoBytes};
use kho_block::{AllocError, BlockSet, FullError, IncomingSet, Link, PhysAddr, PushError, scan};

/// Its digits, in either base, are in no address and no count.
const SECRET: u64 = 0x7777_7777_7777_7777;

fn assert_no_secret(printed: &str) {
    for secret in [format!("{SECRET}"), format!("{SECRET:x}"), "119, 119".into(), "7777".into()] {
        assert!(!printed.contains(&secret), "{printed}");
    }
}

fn debug(value: impl Debug) -> String {
    let (short, long) = (format!("{value:?}"), format!("{value:#?}"));
    assert_no_secret(&short);
    assert_no_secret(&long);
    short
}

#[test]
fn no_entry_is_printed() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    set.extend_from_slice(&[SECRET; 3]).unwrap();
    assert_eq!(
        debug(&set),
        "BlockSet { first_block: Some(PhysAddr(0x100000000)), len: 3, capacity: 4, block_count: 2, .. \
         }"
    );
    assert_eq!(debug(set.iter()), "Iter { remaining: 3, .. }");
    assert_eq!(debug(set.iter_mut()), "IterMut { remaining: 3, .. }");
    assert_eq!(debug(set.blocks()), "Blocks { remaining: 2, .. }");
    assert_eq!(debug(set.blocks_mut()), "BlocksMut { remaining: 2, .. }");
    assert_eq!(debug(set.cursor()), "Cursor { position: 0, remaining: 3, .. }");
    assert_eq!(debug(set.cursor_back()), "Cursor { position: 3, remaining: 0, .. }");
    assert_eq!(debug(set.writer()), "Writer { available: 1, .. }");
    assert_no_secret(&set.dump().to_string());

    assert_eq!(debug(set.block_addrs()), "[PhysAddr(0x100000000), PhysAddr(0x100000020)]");

    mem_full(&mem, &mut set);
    let sealed = set.seal();
    assert!(debug(&sealed).contains(&debug(&*sealed)));
    debug(sealed.descriptor(7));
    let head = sealed.leave();
    mem.reboot();
    let set = IncomingSet::<u64, _, 32>::restore(&mem, head).unwrap();
    debug(&set);
    assert_no_secret(&set.dump().to_string());
    debug(&mem);
}

/// Fills the set, and looks at the error that holds an entry.
fn mem_full(mem: &Mock, set: &mut BlockSet<u64, &Mock, kho_block::Outgoing, 32>) {
    mem.refuse_after(0);
    set.push(SECRET).unwrap();
    let error = set.push(SECRET).unwrap_err();
    assert_eq!(error.entry, SECRET);
    let full = set.writer().push(SECRET).unwrap_err();
    assert_eq!((full.entry, debug(full)), (SECRET, "FullError { .. }".to_owned()));
    assert_eq!(full.to_string(), "every block is full");
    let cause = "GrowError { kind: OutOfMemory, wanted: 1, obtained: 0 }";
    assert_eq!(debug(error), format!("PushError {{ cause: {cause}, .. }}"));
    assert_eq!(error.to_string(), "out of memory: wanted 1 more blocks, obtained 0");
    assert_eq!(error.to_string(), error.cause.to_string());
}

#[test]
fn the_dump_is_a_line_for_each_block() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    assert_eq!(set.dump().to_string().lines().count(), 2);
    set.extend_from_slice(&[SECRET; 3]).unwrap();
    let lines: Vec<_> = set.dump().to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "3 entries of 8 bytes in 2 blocks of 32 bytes");
    let words: Vec<Vec<_>> = lines[1..].iter().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["block", "address", "entries", "next"]);
    assert_eq!(words[1], ["0", "0x100000000", "2", "of", "2", "0x100000020"]);
    assert_eq!(words[2], ["1", "0x100000020", "1", "of", "2", "0x0"]);
    assert_eq!(words.len(), 3);
}

/// A console that takes so many bytes and no more.
struct Console(usize);

impl Write for Console {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(s.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[test]
fn a_console_that_fails_ends_the_dump_wherever_it_fails() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    set.extend_from_slice(&[SECRET; 3]).unwrap();
    let length = set.dump().to_string().len();
    for room in (0..length).step_by(if cfg!(miri) { 29 } else { 1 }) {
        assert!(write!(Console(room), "{}", set.dump()).is_err(), "{room} of {length} bytes");
    }
    assert!(write!(Console(length), "{}", set.dump()).is_ok());
}

#[test]
fn addresses_are_printed_in_hexadecimal() {
    let addr = PhysAddr::new(0x1_0000_ab00).unwrap();
    assert_eq!(format!("{addr}"), "0x10000ab00");
    assert_eq!(format!("{addr:?}"), "PhysAddr(0x10000ab00)");
    assert_eq!(format!("{addr:x} {addr:#x}"), "10000ab00 0x10000ab00");
    assert_eq!(format!("{addr:X} {addr:#X}"), "10000AB00 0x10000AB00");
    assert_eq!(format!("{addr:016x}"), "000000010000ab00");
    assert_eq!(format!("{}", PhysAddr::new(u64::MAX).unwrap()), "0xffffffffffffffff");
}

#[test]
fn an_error_says_what_was_wanted_and_what_there_was() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _, _, 32>::new(&mem);
    set.grow(1).unwrap();
    let full = set.writer().extend_from_slice(&[1, 2, 3]).unwrap_err();
    assert_eq!(full.to_string(), "no room for 3 entries: 2 left");
    let too_many = set.grow(usize::MAX).unwrap_err();
    let wanted = usize::MAX.div_ceil(2) - 1;
    let message = format!("{wanted} more blocks would exceed the limit of 10000");
    assert_eq!(too_many.to_string(), message);
    assert_eq!(AllocError.to_string(), "out of preserved memory");
}

#[test]
fn an_error_with_an_entry_is_an_error_all_the_same() {
    fn is_error<E: core::error::Error>() {}
    is_error::<PushError<u64>>();
    is_error::<PushError<[u64; 8]>>();
    is_error::<FullError<u64>>();
    is_error::<FullError<[u64; 8]>>();
}

#[test]
fn what_goes_wrong_with_a_link_or_an_adoption_is_said() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    set.push(SECRET).unwrap();
    let sealed = set.seal();
    let link: Link<u64> = sealed.link();
    let head = sealed.leave();
    mem.reboot();

    let half = Link::<u64>::read_from_bytes([0, link.len()].as_bytes()).unwrap();
    let error = half.restore(&mem).unwrap_err();
    assert_eq!(error.to_string(), "link: address 0x0 and 1 entries cannot both be");
    let more = Link::<u64>::read_from_bytes([PhysAddr::to_wire(head), 2].as_bytes()).unwrap();
    let error = more.restore(&mem).unwrap_err();
    assert_eq!(error.to_string(), "link: says 2 entries, the chain 1");
    let claimed = link.restore(&mem).unwrap();
    let error = link.restore(&mem).unwrap_err();
    assert!(error.to_string().ends_with(", or claimed already"), "{error}");

    mem.refuse_preserve_after(0);
    let error = claimed.adopt().unwrap_err();
    assert_eq!(debug(&error), "AdoptError { kind: Refused { block: 0 }, .. }");
    assert_eq!(error.to_string(), "block 0 cannot be preserved again");

    let blocks = scan(head, <IncomingSet<u64, &Mock>>::LAYOUT, |_| None);
    assert!(debug(&blocks).starts_with("Scan { "), "{blocks:?}");
}

#[test]
fn a_duty_is_named_as_the_contract_does() {
    for (duty, says) in [
        (Duty::Valid, "duty 1, valid"),
        (Duty::Exclusive, "duty 2, exclusive"),
        (Duty::Aligned, "duty 3, aligned"),
        (Duty::Zeroed, "duty 4, zeroed"),
        (Duty::Once, "duty 5, once"),
        (Duty::Total, "duty 6, total"),
        (Duty::FoundAgain, "duty 7, found again"),
        (Duty::Calm, "duty 8, calm"),
        (Duty::Same, "duty 9, same"),
        (Duty::ClaimsAtAKexec, "duty 11, claims at a kexec"),
        (Duty::Unrestore, "the guarantee of `unrestore`"),
        (Duty::Preserve, "the guarantee of `preserve`"),
        (Duty::Unpreserve, "the guarantee of `unpreserve`"),
        (Duty::NotTried, "not tried"),
    ] {
        assert_eq!(duty.to_string(), says);
    }
}
