use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let set = BlockSet::<u64, _>::new(&mem);
    let _head = set.into_head();
    set.len();
}
