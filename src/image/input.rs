//! Files that recipes name, read within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::hex;

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
