//! Reading the folder of scenarios, `scenarios/<department>/<name>.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::input::finding::{Finding, Severity};
use crate::input::read::unplaced;
use crate::input::words::show;
use crate::lab::disk;
use crate::lab::scenario::files;
use crate::lab::scenario::parse::{self, ScenarioFile};
use crate::model::scenario::Scenario;

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

    fn take(&mut self, path: &Path) {
        let (department, stem) = match name_of(path) {
            Ok(name) => name,
            Err(finding) => return self.findings.push(finding),
        };
        self.read += 1;
        let name = format!("{department}/{stem}");
        let (mut file, mut findings) = match disk::source(path, FILE_LIMIT) {
            Ok(source) => parse::parse(&department, &stem, &source),
            Err(finding) => (None, vec![finding]),
        };
        if let Some(read) = &mut file {
            let problems = files::pin(read, path.parent().unwrap_or(Path::new(".")));
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
    loaded.take(path);
    loaded
}

/// Loads `<dir>/<department>/*.toml`. A folder that is not there has no scenarios, which the plan's lint tells.
pub fn load_dir(dir: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    let root = match dir.canonicalize() {
        Ok(root) if root.is_dir() => root,
        Ok(_) => {
            loaded.refuse(
                dir,
                "is not a folder",
                "scenarios are kept as scenarios/<department>/<name>.toml",
            );
            return loaded;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return loaded,
        Err(error) => {
            loaded.refuse(
                dir,
                format_args!("the folder of scenarios cannot be read: {error}"),
                "make it readable, or name another with `scenarios` below [lab]",
            );
            return loaded;
        }
    };
    let mut files = Vec::new();
    for entry in entries(&mut loaded, dir) {
        if entry.is_dir() {
            if is_inside(&mut loaded, &root, &entry) {
                files.extend(toml_files(&mut loaded, &root, &entry));
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
    let Ok(root) = dir.canonicalize() else {
        loaded.refuse(dir, "cannot be read", "name a folder that there is");
        return loaded;
    };
    let files = toml_files(&mut loaded, &root, dir);
    load_all(loaded, dir, &files)
}

fn load_all(mut loaded: Loaded, dir: &Path, files: &[PathBuf]) -> Loaded {
    if files.len() > FILES_LIMIT {
        let problem = format!("holds {} scenarios; at most {FILES_LIMIT} are taken", files.len());
        loaded.refuse(dir, problem, "is this the folder that was meant?");
        return loaded;
    }
    for path in files {
        loaded.take(path);
    }
    loaded.files.sort_by(|a, b| a.scenario.name.cmp(&b.scenario.name));
    loaded
}

/// The scenario files of a department's folder, sorted.
fn toml_files(loaded: &mut Loaded, root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in entries(loaded, folder) {
        if entry.is_dir() {
            // Files that scripts use may stand in one.
            if entries(loaded, &entry).iter().any(|path| is_toml(path)) {
                loaded.refuse(
                    &entry,
                    "a folder inside a department's is not read",
                    "move its scenarios up, or give it a department of its own",
                );
            }
        } else if is_toml(&entry) && is_inside(loaded, root, &entry) {
            files.push(entry);
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

/// Whether a path stays in the folder once links are followed: a department submits files, not ways to read others'.
fn is_inside(loaded: &mut Loaded, root: &Path, path: &Path) -> bool {
    match path.canonicalize() {
        Ok(real) if real.starts_with(root) => true,
        Ok(_) => {
            loaded.refuse(
                path,
                "is a link that leaves the folder of scenarios",
                "put the file itself there",
            );
            false
        }
        Err(error) => {
            loaded.refuse(
                path,
                format_args!("cannot be read: {error}"),
                "repair the link or remove it",
            );
            false
        }
    }
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
