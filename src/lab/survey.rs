//! Everything that is wrong with a lab's files, however many there are and wherever they are named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::guest::families::Families;
use crate::input::finding::{Finding, Severity};
use crate::input::read::unplaced;
use crate::input::words::count;
use crate::lab::build::outlook;
use crate::lab::disk;
use crate::lab::file::Lab;
use crate::lab::lint::{lint, tally};
use crate::lab::load::{self, FILE_NAME};
use crate::lab::recipe::{self, load_os, load_role};
use crate::lab::scenario::keys::SCENARIO;
use crate::lab::scenario::load::{Loaded, load_department, load_dir, load_file};
use crate::system::file::FileError;

/// What was looked at, and what was found.
pub struct Survey<'a> {
    families: &'a Families,
    recipes: &'a dyn Fn(&Lab) -> Vec<Finding>,
    /// What is wrong, file by file.
    pub findings: Vec<Finding>,
    /// How many files were looked at.
    pub files: usize,
}

impl<'a> Survey<'a> {
    /// Of nothing yet; `families` can be updated, and `recipes` has the findings of the recipes that a lab names.
    pub fn new(families: &'a Families, recipes: &'a dyn Fn(&Lab) -> Vec<Finding>) -> Self {
        Self {
            families,
            recipes,
            findings: Vec::new(),
            files: 0,
        }
    }

    /// Looks at a lab file, a scenario, a recipe, or a folder of them.
    pub fn path(&mut self, path: &Path) {
        if path.is_dir() {
            let lab_file = path.join(FILE_NAME);
            let files = toml_files(path);
            // What is called so and is none is told, and not passed over.
            if !matches!(disk::is_file(&lab_file), Err(FileError::Missing)) {
                self.lab(&lab_file);
            } else if files.iter().any(|file| Recipe::of(file).is_some()) {
                for file in &files {
                    self.path(file);
                }
            } else if files.is_empty() {
                self.scenarios(load_dir(path), path);
            } else {
                self.scenarios(load_department(path), path);
            }
        } else if let Err(error) = disk::is_file(path) {
            self.refuse(path, &error.to_string());
        } else if is_lab_file(path) {
            self.lab(path);
        } else if let Some(recipe) = Recipe::of(path) {
            self.files += 1;
            self.findings.extend(recipe.findings(path));
        } else if is_toml(path) {
            self.scenarios(load_file(path), path);
        } else {
            self.refuse(
                path,
                "is no lab file, recipe or scenario; what scenarios are in is called .toml",
            );
        }
    }

    fn refuse(&mut self, path: &Path, problem: &str) {
        let finding = unplaced(format!("{}: {problem}", path.display()));
        self.findings.push(finding.with_hint(WANTED));
    }

    /// Looks at a lab and all that it names. The lab is there where its file is right.
    pub fn lab(&mut self, path: &Path) -> Option<(Lab, Loaded)> {
        self.files += 1;
        let lab = match load::load(path) {
            Ok(lab) => lab,
            Err(findings) => {
                self.findings.extend(findings);
                // The usual folder: mistakes in scenarios need not wait until those in the lab file are mended.
                let folder = path.parent().unwrap_or(Path::new("")).join("scenarios");
                if folder.is_dir() {
                    let loaded = load_dir(&folder);
                    self.files += loaded.read;
                    self.findings.extend(loaded.findings);
                }
                return None;
            }
        };
        let loaded = load_dir(&lab.dir.join(lab.file.lab.scenarios.get_ref()));
        self.files += loaded.read + recipe_paths(&lab).len();
        let linted = lint(&lab, &loaded.files, &loaded.broken, self.families);
        // What each file has right may still be more than one plan can hold.
        if let (0, Ok(scenarios)) = (tally(&linted).0, loaded.scenarios()) {
            self.findings.extend(outlook(&lab, &scenarios));
        }
        let recipes = (self.recipes)(&lab)
            .into_iter()
            .filter(|finding| !is_echo(finding, &linted));
        let recipes: Vec<Finding> = recipes.collect();
        self.findings.extend(linted);
        self.findings.extend(recipes);
        self.findings.extend(loaded.findings.iter().cloned());
        Some((lab, loaded))
    }

