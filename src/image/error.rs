//! What can go wrong while an image is built or imported, each with its remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::image::format::flaw::Flaw;
use crate::image::manifest::DamagedImage;

/// What to do about a file that is not the one that is meant.
pub const OTHER_FILE: &str =
    "copy or fetch it once more; or compare the SHA-256 with the one that the source has now";

/// A failure to make an image; nothing of it is left in the store but its log.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A program that building needs is not installed.
    #[error("`{0}` is not installed")]
    ToolMissing(String),
    /// The process is not root.
    #[error("building an image needs root, for chroot and device nodes")]
    NotRoot,
    /// The build was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// Packages cannot be fetched.
    #[error("{what}: the package mirror cannot be reached or lacks a file\n{tail}")]
    Mirror {
        /// What was tried.
        what: String,
        /// The last lines of output.
        tail: String,
    },
    /// No room is left.
    #[error("{what}: the disk of {} is full", path.display())]
    DiskFull {
        /// What was tried.
        what: String,
        /// Where.
        path: PathBuf,
    },
    /// A command failed.
    #[error("{what}: {how}\n{tail}")]
    Command {
        /// What was tried.
        what: String,
        /// `exit code N` or `signal N`.
        how: String,
        /// The last lines of output.
        tail: String,
        /// The whole output, bounded, where it is kept.
        log: Option<PathBuf>,
    },
    /// A command did not end in time.
    #[error("{what}: no end after {after:?}")]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A file cannot be read or written.
    #[error("{what}: {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: String,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A path of the recipe leaves the image.
    #[error("{0}: not a path inside the image")]
    Outside(String),
    /// The image is one that only an import can provide.
    #[error("image {name} with SHA-256 {sha256} was not imported into this store")]
    NotImported {
        /// The image.
        name: String,
        /// What the lab file asks for.
        sha256: String,
    },
    /// The file to import cannot be taken.
    #[error("{}: {problem}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A disk is one that the machine has already, or a copy of it.
    #[error("{}: {problem}", path.display())]
    Copy {
        /// The later one.
        path: PathBuf,
        /// What it has of the earlier one.
        problem: String,
    },
    /// The file to import is not the one that is meant.
    #[error("{}: its SHA-256 is {found}, not {expected}", path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// The SHA-256 that it should have, hexadecimal.
        expected: String,
        /// The one that it has.
        found: String,
    },
    /// The variables of a machine's UEFI firmware cannot be taken.
    #[error("{}: the store of UEFI variables {flaw}", path.display())]
    Variables {
        /// Their file.
        path: PathBuf,
        /// Why not.
        flaw: Flaw,
    },
    /// The disk to import cannot be taken.
    #[error("{}: {flaw}", path.display())]
    Disk {
        /// Its file.
        path: PathBuf,
        /// Why not.
        flaw: Flaw,
    },
    /// The store's disk has less room than the import needs.
    #[error("{what} needs some {} MiB, and the disk of {} has {} free", needed >> 20, path.display(), free >> 20)]
    NoRoom {
        /// What needs it.
        what: String,
        /// How many bytes.
        needed: u64,
        /// How many there are.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// An image in the store is damaged.
    #[error(transparent)]
    Damaged(#[from] DamagedImage),
}

impl BuildError {
    /// The error of a file operation.
    pub fn of_io(what: &str, path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            Self::DiskFull {
                what: what.to_owned(),
                path: path.to_owned(),
            }
        } else {
            Self::Io {
                what: what.to_owned(),
                path: path.to_owned(),
                source,
            }
        }
    }

    /// The same, where it is of a file of patchgate's own, of what that is for the admin.
    #[must_use]
    pub fn named(self, name: impl Fn(&Path) -> Option<PathBuf>) -> Self {
        let of = |path: PathBuf| name(&path).unwrap_or(path);
        match self {
            Self::Unfit { path, problem } => Self::Unfit {
                path: of(path),
                problem,
            },
            Self::Copy { path, problem } => Self::Copy {
                path: of(path),
                problem,
            },
            Self::OtherFile {
                path,
                expected,
                found,
            } => Self::OtherFile {
                path: of(path),
                expected,
                found,
            },
            Self::Variables { path, flaw } => Self::Variables { path: of(path), flaw },
            Self::Disk { path, flaw } => Self::Disk { path: of(path), flaw },
            other => other,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ToolMissing(_) => Some("run ./setup.sh, which installs what patchgate needs".into()),
            Self::NotRoot => Some(
                "run `sudo patchgate image build`, or build on another machine and copy its image store; \
                 PATCHGATE_IMAGES names the store"
                    .into(),
            ),
            Self::Mirror { .. } => Some(
                "check that this machine reaches the recipe's `mirror` (a proxy is taken from http_proxy), and try again"
                    .into(),
            ),
            Self::DiskFull { path, .. } => Some(format!(
                "free some 3 GiB there (`patchgate image remove --unused`), or let PATCHGATE_IMAGES name a folder \
                 on another disk than {}",
                path.display()
            )),
            Self::Command { log, .. } => log
                .as_ref()
                .map(|log| format!("the whole output is in {}", log.display())),
            Self::Deadline { .. } => Some("see whether the machine or the mirror is overloaded, and try again".into()),
            Self::NotImported { .. } => Some("import the disk with `patchgate image import FILE`".into()),
            Self::Damaged(_) => Some("build it anew with `patchgate image build --rebuild NAME`".into()),
            Self::Outside(_) => Some("the recipe's path passes a symbolic link that does not end".into()),
            Self::Disk { flaw, .. } => flaw.hint().map(str::to_owned),
            Self::Copy { .. } => Some(
                "name each disk of the machine once; of a machine that has it twice (a mirror), import one, or give the copy \
                 another content there, such as by vgimportclone(8)"
                    .into(),
            ),
            Self::OtherFile { .. } => Some(OTHER_FILE.to_owned()),
            Self::Variables { .. } => Some(
                "copy it anew; a machine without it begins with an empty one, and boots from \\EFI\\BOOT".into(),
            ),
            Self::NoRoom { path, .. } => Some(format!(
                "free it there (`patchgate image remove --unused`), or let PATCHGATE_IMAGES name a folder on another disk than {}",
                path.display()
            )),
            Self::Interrupted | Self::Io { .. } | Self::Unfit { .. } => None,
        }
    }
}
