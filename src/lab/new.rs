//! A lab to begin with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The files of a new lab. The recipes are those of the repository, so that they are known to work.
const FILES: [(&str, &str); 10] = [
    ("patchgate.toml", include_str!("new/patchgate.toml")),
    ("scenarios/shop/page.toml", include_str!("new/page.toml")),
    (
        "images/debian-12.toml",
        include_str!("../../images/debian-12.toml"),
    ),
    (
        "images/roles/web.toml",
        include_str!("../../images/roles/web.toml"),
    ),
    // What the recipes copy into the image.
    (
        "images/files/initramfs.conf",
        include_str!("../../images/files/initramfs.conf"),
    ),
    (
        "images/files/initramfs-modules",
        include_str!("../../images/files/initramfs-modules"),
    ),
    (
        "images/files/interfaces",
        include_str!("../../images/files/interfaces"),
    ),
    (
        "images/files/modprobe.conf",
        include_str!("../../images/files/modprobe.conf"),
    ),
    (
        "images/roles/web/site.conf",
        include_str!("../../images/roles/web/site.conf"),
    ),
    (
        "images/roles/web/index.html",
        include_str!("../../images/roles/web/index.html"),
    ),
];

/// Why no lab was made; what could be taken back was.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// Files of it are there already; nothing was written.
    #[error("{} there already; nothing was written", listed(.0))]
    Exists(Vec<PathBuf>),
    /// A file or folder of it cannot be made.
    #[error("`{}` cannot be written: {source}; {}", path.display(), remains(left))]
    NotWritten {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
        /// What was made before and cannot be removed again.
        left: Vec<PathBuf>,
    },
}

impl NewError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exists(_) => Some("name another folder: `patchgate init DIR`"),
            Self::NotWritten { .. } => None,
        }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    let verb = if paths.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

fn remains(left: &[PathBuf]) -> String {
    if left.is_empty() {
        return "nothing was left behind".to_owned();
    }
    let names: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    format!("left behind: {}", names.join(", "))
}

/// Writes a new lab into a folder, which is made where it is missing; gives its files.
///
/// # Errors
/// A file of it is there already, or cannot be written; then nothing of it is left.
pub fn write(dir: &Path) -> Result<Vec<PathBuf>, NewError> {
    let existing: Vec<PathBuf> = FILES
        .iter()
        .map(|(name, _)| dir.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .collect();
    if !existing.is_empty() {
        return Err(NewError::Exists(existing));
    }
    let mut made = Made::default();
    for (name, text) in FILES {
        if let Err((path, source)) = made.write(&dir.join(name), text) {
            let left = made.undo();
            return Err(NewError::NotWritten { path, source, left });
        }
    }
    Ok(made.files)
}

/// What was made so far, to take it back.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    fn write(&mut self, path: &Path, text: &str) -> Result<(), (PathBuf, io::Error)> {
        if let Some(folder) = path.parent() {
            self.folder(folder).map_err(|error| (folder.to_owned(), error))?;
        }
        // create_new: a file that appeared meanwhile is not overwritten.
        let file: Result<File, _> = OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| {
            self.files.push(path.to_owned());
            file.write_all(text.as_bytes())
        });
        written.map_err(|error| (path.to_owned(), error))
    }

    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|folder| *folder != Path::new("") && !folder.is_dir())
            .collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// Removes what was made; returns what could not be removed.
    fn undo(&self) -> Vec<PathBuf> {
        let files = self.files.iter().filter(|path| !is_gone(&fs::remove_file(path)));
        let folders = self
            .folders
            .iter()
            .rev()
            .filter(|path| !is_gone(&fs::remove_dir(path)));
        files.chain(folders).cloned().collect()
    }
}

/// Whether something is gone, by us or already.
fn is_gone(result: &io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}