    fn scenarios(&mut self, loaded: Loaded, path: &Path) {
        if loaded.read == 0 && loaded.findings.is_empty() {
            self.refuse(path, "has no lab file and no scenario");
        }
        self.files += loaded.read;
        self.findings.extend(loaded.findings);
    }

    /// Whether nothing is wrong; there may be warnings.
    pub fn is_right(&self) -> bool {
        tally(&self.findings).0 == 0
    }

    /// How much is wrong, in a line: `2 errors, 1 warning in 3 files`.
    pub fn summary(&self) -> String {
        let (errors, warnings) = tally(&self.findings);
        let files = count(self.files, "file");
        match (errors, warnings) {
            (0, 0) => format!("ok: {files}"),
            (0, warnings) => format!("ok: {} in {files}", count(warnings, "warning")),
            (errors, 0) => format!("{} in {files}", count(errors, "error")),
            (errors, warnings) => {
                format!(
                    "{}, {} in {files}",
                    count(errors, "error"),
                    count(warnings, "warning")
                )
            }
        }
    }
}

/// Whether what keeps an image from being defined is told of the same place already, as an error of the lab file's.
fn is_echo(finding: &Finding, told: &[Finding]) -> bool {
    let at = |finding: &Finding| {
        let place = finding.place.as_ref()?;
        Some((place.source.path.clone(), place.span.start))
    };
    let errors = told.iter().filter(|told| told.severity == Severity::Error);
    at(finding).is_some_and(|place| errors.filter_map(at).any(|told| told == place))
}

/// What can be looked at.
const WANTED: &str = "name a lab file, a scenario, a recipe, or a folder of them";

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// The recipes that a lab names, each once.
fn recipe_paths(lab: &Lab) -> BTreeSet<&Path> {
    let builds = lab.file.image.values().filter_map(|image| image.build.as_ref());
    let recipes = lab.file.role.values().filter_map(|role| role.recipe.as_ref());
    builds
        .chain(recipes)
        .map(|path| path.get_ref().as_path())
        .collect()
}

/// The TOML files of a folder, in their order.
fn toml_files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_file() && is_toml(path)).collect()
}

/// What a recipe is of.
enum Recipe {
    /// An OS version.
    Os,
    /// A role.
    Role,
}

impl Recipe {
    /// Which recipe a file is, by the keys that it has; `None` where it is none.
    fn of(path: &Path) -> Option<Self> {
        let source = disk::source(path, load::LIMIT).ok()?;
        let mut in_table = false;
        let names = source.text.lines().filter_map(|line| {
            let line = line.trim();
            if line.starts_with('[') {
                in_table = true;
                return line.trim_start_matches('[').split([']', '.']).next();
            }
            let (name, _) = line.split_once('=').filter(|_| !in_table)?;
            Some(name.trim())
        });
        let names: BTreeSet<&str> = names.collect();
        let has = |keys: &[&str]| keys.iter().any(|key| names.contains(key));
        let (mut of_os, of_role) = (recipe::keys::OS.names(), recipe::keys::ROLE.names());
        of_os.retain(|key| !of_role.contains(key));
        match (has(&SCENARIO.names()), has(&of_os), has(&of_role)) {
            (false, true, _) => Some(Self::Os),
            (false, false, true) => Some(Self::Role),
            (true, _, _) | (false, false, false) => None,
        }
    }

    fn findings(&self, path: &Path) -> Vec<Finding> {
        match self {
            Self::Os => load_os(path).err(),
            Self::Role => load_role(path).err(),
        }
        .unwrap_or_default()
    }
}

/// Whether a file is a lab file: by its name, or by a section that only lab files have.
fn is_lab_file(path: &Path) -> bool {
    if path.file_name().is_some_and(|name| name == FILE_NAME) {
        return true;
    }
    disk::source(path, load::LIMIT).is_ok_and(|source| {
        source.text.lines().any(|line| {
            let line = line.trim();
            line == "[lab]" || line.starts_with("[group.")
        })
    })
}
