//! Saved states on their way between a pool and this machine, without what is zero.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use virt::connect::Connect;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use super::error::doing;
use super::pool::patient;
use super::volume::{self, damaged};
use crate::image::sparse::{BLOCK, Digest, for_each_block};
use crate::outcome::Cause;
use crate::port::LabError;

/// Copies a volume to a new file that only its owner may read, with holes for what is zero; its digest.
pub fn fetch(conn: &Connect, pool: &str, name: &str, file: &Path) -> Result<String, LabError> {
    let what = format!("fetching volume {pool}/{name}");
    let fetching = || doing(what.clone());
    let unwritable = |error: std::io::Error| {
        LabError::new(Cause::Internal, format!("{what} to {}: {error}", file.display()))
    };
    let (handle, _) = volume::find(conn, pool, name)?;
    // QEMU has written to it behind libvirt's back.
    patient(|| handle.refresh(0)).map_err(fetching())?;
    let source = handle.lookup_storage_vol_by_name(name).map_err(fetching())?;
    let size = length(&source)?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(unwritable)?;
    let stream = Stream::new(conn, 0).map_err(fetching())?;
    source.download(&stream, 0, size, 0).map_err(fetching())?;
    let mut digest = Digest::default();
    let mut block = vec![0; BLOCK];
    let mut left = size;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let mut filled = 0;
        while filled < want {
            match stream.recv(&mut block[filled..want]).map(usize::try_from) {
                Ok(Ok(read)) if read > 0 => filled += read,
                Ok(_) => {
                    let _ = stream.abort();
                    return Err(LabError::new(
                        Cause::HostRefused,
                        format!("{what}: libvirt ended it early"),
                    ));
                }
                Err(error) => {
                    let _ = stream.abort();
                    return Err(fetching()(error));
                }
            }
        }
        if digest.add(&block[..want]) {
            target.write_all(&block[..want]).map_err(unwritable)?;
        } else {
            target
                .seek_relative(i64::try_from(want).unwrap_or(0))
                .map_err(unwritable)?;
        }
        left -= want as u64;
    }
    target.set_len(size).map_err(unwritable)?;
    let _ = stream.finish();
    Ok(digest.finish())
}

/// The bytes that a file in a pool has; its capacity as a disk may be another.
fn length(volume: &StorageVol) -> Result<u64, LabError> {
    let xml = volume.xml_desc(0).map_err(doing("reading a volume"))?;
    let physical = super::xml::parse(&xml).and_then(|document| {
        super::xml::child(document.root_element(), "physical")?
            .text()?
            .parse()
            .ok()
    });
    physical.ok_or_else(|| LabError::new(Cause::HostRefused, "libvirt does not say how long a volume is"))
}

/// Copies a file into a pool as a volume that QEMU may read by itself, and checks it on the way.
pub fn place(conn: &Connect, pool: &str, name: &str, file: &Path, digest: &str) -> Result<(), LabError> {
    let unreadable = |error: std::io::Error| damaged(file, &error.to_string());
    let source = File::open(file).map_err(unreadable)?;
    let size = source.metadata().map_err(unreadable)?.len();
    volume::create_owned(conn, pool, name, size)?;
    let (_, target) = volume::find(conn, pool, name)?;
    let placed = send(conn, &target, &source, size, file).and_then(|is| {
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

/// Why a file could not be sent.
enum Unsent {
    File(std::io::Error),
    Lab(LabError),
}

impl From<std::io::Error> for Unsent {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

fn send(
    conn: &Connect,
    target: &StorageVol,
    source: &File,
    size: u64,
    file: &Path,
) -> Result<String, LabError> {
    let mut digest = Digest::default();
    // Where the present run of blocks that are not zero began.
    let mut begin = None;
    let sent = for_each_block(source, |block, at| {
        if digest.add(block) {
            begin.get_or_insert(at);
        } else if let Some(begin) = begin.take() {
            upload(conn, target, source, begin, at, file).map_err(Unsent::Lab)?;
        }
        Ok(())
    });
    match sent {
        Ok(()) => {}
        Err(Unsent::File(error)) => return Err(damaged(file, &error.to_string())),
        Err(Unsent::Lab(error)) => return Err(error),
    }
    if let Some(begin) = begin {
        upload(conn, target, source, begin, size, file)?;
    }
    Ok(digest.finish())
}

fn upload(
    conn: &Connect,
    target: &StorageVol,
    mut source: &File,
    begin: u64,
    end: u64,
    file: &Path,
) -> Result<(), LabError> {
    source
        .seek(SeekFrom::Start(begin))
        .map_err(|error| damaged(file, &error.to_string()))?;
    volume::upload(conn, target, &mut source, begin, end - begin, file).map(drop)
}
