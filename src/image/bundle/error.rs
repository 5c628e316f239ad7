//! What can be wrong with an archive or a backup of a machine, each with its remedy.

use std::io;
use std::path::{Path, PathBuf};

use crate::input::safe;
use crate::system::file::FileError;

/// A text of a stranger's for a message: bounded, and nothing in it steers a terminal.
pub fn shown(text: &str) -> String {
    format!("`{}`", safe::line(text))
}

/// Texts of a stranger's for a message, at most ten.
pub fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 10;
    let texts: Vec<String> = texts.into_iter().map(shown).collect();
    match texts.len().checked_sub(MOST) {
        None | Some(0) => texts.join(", "),
        Some(more) => format!("{} and {more} more", texts[..MOST].join(", ")),
    }
}

/// A machine that is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct BundleError {
    /// What was to be opened.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

impl BundleError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.problem.hint()
    }
}

/// Why a machine is not taken; the fragment stands behind the path of what was to be opened.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It was asked to stop.
    #[error("interrupted")]
    Stopped,
    /// It, or a file in it, is not a file that is read.
    #[error("{name}{error}")]
    File {
        /// Which one, with a blank behind it; nothing for the whole.
        name: String,
        /// Why not.
        error: FileError,
    },
    /// The system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program is not installed.
    #[error("it takes `{tool}`, which is not installed")]
    ToolMissing {
        /// The program.
        tool: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// There is no room to unpack it.
    #[error("takes {need} MiB unpacked, and {} has {free} MiB left", folder.display())]
    NoRoom {
        /// MiB that it takes, at least.
        need: u64,
        /// Where.
        folder: PathBuf,
        /// MiB that are free there.
        free: u64,
    },
    /// Its end is missing.
    #[error("is cut short: {0}")]
    Cut(String),
    /// It contradicts itself.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// A file is not the one that the manifest was written for.
    #[error("{file} has another {algorithm} than its manifest says")]
    Digest {
        /// The file.
        file: String,
        /// By which digest.
        algorithm: &'static str,
    },
    /// A line of a manifest that says nothing that is known.
    #[error("line {line} of the manifest {file} is not understood: {text}")]
    ManifestLine {
        /// The manifest.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A name leads out of the archive or folder.
    #[error("the name {0} leads out of it")]
    Outside(String),
    /// A file lies at a server, or anywhere but beside its descriptor.
    #[error("its content is partly at {0}")]
    Elsewhere(String),
    /// A file that is named is not there.
    #[error("{file}, which {by} names, is not in it")]
    Absent {
        /// The file.
        file: String,
        /// Who names it.
        by: String,
    },
    /// There are several of what must be one.
    #[error("has several {what}: {names}")]
    Several {
        /// Of what.
        what: &'static str,
        /// Which.
        names: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// There is no machine of the name that was asked for.
    #[error("has no machine {asked}; it has {names}")]
    NoSuchMachine {
        /// What was asked for.
        asked: String,
        /// What there is.
        names: String,
    },
    /// A descriptor cannot be read.
    #[error("the descriptor {file} cannot be read: {problem}")]
    Descriptor {
        /// Which.
        file: String,
        /// Why not.
        problem: String,
    },
    /// It is a folder, and no disk is in it.
    #[error("is a folder without a disk")]
    Diskless,
    /// It is nothing that can be taken; the text says why.
    #[error("{0}")]
    Unfit(String),
}

impl Problem {
    /// An error of the file itself that was to be opened.
    pub fn own(error: FileError) -> Self {
        Self::of_file("", error)
    }

    /// An error of a file in it.
    pub fn of_file(name: &str, error: FileError) -> Self {
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{} ", shown(name))
        };
        Self::File { name, error }
    }

    /// What was read ended early, or could not be read.
    pub fn reading(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            Self::Cut("it ends in the middle".to_owned())
        } else {
            Self::Io {
                what: "cannot be read".to_owned(),
                source,
            }
        }
    }

    /// What is unpacked could not be written.
    pub fn writing(place: &Path, source: io::Error) -> Self {
        Self::Io {
            what: format!("cannot be unpacked to {}", place.display()),
            source,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::ToolMissing { package, .. } => return Some(format!("run `apt install {package}`")),
            Self::NoRoom { folder, .. } => {
                return Some(format!(
                    "free room there (`patchgate image remove --unused`), or let PATCHGATE_IMAGES name a folder on another disk \
                     than {}",
                    folder.display()
                ));
            }
            Self::Several { remedy, .. } => *remedy,
            Self::Cut(_) => "copy it once more, and compare its size and digest with the original's",
            Self::Damaged(_) | Self::Digest { .. } => {
                "copy or export it once more; nothing of it is taken while it does not fit"
            }
            Self::ManifestLine { .. } => {
                "a line reads `SHA256(FILE)= DIGEST`; export it once more, or remove the manifest and so the check"
            }
            Self::Outside(_) => {
                "nothing outside is read or written; export the machine once more by its own tool"
            }
            Self::Elsewhere(_) => {
                "export the machine with its disks, so that all of it lies beside the descriptor"
            }
            Self::Absent { .. } => "put all files of the export into one folder, or export it once more",
            Self::NoSuchMachine { .. } => "ask for one of these",
            Self::Descriptor { .. } => "export the machine once more",
            Self::File {
                error: FileError::Missing | FileError::Dangling,
                ..
            } => "see whether the name is right, and whether it is on this machine",
            Self::File {
                error: FileError::NotAFile | FileError::NotAFolder,
                ..
            } => "name a disk, an archive of a machine, or the folder of one machine's disks",
            Self::Diskless => {
                "a disk is known by its content: qcow2, vmdk, vhdx, vhd, vdi, or raw with a partition table or a file system"
            }
            Self::Stopped | Self::File { .. } | Self::Io { .. } | Self::Unfit(_) => return None,
        };
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_is_shown_bounded_and_harmless() {
        assert_eq!(shown("a\u{1b}[31m\nb"), "`a\\u{1b}[31m\\nb`");
        assert!(shown(&"x".repeat(10_000)).len() < 600);
        let many: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let text = listed(many.iter().map(String::as_str));
        assert!(
            text.starts_with("`0`, ") && text.ends_with("`9` and 2 more"),
            "{text}"
        );
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
    }
}
