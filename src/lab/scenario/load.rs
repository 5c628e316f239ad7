//! Reading the folder of scenarios, `scenarios/<department>/<name>.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::input::finding::{Finding, Severity};
use crate::input::read::unplaced;
use crate::input::words::{nearest, show};
use crate::lab::disk;
use crate::lab::scenario::files::{self, Contents};
use crate::lab::scenario::parse::{self, ScenarioFile};
use crate::model::scenario::Scenario;
use crate::system::file::{FileError, Folder};

/// Bytes of one scenario file.
pub const FILE_LIMIT: u64 = 256 * 1024;

/// Scenario files of one lab.
pub const FILES_LIMIT: usize = 1000;

/// Entries of one folder that are looked at.
const ENTRY_LIMIT: usize = 10_000;

/// Everything that was read of a folder of scenarios.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The scenarios that are right, sorted by name.
    pub files: Vec<ScenarioFile>,
    /// Names of those that are not: they exist, so nobody is to be told that they do not.
    pub broken: BTreeSet<String>,
    /// What the files hold that scenarios use.
    pub contents: Contents,
    /// What is wrong, by file.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub read: usize,
}

impl Loaded {
    /// The scenarios.
    ///
    /// # Errors
    /// All findings, where one of them is an error.
    pub fn scenarios(&self) -> Result<Vec<Scenario>, Vec<Finding>> {
        if self
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            return Err(self.findings.clone());
        }
        Ok(self.files.iter().map(|file| file.scenario.clone()).collect())
    }

    fn refuse(&mut self, path: &Path, problem: impl std::fmt::Display, hint: &str) {
        let finding = unplaced(format!("{}: {problem}", path.display()));
        self.findings.push(finding.with_hint(hint));
    }

    /// That a folder of a department, or of all, is not read.
    fn refuse_folder(&mut self, path: &Path, error: &FileError) {
        let hint = match error {
            FileError::Link => "put the folder itself there",
            FileError::NotAFolder => "scenarios are kept as scenarios/<department>/<name>.toml",
            FileError::Missing | FileError::Dangling => "name a folder that there is",
            FileError::Io(_) | FileError::NotAFile | FileError::Outside | FileError::TooLarge(_) => {
                "make it readable, or name another with `scenarios` below [lab]"
            }
        };
        self.refuse(path, error, hint);
    }

    /// Reads a scenario of a department's folder, which holds the file of that path.
    fn take(&mut self, folder: &Folder, path: &Path) {
        let (department, stem) = match name_of(path) {
            Ok(name) => name,
            Err(finding) => return self.findings.push(finding),
        };
        self.read += 1;
        let name = format!("{department}/{stem}");
        let file_name = Path::new(path.file_name().unwrap_or_default());
        let (mut file, mut findings) = match disk::source_in(folder, file_name, path, FILE_LIMIT) {
            Ok(source) => parse::parse(&department, &stem, &source),
            Err(finding) => (None, vec![finding]),
        };
        if let Some(read) = &mut file {
            let problems = files::pin(read, folder, &mut self.contents);
            if !problems.is_empty() {
                findings.extend(problems);
                file = None;
            }
        }
        self.findings.extend(findings);
        match file {
            Some(file) => self.files.push(file),
            None => {
                self.broken.insert(name);
            }
        }
    }
}

/// Loads one scenario file; its folder's name is the department.
pub fn load_file(path: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    match Folder::open(path.parent().unwrap_or(Path::new(""))) {
        Ok(folder) => loaded.take(&folder, path),
        Err(error) => loaded.refuse_folder(path, &error),
    }
    loaded
}

/// Loads `<dir>/<department>/*.toml`. A folder that is not there has no scenarios, which the plan's lint tells.
pub fn load_dir(dir: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    let root = match Folder::open(dir) {
        Ok(root) => root,
        Err(FileError::Missing) => return loaded,
        Err(error) => {
            loaded.refuse_folder(dir, &error);
            return loaded;
        }
    };
    let mut files = Vec::new();
    for entry in entries(&mut loaded, dir) {
        if entry.is_dir() {
            match root.folder(Path::new(entry.file_name().unwrap_or_default())) {
                Ok(folder) => {
                    let folder = Rc::new(folder);
                    let names = toml_files(&mut loaded, &entry);
                    files.extend(names.into_iter().map(|path| (Rc::clone(&folder), path)));
                }
                Err(error) => loaded.refuse_folder(&entry, &error),
            }
        } else if is_toml(&entry) {
            loaded.refuse(
                &entry,
                "a scenario belongs to a department",
                "move it into a folder with the department's name: scenarios/<department>/<name>.toml",
            );
        }
    }
    load_all(loaded, dir, &files)
}

