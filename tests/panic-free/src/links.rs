//! Chains that hang on the entries of other chains, and chains that are only looked at.

use core::fmt::{self, Write};

use kho_block::{BlockHeader, Link, LinkError, Scan, ScannedBlock, scan};

use super::*;

type Read = fn(PhysAddr) -> Option<BlockHeader>;

operations! {
    sealed_link(sealed: &Sealed<Set<T, Outgoing, SIZE>>) -> Link<T, SIZE> { sealed.link() }
    sealed_into_link(sealed: Sealed<Set<T, Outgoing, SIZE>>) -> Link<T, SIZE> {
        sealed.into_link()
    }
    empty() -> Link<T, SIZE> { Link::default() }
    read(link: &Link<T, SIZE>) -> (Option<PhysAddr>, u64, bool) {
        (link.head(), link.len(), link.is_empty())
    }
    restore(link: &Link<T, SIZE>) -> Result<Set<T, Incoming, SIZE>, LinkError> {
        link.restore(Kernel)
    }
    // Not derived, for the sake of a `T` that has neither.
    clone(link: &Link<T, SIZE>) -> Link<T, SIZE> { Clone::clone(link) }
    eq(link: &Link<T, SIZE>, other: &Link<T, SIZE>) -> bool { link == other }
    errno(error: &LinkError) -> i32 { error.errno() }
    error_from_chain(error: RestoreError) -> LinkError { error.into() }
    print(link: &Link<T, SIZE>, error: &LinkError, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{link:?} {error} {error:?}")
    }

    scan(head: Option<PhysAddr>, layout: ChainLayout, read: Read) -> Scan<Read> {
        scan(head, layout, read)
    }
    scan_next(scan: &mut Scan<Read>) -> Option<Result<ScannedBlock, RestoreError>> { scan.next() }
    scan_fold(scan: Scan<Read>, see: fn(Result<ScannedBlock, RestoreError>)) { scan.for_each(see) }
    scanned_entry_addr(block: &ScannedBlock, index: usize) -> Option<PhysAddr> {
        block.entry_addr(index)
    }
    print_scan(scan: &Scan<Read>, block: &ScannedBlock, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{scan:?} {block:?}")
    }
    print_header(header: &BlockHeader, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{header:?}")
    }
}
