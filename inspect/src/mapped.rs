//! A file, mapped: an image may be larger than memory.
//!
//! Unsafe is open here to map, and to give mapped pages back: the rest of the tool sees bytes.

#![expect(unsafe_code, reason = "maps a file")]

use core::ops::Range;
use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};
use rustix::fs::SeekFrom;

use crate::source::Source;

/// A file that is mapped to be read.
#[derive(Debug)]
pub(crate) struct Mapped {
    file: File,
    map: Mmap,
}

impl Mapped {
    /// Maps a file.
    ///
    /// # Errors
    ///
    /// Those of the system; a file without bytes cannot be mapped either.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.len() == 0 {
            return Err(io::Error::other("has no bytes, or is nothing that can be mapped"));
        }
        // SAFETY: the file is not to change while it is mapped, and no type asks for that. Whoever
        // writes to it meanwhile makes the report one of neither state: bytes are copied before they
        // are judged, a header at a time, and no judgement makes an address of this process. Whoever
        // makes it shorter ends the process by SIGBUS. Neither is for an image, which is written once;
        // README and `--help` say so.
        let map = unsafe { MmapOptions::new().map(&file) }?;
        Ok(Self { file, map })
    }
}

impl Source for Mapped {
    fn bytes(&self) -> &[u8] {
        &self.map
    }

    fn data_from(&self, from: usize) -> Option<Range<usize>> {
        if from >= self.map.len() {
            return None;
        }
        let seek = |place| match rustix::fs::seek(&self.file, place) {
            Ok(offset) => Ok(usize::try_from(offset).unwrap_or(usize::MAX)),
            Err(error) => Err(error),
        };
        let offset = u64::try_from(from).ok()?;
        match seek(SeekFrom::Data(offset)) {
            Ok(start) if start < self.map.len() => {
                let start = start.max(from);
                let hole = u64::try_from(start).ok().map(|start| seek(SeekFrom::Hole(start)));
                let end = hole.and_then(Result::ok).unwrap_or(usize::MAX).min(self.map.len());
                Some(start..end.max(start.saturating_add(1)))
            }
            Ok(_) | Err(rustix::io::Errno::NXIO) => None,
            // A file system, or a file of `/proc`, that does not know of holes.
            Err(_) => Some(from..self.map.len()),
        }
    }

    fn forget(&self, range: Range<usize>) {
        // SAFETY: the mapping is of a file, shared with it, and never written: pages that are touched
        // again are the file's again.
        let advised = unsafe {
            self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len())
        };
        // It is about memory alone; nothing is lost if the system does not take the advice.
        drop(advised);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_forgotten_take_no_memory_until_they_are_looked_at_again() {
        // This program is a file of many pages.
        let mapped = Mapped::open(&std::env::current_exe().unwrap()).unwrap();
        let sum = || mapped.bytes().iter().map(|&byte| u64::from(byte)).sum::<u64>();
        let before = sum();
        assert!(in_memory(&mapped) > 0);
        mapped.forget(0..mapped.bytes().len());
        assert_eq!(in_memory(&mapped), 0);
        assert_eq!(sum(), before);
        assert!(in_memory(&mapped) > 0);
    }

    /// How much of the mapping is in memory, in KiB.
    fn in_memory(mapped: &Mapped) -> u64 {
        let mappings = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let first = format!("{:x}-", mapped.bytes().as_ptr().addr());
        let mut lines = mappings.lines().skip_while(|line| !line.starts_with(&first));
        let size = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        size.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}
