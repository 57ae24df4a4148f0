use kho_block::mock::Mock;
use kho_block::{Outgoing, Slots};

fn main() {
    let mem = Mock::new();
    let _table = Slots::<[u64; 2], _, Outgoing, 32>::new(&mem);
}
