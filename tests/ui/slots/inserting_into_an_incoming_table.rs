use kho_block::IncomingSlots;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut table = IncomingSlots::<u64, _>::restore(&mem, None).unwrap();
    table.insert(7).unwrap();
}
