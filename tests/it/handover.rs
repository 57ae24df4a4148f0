//! From one kernel to the next.

use kho_block::mock::Mock;
use kho_block::{BlockSet, IncomingSet};

#[test]
fn what_one_kernel_saves_the_next_restores() {
    let mut mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    set.grow(3000).unwrap();
    assert_eq!(set.writer().extend(0..3000), 3000);
    set.audit().unwrap();
    let head = set.into_head();

    mem.reboot();

    let set = IncomingSet::<u64, _>::restore(&mem, head).unwrap();
    set.audit().unwrap();
    assert!(set.iter().copied().eq(0..3000));
    drop(set);
    mem.assert_clean();
}
