use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut cursor = {
        let set = BlockSet::<u64, _>::new(&mem);
        set.cursor()
    };
    cursor.next();
}
