//! A stretch of an open file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::image::bundle::error::Problem;

/// A stretch of an open file, read from its beginning to its end without moving the file's own place. One that ends before it
/// should is an error, never a short answer.
#[derive(Debug)]
pub struct Part {
    file: File,
    at: u64,
    left: u64,
}

impl Part {
    /// So many bytes from a place on.
    pub fn new(file: File, at: u64, length: u64) -> Self {
        Self {
            file,
            at,
            left: length,
        }
    }

    /// A whole file.
    pub fn whole(file: File) -> Result<Self, Problem> {
        let length = file.metadata().map_err(Problem::reading)?.len();
        Ok(Self::new(file, 0, length))
    }

    /// Bytes that are not read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Its first bytes, as they help to tell what it is; it is still to be read from its beginning.
    pub fn head(&self) -> Result<Vec<u8>, Problem> {
        const HEAD: u64 = 16 * 1024;
        let mut bytes = Vec::new();
        let file = self.file.try_clone().map_err(Problem::reading)?;
        let mut part = Self::new(file, self.at, self.left.min(HEAD));
        part.read_to_end(&mut bytes).map_err(Problem::reading)?;
        Ok(bytes)
    }

    /// All that is left, of at most `limit` bytes.
    pub fn bytes(self, name: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        if self.left > limit {
            let error = crate::system::file::FileError::TooLarge(limit);
            return Err(Problem::of_file(name, error));
        }
        let mut bytes = Vec::new();
        let mut part = self;
        part.read_to_end(&mut bytes).map_err(Problem::reading)?;
        Ok(bytes)
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Reads until a buffer is full or the stream at its end.
pub fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Problem> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Problem::reading(error)),
        }
    }
    Ok(length)
}
