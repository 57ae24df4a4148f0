use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let _set = BlockSet::<u64, _, _, 4095>::new(&mem);
}
