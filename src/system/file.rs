//! Files that somebody else may have written: opened once and without waiting, regular files alone, read within a bound.
//! What is looked at by name and then opened by name may be two files; here everything is asked of the one descriptor.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use sha2::{Digest, Sha256};

use crate::input::hex;

/// Why a file is not read; the fragment stands behind the file's name.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none of that name.
    #[error("is not there")]
    Missing,
    /// It is a link, and what it leads to is not there.
    #[error("is a link to what is not there")]
    Dangling,
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It is a folder, a pipe, a socket or a device.
    #[error("is not a file")]
    NotAFile,
    /// It is no folder, or something on the way to it is none.
    #[error("is not a folder")]
    NotAFolder,
    /// Its path leaves the folder that it is looked for in.
    #[error("is outside its folder")]
    Outside,
    /// It, or a folder on the way to it, is a link.
    #[error("is a link, or behind one, and links are not followed here")]
    Link,
    /// It has more bytes than are read.
    #[error("is larger than {}", size(*.0))]
    TooLarge(u64),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::NotADirectory => Self::NotAFolder,
            _ => Self::Io(error),
        }
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Missing => Self::new(io::ErrorKind::NotFound, "there is no such file"),
            FileError::Io(error) => error,
            other => Self::other(other.to_string()),
        }
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(
            || format!("{bytes} bytes"),
            |(unit, name)| format!("{} {name}", bytes / unit),
        )
}

/// To open a pipe is to wait for its other end, unless one says not to; a terminal must not become ours.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Opens a file to read it. Links are followed: the path is the user's own, or in a folder of patchgate's own.
pub fn open(path: &Path) -> Result<File, FileError> {
    match rustix::fs::open(path, FLAGS, Mode::empty()) {
        Ok(file) => regular(file.into()),
        // A socket cannot be opened.
        Err(rustix::io::Errno::NXIO) => Err(FileError::NotAFile),
        Err(error) => Err(missed(path, io::Error::from(error))),
    }
}

/// Why a path leads to no file, where an open of it failed like this.
fn missed(path: &Path, error: io::Error) -> FileError {
    match FileError::from(error) {
        FileError::Missing if path.is_symlink() => FileError::Dangling,
        error => error,
    }
}

/// Looks whether a path leads to a regular file, without opening it.
pub fn look(path: &Path) -> Result<(), FileError> {
    match path.metadata() {
        Ok(about) if about.is_file() => Ok(()),
        Ok(_) => Err(FileError::NotAFile),
        Err(error) => Err(missed(path, error)),
    }
}

/// Leaves the file's times as they are while it is read, where this user may: its owner and root may (fcntl(2), `O_NOATIME`).
fn untouched(file: &File) {
    let _ = rustix::fs::fcntl_setfl(file, OFlags::NOATIME | OFlags::NONBLOCK);
}

fn regular(file: File) -> Result<File, FileError> {
    if file.metadata()?.is_file() {
        untouched(&file);
        Ok(file)
    } else {
        Err(FileError::NotAFile)
    }
}

/// Reads a file of at most `limit` bytes; one that grows meanwhile is not read beyond it.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read_from(&open(path)?, limit)
}

/// Reads an open file to its end, of at most `limit` bytes.
pub fn read_from(file: &File, limit: u64) -> Result<Vec<u8>, FileError> {
    if file.metadata()?.len() > limit {
        return Err(FileError::TooLarge(limit));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge(limit));
    }
    Ok(bytes)
}

/// The SHA-256, in hexadecimal, of a file of at most `limit` bytes.
pub fn digest(path: &Path, limit: u64) -> Result<String, FileError> {
    digest_of(open(path)?, limit, |_| Ok(()))
}

/// Copies a file of at most `limit` bytes to a new one that only its owner may read, zeros as holes, and tells the SHA-256, in
/// hexadecimal, of what was copied. `stop` is asked now and then whether to end early, which is an error.
pub fn copy(from: &Path, to: &Path, limit: u64, stop: &dyn Fn() -> bool) -> Result<String, FileError> {
    let file = open(from)?;
    let mut options = File::options();
    let mut copied = options.write(true).create_new(true).mode(0o600).open(to)?;
    let mut length = 0;
    let digest = digest_of(file, limit, |block| {
        if stop() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if block.iter().all(|&byte| byte == 0) {
            copied.seek_relative(i64::try_from(block.len()).map_err(io::Error::other)?)?;
        } else {
            copied.write_all(block)?;
        }
        length += block.len() as u64;
        Ok(())
    })?;
    copied.set_len(length)?;
    Ok(digest)
}

/// Reads an open file to its end, hands on each block, and tells the SHA-256 of all.
fn digest_of(
    file: File,
    limit: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<String, FileError> {
    let mut file = file.take(limit.saturating_add(1));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        let block = &buffer[..count];
        hasher.update(block);
        each(block)?;
    }
    if file.limit() == 0 {
        return Err(FileError::TooLarge(limit));
    }
    Ok(hex(&hasher.finalize()))
}

/// A folder of files that somebody else wrote, held by its descriptor: nothing outside is reached through it, whatever
/// happens to names meanwhile.
#[derive(Debug)]
pub struct Folder(File);

