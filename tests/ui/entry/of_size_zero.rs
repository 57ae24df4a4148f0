use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let _set = BlockSet::<[u64; 0], _>::new(&mem);
}
