//! Saved states on their way between a pool and this machine, without what is zero.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use virt::connect::Connect;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use crate::host::libvirt::error::{damaged, doing};
use crate::host::libvirt::making::Halt;
use crate::host::libvirt::pool::patient;
use crate::host::libvirt::{direct, volume, xml};
use crate::image::sparse::{BLOCK, Digest, for_each_block, is_zero};
use crate::model::name::VolumePath;
use crate::model::outcome::Cause;
use crate::port::LabError;
use crate::system;

/// What is asked of a volume at once: libvirt's client queues what was not read yet, all of it if need be.
const PIECE: u64 = 4 * 1024 * 1024;

/// Copies a volume to a new file that only its owner may read, with holes for what is zero; its digest. `folder` is the
/// pool's, where it is on this machine.
pub fn fetch(
    conn: &Connect,
    folder: Option<&Path>,
    path: &VolumePath,
    file: &Path,
    halt: &Halt,
) -> Result<String, LabError> {
    let failed = |error: io::Error| {
        let message = format!("fetching volume {path} to {}: {error}", file.display());
        LabError::new(Cause::Internal, message)
    };
    let mut options = OpenOptions::new();
    let target = options.write(true).create_new(true).mode(0o600).open(file);
    let target = target.map_err(failed)?;
    let mut digest = Digest::default();
    let keep = |block: &[u8], at: u64| {
        halt.check()?;
        if digest.add(block) {
            target.write_all_at(block, at).map_err(failed)?;
        }
        Ok(())
    };
    let size = match direct::readable(folder, &path.name) {
        Some(source) => {
            walk(&source, failed, keep)?;
            source.metadata().map_err(failed)?.len()
        }
        None => download(conn, path, keep)?,
    };
    target.set_len(size).map_err(failed)?;
    Ok(digest.finish())
}

