//! Pools whose folder this machine has too: files go there and come from there without libvirt in between, by the file
//! system's own copying, which shares the blocks where the file system can (copy_file_range(2): XFS, Btrfs).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use virt::connect::Connect;

use crate::host::libvirt::error::from_message;
use crate::host::libvirt::pool;
use crate::host::libvirt::volume::{self, CHUNK, damaged};
use crate::input::hex;
use crate::port::LabError;

/// The folders of the pools that were asked for; nothing where a pool has none here.
#[derive(Default)]
pub struct Folders(Mutex<BTreeMap<String, Option<PathBuf>>>);

impl Folders {
    /// The folder of a pool, where it was shown to be on this machine: a daemon in a container or with a socket from
    /// elsewhere has a folder of the same name that is another one.
    pub fn of(&self, conn: &Connect, pool: &str) -> Option<PathBuf> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = known().get(pool) {
            return folder.clone();
        }
        let folder = shown(conn, pool).unwrap_or_else(|error| {
            tracing::debug!("pool {pool} is used through libvirt alone: {error}");
            None
        });
        known().insert(pool.to_owned(), folder.clone());
        folder
    }
}

/// Sends bytes that nobody can guess through libvirt, and looks whether they arrive here.
fn shown(conn: &Connect, pool: &str) -> Result<Option<PathBuf>, LabError> {
    let nonce = uuid::Uuid::new_v4();
    let name = format!("here-{nonce}");
    let handle = conn
        .lookup_storage_pool_by_name(pool)
        .map_err(crate::host::libvirt::error::doing(format!(
            "looking up pool {pool}"
        )))?;
    let folder = PathBuf::from(pool::target(&handle)?);
    volume::place_bytes(conn, pool, &name, nonce.as_bytes())?;
    let arrived = fs::read(folder.join(&name)).is_ok_and(|bytes| bytes == nonce.as_bytes());
    volume::remove(conn, pool, &name)?;
    Ok(arrived.then_some(folder))
}

/// Opens a volume that libvirt has made, to write to it; nothing where this user may not.
pub fn writable(folder: Option<&Path>, name: &str) -> Option<File> {
    open(OpenOptions::new().write(true).read(true), folder?, name)
}

/// Opens a volume to read it; nothing where this user may not.
pub fn readable(folder: Option<&Path>, name: &str) -> Option<File> {
    open(OpenOptions::new().read(true), folder?, name)
}

fn open(options: &mut OpenOptions, folder: &Path, name: &str) -> Option<File> {
    let path = folder.join(name);
    // What stands there is a file or nothing that was made here.
    let flags = rustix::fs::OFlags::NOFOLLOW.bits();
    let opened = options.custom_flags(i32::try_from(flags).ok()?).open(&path);
    opened
        .inspect_err(|error| tracing::debug!("{} is not opened here: {error}", path.display()))
        .ok()
}

/// Copies all of `source`, the file at `path`, to the begin of `target`; the SHA-256 of what arrived.
pub fn copy(source: &File, target: &File, path: &Path) -> Result<String, LabError> {
    let size = source
        .metadata()
        .map_err(|error| damaged(path, &error.to_string()))?
        .len();
    let copied = io::copy(&mut source.take(size), &mut &*target).map_err(|error| unwritable(path, &error))?;
    if copied != size {
        return Err(damaged(path, "it became shorter while it was read"));
    }
    hash(target).map_err(|error| unwritable(path, &error))
}

fn hash(mut file: &File) -> io::Result<String> {
    file.rewind()?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&chunk[..read]),
        }
    }
}

/// The error of a copy that this machine did not take; told as libvirt's own would be.
pub fn unwritable(path: &Path, error: &io::Error) -> LabError {
    from_message(&format!("copying {}", path.display()), &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_and_its_digest_is_of_what_arrived() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("source");
        fs::write(&path, b"abc").expect("a source");
        fs::write(folder.path().join("target"), b"").expect("a target");
        let target = writable(Some(folder.path()), "target").expect("it opens");
        let digest = copy(&File::open(&path).expect("it opens"), &target, &path).expect("a copy");
        // FIPS 180-2, B.1.
        assert_eq!(
            digest,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(fs::read(folder.path().join("target")).expect("it reads"), b"abc");
    }

    #[test]
    fn what_is_no_file_of_a_pool_is_left_to_libvirt() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).expect("a link");
        for name in ["link", "nothing"] {
            assert!(readable(Some(folder.path()), name).is_none(), "{name}");
            assert!(writable(Some(folder.path()), name).is_none(), "{name}");
        }
        assert!(readable(None, "source").is_none());
    }
}
