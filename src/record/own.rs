//! Whether what is kept of runs is the caller's own, so that nobody else can have written it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::system::user;

/// What is not the caller's own.
#[derive(Debug, thiserror::Error)]
#[error("{}: not taken for what patchgate wrote: {problem}", path.display())]
pub struct NotOwn {
    /// The folder or file.
    pub path: PathBuf,
    /// Why not.
    pub problem: Problem,
}

/// Why something is not the caller's own.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be looked at.
    #[error("it cannot be looked at: {0}")]
    Hidden(io::Error),
    /// It is a link, and what it leads to may be anybody's.
    #[error("it is no {0}, but a link")]
    Link(&'static str),
    /// It is something else.
    #[error("it is no {0}")]
    Other(&'static str),
    /// Somebody else owns it.
    #[error("it belongs to user {owner}, and patchgate is called by {caller}")]
    Owner {
        /// Who does.
        owner: u32,
        /// Who calls.
        caller: u32,
    },
    /// Others may write to it.
    #[error("others may write to it (mode {0:04o})")]
    Writable(u32),
}

impl NotOwn {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let path = self.path.display();
        match &self.problem {
            Problem::Hidden(_) => "set PATCHGATE_STATE to a folder that you may read".to_owned(),
            Problem::Link(what) => format!("put the {what} itself there"),
            Problem::Other(what) => format!("take it away: a {what} of that name is patchgate's to make"),
            Problem::Owner { caller, .. } => {
                format!("if nobody has changed what is in it: `chown {caller} {path}`; else take it away")
            }
            Problem::Writable(_) => {
                format!("if nobody has changed what is in it: `chmod go-w {path}`; else take it away")
            }
        }
    }
}

/// Whether a folder is the caller's own and nobody else can write to it. One that is not there is nobody's.
///
/// # Errors
/// It is not.
pub fn folder(path: &Path) -> Result<(), NotOwn> {
    own(path, "folder", Metadata::is_dir)
}

/// The same of a file.
pub fn file(path: &Path) -> Result<(), NotOwn> {
    own(path, "file", Metadata::is_file)
}

fn own(path: &Path, what: &'static str, is_it: fn(&Metadata) -> bool) -> Result<(), NotOwn> {
    let not = |problem| {
        Err(NotOwn {
            path: path.to_owned(),
            problem,
        })
    };
    let about = match path.symlink_metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return not(Problem::Hidden(error)),
    };
    let (owner, caller) = (about.uid(), user::id());
    if about.is_symlink() {
        not(Problem::Link(what))
    } else if !is_it(&about) {
        not(Problem::Other(what))
    } else if owner != caller {
        not(Problem::Owner { owner, caller })
    } else if about.mode() & 0o022 != 0 {
        not(Problem::Writable(about.mode() & 0o7777))
    } else {
        Ok(())
    }
}
