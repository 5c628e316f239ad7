//! Loading the lab file.

use std::path::{Path, PathBuf};

use crate::input::decode;
use crate::input::finding::{Finding, Severity, Source};
use crate::input::read::Reader;
use crate::input::words::{self, nearest, show};
use crate::lab::file::Lab;
use crate::lab::keys::LAB_FILE;
use crate::lab::{disk, sections};

/// The lab file's name.
pub const FILE_NAME: &str = "patchgate.toml";

/// Bytes of a lab file.
pub const LIMIT: u64 = 1024 * 1024;

/// Entries of a folder that are looked at for a name that was meant.
const FOLDER_LIMIT: usize = 1000;

/// Loads a lab file; recipes that it names exist.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file; never empty.
pub fn load(path: &Path) -> Result<Lab, Vec<Finding>> {
    let source = disk::source(path, LIMIT).map_err(|finding| vec![finding])?;
    let dir = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let lab = parse(source, dir)?;
    let missing = missing_recipes(&lab);
    if missing.is_empty() { Ok(lab) } else { Err(missing) }
}

/// Parses a lab file's text; looks at no other file.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file; never empty.
pub fn parse(source: Source, dir: PathBuf) -> Result<Lab, Vec<Finding>> {
    let table = decode::table(&source)?;
    let mut reader = Reader::new(&source);
    let root = reader.enter("the lab file", 0..0, &LAB_FILE, table.get_ref());
    let file = sections::read(&mut reader, &root);
    let findings = reader.finish();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(findings);
    }
    Ok(Lab { source, dir, file })
}

/// The recipes that a lab file names and that are not there.
fn missing_recipes(lab: &Lab) -> Vec<Finding> {
    let builds = lab
        .file
        .image
        .iter()
        .map(|(name, image)| (name, image.build.as_ref()));
    let recipes = lab
        .file
        .role
        .iter()
        .map(|(name, role)| (name, role.recipe.as_ref()));
    let mut findings: Vec<Finding> = builds
        .map(|(name, path)| ("image", name, path))
        .chain(recipes.map(|(name, path)| ("role", name, path)))
        .filter_map(|(what, name, path)| {
            let path = path?;
            let full = lab.dir.join(path.get_ref());
            if full.is_file() {
                return None;
            }
            let message = format!(
                "the recipe of {what} {} is not there: {}",
                show(name.get_ref()),
                show(&full.display().to_string())
            );
            Some(
                Finding::error(&lab.source, path.span(), message)
                    .with_hint(neighbours(&lab.dir, path.get_ref())),
            )
        })
        .collect();
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    findings
}

/// A hint towards the recipes that are in the folder of one that is not.
fn neighbours(dir: &Path, path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let Ok(entries) = std::fs::read_dir(dir.join(folder)) else {
        return "the path is relative to the lab file's folder, and its folder is not there either".into();
    };
    let mut stems: Vec<String> = entries
        .take(FOLDER_LIMIT)
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    stems.sort();
    let full = |stem: &str| folder.join(format!("{stem}.toml")).display().to_string();
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if let Some(near) = nearest(stem, stems.iter().map(String::as_str)) {
        return format!("did you mean {}?", show(&full(near)));
    }
    let all: Vec<String> = stems.iter().map(|stem| full(stem)).collect();
    format!("recipes there: {}", words::list(all.iter().map(String::as_str)))
}
