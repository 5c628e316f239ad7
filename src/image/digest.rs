//! Digests of a disk file, and of its blocks.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, mpsc};

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

/// Blocks that are read before they are digested.
const AHEAD: usize = 8;

/// Reads a file once and digests it, its blocks too where `blocks` is set: those beside the whole, on another processor.
pub fn digest(path: &Path, blocks: bool) -> io::Result<DiskDigest> {
    let file = file::open(path)?;
    if !blocks {
        return whole(file, &mut |_| ());
    }
    std::thread::scope(|scope| {
        let (send, read) = mpsc::sync_channel::<Arc<[u8]>>(AHEAD);
        let digests = scope.spawn(move || {
            let digests = read.iter().map(|block| hex(&Sha256::digest(&*block)));
            digests.collect::<Vec<String>>()
        });
        // Whoever digests them ends only once this does.
        let digested = whole(file, &mut |block| drop(send.send(Arc::clone(block))));
        drop(send);
        let blocks = digests
            .join()
            .map_err(|_| io::Error::other("the digests of its blocks were not made"))?;
        digested.map(|whole| DiskDigest { blocks, ..whole })
    })
}

/// Digests a file, and hands each of its blocks on.
fn whole(mut file: File, each: &mut dyn FnMut(&Arc<[u8]>)) -> io::Result<DiskDigest> {
    let mut hash = Sha256::new();
    let mut size = 0;
    loop {
        let mut buffer = Vec::new();
        let count = Read::by_ref(&mut file).take(BLOCK).read_to_end(&mut buffer)?;
        if count == 0 {
            return Ok(DiskDigest {
                sha256: hex(&hash.finalize()),
                size,
                blocks: Vec::new(),
            });
        }
        let block = Arc::from(buffer);
        each(&block);
        hash.update(&block);
        size += count as u64;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_each_of_its_blocks_have_their_own_digests() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let length = usize::try_from(BLOCK).expect("small");
        let content: Vec<u8> = (0..251).cycle().take(20 * length + 7).collect();
        for content in [&content[..], &content[..length], &[]] {
            std::fs::write(file.path(), content).expect("written");
            let blocks = content.chunks(length).map(|block| hex(&Sha256::digest(block)));
            let both = DiskDigest {
                sha256: hex(&Sha256::digest(content)),
                size: content.len() as u64,
                blocks: blocks.collect(),
            };
            assert_eq!(digest(file.path(), true).expect("read"), both);
            let alone = DiskDigest {
                blocks: Vec::new(),
                ..both
            };
            assert_eq!(digest(file.path(), false).expect("read"), alone);
        }
    }
}
