//! Files that the user asks to be written. A regular one is replaced whole: a reader sees the old one or the new one. A link leads
//! to what is written and stays; a device or a pipe is written to, and never replaced by a file.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, Mode, OFlags, access, fcntl_setfl};
use rustix::io::Errno;

/// Links that are followed one after the other, as many as Linux follows itself (path_resolution(7)).
const LINKS: usize = 40;
/// How often, and for how long each time, somebody is waited for who reads from a pipe.
const PATIENCE: (u32, Duration) = (100, Duration::from_millis(100));

/// Why a file cannot be written; the fragment stands behind the file's name.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It is a folder.
    #[error("is a folder")]
    Folder,
    /// It is a disk: what is on it would be lost.
    #[error("is a disk, and no text is written over one")]
    Disk,
    /// It is a socket.
    #[error("is a socket")]
    Socket,
    /// The folder that it is to be in is not there, or is none.
    #[error("cannot be written: there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// It, or the folder that it is to be in, is not to be written to.
    #[error("cannot be written: {}: {source}", path.display())]
    Closed {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is a pipe without a reader.
    #[error("is a pipe that nobody reads from")]
    Unread,
    /// It cannot be written.
    #[error("cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl OutputError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Folder => "name a file in it",
            Self::Disk | Self::Socket => "name a file, a pipe or a terminal",
            Self::NoFolder(_) => "make the folder, or name a file in one that there is",
            Self::Closed { .. } => "name a file that you may write",
            Self::Unread => "start what reads from it, or name a file",
            Self::Io(_) => "is there room for it? else name a file elsewhere",
        }
    }
}

/// Where a text goes.
enum Place {
    /// A regular file, there or not yet, with the mode that it has.
    Whole(PathBuf, Option<u32>),
    /// What is opened and written to as it is.
    Into(PathBuf),
}

/// Looks whether a file can be written, as far as that can be told before, and writes nothing.
pub fn check(path: &Path) -> Result<(), OutputError> {
    let may = |path: PathBuf, how| {
        access(&path, how).map_err(|errno| OutputError::Closed {
            path,
            source: errno.into(),
        })
    };
    match place(path)? {
        Place::Into(path) => may(path, Access::WRITE_OK),
        Place::Whole(path, _) => may(folder_of(&path).to_owned(), Access::WRITE_OK | Access::EXEC_OK),
    }
}

/// Looks whether something can be made in a folder.
pub fn can_make_in(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Writes a file. For a pipe a reader is waited for, some seconds long.
pub fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    match place(path)? {
        Place::Into(path) => Ok(open(&path)?.write_all(text.as_bytes())?),
        Place::Whole(path, mode) => {
            let mut file = tempfile::Builder::new()
                .prefix(".patchgate-report-")
                // As any new file: the user's mask takes away from it.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(folder_of(&path))?;
            if let Some(mode) = mode {
                file.as_file()
                    .set_permissions(Permissions::from_mode(mode & 0o777))?;
            }
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn place(path: &Path) -> Result<Place, OutputError> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(OutputError::Folder);
    }
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return followed(path, None),
        Err(error) => return Err(error.into()),
    };
    let kind = about.file_type();
    if kind.is_dir() {
        Err(OutputError::Folder)
    } else if kind.is_block_device() {
        Err(OutputError::Disk)
    } else if kind.is_socket() {
        Err(OutputError::Socket)
    } else if kind.is_file() {
        followed(path, Some(about.permissions().mode()))
    } else {
        Ok(Place::Into(path.to_owned()))
    }
}

/// Where a path to a regular file, or to one that is not there yet, leads.
fn followed(path: &Path, mode: Option<u32>) -> Result<Place, OutputError> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let name = path.file_name().ok_or(OutputError::Folder)?;
        let folder = folder_of(&path);
        let folder = fs::canonicalize(folder)
            .ok()
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| OutputError::NoFolder(folder.to_owned()))?;
        let here = folder.join(name);
        // An open file of a process, as /dev/stdout is one: who holds it wants to find the text in it.
        if folder.starts_with("/proc") {
            return Ok(Place::Into(here));
        }
        match fs::read_link(&here) {
            Ok(to) => path = folder.join(to),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
                ) =>
            {
                return Ok(Place::Whole(here, mode));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(Errno::LOOP).into())
}

/// Opens what is no regular file. To open a pipe is to wait for its other end, unless one says not to.
fn open(path: &Path) -> Result<File, OutputError> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOCTTY;
    let (times, pause) = PATIENCE;
    for _ in 0..times {
        match rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty()) {
            Ok(file) => {
                fcntl_setfl(&file, OFlags::APPEND).map_err(io::Error::from)?;
                return Ok(file.into());
            }
            Err(Errno::NXIO) => std::thread::sleep(pause),
            Err(error) => {
                return Err(OutputError::Closed {
                    path: path.to_owned(),
                    source: error.into(),
                });
            }
        }
    }
    Err(OutputError::Unread)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn fifo(path: &Path) {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    }

    #[test]
    fn a_file_is_replaced_whole_with_the_mode_that_it_had() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("report.json");
        fs::write(&path, "old and longer than the new").expect("old");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
        check(&path).expect("it can be written");
        write(&path, "new").expect("new");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_link_leads_to_what_is_written_and_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("away")).expect("folder");
        fs::write(path("away/there"), "old").expect("old");
        symlink("away/there", path("link")).expect("link");
        symlink("link", path("second")).expect("link");
        symlink("away/new", path("dangling")).expect("link");
        for (link, file) in [
            ("link", "away/there"),
            ("second", "away/there"),
            ("dangling", "away/new"),
        ] {
            check(&path(link)).expect(link);
            write(&path(link), link).expect(link);
            assert!(path(link).is_symlink(), "{link} is a link no more");
            assert_eq!(fs::read_to_string(path(file)).expect("read"), link);
        }
        symlink("round", path("round")).expect("link");
        assert!(write(&path("round"), "x").is_err());
    }

    #[test]
    fn a_pipe_is_written_to_and_stays_a_pipe() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("pipe");
        fifo(&path);
        check(&path).expect("it can be written");
        let text = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut text = String::new();
                let mut file = File::open(&path).expect("open");
                file.read_to_string(&mut text).expect("read");
                text
            });
            write(&path, "through it").expect("written");
            reader.join().expect("a reader")
        });
        assert_eq!(text, "through it");
        assert!(path.metadata().expect("it is there").file_type().is_fifo());
    }

    #[test]
    fn what_cannot_be_written_is_told_before() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "x").expect("write");
        let _socket = UnixListener::bind(path("socket")).expect("socket");
        for (name, why) in [
            ("", "is a folder"),
            ("new/", "is a folder"),
            ("socket", "is a socket"),
            ("no/report", "there is no folder"),
            ("file/report", "cannot be written"),
        ] {
            for error in [check(&path(name)), write(&path(name), "x")] {
                let error = error.expect_err(name).to_string();
                assert!(error.contains(why), "{name}: {error}");
            }
        }
        assert!(check(Path::new("/proc/report.md")).is_err());
        check(&path("new")).expect("a new file");
        assert!(!path("new").exists(), "a look writes nothing");
    }
}
