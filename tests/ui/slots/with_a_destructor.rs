use kho_block::Slots;
use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[zerocopy(crate = "kho_block::zerocopy")]
struct Handle {
    raw: u64,
}

impl Drop for Handle {
    fn drop(&mut self) {}
}

fn main() {
    let mem = Mock::new();
    let _table = Slots::<Handle, _>::new(&mem);
}