/// Loads `*.toml` of one department's folder.
pub fn load_department(dir: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    let folder = match Folder::open(dir) {
        Ok(folder) => Rc::new(folder),
        Err(error) => {
            loaded.refuse_folder(dir, &error);
            return loaded;
        }
    };
    let names = toml_files(&mut loaded, dir);
    let files: Vec<_> = names.into_iter().map(|path| (Rc::clone(&folder), path)).collect();
    load_all(loaded, dir, &files)
}

fn load_all(mut loaded: Loaded, dir: &Path, files: &[(Rc<Folder>, PathBuf)]) -> Loaded {
    if files.len() > FILES_LIMIT {
        let problem = format!("holds {} scenarios; at most {FILES_LIMIT} are taken", files.len());
        loaded.refuse(dir, problem, "is this the folder that was meant?");
        return loaded;
    }
    for (folder, path) in files {
        loaded.take(folder, path);
    }
    loaded.files.sort_by(|a, b| a.scenario.name.cmp(&b.scenario.name));
    loaded
}

/// The scenario files of a department's folder, sorted.
fn toml_files(loaded: &mut Loaded, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in entries(loaded, folder) {
        if entry.symlink_metadata().is_ok_and(|about| about.is_dir()) {
            // Files that scripts use may stand in one.
            if entries(loaded, &entry).iter().any(|path| is_toml(path)) {
                loaded.refuse(
                    &entry,
                    "a folder inside a department's is not read",
                    "move its scenarios up, or give it a department of its own",
                );
            }
        } else if is_toml(&entry) {
            files.push(entry);
        } else if is_misspelt(&entry) {
            let finding = Finding {
                severity: Severity::Warning,
                ..unplaced(format!(
                    "{}: is not read: scenarios are called .toml",
                    entry.display()
                ))
            };
            loaded
                .findings
                .push(finding.with_hint("give it the ending .toml, or another where it is none"));
        }
    }
    files
}

/// A folder's entries, sorted, without hidden ones.
fn entries(loaded: &mut Loaded, folder: &Path) -> Vec<PathBuf> {
    let listed =
        fs::read_dir(folder).and_then(|entries| entries.take(ENTRY_LIMIT + 1).collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(entries) if entries.len() > ENTRY_LIMIT => {
            let problem = format!("holds more than {ENTRY_LIMIT} entries");
            loaded.refuse(folder, problem, "is this the folder that was meant?");
            return Vec::new();
        }
        Ok(entries) => entries.iter().map(fs::DirEntry::path).collect(),
        Err(error) => {
            loaded.refuse(
                folder,
                format_args!("cannot be read: {error}"),
                "make it readable",
            );
            return Vec::new();
        }
    };
    paths.retain(|path| {
        !path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    });
    paths.sort();
    paths
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// Whether a file was likely to be called a scenario; an editor's copy was not.
fn is_misspelt(path: &Path) -> bool {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    !ending.ends_with('~') && nearest(ending, ["toml"]).is_some()
}

/// Department and file stem.
fn name_of(path: &Path) -> Result<(String, String), Finding> {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let part = |part: Option<&std::ffi::OsStr>, what: &str| {
        let text = part
            .map(|part| part.to_string_lossy().into_owned())
            .unwrap_or_default();
        if is_right(&text) {
            return Ok(text);
        }
        let problem = format!(
            "{}: {} cannot be the name of a {what}",
            path.display(),
            show(&text)
        );
        Err(unplaced(problem)
            .with_hint("use lower-case letters, digits, and `.`, `_` or `-` after the first; at most 40"))
    };
    let department = part(full.parent().and_then(Path::file_name), "department")?;
    Ok((department, part(full.file_stem(), "scenario")?))
}

fn is_right(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 40
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}
