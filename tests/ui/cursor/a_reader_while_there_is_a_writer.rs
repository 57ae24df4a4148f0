use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    let mut cursor = set.cursor();
    let mut writer = set.writer();
    let _ = (writer.push(1), cursor.next());
}
