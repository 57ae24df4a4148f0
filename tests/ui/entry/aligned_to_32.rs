use kho_block::BlockSet;
use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(32))]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Vector {
    lanes: [u64; 4],
}

fn main() {
    let mem = Mock::new();
    let _set = BlockSet::<Vector, _>::new(&mem);
}
