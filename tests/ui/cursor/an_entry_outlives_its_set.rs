use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    let entry = set.get(0);
    set.destroy();
    dbg!(entry);
}
