use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Device {
    open: u8,
    address: u64,
}

fn main() {}
