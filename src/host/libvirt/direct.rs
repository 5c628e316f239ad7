//! Files of a pool whose folder is on this machine: they are read and written without libvirt in between, by the file
//! system's own copying, which shares the blocks where the file system can (copy_file_range(2): XFS, Btrfs).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::host::libvirt::error::{damaged, from_message};
use crate::host::libvirt::making::Halt;
use crate::input::hex;
use crate::model::name::VolumeName;
use crate::port::LabError;

/// What is read of a file at once.
pub const CHUNK: usize = 1024 * 1024;

/// What is copied of a file at once.
const PIECE: u64 = 64 * 1024 * 1024;

/// Opens a volume that libvirt has made, to write to it; nothing where this user may not.
pub fn writable(folder: Option<&Path>, name: &VolumeName) -> Option<File> {
    open(OpenOptions::new().write(true).read(true), folder?, name)
}

/// Opens a volume to read it; nothing where this user may not.
pub fn readable(folder: Option<&Path>, name: &VolumeName) -> Option<File> {
    open(OpenOptions::new().read(true), folder?, name)
}

fn open(options: &mut OpenOptions, folder: &Path, name: &VolumeName) -> Option<File> {
    let path = folder.join(name.as_str());
    // What stands there is a file or nothing that was made here.
    let flags = rustix::fs::OFlags::NOFOLLOW.bits();
    let opened = options.custom_flags(i32::try_from(flags).ok()?).open(&path);
    opened
        .inspect_err(|error| tracing::debug!("{} is not opened here: {error}", path.display()))
        .ok()
}

/// Copies all of `source`, the file at `path`, to the begin of `target`; the SHA-256 of what arrived.
pub fn copy(source: &File, target: &File, path: &Path, halt: &Halt) -> Result<String, LabError> {
    let size = source
        .metadata()
        .map_err(|error| damaged(path, &error.to_string()))?
        .len();
    let mut left = size;
    while left > 0 {
        halt.check()?;
        let piece = left.min(PIECE);
        let copied =
            io::copy(&mut source.take(piece), &mut &*target).map_err(|error| unwritable(path, &error))?;
        if copied != piece {
            return Err(damaged(path, "it became shorter while it was read"));
        }
        left -= piece;
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
    use std::fs;

    use super::*;

    fn name(text: &str) -> VolumeName {
        text.parse().expect("a name")
    }

    #[test]
    fn a_copy_is_whole_and_its_digest_is_of_what_arrived() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("source");
        fs::write(&path, b"abc").expect("a source");
        fs::write(folder.path().join("target"), b"").expect("a target");
        let target = writable(Some(folder.path()), &name("target")).expect("it opens");
        let digest = File::open(&path).expect("it opens");
        let digest = copy(&digest, &target, &path, &Halt::default()).expect("a copy");
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
        for other in ["link", "nothing"] {
            assert!(readable(Some(folder.path()), &name(other)).is_none(), "{other}");
            assert!(writable(Some(folder.path()), &name(other)).is_none(), "{other}");
        }
        assert!(readable(None, &name("source")).is_none());
    }
}
