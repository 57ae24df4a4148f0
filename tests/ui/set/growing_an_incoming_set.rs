use kho_block::mock::Mock;
use kho_block::{GrowError, IncomingSet};

fn main() -> Result<(), GrowError> {
    let mem = Mock::new();
    let mut set = IncomingSet::<u64, _>::restore(&mem, None).unwrap();
    set.grow(1)
}
