//! Files that are mostly nothing: a guest's memory, its disk. Read, hashed and written by blocks, those of zeros left out.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::input::hex;
use crate::system::file as opened;

/// Bytes that are looked at at once.
pub const BLOCK: usize = 64 * 1024;

/// Whether a block is nothing.
pub fn is_zero(block: &[u8]) -> bool {
    // Each byte is the one before it: a comparison of memory, not of bytes.
    block
        .split_first()
        .is_none_or(|(first, rest)| *first == 0 && rest == &block[..rest.len()])
}

/// The digest of a content, by its blocks in their order: SHA-256 over the index and bytes of every block that is not
/// zero, and over the length.
#[derive(Default)]
pub struct Digest {
    hash: Sha256,
    index: u64,
    length: u64,
}

impl Digest {
    /// Adds the next block; only the last may be shorter than [`BLOCK`]. Returns whether it is anything but zeros.
    pub fn add(&mut self, block: &[u8]) -> bool {
        let index = self.index;
        self.index += 1;
        self.length += block.len() as u64;
        if is_zero(block) {
            return false;
        }
        self.hash.update(index.to_le_bytes());
        self.hash.update(block);
        true
    }

    /// The digest, hexadecimal.
    pub fn finish(mut self) -> String {
        self.hash.update(self.length.to_le_bytes());
        hex(&self.hash.finalize())
    }
}

/// The digest of a file.
pub fn digest(file: &Path) -> io::Result<String> {
    let mut digest = Digest::default();
    for_each_block(&opened::open(file)?, |block, _| {
        digest.add(block);
        Ok::<_, io::Error>(())
    })?;
    Ok(digest.finish())
}

/// Reads a file by its blocks, each with its place.
pub fn for_each_block<E: From<io::Error>>(
    file: &File,
    mut each: impl FnMut(&[u8], u64) -> Result<(), E>,
) -> Result<(), E> {
    let size = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < size {
        let want = usize::try_from(size - at).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact_at(&mut block[..want], at)?;
        each(&block[..want], at)?;
        at += want as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(content: &[u8]) -> String {
        let mut digest = Digest::default();
        for block in content.chunks(BLOCK) {
            digest.add(block);
        }
        digest.finish()
    }

    #[test]
    fn a_block_is_nothing_where_each_of_its_bytes_is() {
        for length in [0, 1, 2, 7, 4096] {
            let mut block = vec![0; length];
            assert!(is_zero(&block));
            for at in [0, length / 2, length.saturating_sub(1)] {
                if let Some(byte) = block.get_mut(at) {
                    *byte = 1;
                    assert!(!is_zero(&block), "{length} {at}");
                    block[at] = 0;
                }
            }
            block.fill(1);
            assert_eq!(is_zero(&block), length == 0);
        }
    }

    #[test]
    fn contents_that_differ_anywhere_have_other_digests() {
        let mut contents: Vec<Vec<u8>> = vec![
            Vec::new(),
            vec![0; 10],
            vec![0; 11],
            vec![0; 2 * BLOCK],
            vec![1; BLOCK],
        ];
        for at in [0, BLOCK - 1, BLOCK, 2 * BLOCK - 1] {
            let mut content = vec![0; 2 * BLOCK];
            content[at] = 1;
            contents.push(content);
        }
        let digests: std::collections::BTreeSet<String> =
            contents.iter().map(|content| digest_of(content)).collect();
        assert_eq!(digests.len(), contents.len());
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &contents[8]).expect("written");
        assert_eq!(digest(file.path()).expect("read"), digest_of(&contents[8]));
    }
}
