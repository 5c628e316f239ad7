//! `patchgate init`: a lab of one's own to begin with.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::error::UserError;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The lab's folder; made where it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// The files of a new lab. The recipes are those of the repository, so that they are known to work.
const FILES: [(&str, &str); 10] = [
    ("patchgate.toml", include_str!("init/patchgate.toml")),
    ("scenarios/shop/page.toml", include_str!("init/page.toml")),
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

/// Writes a new lab and says what to do next.
///
/// # Errors
/// A file of it is there already, or cannot be written; then nothing of it is left.
pub fn run(args: &InitArgs) -> Result<String, UserError> {
    let dir = &args.dir;
    let existing: Vec<String> = FILES
        .iter()
        .map(|(name, _)| dir.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if !existing.is_empty() {
        let verb = if existing.len() == 1 { "is" } else { "are" };
        let message = format!(
            "{} {verb} there already; nothing was written",
            existing.join(", ")
        );
        return Err(UserError::usage(message).with_hint("name another folder: `patchgate init DIR`"));
    }
    let mut made = Made::default();
    for (name, text) in FILES {
        if let Err((path, error)) = made.write(&dir.join(name), text) {
            let left = made.undo();
            let remains = if left.is_empty() {
                "nothing was left behind".to_owned()
            } else {
                format!("left behind: {}", left.join(", "))
            };
            return Err(UserError::usage(format!(
                "`{}` cannot be written: {error}; {remains}",
                path.display()
            )));
        }
    }
    let written: Vec<String> = FILES
        .iter()
        .map(|(name, _)| format!("  {}", dir.join(name).display()))
        .collect();
    let written = written.join("\n");
    let enter = if dir == Path::new(".") {
        String::new()
    } else {
        format!("cd {} && ", shell_word(&dir.display().to_string()))
    };
    Ok(format!(
        "written:\n{written}\n\nnext:\n  {enter}patchgate check     # looks it all over\n  {enter}patchgate doctor    # can this machine run it?\n"
    ))
}

/// What was made so far, to take it back.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    fn write(&mut self, path: &Path, text: &str) -> Result<(), (PathBuf, std::io::Error)> {
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

    fn folder(&mut self, folder: &Path) -> std::io::Result<()> {
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
    fn undo(&self) -> Vec<String> {
        let files = self.files.iter().filter(|path| !is_gone(&fs::remove_file(path)));
        let folders = self
            .folders
            .iter()
            .rev()
            .filter(|path| !is_gone(&fs::remove_dir(path)));
        files
            .chain(folders)
            .map(|path| path.display().to_string())
            .collect()
    }
}

/// Whether something is gone, by us or already.
fn is_gone(result: &std::io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
