//! The first files of a guest: archives that Linux unpacks into memory.

use std::io;

use cpio::newc::{Builder, ModeFileType, trailer};

/// An archive of programs and data, with the console that `init` speaks to.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    let mut inode = 0;
    let mut named = |name: &str| {
        inode += 1;
        Builder::new(name).ino(inode).mode(0o755)
    };
    let dev = named("dev").set_mode_file_type(ModeFileType::Directory);
    archive = dev.write(archive, 0).finish()?;
    // Character device 5, 1.
    let console = named("dev/console").set_mode_file_type(ModeFileType::Char);
    archive = console.rdev_major(5).rdev_minor(1).write(archive, 0).finish()?;
    for (name, contents) in files {
        let file = named(name).set_mode_file_type(ModeFileType::Regular);
        let length = u32::try_from(contents.len()).map_err(io::Error::other)?;
        let mut writer = file.write(archive, length);
        io::Write::write_all(&mut writer, contents)?;
        archive = writer.finish()?;
    }
    trailer(archive)
}
