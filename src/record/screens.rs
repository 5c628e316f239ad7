//! The pictures of nodes' screens that a run keeps: files of its folder, bounded in number, for their owner alone.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::screen::{FOLDER, Screen};
use crate::system::file;

/// Pictures that a run keeps; what more of its nodes show is told by their consoles.
const MOST: usize = 64;
/// Bytes of one.
pub const LIMIT: u64 = 8 * 1024 * 1024;

/// The pictures of a run.
#[derive(Debug)]
pub struct Screens {
    /// The run's folder.
    run_dir: PathBuf,
    taken: AtomicUsize,
}

impl Screens {
    /// Of a run that has none yet.
    pub fn of(run_dir: &Path) -> Self {
        Self {
            run_dir: run_dir.to_owned(),
            taken: AtomicUsize::new(0),
        }
    }

    /// Keeps a picture of a node, as a file that only its owner may read; nothing where the run has as many as it keeps, or
    /// this one is too large.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, node: &str, png: &[u8]) -> io::Result<Option<Screen>> {
        if png.len() as u64 > LIMIT {
            return Ok(None);
        }
        self.make_folder()?;
        loop {
            let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
            if number > MOST {
                return Ok(None);
            }
            let screen = Screen::of(node, number);
            match create(&self.run_dir.join(screen.as_str())) {
                Ok(mut file) => {
                    file.write_all(png)?;
                    return Ok(Some(screen));
                }
                // That of a run that this one goes on with.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Copies the pictures of a run that this one goes on with, whose records name them.
    ///
    /// # Errors
    /// One of them cannot be copied.
    pub fn take_over(&self, other: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(other.join(FOLDER)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.make_folder()?;
        for entry in entries.take(MOST) {
            let name = entry?.file_name();
            let screen = name
                .to_str()
                .map(|name| Screen::try_from(format!("{FOLDER}/{name}")));
            if let Some(Ok(screen)) = screen {
                let png = file::read(&other.join(screen.as_str()), LIMIT)?;
                create(&self.run_dir.join(screen.as_str()))?.write_all(&png)?;
            }
        }
        Ok(())
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder
            .mode(0o700)
            .recursive(true)
            .create(self.run_dir.join(FOLDER))
    }
}

fn create(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_run_keeps_so_many_pictures_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let screens = Screens::of(folder.path());
        let first = screens
            .keep("0-control-web", b"png")
            .expect("written")
            .expect("kept");
        assert_eq!(first.as_str(), "screens/0-control-web-1.png");
        let about = fs::metadata(folder.path().join(first.as_str())).expect("a file");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        let large = vec![0; usize::try_from(LIMIT).expect("a size") + 1];
        assert_eq!(screens.keep("web", &large).expect("no error"), None);
        let kept = (0..100).filter(|_| screens.keep("web", b"png").expect("written").is_some());
        assert_eq!(kept.count(), MOST - 1);
    }

    #[test]
    fn pictures_that_are_taken_over_are_never_replaced() {
        let (old, new) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        let taken = Screens::of(old.path())
            .keep("web", b"old")
            .expect("written")
            .expect("kept");
        fs::write(old.path().join("screens/notes.txt"), "x").expect("written");
        let screens = Screens::of(new.path());
        screens.take_over(old.path()).expect("copied");
        let next = screens.keep("web", b"new").expect("written").expect("kept");
        assert_ne!(next, taken);
        assert_eq!(fs::read(new.path().join(taken.as_str())).expect("a file"), b"old");
        assert_eq!(
            fs::read_dir(new.path().join(FOLDER)).expect("a folder").count(),
            2
        );
        Screens::of(new.path())
            .take_over(&new.path().join("gone"))
            .expect("there is none");
    }
}
