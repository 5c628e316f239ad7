//! A file of a disk, opened once.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::image::format::read::Source;
use crate::system::file::{self, FileError, Folder};

/// A regular file that is open for reading; its times stay what they are.
#[derive(Debug)]
pub struct Opened {
    file: File,
    size: u64,
}

/// What tells whether a file is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    size: u64,
    written: (i64, i64),
}

impl Opened {
    /// Opens a file that the admin named; links are followed.
    pub fn at(path: &Path) -> Result<Self, FileError> {
        Self::of(file::open(path)?)
    }

    /// Opens a file that another file named, beneath a folder; no link is followed.
    pub fn beneath(folder: &Folder, name: &Path) -> Result<Self, FileError> {
        Self::of(folder.file(name)?)
    }

    fn of(file: File) -> Result<Self, FileError> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes that it takes on its disk: what a copy of it costs.
    pub fn held(&self) -> u64 {
        self.file.metadata().map_or(self.size, |about| {
            about.blocks().saturating_mul(512).min(self.size)
        })
    }

    /// Which file it is, whatever its name.
    pub fn id(&self) -> io::Result<(u64, u64)> {
        self.file.metadata().map(|about| (about.dev(), about.ino()))
    }

    /// What it is now.
    pub fn state(&self) -> io::Result<State> {
        let about = self.file.metadata()?;
        Ok(State {
            size: about.len(),
            written: (about.mtime(), about.mtime_nsec()),
        })
    }
}

impl Source for Opened {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, at)
    }
}