impl Folder {
    /// Opens a folder; links in its own path are followed.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let path = if path == Path::new("") {
            Path::new(".")
        } else {
            path
        };
        let flags = FLAGS.union(OFlags::DIRECTORY);
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
        Ok(Self(folder.into()))
    }

    /// Opens a file below the folder, without following any link.
    pub fn file(&self, name: &Path) -> Result<File, FileError> {
        regular(self.beneath(name, FLAGS)?)
    }

    /// Opens a folder below the folder, without following any link.
    pub fn folder(&self, name: &Path) -> Result<Self, FileError> {
        self.beneath(name, FLAGS.union(OFlags::DIRECTORY)).map(Self)
    }

    /// Reads a file of at most `limit` bytes below the folder, without following any link.
    pub fn read(&self, name: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        read_from(&self.file(name)?, limit)
    }

    /// openat2(2), which Linux has since 5.6: the kernel itself keeps to the folder.
    fn beneath(&self, name: &Path, flags: OFlags) -> Result<File, FileError> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if name.as_os_str().is_empty() || !name.components().all(plain) {
            return Err(FileError::Outside);
        }
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.0, name, flags, Mode::empty(), within) {
            Ok(file) => Ok(file.into()),
            Err(rustix::io::Errno::LOOP) => Err(FileError::Link),
            Err(rustix::io::Errno::XDEV) => Err(FileError::Outside),
            // A socket cannot be opened.
            Err(rustix::io::Errno::NXIO) => Err(FileError::NotAFile),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn fifo(path: &Path) {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a pipe");
    }

    #[test]
    fn only_regular_files_within_their_bound_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "12345").expect("write");
        fs::create_dir(path("folder")).expect("folder");
        fifo(&path("pipe"));
        let _socket = UnixListener::bind(path("socket")).expect("socket");
        assert_eq!(read(&path("file"), 5).expect("whole"), b"12345");
        assert_eq!(
            digest(&path("file"), 5).expect("whole"),
            hex(&Sha256::digest("12345"))
        );
        let words = |name: &str, limit| {
            let told = read(&path(name), limit).expect_err(name).to_string();
            let held = Folder::open(folder.path()).expect("a folder");
            assert_eq!(
                held.read(Path::new(name), limit).expect_err(name).to_string(),
                told
            );
            told
        };
        assert_eq!(words("file", 4), "is larger than 4 bytes");
        assert!(matches!(digest(&path("file"), 4), Err(FileError::TooLarge(4))));
        assert_eq!(words("folder", 4), "is not a file");
        assert_eq!(words("pipe", 4), "is not a file");
        assert_eq!(words("none", 4), "is not there");
        assert!(read(&path("socket"), 4).is_err());
        // Endless, and without a size.
        assert!(matches!(
            read(Path::new("/dev/zero"), 4),
            Err(FileError::NotAFile)
        ));
        assert_eq!(size(256 * 1024), "256 KiB");
    }

    #[test]
    fn a_copy_is_what_its_digest_says_with_holes_for_zeros() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        let mut bytes = vec![0; 3 << 20];
        bytes[1 << 20] = 1;
        fs::write(path("from"), &bytes).expect("write");
        let go = &|| false;
        let digest = copy(&path("from"), &path("to"), 3 << 20, go).expect("copied");
        assert_eq!(digest, hex(&Sha256::digest(&bytes)));
        assert_eq!(fs::read(path("to")).expect("it reads"), bytes);
        let about = path("to").metadata().expect("it is there");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        assert!(about.blocks() * 512 < 2 << 20, "{} blocks", about.blocks());
        assert!(
            copy(&path("from"), &path("to"), 3 << 20, go).is_err(),
            "it is there already"
        );
        assert!(matches!(
            copy(&path("from"), &path("other"), 1 << 20, go),
            Err(FileError::TooLarge(_))
        ));
        assert!(copy(&path("from"), &path("third"), 3 << 20, &|| true).is_err());
    }

    #[test]
    fn nothing_is_reached_through_a_folder_that_is_not_in_it() {
        let around = tempfile::tempdir().expect("folder");
        let path = |name: &str| around.path().join(name);
        fs::create_dir_all(path("in/sub")).expect("folders");
        fs::write(path("in/sub/file"), "in").expect("write");
        fs::write(path("secret"), "out").expect("write");
        symlink("../secret", path("in/link")).expect("link");
        symlink("sub", path("in/away")).expect("link");
        let folder = Folder::open(&path("in")).expect("a folder");
        let read = |name: &str| folder.read(Path::new(name), 10);
        assert_eq!(read("sub/file").expect("in it"), b"in");
        for (name, why) in [
            ("link", "a link"),
            ("away/file", "a link"),
            ("../secret", "outside"),
            ("sub/../../secret", "outside"),
            ("", "outside"),
        ] {
            let error = read(name).expect_err(name).to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        assert!(read(&path("secret").display().to_string()).is_err());
        // What is open stays what it was.
        let held = folder.folder(Path::new("sub")).expect("a folder");
        fs::rename(path("in/sub"), path("moved")).expect("move");
        symlink("..", path("in/sub")).expect("link");
        assert_eq!(held.read(Path::new("file"), 10).expect("held"), b"in");
    }
}
