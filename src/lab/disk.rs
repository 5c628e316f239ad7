//! The lab's files, read within bounds.

use std::path::Path;

use crate::input::decode::decode;
use crate::input::finding::{Finding, Source};
use crate::input::read::unplaced;
use crate::system::file::{self, FileError, Folder};

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// One finding: it cannot be read, is no regular file, is too large, is not UTF-8, or holds a character that nobody
/// can see.
pub fn source(path: &Path, limit: u64) -> Result<Source, Finding> {
    decoded(path, file::read(path, limit))
}

/// Whether there is a regular file of that name, be it behind a link.
///
/// # Errors
/// There is none, or what is called so is none.
pub fn is_file(path: &Path) -> Result<(), FileError> {
    file::look(path)
}

/// Reads such a file of somebody else's folder, which no link leads out of; `path` is what the user knows it by.
pub fn source_in(folder: &Folder, name: &Path, path: &Path, limit: u64) -> Result<Source, Finding> {
    decoded(path, folder.read(name, limit))
}

fn decoded(path: &Path, read: Result<Vec<u8>, FileError>) -> Result<Source, Finding> {
    match read {
        Ok(bytes) => decode(path, bytes),
        Err(error) => {
            let finding = unplaced(format!("{}: {error}", path.display()));
            Err(match error {
                FileError::TooLarge(_) => finding.with_hint("is this the file that was meant?"),
                FileError::Link => finding.with_hint("put the file itself there"),
                FileError::Missing
                | FileError::Dangling
                | FileError::Io(_)
                | FileError::NotAFile
                | FileError::NotAFolder
                | FileError::Outside => finding,
            })
        }
    }
}
