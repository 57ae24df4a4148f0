use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let _set = BlockSet::<[u8; 17], _, _, 32>::new(&mem);
}
