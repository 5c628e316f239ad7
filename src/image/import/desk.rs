//! What an import works with.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::image::import::told::ImportProgress;
use crate::image::process::Runner;

/// Bytes of a disk, as a file and as the guest sees it.
pub const DISK_LIMIT: u64 = 4 << 40;
/// Bytes of memory that a program may take that reads a stranger's file; a whole disk takes `qemu-img` some hundred million.
const MEMORY: u64 = 2 << 30;

/// What an import works with.
pub struct Desk<'a> {
    /// Runs its programs.
    pub runner: &'a Runner,
    /// Where its copies are, in the store.
    pub work: &'a Path,
    /// Who watches.
    pub progress: &'a dyn ImportProgress,
}

impl Desk<'_> {
    /// A folder of its own, in which a program may read what a stranger made.
    pub fn room(&self, name: &str) -> Result<Confined, BuildError> {
        let confined = Confined {
            folder: self.work.join(name),
            memory: MEMORY,
            file: DISK_LIMIT,
        };
        DirBuilder::new()
            .mode(0o700)
            .create(&confined.folder)
            .map_err(|error| self.broken(error))?;
        Ok(confined)
    }

    /// The error of a file of its own.
    pub fn broken(&self, error: io::Error) -> BuildError {
        BuildError::of_io("prepare the image store", self.work, error)
    }

    /// Holds that so many bytes find room.
    pub fn has_room(&self, what: &str, needed: u64) -> Result<(), BuildError> {
        let about = rustix::fs::statvfs(self.work).map_err(|error| self.broken(error.into()))?;
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        if free < needed {
            return Err(BuildError::NoRoom {
                what: what.to_owned(),
                needed,
                free,
                path: self.work.parent().map_or_else(PathBuf::new, Path::to_owned),
            });
        }
        Ok(())
    }
}
