//! Disks that are another's: read as they are, without a lock that would keep their owner from them, and never written.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom, seek};

use crate::system::file::FileError;

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// A disk that is open to be read: a regular file or a block device.
#[derive(Debug)]
pub struct Disk {
    file: File,
    size: u64,
}

impl Disk {
    /// Opens a disk, without waiting. Links are followed: its owner named it so.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file: File = rustix::fs::open(path, flags, Mode::empty())
            .map_err(io::Error::from)?
            .into();
        let about = file.metadata()?;
        let size = if about.is_file() {
            about.len()
        } else if about.file_type().is_block_device() {
            // A device has no length; its end is found.
            seek(&file, SeekFrom::End(0)).map_err(io::Error::from)?
        } else {
            return Err(FileError::NotAFile);
        };
        Ok(Self { file, size })
    }

    /// By what one sees that somebody has written to it: which file it is, its size and its last change. A device's are those
    /// of its name, so that only a file shows it.
    pub fn stamp(&self) -> io::Result<String> {
        let about = self.file.metadata()?;
        Ok(format!(
            "{}:{} {} {}.{:09}",
            about.dev(),
            about.ino(),
            self.size,
            about.mtime(),
            about.mtime_nsec()
        ))
    }

    /// Copies it to a new file that only its owner may read, holes and zeros as holes. `stop` is asked at each block whether to
    /// end early, which is an error.
    pub fn copy(&self, to: &Path, stop: &dyn Fn() -> bool) -> io::Result<()> {
        let mut options = File::options();
        let target = options.write(true).create_new(true).mode(0o600).open(to)?;
        let mut block = vec![0; BLOCK];
        let mut at = 0;
        while let Some((begin, end)) = self.data(at)? {
            at = begin;
            while at < end {
                if stop() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                let want = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
                let part = &mut block[..want];
                self.file.read_exact_at(part, at)?;
                if part.iter().any(|&byte| byte != 0) {
                    target.write_all_at(part, at)?;
                }
                at += want as u64;
            }
        }
        target.set_len(self.size)?;
        Ok(())
    }

    /// The next part from there on that is no hole, as far as the file system tells; nothing where there is none.
    fn data(&self, from: u64) -> io::Result<Option<(u64, u64)>> {
        if from >= self.size {
            return Ok(None);
        }
        let begin = match seek(&self.file, SeekFrom::Data(from)) {
            Ok(begin) => begin,
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            // A device, or a file system without holes.
            Err(rustix::io::Errno::INVAL) => return Ok(Some((from, self.size))),
            Err(error) => return Err(error.into()),
        };
        if begin >= self.size {
            return Ok(None);
        }
        let end = seek(&self.file, SeekFrom::Hole(begin)).map_err(io::Error::from)?;
        Ok(Some((begin, end.min(self.size))))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_copy_is_the_same_and_costs_what_the_disk_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for (name, size, at) in [
            ("hole at the end", 9 << 20, 0),
            ("hole before", 9 << 20, 9 << 20),
            ("odd", (3 << 20) + 17, (3 << 20) + 10),
            ("all hole", 1 << 20, 2 << 20),
            ("empty", 0, 1),
        ] {
            let file = File::create(path("from")).expect("a disk");
            if at < size {
                file.write_all_at(b"content", at).expect("written");
            }
            file.set_len(size).expect("its size");
            let disk = Disk::open(&path("from")).expect("it opens");
            let before = disk.stamp().expect("a stamp");
            disk.copy(&path("to"), &|| false).expect("a copy");
            assert!(
                fs::read(path("to")).expect("it reads") == fs::read(path("from")).expect("it reads"),
                "{name}"
            );
            let about = path("to").metadata().expect("it is there");
            assert_eq!(about.permissions().mode() & 0o777, 0o600);
            assert!(
                about.blocks() * 512 <= 1 << 20,
                "{name}: {} blocks",
                about.blocks()
            );
            assert_eq!(
                disk.stamp().expect("a stamp"),
                before,
                "{name}: the source is as it was"
            );
            assert!(disk.copy(&path("to"), &|| false).is_err(), "it is there already");
            fs::remove_file(path("to")).expect("removed");
        }
    }

    #[test]
    fn who_writes_to_a_disk_is_seen_and_who_stops_a_copy_is_heard() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        fs::write(&path, vec![7; 1 << 20]).expect("a disk");
        let disk = Disk::open(&path).expect("it opens");
        let before = disk.stamp().expect("a stamp");
        let stopped = disk
            .copy(&folder.path().join("to"), &|| true)
            .expect_err("stopped");
        assert_eq!(stopped.kind(), io::ErrorKind::Interrupted);
        let file = File::options().write(true).open(&path).expect("it opens");
        file.write_all_at(b"8", 5).expect("written");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .expect("a time");
        assert_ne!(disk.stamp().expect("a stamp"), before);
    }

    #[test]
    fn nothing_but_files_and_block_devices_is_a_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, words) in [
            (folder.path().to_owned(), "is not a file"),
            ("/dev/zero".into(), "is not a file"),
            (folder.path().join("none"), "is not there"),
        ] {
            assert_eq!(Disk::open(&path).expect_err("no disk").to_string(), words);
        }
    }
}
