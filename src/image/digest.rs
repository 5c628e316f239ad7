//! Digests of a disk file, and of its blocks.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::input::hex;
use crate::system::file;

/// Bytes of the disk file behind each of its blocks' digests.
pub const BLOCK: u64 = 1024 * 1024;

/// Digests of a disk file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskDigest {
    /// Of the whole file, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size: u64,
    /// Of each block of [`BLOCK`] bytes, hexadecimal; empty where they were not asked for.
    pub blocks: Vec<String>,
}

/// Reads a file once and digests it, its blocks too where `blocks` is set.
pub fn digest(path: &Path, blocks: bool) -> io::Result<DiskDigest> {
    let mut file = file::open(path)?;
    let mut whole = Sha256::new();
    let mut digest = DiskDigest {
        sha256: String::new(),
        size: 0,
        blocks: Vec::new(),
    };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let count = Read::by_ref(&mut file).take(BLOCK).read_to_end(&mut buffer)?;
        if count == 0 {
            digest.sha256 = hex(&whole.finalize());
            return Ok(digest);
        }
        whole.update(&buffer);
        if blocks {
            digest.blocks.push(hex(&Sha256::digest(&buffer)));
        }
        digest.size += count as u64;
    }
}

/// Ranges of the file whose blocks differ from the recorded ones, neighbours joined; none where the record does not fit.
pub fn changed_ranges(recorded: &str, now: &DiskDigest) -> Vec<(u64, u64)> {
    let recorded: Vec<&str> = recorded.lines().collect();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    if recorded.len() != now.blocks.len() {
        return ranges;
    }
    let mut start = 0;
    for (before, after) in recorded.iter().zip(&now.blocks) {
        let end = (start + BLOCK).min(now.size);
        if before != after {
            match ranges.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                Some(_) | None => ranges.push((start, end)),
            }
        }
        start = end;
    }
    ranges
}
