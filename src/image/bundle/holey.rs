//! What is unpacked: new files that only their owner may read, zeros as holes, and only where there is room.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::image::bundle::error::{Problem, shown};
use crate::image::sparse::{BLOCK, is_zero};

/// Bytes of a disk, as a file and as the guest sees it.
pub const DISK_LIMIT: u64 = 4 << 40;

/// A new file that is written to, anywhere or at its end.
#[derive(Debug)]
pub struct Holey {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Holey {
    /// A new file of that length, all zeros.
    pub fn create(path: &Path, length: u64) -> Result<Self, Problem> {
        let mut options = File::options();
        let made = options.write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|error| Problem::writing(path, error))?;
        let holey = Self {
            file,
            path: path.to_owned(),
            length,
        };
        holey.settle(length)?;
        Ok(holey)
    }

    /// Writes at a place; what goes beyond the length that it was made with is left out.
    pub fn put(&self, bytes: &[u8], at: u64) -> Result<(), Problem> {
        let room = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(room)];
        self.write(bytes, at)
    }

    /// Adds at the end.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let at = self.length;
        self.length = at.saturating_add(bytes.len() as u64);
        if self.length > DISK_LIMIT {
            return Err(Problem::Unfit(format!(
                "unpacked, {} has more than {} TiB",
                shown(&self.path.file_name().unwrap_or_default().to_string_lossy()),
                DISK_LIMIT >> 40
            )));
        }
        for (index, block) in bytes.chunks(BLOCK).enumerate() {
            if !is_zero(block) {
                self.write(block, at + (index * BLOCK) as u64)?;
            }
        }
        Ok(())
    }

    /// Ends the file where its content does; zeros at the end were not written.
    pub fn finish(self) -> Result<u64, Problem> {
        self.settle(self.length)?;
        Ok(self.length)
    }

    fn settle(&self, length: u64) -> Result<(), Problem> {
        self.file
            .set_len(length)
            .map_err(|error| Problem::writing(&self.path, error))
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), Problem> {
        self.file
            .write_all_at(bytes, at)
            .map_err(|error| Problem::writing(&self.path, error))
    }
}

/// Whether a folder has room for so many bytes, and some to spare.
pub fn room(folder: &Path, bytes: u64) -> Result<(), Problem> {
    const SPARE: u64 = 256 << 20;
    let state = rustix::fs::statvfs(folder).map_err(|error| Problem::Io {
        what: format!("the room in {} cannot be told", folder.display()),
        source: io::Error::from(error),
    })?;
    let free = state.f_bavail.saturating_mul(state.f_frsize);
    if bytes.saturating_add(SPARE) <= free {
        return Ok(());
    }
    Err(Problem::NoRoom {
        need: bytes >> 20,
        folder: folder.to_owned(),
        free: free >> 20,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn zeros_are_holes_and_nothing_is_written_beyond_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        let mut grown = Holey::create(&path, 0).expect("a file");
        grown.add(&vec![0; 4 << 20]).expect("added");
        grown.add(b"end").expect("added");
        assert_eq!(grown.finish().expect("whole"), (4 << 20) + 3);
        let about = path.metadata().expect("it is there");
        assert!(about.blocks() * 512 < 1 << 20 && about.mode() & 0o777 == 0o600);
        assert!(Holey::create(&path, 0).is_err(), "it is there already");
        let fixed = Holey::create(&folder.path().join("fixed"), 10).expect("a file");
        fixed.put(&[1; 8], 6).expect("written");
        fixed.put(&[1; 8], 12).expect("nothing to write");
        assert_eq!(
            std::fs::read(folder.path().join("fixed")).expect("it reads"),
            [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
        );
    }

    #[test]
    fn what_has_no_room_is_refused_before_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        room(folder.path(), 1).expect("room for a byte");
        let error = room(folder.path(), u64::MAX).expect_err("no disk has that");
        assert!(matches!(error, Problem::NoRoom { .. }), "{error}");
    }
}
