//! Copies of a disk's files: holes stay holes, so that a copy costs what the file holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::image::error::BuildError;
use crate::image::format::read::Source;
use crate::image::import::desk::{DISK_LIMIT, Desk};
use crate::image::import::opened::Opened;
use crate::image::sparse::is_zero;
use crate::input::hex;

/// Bytes that are copied at once.
const BLOCK: usize = 256 * 1024;
/// Bytes after which somebody is told.
const TOLD: u64 = 8 << 20;

/// A new file that only its owner may read, written from its beginning; zeros become holes.
pub struct Holed {
    file: File,
    /// Bytes so far.
    pub length: u64,
    /// Of these, what is no hole.
    pub written: u64,
}

impl Holed {
    /// A new file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            length: 0,
            written: 0,
        })
    }

    /// Writes what comes next.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes.len();
        let zeros = |part: &&[u8], other: &&[u8]| is_zero(part) == is_zero(other);
        let parts: Vec<&[u8]> = bytes.chunks(4096).collect();
        for run in parts.chunk_by(zeros) {
            let length = run.iter().map(|part| part.len()).sum::<usize>();
            if run.first().is_some_and(|part| !is_zero(part)) {
                let (now, _) = bytes[bytes.len() - left..].split_at(length);
                self.file.write_all_at(now, self.length)?;
                self.written += length as u64;
            }
            left -= length;
            self.length += length as u64;
        }
        Ok(())
    }

    /// Leaves a hole.
    pub fn skip(&mut self, length: u64) {
        self.length += length;
    }

    /// Gives it its length.
    pub fn finish(self) -> io::Result<()> {
        self.file.set_len(self.length)
    }
}

/// What is wrong with copying a disk: the source's owner is told with the source's path.
fn unfit(path: &Path, problem: impl Into<String>) -> BuildError {
    BuildError::Unfit {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// Hands on every byte of a file in order: data as they are, and the length of what is a hole. A file that is written meanwhile is
/// refused: a machine that was off has been started.
pub fn walk(
    desk: &Desk<'_>,
    from: &Opened,
    path: &Path,
    each: &mut dyn FnMut(Piece<'_>) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    let unread = |error: io::Error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            changed(path)
        } else {
            unfit(path, format!("cannot be read: {error}"))
        }
    };
    let size = from.size();
    if size > DISK_LIMIT {
        return Err(unfit(
            path,
            format!("has {} GiB; at most {} are taken", size >> 30, DISK_LIMIT >> 30),
        ));
    }
    let before = from.state().map_err(unread)?;
    let (held, mut done, mut told) = (from.held(), 0, 0);
    desk.progress.bytes(0, Some(held));
    let mut buffer = vec![0; BLOCK];
    let mut at = 0;
    while at < size {
        let (data, hole) = extent(from.file(), at, size).map_err(unread)?;
        if data > at {
            each(Piece::Hole(data - at))?;
        }
        at = data;
        while at < hole {
            desk.runner.check()?;
            let length = usize::try_from(hole - at).map_or(BLOCK, |left| left.min(BLOCK));
            from.read(at, &mut buffer[..length]).map_err(unread)?;
            each(Piece::Data(&buffer[..length]))?;
            at += length as u64;
            done += length as u64;
            if done - told >= TOLD {
                desk.progress.bytes(done, Some(held.max(done)));
                told = done;
            }
        }
    }
    if from.state().map_err(unread)? != before {
        return Err(changed(path));
    }
    Ok(())
}

fn changed(path: &Path) -> BuildError {
    unfit(
        path,
        "was written while it was copied; a machine that uses it must be shut off, and stay so until the import is over",
    )
}

/// A part of a file.
pub enum Piece<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// So many zeros that take no room.
    Hole(u64),
}

/// Where the next data begin and end, from a place on (lseek(2)); where the file system does not tell, all is data.
fn extent(file: &File, at: u64, size: u64) -> io::Result<(u64, u64)> {
    let data = match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.min(size),
        Err(Errno::NXIO) => return Ok((size, size)),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok((at, size)),
        Err(error) => return Err(error.into()),
    };
    match seek(file, SeekFrom::Hole(data)) {
        Ok(hole) => Ok((data, hole.clamp(data, size))),
        Err(Errno::NXIO) => Ok((size, size)),
        Err(error) => Err(error.into()),
    }
}

/// Copies a file; gives its SHA-256, hexadecimal, where that is asked for, which takes all of its zeros as well.
pub fn copy(
    desk: &Desk<'_>,
    from: &Opened,
    path: &Path,
    to: &Path,
    digest: bool,
) -> Result<Option<String>, BuildError> {
    let failed = |error| BuildError::of_io("copy the disk", to, error);
    let mut copied = Holed::create(to).map_err(failed)?;
    let mut hash = digest.then(Sha256::new);
    walk(desk, from, path, &mut |piece| {
        match piece {
            Piece::Data(bytes) => {
                if let Some(hash) = &mut hash {
                    hash.update(bytes);
                }
                copied.push(bytes).map_err(failed)?;
            }
            Piece::Hole(length) => {
                if let Some(hash) = &mut hash {
                    zeros(hash, length);
                }
                copied.skip(length);
            }
        }
        Ok(())
    })?;
    copied.finish().map_err(failed)?;
    Ok(hash.map(|hash| hex(&hash.finalize())))
}

/// Adds so many zeros to a digest.
pub fn zeros(hash: &mut Sha256, length: u64) {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut left = length;
    while left > 0 {
        let part = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        hash.update(&ZEROS[..part]);
        left -= part as u64;
    }
}
