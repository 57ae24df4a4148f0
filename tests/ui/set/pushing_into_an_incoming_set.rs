use kho_block::IncomingSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut set = IncomingSet::<u64, _>::restore(&mem, None).unwrap();
    set.push(7).unwrap();
}
