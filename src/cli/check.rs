//! `patchgate check`: everything that is wrong with lab file, recipes and scenarios, before anything is started.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::error::UserError;
use crate::exit_code;
use crate::guest::families::Families;
use crate::input::finding as error;
use crate::input::finding::{Finding, Severity};
use crate::input::read::unplaced;
use crate::input::words::count;
use crate::lab::file::Lab;
use crate::lab::lint::{lint, tally};
use crate::lab::load::{self, FILE_NAME};
use crate::lab::scenario::load::{Loaded, load_department, load_dir, load_file};
use crate::model::scenario::Scenario;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Lab files, scenario files, or folders of them; the lab of the current folder unless given
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How the findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// A form of output, for a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person
    Text,
    /// For a program
    Json,
}

/// A lab that can be planned.
#[derive(Debug)]
pub struct Inputs {
    /// The lab file.
    pub lab: Lab,
    /// Its scenarios.
    pub scenarios: Vec<Scenario>,
    /// What is likely not meant as it is written.
    pub warnings: Vec<Finding>,
}

/// Loads and lints a lab file and its scenarios.
///
/// # Errors
/// All findings, at least one of them an error.
pub fn inputs(lab_file: &Path) -> Result<Inputs, UserError> {
    let mut checked = Checked::default();
    let lab = checked.lab(lab_file, &|_| Vec::new());
    let (errors, _) = tally(&checked.findings);
    match lab {
        Some((lab, loaded)) if errors == 0 => Ok(Inputs {
            lab,
            scenarios: loaded.files.into_iter().map(|file| file.scenario).collect(),
            warnings: checked.findings,
        }),
        _ => {
            let message = format!(
                "{}: {}; nothing was started",
                lab_file.display(),
                checked.summary()
            );
            Err(UserError::findings(message, checked.findings))
        }
    }
}

/// What `check` has to say, and the exit code. `lab_file` finds the lab where no path is given; `recipes` has the
/// findings of the recipes that a lab names.
///
/// # Errors
/// No path is given and there is no lab.
pub fn run(
    args: &CheckArgs,
    colour: bool,
    lab_file: impl FnOnce() -> Result<PathBuf, UserError>,
    recipes: &dyn Fn(&Lab) -> Vec<Finding>,
) -> Result<(String, u8), UserError> {
    let mut checked = Checked::default();
    if args.paths.is_empty() {
        checked.lab(&lab_file()?, recipes);
    }
    for path in &args.paths {
        checked.path(path, recipes);
    }
    let (errors, _) = tally(&checked.findings);
    let exit = if errors == 0 {
        exit_code::OPEN
    } else {
        exit_code::USAGE
    };
    let text = match args.format {
        Format::Text => checked.text(colour),
        Format::Json => checked.json()?,
    };
    Ok((text, exit))
}

/// What was looked at and found.
#[derive(Debug, Default)]
struct Checked {
    findings: Vec<Finding>,
    files: usize,
}

impl Checked {
    fn path(&mut self, path: &Path, recipes: &dyn Fn(&Lab) -> Vec<Finding>) {
        if path.is_dir() {
            let lab_file = path.join(FILE_NAME);
            if lab_file.is_file() {
                self.lab(&lab_file, recipes);
            } else if has_toml(path) {
                self.scenarios(load_department(path), path);
            } else {
                self.scenarios(load_dir(path), path);
            }
        } else if is_lab_file(path) {
            self.lab(path, recipes);
        } else {
            self.scenarios(load_file(path), path);
        }
    }

    /// Findings of a lab and all that it names. The lab is there where its file is right.
    fn lab(&mut self, path: &Path, recipes: &dyn Fn(&Lab) -> Vec<Finding>) -> Option<(Lab, Loaded)> {
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
        self.findings
            .extend(lint(&lab, &loaded.files, &loaded.broken, &Families::default()));
        self.findings.extend(recipes(&lab));
        self.findings.extend(loaded.findings.iter().cloned());
        Some((lab, loaded))
    }

    fn scenarios(&mut self, loaded: Loaded, path: &Path) {
        if loaded.read == 0 && loaded.findings.is_empty() {
            let finding = unplaced(format!("{}: has no lab file and no scenario", path.display()));
            self.findings
                .push(finding.with_hint("name a lab file, a scenario file, or a folder of either"));
        }
        self.files += loaded.read;
        self.findings.extend(loaded.findings);
    }

    fn summary(&self) -> String {
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

    fn text(&self, colour: bool) -> String {
        let mut text: String = self
            .findings
            .iter()
            .map(|finding| error::draw(finding, colour) + "\n")
            .collect();
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn json(&self) -> Result<String, UserError> {
        let rows: Vec<Row<'_>> = self.findings.iter().map(Row::of).collect();
        let text = serde_json::to_string_pretty(&rows)
            .map_err(|error| UserError::usage(format!("the findings cannot be written as JSON: {error}")))?;
        Ok(text + "\n")
    }
}

/// A finding for a program.
#[derive(Debug, Serialize)]
struct Row<'a> {
    severity: Severity,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(finding: &'a Finding) -> Self {
        let place = finding.place.as_ref();
        let at = place.map(|place| place.source.line_column(place.span.start));
        Self {
            severity: finding.severity,
            file: place.map(|place| place.source.path.display().to_string()),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            message: &finding.message,
            hint: finding.hint.as_deref(),
        }
    }
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

fn has_toml(folder: &Path) -> bool {
    let is_toml =
        |path: &Path| path.is_file() && path.extension().is_some_and(|extension| extension == "toml");
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| is_toml(&entry.path())))
}

/// Whether a file is a lab file: by its name, or by a section that only lab files have.
fn is_lab_file(path: &Path) -> bool {
    if path.file_name().is_some_and(|name| name == FILE_NAME) {
        return true;
    }
    let source = crate::lab::disk::source(path, load::LIMIT);
    source.is_ok_and(|source| {
        source.text.lines().any(|line| {
            let line = line.trim();
            line == "[lab]" || line.starts_with("[group.")
        })
    })
}
