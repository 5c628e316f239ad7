//! The lab's files, read within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::input::decode::decode;
use crate::input::finding::{Finding, Source};
use crate::input::hex;
use crate::input::read::unplaced;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// One finding: it cannot be read, is no regular file, is too large, is not UTF-8, or holds a character that nobody
/// can see.
pub fn source(path: &Path, limit: u64) -> Result<Source, Finding> {
    let shown = path.display();
    let failed = |error: std::io::Error| unplaced(format!("{shown}: cannot be read: {error}"));
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(unplaced(format!("{shown}: is not a file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(unplaced(format!("{shown}: is larger than {} KiB", limit / 1024))
            .with_hint("is this the file that was meant?"));
    }
    decode(path, bytes)
}

/// The bytes of a regular file of at most `limit` bytes; the error says why not.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    open_bounded(path, limit)?
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The SHA-256 of such a file.
pub fn digest_bounded(path: &Path, limit: u64) -> Result<String, String> {
    let mut file = open_bounded(path, limit)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}

fn open_bounded(path: &Path, limit: u64) -> Result<File, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        Err("not a regular file".into())
    } else if meta.len() > limit {
        Err(format!("{} bytes are more than the limit of {limit}", meta.len()))
    } else {
        Ok(file)
    }
}
