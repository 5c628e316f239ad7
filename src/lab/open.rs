//! The road from a lab's files to its plan: the lab file that is meant, what is right about it and all that it names, and the plan
//! that is built of that. What the image store has is handed in.

use std::io;
use std::path::{Path, PathBuf};

use crate::guest::families::Families;
use crate::input::finding::Finding;
use crate::lab::build::{ImageChoice, build_selected};
use crate::lab::disk;
use crate::lab::file::Lab;
use crate::lab::load::{self, FILE_NAME};
use crate::lab::scenario::files::Contents;
use crate::lab::select::Selection;
use crate::lab::survey::Survey;
use crate::model::plan::Plan;
use crate::model::scenario::Scenario;
use crate::system::file::FileError;

/// Why a lab cannot be used as it was asked for; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Where to look for a lab file cannot be told.
    #[error("the current folder cannot be read: {0}")]
    Nowhere(io::Error),
    /// There is no lab file.
    #[error("no {FILE_NAME} in {} or a folder above it", .0.display())]
    NoLab(PathBuf),
    /// What is called like a lab file is none, and the one of a folder above is not meant.
    #[error("{}: {problem}, so there is no lab file to be used", path.display())]
    NoFile {
        /// What is called so.
        path: PathBuf,
        /// What it is instead.
        problem: String,
    },
    /// The lab file itself is wrong.
    #[error("{}: cannot be used as a lab file; nothing was started", path.display())]
    NotALab {
        /// The lab file.
        path: PathBuf,
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// The lab file is wrong, or what it names.
    #[error("{}: {summary}; nothing was started", path.display())]
    Wrong {
        /// The lab file.
        path: PathBuf,
        /// How much is wrong.
        summary: String,
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// Each file is right, and what was asked for cannot be planned of them.
    #[error("{}: cannot be planned; nothing was started", path.display())]
    NotPlanned {
        /// The lab file.
        path: PathBuf,
        /// What is wrong.
        findings: Vec<Finding>,
    },
}

impl Refused {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoLab(_) => Some("`patchgate init` writes one; run patchgate in the lab's folder"),
            Self::NoFile { .. } => {
                Some("put the lab file there, or take it away; or name the one that is meant with --lab")
            }
            Self::NotALab { .. } => Some("`patchgate check` lints the whole lab"),
            Self::Nowhere(_) | Self::Wrong { .. } | Self::NotPlanned { .. } => None,
        }
    }

    /// What is wrong in files, if that is the matter.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::NotALab { findings, .. }
            | Self::Wrong { findings, .. }
            | Self::NotPlanned { findings, .. } => findings,
            Self::Nowhere(_) | Self::NoLab(_) | Self::NoFile { .. } => &[],
        }
    }
}

/// The lab file that is meant: the one that is given, or that of the current folder or of the nearest above it that has one.
///
/// # Errors
/// None is given, and there is none.
pub fn find(given: Option<&Path>) -> Result<PathBuf, Refused> {
    match given {
        // A lab's folder stands for the file in it.
        Some(path) if path.is_dir() => Ok(path.join(FILE_NAME)),
        Some(path) => Ok(path.to_owned()),
        None => find_in(&std::env::current_dir().map_err(Refused::Nowhere)?),
    }
}

/// The lab file of a folder or of the nearest of its parents that has one. What is called so and is no file, or cannot be looked
/// at, is not passed over: the lab above it is another.
fn find_in(folder: &Path) -> Result<PathBuf, Refused> {
    for path in folder.ancestors().map(|folder| folder.join(FILE_NAME)) {
        let problem = match disk::is_file(&path) {
            Ok(()) => return Ok(path),
            Err(FileError::Missing) => continue,
            Err(error) => error.to_string(),
        };
        return Err(Refused::NoFile { path, problem });
    }
    Err(Refused::NoLab(folder.to_owned()))
}

/// A lab that was found right, with its scenarios.
#[derive(Debug)]
pub struct Checked {
    /// The lab file.
    pub lab: Lab,
    /// Its scenarios.
    pub scenarios: Vec<Scenario>,
    /// What the files hold that they use.
    pub contents: Contents,
    /// What is likely not meant as it is written.
    pub warnings: Vec<Finding>,
}

impl Lab {
    /// Loads a lab file alone.
    ///
    /// # Errors
    /// It is wrong.
    pub fn load(path: &Path) -> Result<Self, Refused> {
        load::load(path).map_err(|findings| Refused::NotALab {
            path: path.to_owned(),
            findings,
        })
    }

    /// Loads and lints a lab file and its scenarios, for guests of these families. Recipes are looked at once images are asked for.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn open(path: &Path, families: &Families) -> Result<Checked, Refused> {
        let mut survey = Survey::new(families, &|_| Vec::new());
        match survey.lab(path) {
            Some((lab, loaded)) if survey.is_right() => Ok(Checked {
                lab,
                contents: loaded.contents,
                scenarios: loaded.files.into_iter().map(|file| file.scenario).collect(),
                warnings: survey.findings,
            }),
            _ => Err(Refused::Wrong {
                path: path.to_owned(),
                summary: survey.summary(),
                findings: survey.findings,
            }),
        }
    }
}

impl Checked {
    /// Plans the cells that a selection takes; `images` are what the catalogue has for the OS versions and roles of the lab.
    ///
    /// # Errors
    /// A cell cannot be planned, or the selection takes none.
    pub fn plan(&self, selection: Option<&Selection>, images: &[ImageChoice]) -> Result<Plan, Refused> {
        build_selected(&self.lab, &self.scenarios, images, selection)
            .map_err(|findings| self.refused(findings))
    }

    /// That it cannot be planned because of this.
    pub fn refused(&self, findings: Vec<Finding>) -> Refused {
        Refused::NotPlanned {
            path: self.lab.source.path.clone(),
            findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_called_like_a_lab_file_and_is_none_hides_no_other() {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("folder");
        let (outer, path) = (folder.path().join(FILE_NAME), inner.join(FILE_NAME));
        fs::write(&outer, "").expect("write");
        assert_eq!(find_in(&inner).expect("the one above"), outer);
        fs::create_dir(&path).expect("folder");
        let told = |why: &str| {
            let error = find_in(&inner).expect_err(why).to_string();
            let named = format!("{}: {why}", path.display());
            assert!(error.starts_with(&named), "{error}");
        };
        told("is not a file");
        fs::remove_dir(&path).expect("remove");
        symlink("nowhere", &path).expect("link");
        told("is a link to what is not there");
        fs::remove_file(&path).expect("remove");
        symlink("../patchgate.toml", &path).expect("link");
        assert_eq!(find_in(&inner).expect("a link to a file"), path);
    }
}