/// Why a file could not be read, or what was read not used.
enum Failed {
    Read(io::Error),
    Lab(LabError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Reads a file by its blocks.
fn walk(
    source: &File,
    unreadable: impl Fn(io::Error) -> LabError,
    mut each: impl FnMut(&[u8], u64) -> Result<(), LabError>,
) -> Result<(), LabError> {
    for_each_block(source, |block, at| each(block, at).map_err(Failed::Lab)).map_err(|failed| match failed {
        Failed::Read(error) => unreadable(error),
        Failed::Lab(error) => error,
    })
}

fn download(
    conn: &Connect,
    path: &VolumePath,
    keep: impl FnMut(&[u8], u64) -> Result<(), LabError>,
) -> Result<u64, LabError> {
    let what = format!("fetching volume {path}");
    let fetching = || doing(what.clone());
    let (handle, _) = volume::find(conn, path)?;
    // QEMU has written to it behind libvirt's back.
    patient(|| handle.refresh(0)).map_err(fetching())?;
    let source = handle
        .lookup_storage_vol_by_name(path.name.as_str())
        .map_err(fetching())?;
    pieces(conn, &source, &what, keep)
}

/// Copies any volume to a new file that only its owner may read, with holes for what is zero.
pub fn fetch_any(
    conn: &Connect,
    source: &StorageVol,
    what: &str,
    file: &Path,
    halt: &Halt,
) -> Result<(), LabError> {
    let failed = |error: io::Error| direct::unwritable(file, &error);
    let mut options = OpenOptions::new();
    let target = options.write(true).create_new(true).mode(0o600).open(file);
    let target = target.map_err(failed)?;
    let keep = |block: &[u8], at: u64| {
        halt.check()?;
        if is_zero(block) {
            return Ok(());
        }
        target.write_all_at(block, at).map_err(failed)
    };
    let size = pieces(conn, source, what, keep)?;
    target.set_len(size).map_err(failed)
}

/// Reads a volume by its blocks; its size.
fn pieces(
    conn: &Connect,
    source: &StorageVol,
    what: &str,
    mut keep: impl FnMut(&[u8], u64) -> Result<(), LabError>,
) -> Result<u64, LabError> {
    let fetching = || doing(what);
    let size = length(source)?;
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < size {
        let end = size.min(at + PIECE);
        let stream = Stream::new(conn, 0).map_err(fetching())?;
        source.download(&stream, at, end - at, 0).map_err(fetching())?;
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
            if let Err(error) = fill(&stream, &mut block[..want]) {
                let _ = stream.abort();
                return Err(match error {
                    Some(error) => fetching()(error),
                    None => LabError::new(Cause::HostRefused, format!("{what}: libvirt ended it early")),
                });
            }
            keep(&block[..want], at)?;
            at += want as u64;
        }
        // All of the piece has arrived.
        let _ = stream.finish();
    }
    Ok(size)
}

/// Fills a block from a stream; the inner error is nothing where the stream ended before.
fn fill(stream: &Stream, block: &mut [u8]) -> Result<(), Option<virt::error::Error>> {
    let mut filled = 0;
    while filled < block.len() {
        match stream.recv(&mut block[filled..]).map(usize::try_from) {
            Ok(Ok(read)) if read > 0 => filled += read,
            Ok(_) => return Err(None),
            Err(error) => return Err(Some(error)),
        }
    }
    Ok(())
}

/// The bytes that a file in a pool has; its capacity as a disk may be another.
fn length(volume: &StorageVol) -> Result<u64, LabError> {
    let text = volume.xml_desc(0).map_err(doing("reading a volume"))?;
    let physical = xml::parse(&text).and_then(|document| {
        xml::child(document.root_element(), "physical")?
            .text()?
            .parse()
            .ok()
    });
    physical.ok_or_else(|| LabError::new(Cause::HostRefused, "libvirt does not say how long a volume is"))
}

/// Copies a file into a pool as a volume that QEMU may read by itself, and checks it on the way. `folder` is the pool's,
/// where it is on this machine.
pub fn place(
    conn: &Connect,
    folder: Option<&Path>,
    path: &VolumePath,
    (file, digest): (&Path, &str),
    halt: &Halt,
) -> Result<(), LabError> {
    let unreadable = |error: io::Error| damaged(file, &error.to_string());
    let source = system::file::open(file).map_err(|error| unreadable(error.into()))?;
    let size = source.metadata().map_err(unreadable)?.len();
    let target = volume::create_owned(conn, path, size)?;
    let sent = match direct::writable(folder, &path.name) {
        // After an upload libvirt looks by itself at what has come, and learns the size of a disk.
        Some(target) => write(&source, &target, (file, halt)).and_then(|digest| {
            let looking = || doing(format!("looking at what was copied to {path}"));
            let handle = conn
                .lookup_storage_pool_by_name(path.pool.as_str())
                .map_err(looking())?;
            patient(|| handle.refresh(0)).map_err(looking())?;
            Ok(digest)
        }),
        None => send(conn, &target, &source, size, (file, halt)),
    };
    let placed = sent.and_then(|is| {
        if is == digest {
            Ok(())
        } else {
            Err(damaged(file, "its content is not what was saved"))
        }
    });
    if placed.is_err() {
        // Where this fails too, the volume goes with the pool.
        let _ = target.delete(0);
    }
    placed
}

/// Reads the file at a path by its blocks; one that cannot be read is damaged.
fn read(
    source: &File,
    file: &Path,
    each: impl FnMut(&[u8], u64) -> Result<(), LabError>,
) -> Result<(), LabError> {
    walk(source, |error| damaged(file, &error.to_string()), each)
}

fn write(source: &File, target: &File, (file, halt): (&Path, &Halt)) -> Result<String, LabError> {
    let mut digest = Digest::default();
    read(source, file, |block, at| {
        halt.check()?;
        if digest.add(block) {
            let written = target.write_all_at(block, at);
            written.map_err(|error| direct::unwritable(file, &error))?;
        }
        Ok(())
    })?;
    Ok(digest.finish())
}

fn send(
    conn: &Connect,
    target: &StorageVol,
    source: &File,
    size: u64,
    (file, halt): (&Path, &Halt),
) -> Result<String, LabError> {
    let mut digest = Digest::default();
    // Where the present run of blocks that are not zero began.
    let mut begin = None;
    read(source, file, |block, at| {
        if digest.add(block) {
            begin.get_or_insert(at);
        } else if let Some(begin) = begin.take() {
            upload(conn, target, source, begin..at, (file, halt))?;
        }
        Ok(())
    })?;
    if let Some(begin) = begin {
        upload(conn, target, source, begin..size, (file, halt))?;
    }
    Ok(digest.finish())
}

fn upload(
    conn: &Connect,
    target: &StorageVol,
    mut source: &File,
    place: Range<u64>,
    (file, halt): (&Path, &Halt),
) -> Result<(), LabError> {
    source
        .seek(SeekFrom::Start(place.start))
        .map_err(|error| damaged(file, &error.to_string()))?;
    volume::upload(conn, target, &mut source, place, (file, halt)).map(drop)
}
